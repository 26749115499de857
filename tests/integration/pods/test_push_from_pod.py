"""`millhand push model --pod`: a machine behind a real sshd sends what lies there to the Hub on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millhand.pods.local import LocalPod
from millhand.runs.deliver import delivered
from millhand.runs.ledger import Run
from millhand.workspace import Workspace
from tests.hub_fake import FakeHub
from tests.hub_fake.fixtures import assert_no_commit_lacks_a_file, contents, environment, hub, waits
from tests.hub_fake.made import MANIFEST, make_run
from tests.patience import WITHIN_S
from tests.sshd import running_sshd

__all__ = ["hub", "waits"]
ID = "mill/minwon"
SIZE = 1_500_000  # shards of one and of three parts
SHARD = "model-00001-of-00002.safetensors"


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return make_run(workspace, size=SIZE // 2)


@pytest.fixture
def box(workspace: Workspace, run: Run, tmp_path: Path) -> Iterator[Path]:
    """The pod's workspace; the merged model lies there alone, the adapter on both sides."""
    folder = tmp_path / "box"
    shutil.copytree(workspace.root / "outputs", folder / "outputs")
    shutil.rmtree(workspace.root / "outputs/qa-merged")
    (folder / "outputs/qa/millhand_run.json").unlink()  # it is written where a run is verified
    with running_sshd(tmp_path / "sshd") as running:
        address = running.address
        text = f"kind: ssh\nhost: 127.0.0.1\nport: {address.port}\nuser: {address.user}\n"
        text += f"key: {address.key_files[0]}\nworkspace: {folder}\npython: {sys.executable}\n"
        (workspace.root / "runpod/box.yaml").write_text(text)
        yield folder
        for job in folder.glob(".millhand/jobs/*"):
            LocalPod(folder).attach(job.name).stop(0)


def start(hub: FakeHub, *more: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "millhand", "push", "model", "qa", "--to", ID, "--pod", "box", *more]
    env = {**os.environ, **environment(hub)}
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def push(hub: FakeHub, *more: str, code: int = 0) -> tuple[str, str]:
    process = start(hub, *more)
    out, err = process.communicate(timeout=WITHIN_S)
    assert process.returncode == code, err
    return out, err


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def shown(name: str, data: bytes) -> object:
    """A file's bytes; of the manifest, which is written anew for others, what it says."""
    return json.loads(data) if name == MANIFEST else data


def assert_whole(hub: FakeHub, workspace: Workspace, run: Run, box: Path) -> None:
    files, merged = contents(hub.repo(ID), "main"), bytes_of(box / "outputs/qa-merged")
    assert {name: shown(name, files[name]) for name in merged} == {n: shown(n, d) for n, d in merged.items()}
    assert "# " in files["README.md"].decode()
    assert_no_commit_lacks_a_file(hub.repo(ID), set(files))
    assert len(hub.repo(ID).commits) == 2
    [facts] = delivered(workspace, run)
    assert set(facts["files"]) == set(files)


def test_the_pod_sends_what_lies_there_and_the_ledger_says_so(
    hub: FakeHub, workspace: Workspace, run: Run, box: Path
) -> None:
    shown = json.loads(push(hub, "--dry-run", "--json")[0])
    assert {row["path"]: row["size"] for row in shown["files"]}[SHARD] == len(
        (box / "outputs/qa-merged" / SHARD).read_bytes()
    )
    assert not hub.stages()["create"]
    answer = json.loads(push(hub, "--json", "--tag", "v1")[0])
    assert_whole(hub, workspace, run, box)
    assert answer["commit"] == hub.repo(ID).resolve("v1")
    assert not (workspace.root / "outputs/qa-merged").exists()
    assert not list(workspace.root.rglob(SHARD))
    again = json.loads(push(hub, "--json", "--tag", "v1")[0])
    assert again["again"]
    assert len(hub.repo(ID).commits) == 2


def test_an_adapter_goes_with_the_manifest_that_lies_at_home(
    hub: FakeHub, workspace: Workspace, run: Run, box: Path
) -> None:
    push(hub, "--adapter")
    files = contents(hub.repo(ID), "main")
    assert files["adapter_model.safetensors"] == bytes_of(box / "outputs/qa")["adapter_model.safetensors"]
    assert json.loads(files[MANIFEST]) == json.loads((workspace.root / "outputs/qa" / MANIFEST).read_bytes())
    assert "training_args.bin" not in files


