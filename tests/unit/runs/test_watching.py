"""Where runs are looked for: what was typed for their pod means it again, whatever it was."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from millhand.errors import UsageError
from millhand.runs.finished import open_ledger
from millhand.runs.ledger import Run
from millhand.runs.opening import open_pod
from millhand.runs.plan import VERIFIED
from millhand.runs.remote import RemotePod
from millhand.runs.watching import places, reached
from millhand.workspace import Workspace
from tests.conftest import Millhand

RENTED = """\
kind: runpod
gpus: [NVIDIA L4]
image: an/image
max_usd_per_hour: 0.6
allow_loss: true
lease: {hours: 8, spend_usd: 5, idle_minutes: 20}
"""


@pytest.fixture
def box() -> Iterator[str]:
    """An ssh:// URL of this machine at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"ssh://kim@127.0.0.1:{taken.getsockname()[1]}/data"


def enter(workspace: Workspace, pod: str, *, name: str = "qa", began: bool = True) -> None:
    """A run that `train --pod POD` began."""
    ledger = open_ledger(workspace)
    ledger.add(Run(name, name, "c", "f", pod, f"outputs/{name}", 1.0, {"config": {}}))
    if began:
        ledger.begin(name, "train")


def test_a_run_is_looked_for_on_the_box_that_a_url_named(
    workspace: Workspace, box: str, millhand: Millhand
) -> None:
    pod = open_pod(workspace, box, lambda _: None)
    assert isinstance(pod, RemotePod)
    enter(workspace, pod.name)
    assert places(workspace) == ["local", box]
    with reached(workspace, pod.name, lambda _: None) as again:
        assert again.name == box
    for command in (("ps",), ("attach", "qa"), ("logs", "qa"), ("stop", "qa")):
        result = millhand(*command)
        assert result.exit_code == 1
        assert "There is no pod" not in result.stderr
        assert "127.0.0.1" in result.stderr


def test_a_run_is_looked_for_on_the_box_of_a_pod_file_beside_runpod(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workspace.root / "pods/box.yaml"
    path.parent.mkdir()
    path.write_text("kind: ssh\nhost: 127.0.0.1\n")
    enter(workspace, open_pod(workspace, "pods/box.yaml", lambda _: None).name)
    monkeypatch.chdir(workspace.configs)
    assert places(workspace) == ["local", "pods/box"]
    with reached(workspace, "pods/box", lambda _: None) as pod:
        assert pod.name == "pods/box"


def test_only_where_something_may_run_is_looked(workspace: Workspace) -> None:
    (workspace.root / "runpod/l4.yaml").write_text(RENTED)
    (workspace.root / "runpod/box.yaml").write_text("kind: ssh\nhost: 127.0.0.1\n")
    enter(workspace, "l4", name="rented")  # its pods are in the ledger, or there are none
    enter(workspace, "box", name="never", began=False)
    assert places(workspace) == ["local"]
    enter(workspace, "box", name="open")
    enter(workspace, "box", name="done")
    assert places(workspace) == ["local", "box"]
    for name in ("open", "done"):
        open_ledger(workspace).begin(name, VERIFIED)
        open_ledger(workspace).finish(name, VERIFIED, {})
    assert places(workspace) == ["local"]


def test_a_run_whose_pod_file_is_gone_is_not_kept_quiet(workspace: Workspace, millhand: Millhand) -> None:
    enter(workspace, "box")
    with pytest.raises(UsageError, match="no pod 'box'"), reached(workspace, "box", lambda _: None):
        pass
    result = millhand("ps")
    assert result.exit_code == 1
    assert "no pod 'box'" in result.stderr
