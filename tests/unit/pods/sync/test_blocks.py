"""Blocks of large files: the memory they are read into, and what an agent does with a wrong one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.pods import wire
from millhand.pods.sync.buffers import Buffers
from millhand.pods.sync.folders import entry_of
from millhand.pods.sync.hashes import BLOCK, STRIDE, whole
from millhand.pods.sync.packing import to_row
from millhand.pods.sync.tagging import Tagging
from tests.unit.pods.sync.pipes import Pipe


@given(size=st.integers(0, 40), each=st.integers(1, 12))
def test_a_file_comes_in_buffers_that_are_used_again(
    tmp_path_factory: pytest.TempPathFactory, size: int, each: int
) -> None:
    data = os.urandom(size)
    path = tmp_path_factory.mktemp("buffers") / "file"
    path.write_bytes(data)
    buffers, come, seen = Buffers(each, Tagging()), b"", set()
    with path.open("rb", buffering=0) as file:
        while some := buffers.filled(file, len(come)).data:
            come += some
            seen.add(id(some))
            buffers.give_back(some)
    assert come == data
    assert len(seen) <= 2  # one that was full, and what was left at the end


def test_what_is_none_of_the_buffers_is_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345678")
    buffers = Buffers(4, Tagging())
    for other in (b"abcd", bytearray(b"abc"), bytearray()):
        buffers.give_back(other)
    with path.open("rb", buffering=0) as file:
        assert buffers.filled(file, 0).data == b"1234"
        assert buffers.filled(file, 4).data == b"5678"


class _Agent:
    """An agent in a process of its own, asked one thing after the other."""

    def __init__(self, root: Path) -> None:
        self.pipe = Pipe()
        self.ask({"do": "hello", "root": str(root), "session": "0" * 8, "make": True, "durable": False})

    def ask(self, header: dict[str, Any], payload: bytes = b"") -> dict[str, Any]:
        wire.send(self.pipe, header, payload)
        return wire.receive(self.pipe)[0]

    def blocks(self, first: int, data: bytes, *wrong: int) -> dict[str, Any]:
        """Send blocks; those that are ``wrong`` under the digest of something else."""
        parts = [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)]
        digests = [hashlib.sha256(part).hexdigest() for part in parts]
        for index in wrong:
            digests[index] = "0" * 64
        return self.ask({"do": "blocks", "path": "model", "first": first, "digests": digests}, data)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[_Agent]:
    agent = _Agent(tmp_path / "there")
    yield agent
    agent.pipe.close()


@pytest.mark.parametrize("size", [BLOCK, STRIDE, STRIDE - 1, BLOCK + 1, STRIDE + BLOCK])
def test_a_block_that_is_not_what_it_should_be_is_not_written(
    agent: _Agent, tmp_path: Path, size: int
) -> None:
    data = os.urandom(size)
    last = -(-size // BLOCK) - 1
    for wrong in {0, last}:
        assert agent.blocks(0, data, wrong)["kind"] == "mismatch"
    assert not list((tmp_path / "there").glob("*.part"))
    assert agent.blocks(0, data) == {}
    (tmp_path / "model").write_bytes(data)
    digests = [hashlib.sha256(data[at : at + BLOCK]).digest() for at in range(0, size, BLOCK)]
    entry = entry_of("model", (tmp_path / "model").stat())._replace(digest=whole(digests))
    assert agent.ask({"do": "finish", "row": to_row(entry)}) == {}
    assert (tmp_path / "there" / "model").read_bytes() == data


def test_blocks_before_and_after_one_that_was_refused_are_their_own(agent: _Agent, tmp_path: Path) -> None:
    one, two = os.urandom(STRIDE), os.urandom(STRIDE)
    assert agent.blocks(0, one) == {}
    assert agent.blocks(2, one, 1)["kind"] == "mismatch"
    assert agent.blocks(2, two) == {}
    part = next((tmp_path / "there").glob(".millhand-*.part"))
    assert part.read_bytes() == one + two


def test_a_file_that_grows_while_it_is_read_has_a_short_block_at_its_end_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    path.write_bytes(os.urandom(BLOCK + 100))
    take = hashlib.sha256

    def growing(data: bytes) -> object:
        with path.open("ab") as file:
            file.write(b"more")
        return take(data)

    monkeypatch.setattr(
        "millhand.pods.sync.buffers.hashlib", type("H", (), {"sha256": staticmethod(growing)})
    )
    with path.open("rb", buffering=0) as file:
        filled = Buffers(STRIDE, Tagging()).filled(file, 0)
    data = filled.data
    assert len(data) == BLOCK + 104  # the first block's reading made it grow, the last one's came too late
    assert filled.digests == [take(data[at : at + BLOCK]).digest() for at in (0, BLOCK)]
