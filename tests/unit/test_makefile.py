"""What the targets that do several things do, in which order: `make -n` prints it and runs nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def steps(target: str, *variables: str) -> list[str]:
    """The calls of millhand that a target would make, without the interpreter's folder."""
    argv = ["make", "--no-print-directory", "-n", target, "PYTHON=python3", "VENV=made", *variables]
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    called = [line.partition("bin/millhand ")[2] for line in told.splitlines() if "bin/millhand " in line]
    return [call for call in called if not call.startswith("install")]


def test_a_release_is_checked_trained_evaluated_and_pushed() -> None:
    assert steps("release", "CONFIG=qa", "TO=me/minwon") == [
        "check qa --to me/minwon",
        "train qa --export",
        "evaluate qa",
        "push model qa --to me/minwon",
    ]


def test_a_release_from_a_pod_does_all_but_the_check_there() -> None:
    assert steps("release-remote", "CONFIG=qa", "TO=me/minwon", "POD=box") == [
        "check qa --to me/minwon",
        "train qa --pod box",
        "export qa --pod box --there",
        "evaluate qa --pod box",
        "push model qa --to me/minwon --pod box",
    ]


@pytest.mark.parametrize("given", [(), ("CONFIG=qa",), ("TO=me/minwon",)])
def test_a_release_without_a_name_or_a_place_does_nothing(given: tuple[str, ...], tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / ".installed").touch()
    argv = ["make", "-o", f"{made}/.installed", "release", f"VENV={made}", *given]
    ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "make release CONFIG=NAME TO=USER/NAME" in ended.stderr
