"""What the READMEs say to type, typed: every command of their code blocks, in order."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.hub_fake import FakeHub
from tests.hub_fake.fixtures import environment as on_loopback
from tests.hub_fake.server import serving
from tests.patience import WITHIN_S

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.ko.md")
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
# What the words before a block say of the folder that it is typed in.
PLACES = {
    "in the clone": "clone",
    "저장소 사본에서": "clone",
    "in the workspace": "workspace",
    "작업 공간에서": "workspace",
}
# The environment that the tests run in was made by these; and `make test` is what runs the tests.
ELSEWHERE = {"make test", "pip install .", "millhand install"}

ANSWER = "A: 보통 200~300km마다 닦고, 비를 맞으면 바로 닦으세요."

pytestmark = pytest.mark.real


class Block(NamedTuple):
    place: str
    lines: list[str]


def blocks(readme: str) -> list[Block]:
    text = (ROOT / readme).read_text(encoding="utf-8")
    found = []
    for block in BLOCK.finditer(text):
        lead = " ".join(text[: block.start()].rstrip().rpartition("\n\n")[2].lower().split())
        place = next((place for words, place in PLACES.items() if words in lead), "")
        lines = (line.split("  #")[0].strip() for line in block[1].splitlines())
        found.append(Block(place, [line for line in lines if line]))
    return found


def commands(readme: str) -> list[str]:
    return [line for block in blocks(readme) for line in block.lines]


ACTIVATE = ". .venv/bin/activate"
WALK, FILINGS, REMOTE, HUB = 2, 6, 7, 8  # the first block of each part


def filings(readme: str) -> list[str]:
    return blocks(readme)[FILINGS].lines


def remote_walk_through(readme: str) -> list[str]:
    return blocks(readme)[REMOTE].lines


def test_both_languages_say_the_same_commands_and_open_with_the_two() -> None:
    english, korean = (commands(readme) for readme in READMES)
    assert english == korean
    assert english[:2] == ["make run", "make test"]
    assert [block.place for block in blocks("README.md")] == [block.place for block in blocks("README.ko.md")]
    for readme in READMES:
        assert (ROOT / readme).read_text(encoding="utf-8").index("make run") < 200


def test_every_command_is_run_by_some_test() -> None:
    # the filings' part: tests/integration/test_dart_dataset.py, the remote one: test_readme_remote.py
    first, without_make, *rest = blocks("README.md")
    assert {*first.lines, *without_make.lines} == {*ELSEWHERE, "make run", "millhand demo"}
    assert [block.lines[0] for block in rest] == [
        ACTIVATE,
        "millhand init ../bikes",
        "make data",
        "millhand docs read manual.pdf --out docs/text --tables",
        filings("README.md")[0],
        "millhand up l4 --dry-run",
        "millhand push dataset bicycle --to mill/bicycle --dry-run",
    ]
    assert all(block.place for block in rest)


def test_links_and_pictures_of_the_documents_exist() -> None:
    documents = [ROOT / "README.md", ROOT / "README.ko.md", *(ROOT / "docs").rglob("*.md")]
    assert len(documents) >= 4
    for document in documents:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (document.parent / target).exists(), (document, target)


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def typed(lines: list[str], folder: Path, **variables: str) -> dict[str, str]:
    """What each line printed, typed one after the other into a shell that begins in ``folder``."""
    with tempfile.TemporaryDirectory() as out:
        script = "\n".join(f"{line} >{out}/{n} || exit" for n, line in enumerate(lines))
        env = {**environment(), **variables}
        argv = ["bash", "--noprofile", "--norc", "-c", script]
        done = subprocess.run(argv, cwd=folder, env=env, stderr=subprocess.PIPE, text=True, check=False)
        printed = {line: path for n, line in enumerate(lines) if (path := Path(out, str(n))).exists()}
        assert done.returncode == 0, (list(printed)[-1], done.stderr)
        return {line: path.read_text(encoding="utf-8") for line, path in printed.items()}


def only(printed: dict[str, str], start: str) -> str:
    (text,) = [text for line, text in printed.items() if line.startswith(start)]
    return text


def test_the_walk_through(tmp_path: Path) -> None:
    """The table's, the documents' and the Hub's, each where its words say, in a clone after `make run`."""
    places = {"clone": fresh_clone(tmp_path / "millhand"), "workspace": tmp_path / "bikes"}
    activate, table, sample, documents = blocks("README.md")[WALK:FILINGS]
    assert (activate.place, table.place, activate.lines) == ("clone", "clone", [ACTIVATE])
    *lines, last = table.lines
    printed = typed([ACTIVATE, *lines], places["clone"], PATH=path_without_millhand())
    assert ANSWER in only(printed, "millhand chat")
    assert "100.0%" in only(printed, "millhand evaluate")
    serve(shlex.split(last), places["workspace"])
    for block in (sample, documents):
        printed = typed(block.lines, places[block.place])
    assert "manual: built" in printed["millhand data build manual"]
    assert (places["workspace"] / "review.csv").is_file()
    publish(places)


