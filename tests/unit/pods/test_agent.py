"""The agent, as it travels, over a pipe to a bare Python: what arrives, and what is refused."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millhand.pods import agent_io, wire
from millhand.pods.agent_io import RefusedError, inside, joined_paths
from millhand.pods.bundle import boot_argv, bundle
from millhand.pods.ssh.agents import MODULES, agent
from tests.patience import WITHIN_S

TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))
RAW = st.binary(max_size=8).map(lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape"))
SHOW = (
    "import os, sys\n"
    "told = [*sys.argv[1:], os.environ['IT'], '']\n"
    "told = '\\0'.join(told).encode('utf-8', 'surrogateescape') + sys.stdin.buffer.read()\n"
    "sys.stdout.buffer.write(told)"
)
PIPE = subprocess.PIPE


class Line:
    """A client's end of an agent."""

    def __init__(self, root: Path, program: bytes = b"", **env: str) -> None:
        argv = boot_argv(sys.executable)
        self.process = subprocess.Popen(argv, stdin=PIPE, stdout=PIPE, env={**os.environ, **env})
        assert self.process.stdin
        self.process.stdin.write(program or agent())
        self.hello = self("hello", root=str(root))[0]

    def __call__(self, op: str, payload: bytes = b"", **fields: Any) -> tuple[dict[str, Any], bytes]:
        assert self.process.stdin
        assert self.process.stdout
        wire.send(self.process.stdin, {"op": op, **fields}, payload)
        self.process.stdin.flush()
        return wire.receive(self.process.stdout)

    def run(self, *argv: str, payload: bytes = b"", **more: Any) -> tuple[dict[str, Any], bytes]:
        order = {"token": os.urandom(8).hex(), "argv": argv, "cwd": ".", "env": {}, **more}
        return self("run", payload, **order)

    def close(self) -> None:
        assert self.process.stdin
        wire.send(self.process.stdin, {"op": "bye"})
        self.process.communicate(timeout=WITHIN_S)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pod") / "작업 공간"


@pytest.fixture(scope="module")
def line(root: Path) -> Iterator[Line]:
    line = Line(root)
    yield line
    line.close()
    assert line.process.returncode == 0


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXT | RAW, max_size=4), TEXT | RAW, st.binary(max_size=64))
def test_arguments_environment_and_input_arrive_as_they_were_given(
    line: Line, arguments: list[str], value: str, given: bytes
) -> None:
    program = [sys.executable, "-X", "utf8", "-c", SHOW, *arguments]
    answer, said = line.run(*program, env={"IT": value}, payload=given)
    told = "\0".join([*arguments, value, ""]).encode("utf-8", "surrogateescape")
    assert (answer["code"], said) == (0, told + given)


@pytest.mark.parametrize("locale", ["C", "POSIX", "ko_KR.EUC-KR"])
def test_hangul_survives_any_locale(tmp_path: Path, locale: str) -> None:
    line = Line(tmp_path / "한글", LC_ALL=locale, LANG=locale)
    answer, said = line.run(
        sys.executable, "-c", "import sys, os; os.write(1, os.fsencode(sys.argv[1]))", "한글"
    )
    assert (answer["code"], said.decode()) == (0, "한글")
    assert line("folder.make", path="가/나")[0] == {}
    assert (tmp_path / "한글" / "가" / "나").is_dir()
    line.close()


