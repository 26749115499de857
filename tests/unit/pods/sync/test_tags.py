"""Tags: both ends take the same, and what is wrong is never written, whether it has one or not."""

from __future__ import annotations

import _hashlib
import hashlib
import io
import os
import secrets
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.pods import wire
from millhand.pods.sync.hashes import BLOCK, STRIDE
from millhand.pods.sync.intake import Intake
from millhand.pods.sync.pull import pull
from millhand.pods.sync.tagging import Tagging
from millhand.pods.sync.tags import KEY, NONCE, TAG, Tags
from tests.unit.pods.sync.pipes import Opener, Pipe


def _tag(tagging: Tagging, data: bytes) -> str:
    tag = tagging.begin()
    tag.update(data)
    return tag.text()


@given(data=st.binary(max_size=100_000), cuts=st.lists(st.integers(0, 100_000), max_size=5))
def test_both_ends_take_the_same_tag_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    tagging = Tagging()
    tags = Tags(tagging.key)
    ends = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    view = memoryview(bytearray(data))
    for pieces in ([view[a:b] for a, b in pairwise(ends)], [data]):
        told = bytes.fromhex(_tag(tagging, data))
        assert tags.of(told[:NONCE], pieces) == told[NONCE:]
    nonce = secrets.token_bytes(NONCE)
    assert tagging.fits(data, (nonce + tags.of(nonce, [data])).hex())


@given(data=st.binary(min_size=1, max_size=1000), at=st.integers(0, 999), bit=st.integers(0, 7))
def test_another_bit_another_tag(data: bytes, at: int, bit: int) -> None:
    other = bytearray(data)
    other[at % len(data)] ^= 1 << bit
    tagging = Tagging()
    told = _tag(tagging, data)
    assert tagging.fits(data, told)
    assert not tagging.fits(bytes(other), told)
    assert not Tagging().fits(data, told)


@pytest.mark.parametrize("told", ["", "no hex", "00" * (NONCE + TAG - 1), "00" * (NONCE + TAG + 1)])
def test_what_is_no_tag_fits_nothing(told: str) -> None:
    assert not Tagging().fits(b"data", told)


