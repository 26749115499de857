"""Commands as values: quoting and secrets."""

from __future__ import annotations

import pickle
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.shell import Command, Secret

_arguments = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))


@given(st.lists(_arguments, min_size=1))
def test_a_shown_command_is_read_back_as_the_same_arguments(argv: list[str]) -> None:
    assert shlex.split(Command(tuple(argv)).shown()) == argv


def test_a_secret_shows_itself_nowhere() -> None:
    command = Command(("curl",), env={"TOKEN": Secret("hf_planted"), "PLAIN": "a b"})
    everything = f"{command} {command!r} {command.shown()} {dict(command.env)}"
    assert "hf_planted" not in everything
    assert command.shown() == "TOKEN=•••• PLAIN='a b' curl"
    assert command.revealed_env()["TOKEN"] == "hf_planted"


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("hf_planted"))


@pytest.mark.parametrize("argv", [(), ("a\0b",), (1,)])
def test_what_is_no_command_is_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"program"):
        Command(argv)