@pytest.mark.parametrize(("stage", "how"), [("put", "slow"), ("part", "slow"), ("commit", "stall")])
def test_a_client_that_is_killed_is_not_needed(
    hub: FakeHub, workspace: Workspace, run: Run, box: Path, stage: str, how: str
) -> None:
    fault = hub.order(stage, how=how, times=1000, hold_s=5)
    client = start(hub)
    until(lambda: hub.stages()[stage] > 0)
    client.kill()
    client.communicate()
    assert delivered(workspace, run) == []
    fault.times = 0
    push(hub)
    assert_whole(hub, workspace, run, box)
    for path in hub.folder("model", ID).glob("objects/*"):
        if len(path.name) == 64:
            assert hub.received[path.name] == path.stat().st_size


def test_ctrl_c_ends_the_following_and_the_pod_goes_on(
    hub: FakeHub, workspace: Workspace, run: Run, box: Path
) -> None:
    fault = hub.order("part", how="slow", times=1000)
    client = start(hub)
    until(lambda: hub.stages()["part"] > 0)
    client.send_signal(signal.SIGINT)
    _, err = client.communicate(timeout=WITHIN_S)
    assert client.returncode == 130
    assert "goes on sending" in err
    assert "Traceback" not in err
    fault.times = 0
    until(lambda: hub.stages()["commit"] > 0)
    push(hub)
    assert_whole(hub, workspace, run, box)


def test_a_job_that_is_killed_is_gone_on_with(
    hub: FakeHub, workspace: Workspace, run: Run, box: Path
) -> None:
    fault = hub.order("part", how="slow", times=1000)
    client = start(hub)
    until(lambda: hub.stages()["part"] > 0)
    [job] = (box / ".millhand/jobs").glob("push-*")
    os.kill(json.loads((job / "state.json").read_text())["pid"], signal.SIGKILL)
    _, err = client.communicate(timeout=WITHIN_S)
    assert client.returncode == 1
    assert "broke off" in err
    assert delivered(workspace, run) == []
    fault.times = 0
    push(hub)
    assert_whole(hub, workspace, run, box)


@pytest.mark.parametrize("after_bytes", [0, 100_000])
def test_a_put_that_is_cut_is_sent_again_by_the_pod(
    hub: FakeHub, workspace: Workspace, run: Run, box: Path, after_bytes: int
) -> None:
    hub.order("put", how="cut-midway", after_bytes=after_bytes)
    _, err = push(hub)
    assert "box: " in err
    assert_whole(hub, workspace, run, box)


@pytest.mark.parametrize("fault", ["", "put", "commit", "preupload"])
def test_the_token_and_the_storage_s_signatures_are_nowhere(
    hub: FakeHub, workspace: Workspace, run: Run, box: Path, fault: str
) -> None:
    if fault:
        hub.order(fault, status=403, message=f"Forbidden for {hub.token}", times=1000)
    seen: list[bytes] = []
    slow = hub.order("part", how="slow", times=2 if not fault else 0)
    process = start(hub, "--json")
    while process.poll() is None:
        seen += [line for line in command_lines() if b"millhand" in line.lower()]
        time.sleep(0.05)
    told = process.communicate()
    assert process.returncode == (3 if fault else 0), told[1]
    assert fault or any(b"MILLHAND_PROGRAM" in line for line in seen), "the job was never looked at"
    assert slow.times == 0
    written = [
        path.read_bytes() for root in (workspace.root, box) for path in root.rglob("*") if path.is_file()
    ]
    for data in (*(text.encode() for text in told), *written, *seen):
        assert hub.token.encode() not in data
        assert not any(signature.encode() in data for signature in hub.signatures)


def command_lines() -> list[bytes]:
    """The arguments of every process here."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:  # it ended meanwhile
            continue
    return found


def test_what_lies_there_and_is_not_this_run_s_is_not_sent(
    hub: FakeHub, workspace: Workspace, run: Run, box: Path
) -> None:
    manifest = box / "outputs/qa-merged/millhand_run.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "run": "other"}))
    _, err = push(hub, code=2)
    assert "not what run qa made" in err
    (box / "outputs/qa/adapter_model.safetensors").write_bytes(b"other")
    _, err = push(hub, "--adapter", code=2)
    assert "not what run qa made" in err
    shutil.rmtree(box / "outputs/qa-merged")
    _, err = push(hub, code=2)
    assert "millhand export qa --run qa --pod box --there" in err
    assert not hub.stages()["create"]


@pytest.mark.parametrize(
    ("name", "text", "finding"),
    [
        ("optimizer2.pt", "x", "pickle"),
        ("generation_config.json", '{"key": "hf_%s"}' % ("Ab1" * 12), "Hugging Face token"),
    ],
)
def test_the_gates_look_at_what_lies_there(
    hub: FakeHub, workspace: Workspace, run: Run, box: Path, name: str, text: str, finding: str
) -> None:
    (box / "outputs/qa-merged" / name).write_text(text)
    _, err = push(hub, code=3)
    assert finding in err
    assert "Ab1Ab1" not in err
    assert not hub.stages()["create"]
