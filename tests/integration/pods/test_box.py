"""A machine with an sshd as a pod, by the command line alone: the whole way of a run, and files both ways."""

from __future__ import annotations

import hashlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_fake import FakeHub
from tests.hub_fake.fixtures import contents, environment, hub, waits
from tests.integration.conftest import Bench
from tests.patience import WITHIN_S
from tests.sshd import Sshd, running_sshd

pytestmark = pytest.mark.real
__all__ = ["hub", "waits"]


@pytest.fixture
def sshd(bench: Bench, tmp_path: Path) -> Iterator[Sshd]:
    with running_sshd(tmp_path / "sshd") as running:
        address = running.address
        text = f"kind: ssh\nhost: 127.0.0.1\nport: {address.port}\nuser: {address.user}\n"
        text += f"key: {address.key_files[0]}\nworkspace: {tmp_path}/box\npython: {sys.executable}\n"
        (bench.root / "runpod/box.yaml").write_text(text)
        yield running


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_on_a_box_is_trained_merged_brought_home_and_answers(
    bench: Bench, sshd: Sshd, tmp_path: Path
) -> None:
    out, err = bench.call("train", "qa", "--pod", "box", "--export")
    assert "12 of 12" in out
    assert "outputs/qa-merged" in out
    assert "SHA256:" in err, "the new host key was to be told"
    assert sha(bench.root / "outputs/qa/adapter_model.safetensors") == sha(
        tmp_path / "box/outputs/qa/adapter_model.safetensors"
    )
    again = bench.answer("train", "qa", "--pod", "box")
    assert again["again"]
    answer, _ = bench.call("chat", "qa", "-m", "자전거는 어디에서 빌리나요?")
    assert answer.strip()


def test_a_run_is_merged_on_the_box_and_sent_from_there(
    bench: Bench, sshd: Sshd, hub: FakeHub, tmp_path: Path
) -> None:
    bench.call("train", "qa", "--pod", "box")
    made = bench.answer("export", "qa", "--pod", "box", "--there")
    assert made["folder"] == "outputs/qa-merged"
    assert bench.answer("export", "qa", "--pod", "box", "--there")["again"]
    assert not list(bench.root.glob("outputs/qa-merged*"))
    opened = ["--override", "licence:bicycle=made up for a test"]
    bench.call("push", "model", "qa", "--to", "mill/qa", "--pod", "box", *opened, **environment(hub))
    sent, there = contents(hub.repo("mill/qa")), tmp_path / "box/outputs/qa-merged"
    assert sent["model.safetensors"] == (there / "model.safetensors").read_bytes()
    assert json.loads(sent["millhand_run.json"])["export"]["tokens"] > 0
    assert not list(bench.root.glob("outputs/qa-merged*"))


def test_ctrl_c_leaves_the_run_and_attach_stop_and_resume_find_it(bench: Bench, sshd: Sshd) -> None:
    """The pod file lies elsewhere, so that only what was typed for it means it."""
    (bench.root / "pods").mkdir()
    (bench.root / "runpod/box.yaml").rename(bench.root / "pods/box.yaml")
    bench.configure(max_steps=120, save_steps=20, per_device_train_batch_size=16)
    client = bench.start("train", "qa", "--pod", "pods/box.yaml", "--export")
    log = sshd.folder.parent / "box/outputs/qa/trainer_log.jsonl"
    bench.wait(lambda: log.is_file() and log.stat().st_size > 0)
    client.send_signal(signal.SIGINT)
    _, err = client.communicate(timeout=WITHIN_S)
    assert client.returncode == 130
    assert "goes on" in err
    rows = bench.answer("ps")
    assert [(row["pod"], row["phase"]) for row in rows] == [("pods/box", "running")]
    bench.call("stop", "qa")
    assert [row["phase"] for row in bench.answer("ps", "--pod", "pods/box")] == ["exited"]
    resumed = bench.answer("resume", "qa")
    assert (resumed["results"]["steps"], resumed["merged"]) == (120, "outputs/qa-merged")


def test_files_go_both_ways(bench: Bench, sshd: Sshd, tmp_path: Path) -> None:
    (bench.root / "메모 1.txt").write_text("가나다")
    planned = bench.answer("sync", "up", "--pod", "box", "--dry-run")["planned"]
    assert "메모 1.txt" in {item["path"] for item in planned}
    assert not [item for item in planned if item["path"].startswith((".env", ".millhand", "models/"))]
    bench.call("sync", "up", "--pod", "box")
    assert (tmp_path / "box/메모 1.txt").read_text() == "가나다"
    made = tmp_path / "box/outputs/x"
    (made / "checkpoint-5").mkdir(parents=True)
    (made / "adapter.bin").write_bytes(b"1" * 1000)
    (made / "checkpoint-5/optimizer.pt").write_bytes(b"2" * 1000)
    bench.call("sync", "down", "--pod", "box")
    assert (bench.root / "outputs/x/adapter.bin").read_bytes() == b"1" * 1000
    assert not (bench.root / "outputs/x/checkpoint-5").exists()
    _, err = bench.call("sync", "up", "--pod", "local", code=2)
    assert "nothing to bring" in err


def test_a_changed_host_key_stops_with_an_explanation(bench: Bench, sshd: Sshd) -> None:
    bench.call("ps", "--pod", "box")
    sshd.restart(new_host_key=True)
    _, err = bench.call("ps", "--pod", "box", code=1)
    assert "`millhand hosts forget box`" in err
    bench.call("hosts", "forget", "box")
    _, err = bench.call("ps", "--pod", "box")
    assert sshd.fingerprint in err
