"""Names of a stranger's repository: refused where any system would bend them, and shown harmlessly."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.hub.names import shown, unsafe_names

HANGUL = "\ubbfc\uc6d0"


@pytest.mark.parametrize(
    "name",
    [
        "a/../b",
        "/a",
        "a//b",
        ".git/x",
        ".Git/x",
        "GIT~1/x",
        ".CACHE/x",
        "con",
        "Nul.txt",
        "x/COM1.json",
        "lpt¹",
        "aux .txt",
        "CONIN$",
        "a.",
        "a /b",
        "a:b",
        "a\\b",
        "a\x1b]0;x\x07",
        "a\nb",
        "a\x7f",
        "a\x85",
        "a\u202eb",
        "a\u200bb",
    ],
)
def test_a_name_that_some_system_bends_is_found_and_shown_escaped(name: str) -> None:
    (finding,) = unsafe_names("mill/odd", [name, "config.json"])
    assert finding.id == "hub.unsafe-name"
    assert str(finding).isprintable()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("README.md", "readme.MD"),
        (HANGUL, unicodedata.normalize("NFD", HANGUL)),
        ("Straße", "STRASSE"),
        ("a/B.json", "A/b.json"),
        ("data", "Data/x.json"),
    ],
)
def test_two_names_of_one_file_are_found(one: str, other: str) -> None:
    (finding,) = unsafe_names("mill/odd", [one, other])
    assert repr(one) in finding.message
    assert repr(other) in finding.message


def test_usual_names_pass() -> None:
    names = [
        ".gitattributes",
        "config.json",
        "console.log",
        "nullable.json",
        f"{HANGUL} 1.jsonl",
        "a/x",
        "A/y",
    ]
    assert not list(
        unsafe_names("mill/minwon", [*names, "git~x", "com10.txt", "..a", "onnx/model.safetensors"])
    )


@given(st.text())
def test_what_is_shown_steers_no_terminal(name: str) -> None:
    assert shown(name).isprintable()
    assert not name.isprintable() or shown(name) == name
