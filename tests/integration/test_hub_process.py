"""`millhand push` as a process of its own: killed, interrupted, and with the token looked for everywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from millhand.files import sha256_file
from millhand.runs.deliver import delivered
from millhand.runs.ledger import Run
from millhand.workspace import Workspace
from tests.hub_fake import FakeHub
from tests.hub_fake.fixtures import assert_no_commit_lacks_a_file, contents, environment, hub, waits
from tests.hub_fake.made import MANIFEST, make_run
from tests.patience import WITHIN_S

__all__ = ["hub", "waits"]
ID = "mill/minwon"
SIZE = 1_500_000  # shards of one and of three parts


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return make_run(workspace, size=SIZE // 2)


def start(hub: FakeHub, *more: str, **variables: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "millhand", "push", "model", "qa", "--to", ID, "--tag", "v1", *more]
    env = {**os.environ, **environment(hub), **variables}
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def until(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + WITHIN_S
    while not happened():
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < end
        time.sleep(0.02)


def finish(hub: FakeHub, workspace: Workspace, run: Run) -> None:
    again = start(hub)
    _, err = again.communicate(timeout=WITHIN_S)
    assert again.returncode == 0, err.decode()
    repo = hub.repo(ID)
    files = {name: sha256(data).hexdigest() for name, data in contents(repo, "v1").items()}
    merged = {p.name: sha256_file(p) for p in (workspace.root / "outputs/qa-merged").iterdir()}
    del merged[MANIFEST]  # it goes without what is not for others
    assert {name: files[name] for name in merged} == merged
    assert json.loads(repo.read(MANIFEST, "v1"))["run"] == run.name
    assert_no_commit_lacks_a_file(repo, set(files))
    assert len(repo.commits) == 2
    assert len(delivered(workspace, run)) == 1


@pytest.mark.parametrize(
    ("stage", "how"),
    [("create", "stall"), ("put", "slow"), ("part", "slow"), ("complete", "stall"), ("commit", "stall"),
     ("commit", "cut-after"), ("tag", "stall")],
)  # fmt: skip
def test_a_push_that_is_killed_is_gone_on_with(
    hub: FakeHub, workspace: Workspace, run: Run, stage: str, how: str
) -> None:
    fault = hub.order(stage, how=how, times=1000)
    process = start(hub)
    until(lambda: hub.stages()[stage] > 0, process)
    process.kill()
    process.communicate()
    fault.times = 0
    assert delivered(workspace, run) == []
    before = {path.name: hub.received[path.name] for path in hub.folder("model", ID).glob("objects/*")}
    finish(hub, workspace, run)
    for oid, count in before.items():
        if len(oid) == 64:  # had arrived whole
            assert hub.received[oid] == count


def test_ctrl_c_ends_an_upload_at_once(hub: FakeHub, workspace: Workspace, run: Run) -> None:
    fault = hub.order("part", how="slow", times=1000)  # all of it would take longer than is waited for here
    (workspace.root / "outputs/qa-merged/model-00003-of-00003.safetensors").write_bytes(os.urandom(60 << 20))
    process = start(hub)
    until(lambda: hub.stages()["part"] > 0, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 130
    assert b"Traceback" not in err
    fault.times = 0
    finish(hub, workspace, run)


@pytest.mark.parametrize("fault", ["", "put", "part", "commit", "preupload"])
def test_the_token_and_the_storage_s_signatures_are_nowhere(
    hub: FakeHub, workspace: Workspace, run: Run, fault: str, tmp_path: Path
) -> None:
    if fault:
        hub.order(fault, status=403, message=f"Forbidden for {hub.token}", times=1000)
    home = tmp_path / "hf-home"
    process = start(hub, "--json", HF_DEBUG="1", HF_HUB_VERBOSITY="debug", HF_HOME=str(home))
    told = process.communicate(timeout=WITHIN_S)
    assert process.returncode == (3 if fault else 0), told[1].decode()
    written = [p.read_bytes() for folder in (workspace.root, home) for p in folder.rglob("*") if p.is_file()]
    served = [p.read_bytes() for p in hub.root.rglob("*") if p.is_file()]
    for data in (*told, *written, *served):
        assert hub.token.encode() not in data
        assert not any(signature.encode() in data for signature in hub.signatures)
