"""Push and pull with a real agent in a bare Python: what is brought, and what it costs."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millhand.errors import MillhandError
from millhand.pods.sync.hashes import BLOCK
from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push
from millhand.pods.sync.transfer import Choice
from tests.unit.pods.sync.pipes import Opener
from tests.unit.pods.sync.trees import OLD, tree, write


@pytest.fixture
def opener() -> Opener:
    return Opener()


def both_ways(opener: Opener, base: Path) -> None:
    """Push ``base/here`` and pull it again to ``base/back``: all three are the same."""
    push(opener, base / "here", ["."], place=str(base / "there")).check()
    assert tree(base / "there") == tree(base / "here")
    pull(opener, base / "back", ["."], place=str(base / "there")).check()
    assert tree(base / "back") == tree(base / "here")


NAMES = [
    "blank name",
    "'quote\"",
    "new\nline",
    "한글.json",
    unicodedata.normalize("NFD", "한글.json"),
    os.fsdecode(b"no-utf8-\xff\xfe"),
    "-rf",
    "$(id)",
    "a\\b",
    "C:x",
    "e" * 255,
]


def test_names_of_all_kinds_arrive_as_they_are(tmp_path: Path, opener: Opener) -> None:
    for name in NAMES:
        write(tmp_path / "here" / name, name.encode("utf-8", "surrogateescape"))
        write(tmp_path / "here" / "deep" / name / name, b"x")
    both_ways(opener, tmp_path)


def test_empty_files_and_folders_links_times_and_the_executable_bit_arrive(
    tmp_path: Path, opener: Opener
) -> None:
    here = tmp_path / "here"
    write(here / "empty", b"")
    (here / "folder" / "in folder").mkdir(parents=True)
    write(here / "run.sh", b"#!/bin/sh\n").chmod(0o755)
    (here / "link").symlink_to("folder/in folder")
    (here / "folder" / "up").symlink_to("../run.sh")
    (here / "dangling").symlink_to("nowhere")
    both_ways(opener, tmp_path)


SIZES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 5 * BLOCK + 17]


def test_sizes_around_the_block_arrive(tmp_path: Path, opener: Opener) -> None:
    for size in SIZES:
        write(tmp_path / "here" / f"{size}", os.urandom(size))
        write(tmp_path / "here" / f"{size} of zeros", bytes(size))
    both_ways(opener, tmp_path)


def test_a_hole_stays_a_hole_and_costs_nothing(tmp_path: Path, opener: Opener) -> None:
    path = write(tmp_path / "here" / "sparse", b"start")
    with path.open("r+b") as file:
        file.seek(200 << 20)
        file.write(b"end")
    sent = push(opener, tmp_path / "here", ["sparse"], place=str(tmp_path / "there")).check()
    got = pull(opener, tmp_path / "back", ["sparse"], place=str(tmp_path / "there")).check()
    assert (tmp_path / "back" / "sparse").read_bytes() == path.read_bytes()
    assert sent.sent < 3 * BLOCK
    assert got.received < 5 * BLOCK
    assert (tmp_path / "there" / "sparse").stat().st_blocks * 512 < 20 * BLOCK


def test_what_is_unchanged_is_neither_sent_nor_read(
    tmp_path: Path, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "here" / "small", os.urandom(5000))
    write(tmp_path / "here" / "large", os.urandom(3 * BLOCK))
    there = tmp_path / "there"
    push(opener, tmp_path / "here", ["."], place=str(there)).check()
    monkeypatch.delattr("millhand.pods.sync.push.read_hash")
    push(opener, tmp_path / "here", ["."], place=str(there)).check()
    # A file's time of access is its time of change until somebody reads it (or the disk is mounted noatime).
    assert [(there / name).stat().st_atime_ns for name in ("small", "large")] == [OLD, OLD]


def test_a_second_push_asks_and_sends_nothing(tmp_path: Path, opener: Opener) -> None:
    for number in range(50):
        write(tmp_path / "here" / f"{number}", os.urandom(5000))
    there = str(tmp_path / "there")
    push(opener, tmp_path / "here", ["."], place=there).check()
    again = push(opener, tmp_path / "here", ["."], place=there).check()
    assert (again.files, again.checked) == (0, 50)
    assert again.sent < 10_000
    back = pull(opener, tmp_path / "here", ["."], place=there).check()
    assert (back.files, back.checked) == (0, 50)


def test_an_edit_that_keeps_size_and_time_is_seen(tmp_path: Path, opener: Opener) -> None:
    path = write(tmp_path / "here" / "a", b"one")
    push(opener, tmp_path / "here", ["."], place=str(tmp_path / "there")).check()
    write(path, b"two")
    push(opener, tmp_path / "here", ["."], place=str(tmp_path / "there")).check()
    assert (tmp_path / "there" / "a").read_bytes() == b"two"
    write(tmp_path / "there" / "a", b"six")
    push(opener, tmp_path / "here", ["."], place=str(tmp_path / "there")).check()
    assert (tmp_path / "there" / "a").read_bytes() == b"two"


def test_a_touched_file_is_not_sent_again_but_gets_its_time(tmp_path: Path, opener: Opener) -> None:
    path = write(tmp_path / "here" / "a", os.urandom(3 * BLOCK))
    push(opener, tmp_path / "here", ["."], place=str(tmp_path / "there")).check()
    os.utime(path, ns=(OLD + 10**13, OLD + 10**13))
    path.chmod(0o755)
    report = push(opener, tmp_path / "here", ["."], place=str(tmp_path / "there")).check()
    assert report.files == 0
    assert tree(tmp_path / "there") == tree(tmp_path / "here")


def jsonl(lines: int, seed: int = 0) -> list[bytes]:
    return [
        b'{"id": %d, "text": "%s"}\n' % (n, os.urandom(60).hex().encode()) for n in range(seed, seed + lines)
    ]


def test_changed_appended_and_inserted_lines_are_all_that_is_sent(tmp_path: Path, opener: Opener) -> None:
    lines = jsonl(40_000)
    path = write(tmp_path / "here" / "rows.jsonl", b"".join(lines))
    there = str(tmp_path / "there")
    push(opener, tmp_path / "here", ["."], place=there).check()
    for number in range(0, len(lines), 100):
        lines[number] = jsonl(1, number)[0]
    lines[20_000:20_000] = jsonl(50)
    lines += jsonl(50)
    write(path, b"".join(lines))
    report = push(opener, tmp_path / "here", ["."], place=there).check()
    assert tree(tmp_path / "there") == tree(tmp_path / "here")
    assert report.sent + report.received < report.size / 15
    lines[7] = b"other\n"
    write(tmp_path / "there" / "rows.jsonl", b"".join(lines), OLD + 10**12)
    back = pull(opener, tmp_path / "here", ["."], place=there).check()
    assert tree(tmp_path / "there") == tree(tmp_path / "here")
    assert back.sent + back.received < report.size / 50


@st.composite
def edits(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A file of a few blocks and the same after some runs were inserted, removed, moved or overwritten."""
    unit = draw(st.sampled_from([b"line %d of some text\n", b"%d\0\1\2", b"%d"]))
    old = b"".join(unit % n for n in range(draw(st.integers(0, 200_000))))
    new = bytearray(old)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(new)))
        end = min(len(new), start + draw(st.integers(0, 100_000)))
        kind = draw(st.sampled_from(["insert", "remove", "move", "zeros"]))
        run = bytes(new[start:end])
        if kind in ("remove", "move"):
            del new[start:end]
        if kind != "remove":
            at = draw(st.integers(0, len(new)))
            new[at:at] = {"insert": draw(st.binary(max_size=50)), "move": run, "zeros": bytes(len(run))}[kind]
    return old, bytes(new)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(edits())
