"""The pod files that a new workspace gets."""

from __future__ import annotations

from pathlib import Path

from millhand.pods.podfile import RunPodSpec, find_pod, pod_names
from millhand.pods.shipped import lay_down, shipped_folder, unchanged
from millhand.workspace import create_workspace


def test_a_new_workspace_has_pod_files_that_can_be_read_and_their_lock(tmp_path: Path) -> None:
    workspace, _ = create_workspace(tmp_path / "작업")
    made = lay_down(workspace)
    assert "runpod/l4.yaml" in made
    for name in pod_names(workspace):
        pod_file = find_pod(workspace, name)
        if isinstance(pod_file.spec, RunPodSpec):
            assert pod_file.requirements is not None
            assert pod_file.requirements.is_file()


def test_what_is_there_stays_and_what_was_changed_is_known(tmp_path: Path) -> None:
    workspace, _ = create_workspace(tmp_path)
    mine = workspace.root / "runpod/l4.yaml"
    mine.write_text("kind: local\n")
    assert "runpod/l4.yaml" not in lay_down(workspace)
    assert mine.read_text() == "kind: local\n"
    assert mine not in unchanged(workspace)
    assert workspace.root / "runpod/h100.yaml" in unchanged(workspace)
    assert lay_down(workspace) == []


def test_the_repository_ships_its_own() -> None:
    assert (shipped_folder() / "rtx4090.yaml").is_file()
