"""The constants of the estimate: measured where a file of them ships, else guesses that say so."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from millhand.training.estimate.memory import Constants

FILE = Path(__file__).with_name("calibration.json")
UNCALIBRATED = (
    "Not calibrated: no GPU has measured it yet. Tensor sizes follow the code and were compared with what "
    "PyTorch allocates; CUDA's context and the allocator's reserve are assumed."
)


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Constants, and where they come from: the GPU, the day, the cells, and how far off the estimate was.

    ``median`` and ``worst`` are the errors over the cells that were not fitted on, as parts of the measured
    peak; ``too_low`` is the largest part by which an estimate was below it.
    """

    constants: Constants
    gpu: str = ""
    date: str = ""
    cells: int = 0
    median: float = 0.0
    worst: float = 0.0
    too_low: float = 0.0

    @property
    def measured(self) -> bool:
        """Whether the constants were measured."""
        return self.cells > 0

    @property
    def says(self) -> str:
        """How sure the figures are, in a sentence."""
        if not self.measured:
            return UNCALIBRATED
        return (
            f"Calibrated on {self.cells} measured trainings on {self.gpu}, {self.date}: "
            f"median error {self.median:.0%}, worst {self.worst:.0%}."
        )


@cache
def calibration(path: Path = FILE) -> Calibration:
    """What ships: the file that ``benchmarks/vram.py`` writes, or the guesses."""
    if not path.is_file():
        return Calibration(constants=Constants())
    return msgspec.json.decode(path.read_bytes(), type=Calibration)
