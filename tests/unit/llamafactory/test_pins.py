"""The pins: as shipped, as an installed LLaMA-Factory states them, and what they allow."""

from __future__ import annotations

from importlib import metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.llamafactory import pins

PINS = pins.read_pins(pins.REQUIRES)


@pytest.mark.parametrize(
    ("name", "version", "good"),
    [
        ("transformers", "5.6.0", True),
        ("transformers", "5.6.1", False),
        ("transformers", "4.57.0", False),
        ("transformers", "4.57.1", True),
        ("datasets", "4.0.0", True),
        ("datasets", "4.1.0", False),
        ("torch", "2.13.0+cpu", True),
        ("torch", "2.3.1", False),
        ("torch", "2.14.0.dev20261101+cu130", True),
        ("trl", "0.24.0", True),
        ("Sse_Starlette", "1", True),
        ("unsloth", "unknown", True),
        ("transformers", "unknown", False),
    ],
)
def test_a_version_is_allowed_or_not(name: str, version: str, good: bool) -> None:
    assert pins.check_version(name, version, PINS) is good


def test_the_wanted_text_gives_the_lower_limit_first() -> None:
    assert pins.wanted_text("transformers", PINS) == ">=4.55.0,<=5.6.0,!=4.52.0,!=4.57.0"
    assert pins.wanted_text("einops", PINS) == ""
    assert pins.wanted_text("unsloth", PINS) == ""


def test_lines_of_extras_other_platforms_and_broken_ones_are_left_out() -> None:
    lines = [
        "a>=1",
        'b>=1; extra == "webui"',
        'c>=1; sys_platform == "amiga"',
        "this is: no requirement",
        "A<3",
    ]
    assert {name: str(asked) for name, asked in pins.read_pins(lines).items()} == {"a": "<3,>=1"}


@given(st.text(max_size=30))
def test_no_version_whatever_it_is_breaks_the_check(version: str) -> None:
    assert pins.check_version("datasets", version, PINS) in (True, False)


def test_what_starts_is_no_stricter_than_what_is_asked() -> None:
    for name, version in (("transformers", "5.6.0"), ("datasets", "4.0.0"), ("accelerate", "1.11.0")):
        assert pins.check_version(name, version, pins.read_pins(pins.STARTS_WITH))
    assert {pins.normal_name(name) for name in pins.NEEDED} <= set(PINS)


@pytest.mark.real
def test_the_shipped_pins_are_those_of_the_installed_llamafactory() -> None:
    assert metadata.version("llamafactory") == pins.VERSION
    assert pins.read_pins(metadata.requires("llamafactory") or []) == PINS