@pytest.mark.parametrize(("key", "nonce"), [(KEY - 1, NONCE), (KEY, NONCE + 1)])
def test_a_key_and_a_nonce_have_their_length(key: int, nonce: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        Tags(bytes(key)).of(bytes(nonce), [])


class _Blocks:
    """Blocks that arrive at an intake, with a tag."""

    def __init__(self, data: bytes, tagging: Tagging) -> None:
        self.data = data
        self.digests = [hashlib.sha256(data[at : at + BLOCK]).digest() for at in range(0, len(data), BLOCK)]
        self.header: dict[str, Any] = {"do": "blocks", "tag": _tag(tagging, data)}

    def read(self, intake: Intake, told: list[bytes]) -> list[bytes] | None:
        payload = intake.read(io.BytesIO(self.data), self.header, len(self.data))
        assert payload == self.data
        assert "tag" not in self.header
        return intake.digests(payload, told)


@pytest.fixture
def tagging() -> Tagging:
    return Tagging()


@pytest.fixture
def intake(tagging: Tagging) -> Intake:
    intake = Intake()
    intake.use(tagging.key)
    return intake


@pytest.fixture
def blocks(tagging: Tagging) -> _Blocks:
    return _Blocks(os.urandom(STRIDE), tagging)


def test_with_a_right_tag_nothing_is_hashed(intake: Intake, blocks: _Blocks) -> None:
    told = [b"as told", b"each"]
    assert blocks.read(intake, told) is told


def test_a_digest_for_each_block_must_be_told(intake: Intake, blocks: _Blocks) -> None:
    assert blocks.read(intake, blocks.digests[:1]) is None


@pytest.mark.parametrize("tag", ["", "no hex", "00", "00" * (NONCE + TAG), None, 7])
def test_without_a_right_tag_what_is_told_is_not_believed(
    intake: Intake, blocks: _Blocks, tag: object
) -> None:
    blocks.header["tag"] = tag
    assert blocks.read(intake, [b"as told", b"each"]) in (None, blocks.digests)


def test_a_tag_of_another_sync_is_not_believed(blocks: _Blocks) -> None:
    intake = Intake()
    intake.use(Tagging().key)
    assert blocks.read(intake, [b"as told", b"each"]) is None


def test_what_was_read_before_is_not_believed_by_the_tag_of_the_next(
    intake: Intake, blocks: _Blocks, tagging: Tagging
) -> None:
    assert blocks.read(intake, blocks.digests) == blocks.digests
    plain = intake.read(io.BytesIO(b"odd"), {"do": "blocks", "tag": _tag(tagging, b"odd")}, 3)
    assert intake.digests(plain, [b"told"]) is None


def test_a_python_without_openssl_hashes(
    intake: Intake, blocks: _Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_hashlib, "__file__", "no-such-library.so")
    assert blocks.read(intake, [b"as told", b"each"]) == blocks.digests
    assert intake.tags() is None


class _Agent:
    """An agent in a process of its own that knows a key."""

    def __init__(self, root: Path, key: str) -> None:
        self.pipe = Pipe()
        self.hello(root, key)

    def hello(self, root: Path, key: str) -> None:
        hello = {"do": "hello", "root": str(root), "session": "0" * 8, "make": True, "durable": False}
        self.ask({**hello, "key": key})

    def ask(self, header: dict[str, Any], payload: bytes = b"") -> tuple[dict[str, Any], bytes]:
        wire.send(self.pipe, header, payload)
        return wire.receive(self.pipe)


@pytest.fixture
def agent(tmp_path: Path, tagging: Tagging) -> Iterator[_Agent]:
    agent = _Agent(tmp_path, tagging.key.hex())
    yield agent
    agent.pipe.close()


def test_an_agent_that_is_kept_takes_the_tags_of_each_sync(agent: _Agent, tmp_path: Path) -> None:
    data = os.urandom(1000)
    (tmp_path / "model").write_bytes(data)
    status = (tmp_path / "model").stat()
    about = {"path": "model", "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    for tagging in (Tagging(), Tagging()):
        agent.hello(tmp_path, tagging.key.hex())
        header, got = agent.ask({"do": "read", **about, "ranges": [[0, 1000]], "squeeze": False})
        assert tagging.fits(got, header["tag"])


def test_a_library_that_takes_other_tags_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millhand.pods.sync.tags._OF_NOTHING", "00" * TAG)
    with pytest.raises(ValueError, match="other tags"):
        Tags(bytes(KEY))


def test_what_comes_with_a_wrong_tag_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    (there / "model").write_bytes(os.urandom(3 * BLOCK))
    right, seen = Tagging.fits, list[str]()

    def fits(tagging: Tagging, data: bytes, text: str) -> bool:
        seen.append(text)
        return right(tagging, data[::-1] if len(seen) == 2 else data, text)

    monkeypatch.setattr(Tagging, "fits", fits)
    report = pull(Opener(), here, ["."], place=str(there)).check()
    assert report.again == 1
    assert (here / "model").read_bytes() == (there / "model").read_bytes()


def test_an_agent_writes_what_is_right_by_its_tag_or_by_its_digest_and_nothing_else(
    agent: _Agent, tmp_path: Path, tagging: Tagging
) -> None:
    data, other = os.urandom(STRIDE), os.urandom(STRIDE)
    digests = [hashlib.sha256(data[at : at + BLOCK]).hexdigest() for at in range(0, STRIDE, BLOCK)]
    header = {"do": "blocks", "path": "model", "first": 0, "digests": digests}
    wrong, right = _tag(tagging, other), _tag(tagging, data)
    for tag, payload in ((right, other), ("", other), (right, bytes(STRIDE))):
        assert agent.ask({**header, "tag": tag}, payload)[0]["kind"] == "mismatch"
    assert not list(tmp_path.glob(".millhand-*.part"))
    for tag in (right, wrong, ""):
        assert agent.ask({**header, "tag": tag}, data)[0] == {}
        (part,) = tmp_path.glob(".millhand-*.part")
        assert part.read_bytes() == data


@pytest.mark.parametrize("with_key", [True, False])
def test_an_agent_says_what_it_has_read_by_a_tag_or_a_digest(
    tmp_path: Path, tagging: Tagging, *, with_key: bool
) -> None:
    data = os.urandom(1000)
    (tmp_path / "model").write_bytes(data)
    agent = _Agent(tmp_path, tagging.key.hex() if with_key else "")
    status = (tmp_path / "model").stat()
    about = {"path": "model", "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    header, got = agent.ask({"do": "read", **about, "ranges": [[10, 500]], "squeeze": False})
    agent.pipe.close()
    assert got == data[10:510]
    told = {"tag"} if with_key else {"digest"}
    assert set(header) == told
    if with_key:
        assert tagging.fits(got, header["tag"])
    else:
        assert header["digest"] == hashlib.sha256(got).hexdigest()