def publish(places: dict[str, Path]) -> None:
    block = blocks("README.md")[HUB]
    hub = FakeHub(places["workspace"].parent / "hub")
    with serving(hub):
        printed = typed(block.lines, places[block.place], **on_loopback(hub))
    assert hub.violations == []
    assert ANSWER in only(printed, "millhand chat")


def fresh_clone(folder: Path) -> Path:
    """The files that git knows, and beside them the environment as `make run` and the extras leave it."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        (folder / ".venv" / path.name).symlink_to(path)
    for stamp in (".installed", ".documents"):
        (folder / ".venv" / stamp).unlink(missing_ok=True)
        (folder / ".venv" / stamp).touch()
    return folder


def path_without_millhand() -> str:
    """What a new terminal has: only activating finds the command."""
    folders = [
        folder for folder in os.environ["PATH"].split(os.pathsep) if not Path(folder, "millhand").exists()
    ]
    assert not shutil.which("millhand", path=os.pathsep.join(folders))
    return os.pathsep.join(folders)


def test_make_data_builds_what_ships_byte_for_byte(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("dataset_registry", "llamafactory_configs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    made = tmp_path / "dataset_registry/security_manual"
    before = {path.name: path.read_bytes() for path in made.glob("*.json*")}
    assert {"rows.jsonl", "validation.jsonl", "test.jsonl", "build.json"} <= before.keys()
    for path in made.glob("*.json*"):
        path.unlink()
    argv = ["make", "-o", f"{sys.prefix}/.documents", "data", f"VENV={sys.prefix}"]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in made.glob("*.json*")} == before


def serve(words: list[str], folder: Path) -> None:
    assert words[:2] == ["millhand", "serve"]
    with socket.socket() as probe:  # the README's port may be in use where the tests run
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    words[words.index("--port") + 1] = port
    server = subprocess.Popen(words, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    assert any(f"http://127.0.0.1:{port}/v1" in line for line in server.stderr)
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=WITHIN_S)
    assert server.returncode == 130


def test_make_run_twice_and_make_clean(tmp_path: Path) -> None:
    """`make run` as the README says, in the environment that the tests run in."""

    def make(target: str) -> str:
        argv = ["make", target, f"DEMO={tmp_path / 'demo'}", f"VENV={sys.prefix}"]
        done = subprocess.run(argv, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    first = make("run")
    assert re.search(r"trained rows \(bicycle\)\s*│\s*(11[4-9]|120)\s*│\s*120", first), first
    assert re.search(r"held-out rows \(bicycle_held_out\)\s*│\s*\d+\s*│\s*24", first), first
    assert first.count("\nA: ") == 5
    weights = tmp_path / "demo/outputs/bicycle/adapter_model.safetensors"
    before = weights.stat().st_mtime_ns
    second = make("run")
    assert "These inputs were trained before" in second
    assert "It was exported before" in second
    assert weights.stat().st_mtime_ns == before
    (tmp_path / "demo" / "mine.txt").write_text("kept")
    make("clean")
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["mine.txt"]
