"""The scripted pod refuses anything unscripted."""

from __future__ import annotations

import pytest

from millhand.pods.base import Job, Pod, Result
from millhand.pods.fake import FakePod
from millhand.shell import Command

LS = Command(("ls", "-a"))


def _ends(code: int = 0, stdout: str = "") -> Result:
    return Result(LS, code, stdout, "")


def test_whole_argv_and_predicates_are_answered() -> None:
    pod: Pod = FakePod({("ls", "-a"): _ends(stdout="x"), lambda c: c.argv[0] == "git": _ends(3)})
    assert pod.run(LS).stdout == "x"
    assert pod.run(Command(("git", "status"))).code == 3
    assert pod.run(LS).command is LS


def test_a_sequence_is_used_up() -> None:
    pod = FakePod({("ls", "-a"): [_ends(1), _ends(0)]})
    assert [pod.run(LS).code for _ in range(2)] == [1, 0]
    with pytest.raises(AssertionError, match="once too often"):
        pod.run(LS)


def test_what_is_not_scripted_is_refused() -> None:
    pod = FakePod({("ls",): _ends()})
    with pytest.raises(AssertionError, match="not scripted"):
        pod.run(LS)
    with pytest.raises(AssertionError, match="no job"):
        pod.start(Job("train", LS))
    with pytest.raises(AssertionError, match="no transfer"):
        pod.put(["a"])
    with pytest.raises(AssertionError, match="no transfer"):
        pod.get(["a"])
    with pytest.raises(AssertionError, match="no file"):
        pod.read("a")
    with pytest.raises(AssertionError, match="not scripted"), pod.forward(80):
        pass


def test_scripted_transfers_and_ports_are_given() -> None:
    pod = FakePod(files={"a"}, contents={"a": b"word"}, ports={8000: 18000})
    pod.put(["a"])
    pod.get(["a"])
    assert (pod.read("a"), pod.read("a", 2)) == (b"word", b"rd")
    with pod.forward(8000) as port:
        assert port == 18000


def test_what_was_asked_is_kept() -> None:
    pod = FakePod({("ls", "-a"): _ends()})
    pod.run(LS, stdin=b"x")
    assert (pod.commands, pod.inputs) == ([LS], [b"x"])
