"""The workspace: laid down, found, named, its settings read."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.errors import NoWorkspaceError, UsageError
from millhand.workspace import Workspace, check_name, create_workspace, find_workspace, parse_env


def test_a_workspace_is_found_from_any_folder_inside_it(workspace: Workspace) -> None:
    deep = workspace.registry / "qa" / "raw"
    deep.mkdir(parents=True)
    assert find_workspace(deep) == workspace
    assert find_workspace() == workspace


def test_outside_a_workspace_the_error_names_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(NoWorkspaceError, match="millhand init"):
        find_workspace(tmp_path)


def test_init_twice_keeps_what_is_there(tmp_path: Path) -> None:
    _, first = create_workspace(tmp_path)
    (tmp_path / ".env").write_text("A=1\n")
    _, second = create_workspace(tmp_path)
    assert ".env" in first
    assert second == []
    assert (tmp_path / ".env").read_text() == "A=1\n"


GENERATED = [".env", ".millhand/", "outputs/", "models/", "/dart/"]


@pytest.mark.parametrize(
    ("old", "added"),
    [
        (b"", GENERATED),
        (b"*.pyc\nvenv", GENERATED),
        (b"*.pyc\r\n# outputs/\r\n", GENERATED),
        (b"\xff\xfe\n", GENERATED),
        (b".env\n/.millhand\noutputs/*\n!outputs/keep\n", ["models/", "/dart/"]),
        (b"!outputs\n**/models/**\ndart\n.millhand/\n", [".env"]),
        (b"outputs/tmp/\nmy-outputs/\n", GENERATED),
    ],
)
def test_a_gitignore_that_is_there_is_given_what_it_lacks(
    tmp_path: Path, old: bytes, added: list[str]
) -> None:
    path = tmp_path / ".gitignore"
    path.write_bytes(old)
    _, made = create_workspace(tmp_path)
    assert ".gitignore" in made
    new = path.read_bytes()
    assert new.startswith(old)
    lines = new[len(old) :].decode().split()
    assert [line for line in lines if line in GENERATED] == added
    assert b"venv\n" in new or b"venv" not in old
    assert new.count(b"\r\n") in (0, new.count(b"\n"))
    assert create_workspace(tmp_path)[1] == []
    assert path.read_bytes() == new


def test_env_file_is_for_its_owner_only_and_each_has_its_own_key(tmp_path: Path) -> None:
    one, two = (create_workspace(tmp_path / name)[0] for name in "ab")
    assert stat.S_IMODE((one.root / ".env").stat().st_mode) == 0o600
    assert one.secret("MILLHAND_API_KEY") != two.secret("MILLHAND_API_KEY")
    assert len(one.settings()["MILLHAND_API_KEY"]) >= 24


def test_the_environment_wins_over_the_env_file(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLHAND_API_KEY", "from-environment")
    assert workspace.settings()["MILLHAND_API_KEY"] == "from-environment"


def test_init_on_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        create_workspace(tmp_path / "x")


@pytest.mark.parametrize("name", ["a/b", "a b", "", ".hidden", "-x", "a,b", "..", "a\\b", "a:b", "a\nb"])
def test_names_that_would_break_paths_or_lists_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a dataset"):
        check_name(name, "dataset")


def test_a_decomposed_hangul_name_is_composed() -> None:
    assert check_name("한국어-1.0_a", "dataset") == "한국어-1.0_a"


@given(st.text(max_size=20))
def test_a_refused_name_comes_with_one_that_is_accepted(name: str) -> None:
    try:
        checked = check_name(name, "dataset")
    except UsageError as error:
        suggestion = error.mend.removeprefix("Try ").removesuffix(".")
        assert check_name(suggestion.strip("'\""), "dataset")
    else:
        assert Path(checked).name == checked


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), st.from_regex(r"[a-z0-9=#]{0,9}", fullmatch=True)
    )
)
def test_env_lines_round_trip(settings: dict[str, str]) -> None:
    text = "# head\n\n" + "".join(f'export {name}="{value}"\n' for name, value in settings.items())
    assert parse_env(text) == settings
