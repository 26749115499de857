"""What is said of a run that its pod's lease ended."""

from __future__ import annotations

import dataclasses

from millhand.runs.lease_ends import ended_by_lease
from millhand.runs.ledger import Run
from millhand.workspace import Workspace
from tests.runpod_fake.fixtures import POD_FILE


def test_what_lay_on_a_pod_without_a_disk_of_its_own_is_not_said_to_be_kept(workspace: Workspace) -> None:
    disk, text = "volume: {name: millhand, size_gb: 100}", POD_FILE
    for name, keeps in (("l4", disk), ("h100", "allow_loss: true")):
        (workspace.root / f"runpod/{name}.yaml").write_text(text.replace(disk, keeps))
    run = Run("qa", "qa", "c.yaml", "f", "l4", "outputs/qa", 0.0, {})
    assert "is kept" in str(ended_by_lease(workspace, run, "deadline", "its checkpoint is kept"))
    gone_with_it = ended_by_lease(workspace, dataclasses.replace(run, pod="h100"), "deadline", "it is kept")
    assert "lost with the pod" in str(gone_with_it)
    assert "kept" not in str(gone_with_it)
