"""The light core alone: what a laptop has that rents its GPU. No torch, and it works."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from millhand.demo import spreadsheet

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with Millhand's own dependencies and nothing else; its path has a blank."""
    folder = tmp_path_factory.mktemp("light core")
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [
        str(programs / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--constraint",
        "constraints.txt",
        ".",
    ]
    subprocess.run(pip, cwd=ROOT, check=True)
    return programs


def test_data_and_configurations_work_and_training_says_what_is_missing(core: Path, tmp_path: Path) -> None:
    def millhand(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        argv = [str(core / "millhand"), *arguments]
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done

    folder = tmp_path
    millhand("init", "bikes")
    folder = tmp_path / "bikes"
    added = json.loads(millhand("data", "add", str(spreadsheet()), "--name", "bicycle", "--json").stdout)
    assert added["rows"] == 120
    millhand("config", "new", "bicycle", "--preset", "llama3-8b-qlora-l4", "--dataset", "bicycle")
    facts = json.loads(millhand("doctor", "--json").stdout)
    assert facts["can_train"] is False
    assert "millhand install" in millhand("train", "bicycle", code=1).stderr
    assert "millhand install" in millhand("model", "init", "models/tiny", "--from", "bicycle", code=1).stderr
    assert not (folder / "models").exists()
    listed = [str(core / "python"), "-m", "pip", "list", "--format", "json"]
    packages = {
        row["name"] for row in json.loads(subprocess.run(listed, capture_output=True, check=True).stdout)
    }
    assert packages.isdisjoint({"torch", "transformers", "datasets", "llamafactory", "gradio"})
