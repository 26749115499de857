"""What must be settled before anything leaves for the Hub. Reads the files that would go; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from millhand.errors import Finding
from millhand.hub.facts import DatasetFacts, ModelFacts, Override

PICKLED = frozenset({".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"})


def check_gates(
    facts: ModelFacts | DatasetFacts, files: Mapping[str, Path], *, overrides: Sequence[Override] = ()
) -> list[Finding]:
    """All that stands against publishing.

    Args:
        facts: What is known of it.
        files: Every file that would go, by its path in the repository.
        overrides: The gates that a person opened; a finding that one covers becomes a note.

    Returns:
        Findings; any of severity ``error`` keeps it here.
    """
    del facts, overrides
    return list(_weights(files))


def _weights(files: Mapping[str, Path]) -> Iterator[Finding]:
    for name in sorted(files):
        if PurePosixPath(name).suffix.lower() in PICKLED:
            yield Finding(
                id="hub.pickle",
                severity="error",
                file=name,
                message="It is a pickle, or may hold one.",
                why="Whoever loads it runs the code that is in it.",
                mend="Publish weights as safetensors only; leave this file out.",
            )
