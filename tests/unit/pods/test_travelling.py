"""Files that go to a pod travel alone: they import the standard library, and each other."""

from __future__ import annotations

import ast
import importlib.util
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from millhand.pods import lease, supervisor
from millhand.pods.ssh import agents
from millhand.pods.sync import lanes
from millhand.runs import pod_environment

ROOT = Path(__file__).parents[3]
BUNDLES = {
    "supervisor": supervisor.MODULES,
    "agent": agents.MODULES,
    "sync": lanes.MODULES,
    "keeper": lease.MODULES,
    "environment": pod_environment.MODULES,
}
# It runs in the training environment.
THERE = {"millhand.llamafactory.speak": {"torch", "transformers"}}


def contract() -> set[str]:
    """The modules that pyproject.toml names as travelling."""
    parsed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = parsed["tool"]["importlinter"]["contracts"]
    (found,) = (item for item in contracts if item["type"] == "forbidden")
    return set(found["source_modules"])


def imported(name: str) -> set[str]:
    """What a module imports, at its head or in a function, by full name; no parents of a module."""
    spec = importlib.util.find_spec(name)
    assert spec
    assert spec.origin
    found = set[str]()
    for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {full if is_module(full) else str(node.module) for full in below}
    return found


def is_module(name: str) -> bool:
    try:
        return name.startswith("millhand.") and importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a name in a module
        return False


def foreign(name: str, with_it: Sequence[str] | set[str]) -> set[str]:
    """What a module imports that would not be there."""
    known = {*with_it, *THERE.get(name, ())}
    found = imported(name) - known
    return {item for item in found if item.partition(".")[0] not in sys.stdlib_module_names}


@pytest.mark.parametrize("bundle", BUNDLES)
def test_what_goes_together_imports_nothing_else(bundle: str) -> None:
    assert {name: foreign(name, BUNDLES[bundle]) for name in BUNDLES[bundle]} == {
        name: set() for name in BUNDLES[bundle]
    }


@pytest.mark.parametrize("name", sorted(contract()))
def test_what_the_contract_names_imports_nothing_else_of_millhand(name: str) -> None:
    assert foreign(name, contract()) == set()


def test_the_contract_names_all_that_travels() -> None:
    assert {name for modules in BUNDLES.values() for name in modules} <= contract()