def test_whatever_is_edited_arrives(tmp_path: Path, edit: tuple[bytes, bytes]) -> None:
    old, new = edit
    opener, there = Opener(), str(tmp_path / "there")
    write(tmp_path / "here" / "file", old)
    push(opener, tmp_path / "here", ["file"], place=there).check()
    write(tmp_path / "here" / "file", new)
    push(opener, tmp_path / "here", ["file"], place=there).check()
    assert (tmp_path / "there" / "file").read_bytes() == new
    write(tmp_path / "there" / "file", old)
    pull(opener, tmp_path / "here", ["file"], place=there).check()
    assert (tmp_path / "here" / "file").read_bytes() == old


def test_a_dry_run_lists_what_would_be_done_and_changes_nothing(tmp_path: Path, opener: Opener) -> None:
    write(tmp_path / "here" / "a" / "b", b"12345")
    (tmp_path / "here" / "c").symlink_to("a/b")
    report = push(
        opener, tmp_path / "here", ["."], place=str(tmp_path / "there"), choice=Choice(dry_run=True)
    ).check()
    assert [(item.action, item.path, item.size) for item in report.planned] == [
        ("folder", "a", 0),
        ("new", "a/b", 5),
        ("link", "c", 0),
    ]
    assert not (tmp_path / "there").exists()
    assert not (tmp_path / "here" / ".millhand").exists()


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_brought(tmp_path: Path, opener: Opener) -> None:
    here = tmp_path / "here"
    write(here / "good", b"1")
    os.mkfifo(here / "pipe")
    (here / "out").symlink_to("../../etc/passwd")
    (here / "absolute").symlink_to("/etc/passwd")
    report = push(opener, here, [".", "absent"], place=str(tmp_path / "there"))
    assert {(f.file, f.id) for f in report.findings} == {
        ("pipe", "sync.special"),
        ("out", "sync.link"),
        ("absolute", "sync.link"),
    }
    report = push(opener, here, ["absent", "../here", "/etc"], place=str(tmp_path / "there"))
    assert [f.file for f in report.findings] == ["/etc", "../here", "absent"]
    assert set(tree(tmp_path / "there")) == {"good"}


