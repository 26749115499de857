"""What ``delete`` may remove, and what stays whatever is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millhand.errors import MillhandError
from millhand.pods.sync.folders import Entry, Root
from millhand.pods.sync.lanes import Opener as Opens
from millhand.pods.sync.packing import pack
from millhand.pods.sync.pull import pull
from millhand.pods.sync.push import push
from millhand.pods.sync.remote import Agent
from millhand.pods.sync.report import Report
from millhand.pods.sync.transfer import Choice
from tests.unit.pods.sync.pipes import CutOpener, Opener
from tests.unit.pods.sync.test_attacks import Liar
from tests.unit.pods.sync.trees import write

CHECKPOINTS = ("checkpoint-*",)


class Way:
    """One direction: files are made on the side that a sync reads from, and on the one that it writes to."""

    def __init__(self, base: Path, name: str) -> None:
        self.here, self.there, self._move = base / "here", base / "there", push if name == "up" else pull
        self.source, self.target = (self.here, self.there) if name == "up" else (self.there, self.here)
        self.source.mkdir(parents=True)
        self.target.mkdir(parents=True)

    def fill(self, source: Sequence[str] = (), target: Sequence[str] = ()) -> None:
        for side, paths in ((self.source, source), (self.target, target)):
            for path in paths:
                write(side / path, b"x")

    def sync(self, *paths: str, opener: Opens | None = None, **choice: Any) -> Report:
        place, chosen = str(self.there), Choice(delete=True, **choice)
        return self._move(opener or Opener(), self.here, list(paths), place=place, choice=chosen)

    def left(self) -> set[str]:
        """The files on the side that was written to."""
        found = (path.relative_to(self.target).as_posix() for path in self.target.rglob("*"))
        return {
            path
            for path in found
            if not path.startswith(".millhand/sync") and not (self.target / path).is_dir()
        }


@pytest.fixture(params=["up", "down"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Way:
    return Way(tmp_path, request.param)


def test_files_in_folders_that_both_sides_have_are_removed(way: Way) -> None:
    way.fill(["a/keep", "a/deep/keep"], ["a/old", "a/deep/old", "b/other"])
    (way.target / "a" / "link").symlink_to("keep")
    report = way.sync("a").check()
    assert way.left() == {"a/keep", "a/deep/keep", "b/other"}
    assert report.deleted == 3


def test_a_folder_that_the_other_side_does_not_have_is_left_alone(way: Way) -> None:
    way.fill(["other/a"], ["outputs/qa/adapter", "outputs/qa/deep/a", "outputs/b"])
    report = way.sync("outputs", "other")
    assert [(f.file, f.id) for f in report.findings if f.severity == "error"] == [("outputs", "sync.missing")]
    assert (way.left(), report.deleted) == (
        {"outputs/qa/adapter", "outputs/qa/deep/a", "outputs/b", "other/a"},
        0,
    )


def test_a_side_with_nothing_at_all_removes_nothing(way: Way) -> None:
    way.fill([], ["outputs/qa/adapter"])
    way.source.rmdir()
    with suppress(MillhandError):
        way.sync("outputs")
    assert way.left() == {"outputs/qa/adapter"}


def test_an_empty_folder_has_no_say(way: Way) -> None:
    """A volume that is not mounted, or a fresh one, looks just so."""
    way.fill([], ["outputs/qa/adapter", "outputs/b"])
    (way.source / "outputs" / "qa").mkdir(parents=True)
    report = way.sync("outputs").check()
    assert way.left() == {"outputs/qa/adapter", "outputs/b"}
    assert [(f.file, f.id, f.severity) for f in report.findings] == [("outputs", "sync.kept", "warning")]


def test_other_runs_stay_and_are_named(way: Way) -> None:
    way.fill(["outputs/qa/adapter"], ["outputs/law/adapter", "outputs/law/merged/model", "outputs/qa/old"])
    report = way.sync("outputs").check()
    assert way.left() == {"outputs/qa/adapter", "outputs/law/adapter", "outputs/law/merged/model"}
    assert [(f.file, f.id) for f in report.findings] == [("outputs/law", "sync.kept")]


def test_what_is_excluded_stays(way: Way) -> None:
    way.fill(
        ["outputs/qa/adapter", "outputs/qa/checkpoint-9/a"],
        ["outputs/qa/checkpoint-8/a", "outputs/qa/checkpoint-9/b", "outputs/qa/checkpoint-x"],
    )
    report = way.sync("outputs/qa", exclude=CHECKPOINTS)
    assert report.deleted == 0
    kept = {"outputs/qa/checkpoint-8/a", "outputs/qa/checkpoint-9/b", "outputs/qa/checkpoint-x"}
    assert kept <= way.left()


def test_a_folder_that_holds_only_what_is_excluded_has_no_say(tmp_path: Path) -> None:
    way = Way(tmp_path, "down")
    way.fill(["outputs/qa/checkpoint-8/a"], ["outputs/qa/adapter"])
    way.sync("outputs/qa", exclude=CHECKPOINTS).check()
    assert way.left() == {"outputs/qa/adapter"}


def test_what_is_ignored_stays_with_all_in_it(way: Way) -> None:
    write(way.here / ".gitignore", b"data/made/\n*.log\n")
    way.fill(["data/keep", "data/made/here"], ["data/made/a", "data/made/deep/b", "data/x.log", "data/old"])
    way.sync("data").check()
    assert way.left() - {".gitignore", "data/made/here"} == {
        "data/keep",
        "data/made/a",
        "data/made/deep/b",
        "data/x.log",
    }


def test_millhands_notes_stay(way: Way) -> None:
    way.fill(
        ["qa/adapter", ".millhand/jobs/a/log.txt"], ["qa/millhand_run.json", ".millhand/jobs/a/state.json"]
    )
    way.sync(".", "qa").check()
    assert {"qa/millhand_run.json", ".millhand/jobs/a/state.json"} <= way.left()
    way.sync(".millhand/jobs/a").check()
    assert ".millhand/jobs/a/state.json" in way.left()


def test_a_file_where_the_other_side_has_a_folder_or_a_link_is_left(way: Way) -> None:
    way.fill(["a/keep"], ["a/sub/x", "a/sub/y", "b/z"])
    write(way.source / "a" / "sub", b"a file")
    (way.source / "b").symlink_to("a")
    report = way.sync("a", "b")
    assert way.left() >= {"a/sub/x", "a/sub/y", "b/z"}
    assert {f.id for f in report.findings} >= {"sync.blocked"}


def test_a_link_to_a_folder_is_not_looked_into(way: Way, tmp_path: Path) -> None:
    way.fill(["outputs/qa/adapter"], ["outputs/keep"])
    write(tmp_path / "disk" / "old", b"x")
    (way.target / "outputs" / "qa").symlink_to(tmp_path / "disk")
    way.sync("outputs/qa")
    way.sync("outputs")
    assert (tmp_path / "disk" / "old").exists()
    assert (way.target / "outputs" / "qa").is_symlink()


@pytest.mark.parametrize(
    ("new", "old"), [("qa/Model.json", "qa/model.json"), ("qa/각", "qa/\u1100\u1161\u11a8")]
)
def test_what_differs_by_case_or_normal_form_only_stays(way: Way, new: str, old: str) -> None:
    """On a disk that cannot tell them apart it is the very file that was just brought."""
    way.fill([new], [old])
    way.sync("qa").check()
    assert old in way.left()


def test_what_could_not_all_be_read_removes_nothing(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    way.fill(["a/keep", "a/sub/kept"], ["a/old", "a/sub/kept"])
    monkeypatch.setattr("millhand.pods.sync.folders._listed", _unreadable("a/sub"))
    report = way.sync("a", opener=InProcess())
    assert {"a/old", "a/sub/kept"} <= way.left()
    assert {f.id for f in report.findings} == {"sync.unreadable", "sync.kept"}


def test_a_listing_that_is_cut_removes_nothing(tmp_path: Path) -> None:
    way = Way(tmp_path, "down")
    way.fill([f"a/{n}" for n in range(2500)], [f"a/{n}" for n in range(2500)] + ["a/old"])
    for read in (200, 20_000, 60_000):
        with pytest.raises(MillhandError):
            way.sync("a", opener=CutOpener(read=read))
        assert "a/old" in way.left()


def test_a_volume_that_vanishes_after_its_listing_removes_nothing(tmp_path: Path) -> None:
    way = Way(tmp_path, "down")
    way.fill(["a/one", "a/two"], ["a/one", "a/two"])
    way.sync("a").check()

    def answer(header: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        if header["do"] == "list":
            entries = [Entry("a", "d"), Entry("a/one", "f", 1, 0), Entry("a/two", "f", 1, 0)]
            return {"more": False, "problems": []}, pack([list(entry) for entry in entries])
        if header["do"] == "digests":
            return {"digests": [None for _ in header["paths"]]}, b""
        if header["do"] == "fetch":
            return {"rows": [[path, {"kind": "gone", "error": ""}] for path in header["paths"]]}, b""
        return {"missing": header.get("paths", []), "free": 1, "rows": []}, b""

    way.sync("a", opener=Liar(answer))
    assert way.left() == {"a/one", "a/two"}


def test_nothing_goes_that_was_not_agreed_to(way: Way) -> None:
    way.fill(["a/keep"], ["a/old", "a/older"])
    asked: list[list[str]] = []

    def no(going: Sequence[Entry]) -> bool:
        asked.append([entry.path for entry in going])
        write(way.target / "a" / "newer", b"x")
        return len(asked) > 1

    assert way.sync("a", agree=no).check().deleted == 0
    assert way.left() == {"a/keep", "a/old", "a/older", "a/newer"}
    (way.target / "a" / "newer").unlink()
    assert way.sync("a", agree=no).check().deleted == 2
    assert way.left() == {"a/keep", "a/newer"}
    assert asked == [["a/old", "a/older"]] * 2


def test_nobody_is_asked_where_nothing_would_go_nor_for_a_dry_run(way: Way) -> None:
    def never(going: Sequence[Entry]) -> bool:
        raise AssertionError(going)

    way.fill(["a/keep"], ["a/keep"])
    way.sync("a", agree=never).check()
    way.fill([], ["a/old"])
    report = way.sync("a", agree=never, dry_run=True)
    assert [(one.action, one.path) for one in report.planned] == [("delete", "a/old")]
    assert "a/old" in way.left()


def test_a_folder_that_takes_the_place_of_what_was_shown_stays(way: Way) -> None:
    way.fill(["a/keep"], ["a/old"])

    def meanwhile(going: Sequence[Entry]) -> bool:
        (way.target / "a" / "old").unlink()
        (way.target / "a" / "old").mkdir()
        return True

    report = way.sync("a", agree=meanwhile)
    assert (way.target / "a" / "old").is_dir()
    assert (report.deleted, [f.file for f in report.findings]) == (0, ["a/old"])


def test_what_cannot_be_removed_is_named_and_not_counted(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, path: str) -> None:
        raise PermissionError(13, "Permission denied")

    way.fill(["a/keep"], ["a/old"])
    monkeypatch.setattr("millhand.pods.sync.store.Store.delete", refuse)
    report = way.sync("a", opener=InProcess())
    assert (report.deleted, [f.file for f in report.findings]) == (0, ["a/old"])


_NAMES = st.sampled_from(["a", "b", "A", "checkpoint-1", ".millhand", "x.log"])
_TREES = st.lists(st.lists(_NAMES, min_size=1, max_size=3).map("/".join), max_size=6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(_TREES, _TREES, st.sampled_from(["up", "down"]))
def test_whatever_goes_lay_in_a_folder_in_which_the_other_side_has_something(
    tmp_path_factory: pytest.TempPathFactory, source: list[str], target: list[str], name: str
) -> None:
    way = Way(tmp_path_factory.mktemp("two"), name)
    write(way.here / ".gitignore", b"*.log\n")
    for side, paths in ((way.source, source), (way.target, target)):
        for path in paths:
            file = side / "top" / path
            if not file.exists() and not any((side / "top" / p).is_file() for p in _above(path)):
                write(file, b"x")
    before = way.left()
    way.sync("top", opener=InProcess(), exclude=CHECKPOINTS)
    gone = before - way.left()
    for path in gone:
        assert not {"checkpoint-1", ".millhand", "x.log"} & set(path.split("/"))
        assert any(file.is_file() for file in (way.source / path).parent.rglob("*"))


def _above(path: str) -> list[str]:
    names = path.split("/")
    return ["/".join(names[:count]) for count in range(1, len(names))]


def _unreadable(folder: str) -> Callable[[Root, str], Any]:
    from millhand.pods.sync import folders

    real = folders._listed

    def listed(root: Root, path: str) -> Any:
        if path == folder:
            raise PermissionError(13, "Permission denied")
        return real(root, path)

    return listed


class InProcess(Liar):
    """An agent in this process: what is patched here holds on both sides."""

    def __init__(self) -> None:
        super().__init__(lambda header: ({}, b""))
        self._agent = Agent()

    def answered(self, header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        return self._agent.answer(header, payload)

    def close(self) -> None:
        self._agent.close()
        super().close()
