"""What is told of the steps' options: in a recipe's words, and all of what they take."""

from __future__ import annotations

import pytest

from millhand.datasets.steps.describe import Option, describe

OPTIONS = {(step.name, option.name): option for step in describe() for option in step.options}


@pytest.mark.parametrize(
    ("step", "option", "kind"),
    [
        ("dedup", "related", "number or null"),
        ("limit", "at_most", "whole number or null"),
        ("filter", "language", '"" | ko'),
        ("filter", "drop", "list of text"),
        ("generate", "purposes", "list of qa | procedure | summary | multi_turn | rewrite"),
        (
            "pii",
            "kinds",
            "list of resident | foreigner | passport | driver | mobile | landline | email | card | account"
            " | ip | birth | address | business | corporate",
        ),
        (
            "generate",
            "system",
            "mapping of qa | procedure | summary | multi_turn | rewrite to text",
        ),
        ("generate", "structured", "auto | schema | prompt"),
        ("normalise", "dates", "korean | iso | keep"),
    ],
)
def test_an_option_says_what_it_takes(step: str, option: str, kind: str) -> None:
    assert OPTIONS[step, option].kind == kind


@pytest.mark.parametrize("option", OPTIONS.values(), ids=[".".join(key) for key in OPTIONS])
def test_nothing_is_told_in_the_words_of_source_code(option: Option) -> None:
    shown = f"{option.kind} {option.text}"
    assert not [
        mark for mark in ("``", "*", "None", "Optional", "Literal", "float", "tuple") if mark in shown
    ]


def test_the_steps_themselves_are_told_without_marks() -> None:
    assert all(step.text and "``" not in step.text for step in describe())