def test_a_folder_in_the_place_of_a_file_is_a_finding_and_stays(tmp_path: Path, opener: Opener) -> None:
    write(tmp_path / "here" / "a", b"1")
    write(tmp_path / "there" / "a" / "b", b"2")
    report = push(opener, tmp_path / "here", ["."], place=str(tmp_path / "there"))
    assert [f.id for f in report.findings] == ["sync.blocked"]
    assert (tmp_path / "there" / "a" / "b").read_bytes() == b"2"


def test_a_link_where_a_folder_should_be_is_not_followed(tmp_path: Path, opener: Opener) -> None:
    write(tmp_path / "here" / "a" / "b", b"1")
    (tmp_path / "there").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "there" / "a").symlink_to(tmp_path / "outside")
    report = push(opener, tmp_path / "here", ["."], place=str(tmp_path / "there"))
    assert report.findings
    assert not list((tmp_path / "outside").iterdir())


def test_a_read_only_target_file_is_replaced_and_keeps_its_mode(tmp_path: Path, opener: Opener) -> None:
    write(tmp_path / "here" / "a", b"new")
    write(tmp_path / "there" / "a", b"old!").chmod(0o440)
    push(opener, tmp_path / "here", ["a"], place=str(tmp_path / "there")).check()
    found = tmp_path / "there" / "a"
    assert (found.read_bytes(), stat.S_IMODE(found.stat().st_mode)) == (b"new", 0o440)


def test_a_place_that_cannot_be_is_told(tmp_path: Path, opener: Opener) -> None:
    write(tmp_path / "here" / "a", b"1")
    write(tmp_path / "file", b"1")
    with pytest.raises(MillhandError, match="cannot be used"):
        push(opener, tmp_path / "here", ["."], place=str(tmp_path / "file"))


def test_a_full_disk_is_told_and_leaves_the_old_file(tmp_path: Path, opener: Opener) -> None:
    there = tmp_path / "there"
    there.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(there)], stderr=subprocess.PIPE
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        write(there / "large", b"old")
        write(tmp_path / "here" / "large", os.urandom(9 * BLOCK))
        with pytest.raises(MillhandError, match="full"):
            push(opener, tmp_path / "here", ["."], place=str(there))
        assert (there / "large").read_bytes() == b"old"
        assert not list(there.glob("*.part"))
    finally:
        subprocess.run(["umount", "-l", str(there)], check=True)


def python(version: str) -> str:
    """A real interpreter of that version, not a shim that asks its environment which one it is."""
    found = [
        shutil.which(f"python{version}"),
        *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")),
    ]
    for path in filter(None, found):
        if not subprocess.run([path, "-c", ""], env={}, stderr=subprocess.DEVNULL).returncode:
            return path
    pytest.skip(f"there is no Python {version}")


@pytest.mark.parametrize("version", ["3.8", "3.13"])
def test_the_agent_runs_under_old_and_new_python(tmp_path: Path, version: str) -> None:
    there = python(version)
    write(tmp_path / "here" / "a", b"1")
    write(tmp_path / "here" / "large", os.urandom(3 * BLOCK))
    both_ways(Opener(there), tmp_path)
    write(tmp_path / "here" / "large", os.urandom(100) + (tmp_path / "here" / "large").read_bytes())
    both_ways(Opener(there), tmp_path)


def test_blocks_travel_over_several_agents(tmp_path: Path, opener: Opener) -> None:
    write(tmp_path / "here" / "large", os.urandom(24 * BLOCK))
    for number in range(100):
        write(tmp_path / "here" / f"{number}", os.urandom(30_000))
    choice = Choice(lanes=3)
    push(opener, tmp_path / "here", ["."], place=str(tmp_path / "there"), choice=choice).check()
    pull(opener, tmp_path / "back", ["."], place=str(tmp_path / "there"), choice=choice).check()
    assert opener.opened >= 4
    assert tree(tmp_path / "back") == tree(tmp_path / "here")


@pytest.mark.parametrize("compress", [True, False])
def test_what_can_be_compressed_travels_compressed_where_asked(
    tmp_path: Path, opener: Opener, compress: bool
) -> None:
    write(tmp_path / "here" / "text", b"words and words\n" * 200_000)
    write(tmp_path / "here" / "small", b"words and words\n" * 2_000)
    write(tmp_path / "here" / "noise", os.urandom(2 * BLOCK))
    choice = Choice(compress=compress)
    sent = push(opener, tmp_path / "here", ["."], place=str(tmp_path / "there"), choice=choice).check()
    got = pull(opener, tmp_path / "back", ["."], place=str(tmp_path / "there"), choice=choice).check()
    assert tree(tmp_path / "back") == tree(tmp_path / "here")
    assert (sent.sent < 3 * BLOCK) is compress
    assert (got.received < 3 * BLOCK) is compress
