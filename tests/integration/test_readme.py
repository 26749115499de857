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
from pathlib import Path

import pytest

from millhand.demo import spreadsheet
from tests.hub_fake import FakeHub
from tests.hub_fake.fixtures import environment as on_loopback
from tests.hub_fake.server import serving
from tests.patience import WITHIN_S

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.ko.md")
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
# The environment that the tests run in was made by these; and `make test` is what runs the tests.
ELSEWHERE = {"make test", "pip install .", "millhand install"}

ANSWER = "A: 보통 200~300km마다 닦고, 비를 맞으면 바로 닦으세요."

pytestmark = pytest.mark.real


def commands(readme: str) -> list[str]:
    blocks = BLOCK.findall((ROOT / readme).read_text(encoding="utf-8"))
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


STARTS = (
    "millhand init bikes",
    "make data",
    "millhand dart fetch",
    "millhand up l4 --dry-run",
    "millhand push dataset bicycle",
)


def parts(readme: str) -> list[list[str]]:
    """The commands from each start to the next."""
    lines = commands(readme)
    starts = [next(n for n, line in enumerate(lines) if line.startswith(start)) for start in STARTS]
    return [lines[one:next_] for one, next_ in zip(starts, [*starts[1:], len(lines)], strict=True)]


def walk_through(readme: str) -> list[str]:
    return parts(readme)[0]


def filings(readme: str) -> list[str]:
    return parts(readme)[2]


def remote_walk_through(readme: str) -> list[str]:
    return parts(readme)[3]


def test_both_languages_say_the_same_commands_and_open_with_the_two() -> None:
    english, korean = (commands(readme) for readme in READMES)
    assert english == korean
    assert english[:2] == ["make run", "make test"]
    for readme in READMES:
        assert (ROOT / readme).read_text(encoding="utf-8").index("make run") < 200


def test_every_command_is_run_by_some_test() -> None:
    # the filings' part: tests/integration/test_dart_dataset.py, the remote one: test_readme_remote.py
    known = {*ELSEWHERE, "make run", "millhand demo", *(line for part in parts("README.md") for line in part)}
    assert set(commands("README.md")) == known


def test_links_and_pictures_of_the_documents_exist() -> None:
    documents = [ROOT / "README.md", ROOT / "README.ko.md", *(ROOT / "docs").rglob("*.md")]
    assert len(documents) >= 4
    for document in documents:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (document.parent / target).exists(), (document, target)


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def typed(lines: list[str], folder: Path, **variables: str) -> dict[str, str]:
    """What each line printed, typed one after the other beginning in ``folder``."""
    printed = {}
    for line in lines:
        words = shlex.split(line)
        if words[0] == "cd":
            folder = (folder / words[1]).resolve()
            continue
        env = {**environment(), **variables}
        done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (line, done.stderr)
        printed[line] = done.stdout
    return printed


def only(printed: dict[str, str], start: str) -> str:
    (text,) = [text for line, text in printed.items() if line.startswith(start)]
    return text


def test_the_walk_through(tmp_path: Path) -> None:
    """The table's, and on the same workspace the documents' and the Hub's."""
    shutil.copy(spreadsheet(), tmp_path / "bicycle.xlsx")
    *lines, last = walk_through("README.md")
    printed = typed(lines, tmp_path)
    assert ANSWER in only(printed, "millhand chat")
    assert "100.0%" in only(printed, "millhand evaluate")
    serve(shlex.split(last), tmp_path / "bikes")
    documents(tmp_path / "bikes")
    publish(tmp_path)


def documents(workspace: Path) -> None:
    shutil.copy(ROOT / "dataset_registry/security_manual/source/manual.pdf", workspace)
    make, *lines = parts("README.md")[1]
    assert make == "make data"
    printed = typed(lines, workspace)
    assert "manual: built" in printed["millhand data build manual"]
    assert (workspace / "review.csv").is_file()


def publish(folder: Path) -> None:
    hub = FakeHub(folder / "hub")
    with serving(hub):
        printed = typed(parts("README.md")[4], folder / "bikes", **on_loopback(hub))
    assert hub.violations == []
    assert ANSWER in only(printed, "millhand chat")


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
