"""Where real inputs lie, which are not part of the project: ``MILLHAND_REAL``, else beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
# Read when tests are collected: the fixture that cleans the environment takes it away afterwards.
_REAL = Path(os.environ.get("MILLHAND_REAL") or _ROOT.parent / "shared" / "real")


def real(name: str) -> Path:
    """A real input; the test is skipped where it is absent."""
    path = _REAL / name
    if not path.is_file():
        pytest.skip(f"no {name}: name the folder that holds it in MILLHAND_REAL")
    return path
