"""Ignore rules, with git itself as the judge."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from millhand.pods.sync.folders import Root
from millhand.pods.sync.tree import Tree

_PARTS = st.sampled_from(["a", "b", "ab", "*", "**", "a*", "*.log", "?", "[ab]", "x.log", "\\!a", "한글"])
_PATTERNS = st.builds(
    lambda negated, start, parts, end: negated + start + "/".join(parts) + end,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(_PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", " ", "/**"]),
)
_FILES = st.lists(_PATTERNS | st.sampled_from(["", "# a", "!", "/"]), max_size=5).map("\n".join)
_NAMES = ["a", "b", "ab", "x.log", "a.log", "!a", "한글"]
_PATHS = [
    f"{one}/{two}/{three}" for one in ("a", "b", "한글") for two in ("a", "ab", "x.log") for three in _NAMES
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("git"):
        pytest.skip("there is no git")
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    for path in [*_PATHS, *_NAMES[3:]]:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return root


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(_FILES, _FILES, _FILES)
@example("a/*\n!a/a/\n", "", "*.log")
@example("*.log\n!a/", "!x.log", "")
@example("/*\n!/a", "ab/", "")
@example("", "a/**/", "")
@example("/**/", "**/", "")
def test_what_git_ignores_is_ignored(repository: Path, top: str, inner: str, deep: str) -> None:
    for place, text in (("", top), ("a", inner), ("a/ab", deep)):
        (repository / place / ".gitignore").write_text(text + "\n")
    ours = {entry.path for entry, _ in Tree(Root(str(repository)), ["."]).walk() if entry.kind == "f"}
    listed = subprocess.run(
        ["git", "-C", str(repository), "ls-files", "-z", "--others", "--exclude-standard"],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
    )
    assert ours == set(filter(None, os.fsdecode(listed.stdout).split("\0")))


def test_millhandignore_is_read_after_gitignore(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_text("a\nb\n")
    (tmp_path / ".millhandignore").write_text("!a\nc\n")
    found = {entry.path for entry, _ in Tree(Root(str(tmp_path)), ["."]).walk() if entry.kind == "f"}
    assert found == {"a", ".gitignore", ".millhandignore"}


def test_an_ignored_folder_that_is_named_is_judged_by_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "outputs" / "run").mkdir(parents=True)
    for name in ("model", "x.tmp"):
        (tmp_path / "outputs" / "run" / name).touch()
    (tmp_path / ".gitignore").write_text("outputs/**\n")
    (tmp_path / "outputs" / "run" / ".gitignore").write_text("*.tmp\n")
    found = {
        entry.path for entry, _ in Tree(Root(str(tmp_path)), ["outputs/run"]).walk() if entry.kind == "f"
    }
    assert found == {"outputs/run/model", "outputs/run/.gitignore"}
