"""A slice of the fault matrix (``python -m tests.fault_matrix`` plays all of it), for real, cell by cell."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.fault_matrix.faults import ALL
from tests.fault_matrix.play import Verdict, play
from tests.integration.conftest import Bench

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
KINDS = {kind.name.split(":")[0]: kind for kind in ALL}
SLICE = [
    ("client SIGKILL", "rent"),
    ("client machine gone for good", "train"),
    ("pod restart", "train"),
    ("pod gone", "train"),
    ("second client", "sync up"),
]


@pytest.fixture(scope="module")
def undisturbed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    folder = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(template, folder / "workspace")
    return play(KINDS["nothing (the control)"], "train", Bench(folder / "workspace"), folder)


@pytest.mark.parametrize(("fault", "step"), SLICE)
def test_a_run_ends_as_if_nothing_had_happened(
    fault: str, step: str, bench: Bench, undisturbed: Verdict, tmp_path: Path
) -> None:
    verdict = play(KINDS[fault], step, bench, tmp_path / "there")
    assert verdict.adapter == undisturbed.adapter
    assert verdict.pods == 0


@pytest.mark.skipif(os.getuid() != 0, reason="a small disk is mounted, which takes root")
def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(
    bench: Bench, undisturbed: Verdict, tmp_path: Path
) -> None:
    verdict = play(KINDS["disk full"], "train", bench, tmp_path / "there")
    assert verdict.adapter == undisturbed.adapter
