"""The steps by name; each is imported when a recipe names it."""

from __future__ import annotations

from importlib import import_module

from millhand.datasets.steps.base import Step

# In the order in which they are best named.
NAMES = ("normalise", "filter", "dedup", "pii", "split", "generate", "balance", "limit")


def load_step(name: str) -> Step:
    """The step called ``name``, one of ``NAMES``."""
    step: Step = import_module(f"millhand.datasets.steps.{name}").STEP
    return step