PARTS = st.sampled_from(["..", ".", "", "a", "b c", "link", "back", "한글", "out", "/", "~", "a\nb"])
PATHS = st.lists(PARTS, max_size=6).map("/".join)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with links that leave it and links that do not, beside a folder that must not change."""
    base = tmp_path_factory.mktemp("tree")
    tree = base / "root"
    for folder in (base / "outside" / "a", tree / "a", tree / "b c" / "a"):
        folder.mkdir(parents=True)
    (tree / "link").symlink_to(base / "outside")
    (tree / "a" / "link").symlink_to("../../outside")
    (tree / "back").symlink_to("a")
    return tree


@settings(max_examples=300)
@given(PATHS | TEXT, st.booleans())
def test_no_path_leaves_the_root(tree: Path, text: str, link: bool) -> None:
    try:
        found = inside(tree, text, link=link)
    except (RefusedError, OSError):
        return
    above = found.parent.resolve() if link else found.resolve()
    assert tree == above or tree in above.parents
    assert not (link and found == tree)


def test_what_is_inside_is_found(tree: Path) -> None:
    assert inside(tree, "a") == tree / "a"
    assert inside(tree, "back") == tree / "a"
    assert inside(tree, "back", link=True) == tree / "back"
    assert inside(tree, "link", link=True) == tree / "link"
    assert inside(tree, "not/there yet") == tree / "not" / "there yet"
    assert inside(tree, "a/../b c") == tree / "b c"
    with pytest.raises(RefusedError):
        inside(tree, "link")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["file.remove", "folder.make", "file.rename", "file.describe", "file.read"]), PATHS, PATHS
)
def test_nothing_outside_the_root_is_ever_changed(
    tmp_path_factory: pytest.TempPathFactory, line: Line, root: Path, op: str, path: str, to: str
) -> None:
    outside = root.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "a").write_text("kept")
    if not (root / "out").is_symlink():
        line("file.remove", path="out")
        (root / "out").symlink_to(outside)
    line(op, path=path, to=to, offset=0)
    assert [(item.name, item.read_text()) for item in outside.iterdir()] == [("a", "kept")]
    assert root.is_dir()


def test_a_call_is_made_once_however_often_it_is_asked_for(line: Line, root: Path) -> None:
    code = "open('count', 'a').write('x'); print('done')"
    order = {"token": "ab" * 8, "argv": [sys.executable, "-c", code], "cwd": ".", "env": {}}
    others = [Line(root), Line(root)]
    answers = [one("run", **order) for one in (line, *others)]
    assert answers == [({"code": 0, "fault": None, "out": 5}, b"done\n")] * 3
    assert (root / "count").read_text() == "x"
    for other in others:
        other.close()


def test_a_command_ends_when_it_ends_whatever_it_leaves_running(line: Line) -> None:
    answer, said = line.run("sh", "-c", "sleep 60 & echo $!")
    assert answer["code"] == 0
    assert runs(int(said))
    os.kill(int(said), 9)


def test_a_command_may_close_its_output_and_go_on(line: Line) -> None:
    answer, said = line.run("sh", "-c", "echo out; echo err >&2; exec >&- 2>&-; sleep 0.5; exit 7")
    assert (answer["code"], said) == (7, b"out\nerr\n")


def test_a_command_may_print_much_on_both_streams_but_not_for_ever(line: Line) -> None:
    code = "import sys; [(sys.stdout.write('o' * 99999), sys.stderr.write('e' * 99999)) for _ in range(100)]"
    answer, said = line.run(sys.executable, "-c", code)
    assert (answer["code"], answer["fault"], said) == (0, None, b"o" * 9999900 + b"e" * 9999900)
    answer, said = line.run("yes")
    assert (answer["code"], answer["fault"], len(said)) == (-9, "it printed more than 16 MiB", 16 << 20)


SLEEP = "import os, time; open('up', 'w').write(str(os.getpid())); os.rename('up', 'there'); time.sleep(60)"


def runs(pid: int) -> bool:
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def left_alone(root: Path, token: str, linger_s: float) -> Line:
    """An agent whose client vanished while a command ran."""
    program = bundle(MODULES, f"millhand.pods.agent_run.LINGER_S = {linger_s}; millhand.pods.agent.main()")
    line = Line(root, program)
    assert line.process.stdin
    order = {"op": "run", "token": token, "argv": [sys.executable, "-c", SLEEP], "cwd": ".", "env": {}}
    wire.send(line.process.stdin, order)
    line.process.stdin.close()
    deadline = time.monotonic() + WITHIN_S
    while not (root / "there").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return line


def test_a_command_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    line = left_alone(tmp_path, "cd" * 8, linger_s=0.5)
    assert line.process.wait(WITHIN_S) == 0
    heir = Line(tmp_path)
    answer, _ = heir("run", token="cd" * 8, argv=["true"], cwd=".", env={})
    assert (answer["code"], answer["fault"]) == (-9, "nobody was left to wait for it")
    heir.close()
    assert line.process.stdout
    line.process.stdout.close()


def test_a_command_whose_agent_was_killed_is_ended_and_not_run_again_unseen(tmp_path: Path) -> None:
    line = left_alone(tmp_path, "ef" * 8, linger_s=60)
    pid = int((tmp_path / "there").read_text())
    line.process.kill()
    line.process.wait()
    heir = Line(tmp_path)
    answer, _ = heir("run", token="ef" * 8, argv=["true"], cwd=".", env={})
    assert (answer["code"], answer["fault"]) == (-9, "whatever ran it was killed")
    deadline = time.monotonic() + WITHIN_S
    while runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    heir.close()
    assert line.process.stdout
    line.process.stdout.close()


def test_a_bad_request_is_answered_and_the_agent_goes_on(line: Line) -> None:
    for op, fields in (
        ("no-such", {}),
        ("run", {}),
        ("run", {"token": "../x"}),
        ("run.forget", {"tokens": ["../x"]}),
        ("file.read", {"path": 3}),
    ):
        assert "error" in line(op, **fields)[0]
    assert line("jobs")[0] == {"jobs": []}


def test_a_workspace_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = Line(tmp_path / "file")
    assert line.hello["error"] == "os"
    line.close()


def test_the_containers_environment_fills_gaps_and_keeps_its_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = tmp_path / "environ"
    environ.write_bytes(
        b"RUNPOD_POD_ID=abc\0RUNPOD_API_KEY=key\0HF_TOKEN=hf\0OTHER=1\0LANG=xx\0PATH=/opt/conda/bin:/usr/bin"
    )
    monkeypatch.setattr(agent_io, "_PROC_ENV", environ)
    own = {"LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin", "HOME": "/h", "RUNPOD_API_KEY": "key"}
    monkeypatch.setattr(os, "environ", own)
    assert agent_io.base_environment() == {
        "RUNPOD_POD_ID": "abc",
        "HF_TOKEN": "hf",
        "LANG": "C.UTF-8",
        "HOME": "/h",
        "PATH": "/opt/conda/bin:/usr/bin:/usr/local/bin",
    }


def test_where_process_1_is_closed_runpod_s_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rp").write_text('export RUNPOD_DC_ID="EU-1"\nexport HF_HOME="/workspace/a b"\nnonsense\n')
    monkeypatch.setattr(agent_io, "_PROC_ENV", tmp_path / "none")
    monkeypatch.setattr(agent_io, "_RUNPOD_ENV", tmp_path / "rp")
    assert agent_io.container_environment() == {"RUNPOD_DC_ID": "EU-1", "HF_HOME": "/workspace/a b"}


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_a_joined_path_has_each_folder_once_and_the_containers_first(own: list[str], more: list[str]) -> None:
    joined = joined_paths(":".join(own), ":".join(more)).split(":")
    assert sorted(filter(None, joined)) == sorted({*own, *more})
    assert joined[: len(dict.fromkeys(more))] == list(dict.fromkeys(more)) or not more


def test_what_travels_is_written_for_python_3_8() -> None:
    for name in MODULES:
        spec = importlib.util.find_spec(name)
        assert spec
        assert spec.origin
        ast.parse(Path(spec.origin).read_text(encoding="utf-8"), feature_version=(3, 8))
