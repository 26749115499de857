"""Cutting and matching: groups cover a file; copies and literals make the new one, whatever the two are."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millhand.pods.sync import chunks, cutting
from millhand.pods.sync.folders import Root, Stamp
from millhand.pods.sync.hashes import BLOCK, Hashes, blocks_of, whole
from millhand.pods.sync.packing import deflate, inflate, pack, unpack
from millhand.pods.sync.store import COPY

_RULES = st.builds(
    cutting.Rule,
    st.sampled_from(["", "0a", "0000", "61"]),
    st.sampled_from([0, 1, 15, 1023]),
    st.integers(16 << 10, 200 << 10),
)


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Up to a few MB: lines, noise, runs of one byte, in any order."""
    runs = draw(
        st.lists(st.tuples(st.sampled_from("lnz"), st.integers(0, 900_000), st.integers(0, 9)), max_size=4)
    )
    made = {
        "l": lambda size, seed: b"".join(b"%d %d\n" % (seed, n) for n in range(size // 10)),
        "n": lambda size, seed: os.urandom(size),
        "z": lambda size, seed: bytes([seed]) * size,
    }
    return b"".join(made[kind](size, seed) for kind, size, seed in runs)


@settings(max_examples=40)
@given(contents(), _RULES)
def test_groups_cover_the_file_and_travel(data: bytes, rule: cutting.Rule) -> None:
    found = list(cutting.groups(io.BytesIO(data), rule))
    at = 0
    for group in found:
        assert group.start == at
        assert 0 < group.size <= rule.longest
        assert group.digest == cutting.digest(data[at : at + group.size], cutting.GROUP_DIGEST)
        at += group.size
    assert at == len(data)
    assert cutting.unpack_groups(cutting.pack_groups(found)) == found


@given(st.binary(max_size=300))
def test_noise_is_no_list_of_groups(noise: bytes) -> None:
    try:
        found = cutting.unpack_groups(noise)
    except ValueError:
        return
    assert cutting.unpack_groups(cutting.pack_groups(found)) == found


def pieces_of(data: bytes, rule: cutting.Rule, asked: list[int]) -> object:
    def asking(ranges: chunks.Ranges) -> chunks.Pieces:
        asked.append(sum(size for _, size in ranges))
        found = []
        for start, size in ranges:
            at = start
            for length in cutting.pieces(data[start : start + size], rule):
                found.append((length, cutting.digest(data[at : at + length], cutting.PIECE_DIGEST)))
                at += length
        return found

    return asking


def made_again(new: bytes, old: bytes, ops: Iterator[chunks.Op]) -> bytes:
    return b"".join((old if kind == COPY else new)[at : at + size] for kind, at, size in ops)


@settings(max_examples=40)
@given(contents(), contents(), st.data())
def test_copies_and_literals_make_the_new_file(old: bytes, more: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(old)))
    end = data.draw(st.integers(at, len(old)))
    new = old[:at] + more + old[end:]
    rule = cutting.rule_for(io.BytesIO(new), len(new))
    cut = [list(cutting.groups(io.BytesIO(content), rule)) for content in (new, old)]
    here, there = (pieces_of(content, rule, []) for content in (new, old))
    blocks = list(chunks.by_blocks(chunks.plan(cut[0], cut[1], here, there), len(new)))  # type: ignore[arg-type]
    assert b"".join(made_again(new, old, iter(block)) for block in blocks) == new
    assert [sum(size for _, _, size in block) for block in blocks] == [
        min(BLOCK, len(new) - start) for start in range(0, len(new), BLOCK)
    ]


def test_one_changed_line_costs_one_line_and_a_look_at_its_group() -> None:
    lines = [b'{"n": %d, "x": "%s"}\n' % (n, os.urandom(100).hex().encode()) for n in range(20_000)]
    old = b"".join(lines)
    lines[10_000] = b"other\n"
    new = b"".join(lines)
    rule = cutting.rule_for(io.BytesIO(new), len(new))
    assert bytes.fromhex(rule.separator) == b"\n"
    asked: list[int] = []
    cut = [list(cutting.groups(io.BytesIO(content), rule)) for content in (new, old)]
    ops = list(chunks.plan(cut[0], cut[1], pieces_of(new, rule, []), pieces_of(old, rule, asked)))  # type: ignore[arg-type]
    assert sum(size for kind, _, size in ops if kind != COPY) == len(b"other\n")
    assert sum(asked) <= 2 * rule.longest


def test_what_has_nothing_in_common_is_not_looked_at_for_long() -> None:
    old, new = os.urandom(80 << 20), os.urandom(80 << 20)
    rule = cutting.Rule("00", 63, 128 << 10)
    asked: list[int] = []
    cut = [list(cutting.groups(io.BytesIO(content), rule)) for content in (new, old)]
    ops = chunks.plan(cut[0], cut[1], pieces_of(new, rule, []), pieces_of(old, rule, asked))  # type: ignore[arg-type]
    assert sum(size for _, _, size in ops) == len(new)
    assert sum(asked) < 40 << 20


@given(st.binary(max_size=5000), st.integers(1, 100))
def test_what_is_compressed_comes_back_and_never_more_than_was_said(data: bytes, times: int) -> None:
    data *= times
    packed = deflate(data)
    if packed is not data:
        assert inflate(packed, len(data)) == data
        with pytest.raises(ValueError):
            inflate(packed, len(data) - 1)
    assert unpack(pack([len(data), "한\udcff"])) == [len(data), "한\udcff"]


def test_a_large_file_is_known_by_its_blocks_and_not_mistaken_for_them(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(os.urandom(2 * BLOCK + 1))
    fd = os.open(path, os.O_RDONLY)
    blocks = list(blocks_of(fd))
    os.close(fd)
    assert len(blocks) == 3
    path.write_bytes(b"".join(blocks))
    fd = os.open(path, os.O_RDONLY)
    assert whole(list(blocks_of(fd))) != whole(blocks)
    os.close(fd)


def test_notes_are_kept_by_all_that_changes_and_lost_without_harm(tmp_path: Path) -> None:
    root = Root(str(tmp_path))
    notes, stamp = Hashes(root), Stamp(1, 2, 3, 2**64 - 1)
    notes.note("한\udcff", stamp, "ab" * 32)
    notes.save()
    again = Hashes(root)
    assert again.known([("한\udcff", stamp)]) == {"한\udcff": "ab" * 32}
    for field in range(4):
        changed = Stamp(*(value + (index == field) for index, value in enumerate(stamp)))
        assert again.known([("한\udcff", changed)]) == {}
    (tmp_path / ".millhand/sync/hashes.sqlite").write_bytes(b"noise" * 1000)
    assert Hashes(root).known([("한\udcff", stamp)]) == {}
    notes.note("b", stamp, "cd" * 32)
    notes.save()
    root.forget()
