"""What a locked requirements file says of a pod's environment; nothing is installed here."""

from __future__ import annotations

from pathlib import Path

import pytest

from millhand.errors import UsageError
from millhand.pods.base import Result
from millhand.pods.environment_maker import Environment
from millhand.pods.fake import FakePod
from millhand.runs.pod_environment import (
    check_command,
    look,
    make_job,
    prepare,
    read_environment,
)
from millhand.shell import Command
from millhand.workspace import Workspace

HASH = "--hash=sha256:" + "0" * 64
LOCK = f"# a comment\n\ndatasets==3.6.0 \\\n    {HASH} \\\n    {HASH}\ntorch==2.10.0 \\\n    {HASH}\n"


@pytest.fixture
def lock(workspace: Workspace) -> Path:
    path = workspace.root / "runpod" / "requirements-gpu.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(LOCK)
    return path


def test_an_environment_is_known_by_its_lock(workspace: Workspace, lock: Path) -> None:
    environment = read_environment(workspace, lock, "/workspace/")
    assert environment.lock == "runpod/requirements-gpu.txt"
    assert environment.python.startswith("/workspace/.millhand/environments/requirements-gpu-")
    caches = environment.variables
    assert caches["HF_HOME"] == "/workspace/.millhand/environments/huggingface"
    assert caches["HF_DATASETS_CACHE"].endswith(f"/huggingface/datasets-{environment.name}")
    lock.write_text(LOCK + f"xxhash==4.1.0 \\\n    {HASH}\n")
    assert read_environment(workspace, lock, "/workspace").name != environment.name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "torch==2.10.0\n",
        f"torch>=2.10 \\\n    {HASH}\n",
        f"torch==2.10.0 \\\n    {HASH}\ndatasets\n",
        f"--index-url https://example.com\ntorch==2.10.0 \\\n    {HASH}\n",
        f"-r other.txt\ntorch==2.10.0 \\\n    {HASH}\n",
        "torch==2.10.0 \\\n    --hash=sha256:123\n",
    ],
)
def test_what_is_no_lock_is_refused(workspace: Workspace, lock: Path, text: str) -> None:
    lock.write_text(text)
    with pytest.raises(UsageError, match="no lock"):
        read_environment(workspace, lock, "/workspace")
    lock.unlink()
    with pytest.raises(UsageError, match="no locked requirements file"):
        read_environment(workspace, lock, "/workspace")


def test_an_environment_that_is_made_costs_one_look(workspace: Workspace, lock: Path) -> None:
    environment = read_environment(workspace, lock, "/workspace")
    ready = f'{{"ready":true,"why":"","python":"{environment.python}","version":"3.12.1"}}'
    look_at = check_command(environment)
    pod = FakePod({look_at.argv: Result(look_at, 0, ready, "")})
    said: list[str] = []
    assert prepare(pod, environment, said.append).python == environment.python
    assert look(pod, environment).ready
    assert (len(pod.commands), pod.started, said) == (2, [], [])


def test_what_the_pod_is_told_holds_no_program_in_its_arguments(workspace: Workspace, lock: Path) -> None:
    job = make_job(read_environment(workspace, lock, "/workspace"))
    assert job.name.startswith("environment-")
    assert max(len(word) for word in job.command.argv) < 4000
    assert isinstance(job.command, Command)
    assert "class Environment" not in str(job.command.argv)


def test_a_file_system_that_shares_nothing_keeps_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"folder": str(tmp_path), "name": "e", "lock": "l", "uv": "u", "interpreter": "3", "verify": []}
    environment = Environment(spec)
    ran: list[list[str]] = []
    monkeypatch.setattr(environment, "_run", ran.append)
    module = environment.path / "lib" / "python3.12" / "site-packages" / "a" / "b.py"
    module.parent.mkdir(parents=True)
    module.touch()
    (tmp_path / "cached.py").hardlink_to(module)
    environment._drop_copies()
    assert ran == []
    (tmp_path / "cached.py").unlink()
    environment._drop_copies()
    assert ran[0][1:3] == ["cache", "clean"]
