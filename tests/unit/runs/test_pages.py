"""How a page's program ends, and what is told where its pod went away meanwhile."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field

import pytest

from millhand.errors import MillhandError, PodLostError
from millhand.pods.base import JobStatus
from millhand.pods.fake import FakePod
from millhand.runs.pages import _ended


@dataclass
class Handle:
    """A job that is over, or on a pod that is gone."""

    fault: MillhandError | None = None
    stopped: list[float] = field(default_factory=list)
    name: str = "ui-1"

    def status(self) -> JobStatus:
        if self.fault:
            raise self.fault
        return JobStatus("exited", exit_code=0)

    def stop(self, grace_s: float) -> None:
        self.stopped.append(grace_s)

    def log(self, offset: int = 0) -> bytes:
        raise AssertionError(offset)

    def log_tail(self, size: int = 65536) -> bytes:
        raise AssertionError(size)

    def read(self, path: str, offset: int = 0) -> bytes:
        raise AssertionError(path, offset)


@pytest.mark.parametrize("error", [None, PodLostError("The pod is gone."), KeyboardInterrupt()])
def test_the_program_is_ended_however_the_block_ends(error: BaseException | None) -> None:
    handle = Handle()
    with pytest.raises(type(error)) if error else nullcontext(), _ended(FakePod(), handle):
        if error:
            raise error
    assert handle.stopped == [5]


def test_of_a_pod_that_went_away_the_first_error_is_told() -> None:
    handle = Handle(MillhandError("The pod cannot be asked."))
    with pytest.raises(PodLostError), _ended(FakePod(), handle):
        raise PodLostError("The pod is gone.")
    with pytest.raises(MillhandError, match="cannot be asked"), _ended(FakePod(), handle):
        pass
