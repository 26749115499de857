import os
import unicodedata
from pathlib import Path

import pytest

from millhand.datasets.building.finding_files import files_of
from millhand.datasets.recipe import RecipeSource
from millhand.errors import FindingsError
from millhand.workspace import Workspace


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")


def found(space: Workspace, path: str) -> list[str]:
    files = files_of(space.root, RecipeSource(path))
    return [file.relative_to(space.root).as_posix() for file in files]


def test_a_file_a_folder_and_a_pattern(space: Workspace) -> None:
    write(space.root, "docs/b.md", "docs/a b.md", "docs/deep/c.txt", "docs/x.bin")
    assert found(space, "docs/b.md") == ["docs/b.md"]
    assert found(space, "docs") == ["docs/a b.md", "docs/b.md", "docs/deep/c.txt"]
    assert found(space, "docs/*.md") == ["docs/a b.md", "docs/b.md"]
    assert found(space, "docs/**/*.txt") == ["docs/deep/c.txt"]
    assert found(space, "none.md") == []


def test_a_name_is_the_same_however_its_hangul_is_written(space: Workspace) -> None:
    apart = unicodedata.normalize("NFD", "방재/지침.md")
    write(space.root, apart)
    (path,) = files_of(space.root, RecipeSource("방재/지침.md"))
    assert path.read_text() == "text"


@pytest.mark.parametrize(
    "path", ["/etc/hosts", "../a.md", "docs/../../a.md", "C:/a.md", "C:a.md", "//host/share/a.md"]
)
def test_no_source_lies_outside_on_any_system(space: Workspace, path: str) -> None:
    with pytest.raises(FindingsError, match="outside"):
        files_of(space.root, RecipeSource(path))


@pytest.mark.parametrize(
    ("path", "mend"),
    [("", "Name a file"), ("docs\\a.md", "Write `docs/a.md`"), ("docs/**x", r"docs/\*\*/\*\.pdf")],
)
def test_what_is_no_path_is_told(space: Workspace, path: str, mend: str) -> None:
    write(space.root, "docs/a.md")
    with pytest.raises(FindingsError, match=mend):
        files_of(space.root, RecipeSource(path))


def test_a_link_does_not_lead_out(space: Workspace, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "a.md")
    os.symlink(tmp_path / "elsewhere", space.root / "link")
    with pytest.raises(FindingsError, match="outside"):
        files_of(space.root, RecipeSource("link"))
    with pytest.raises(FindingsError, match="outside"):
        files_of(space.root, RecipeSource("link/a.md"))


def test_what_millhand_writes_is_no_source_of_a_folder(space: Workspace) -> None:
    write(
        space.root,
        "a.md",
        "dataset_registry/x/report.html",
        "dataset_registry/x/rows.jsonl",
        "dataset_registry/x/source/manual.md",
        "runpod/requirements.txt",
        "outputs/run/README.md",
        ".millhand/notes.md",
        ".hidden.md",
    )
    assert found(space, ".") == ["a.md", "dataset_registry/x/source/manual.md"]
