"""Web pages that a program on a pod serves, shown at an address of this machine: WebUI and TensorBoard.

The program listens on the pod's 127.0.0.1 alone; the pod's tunnel brings it to the client's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import httpx

from millhand.errors import MillhandError, TrainingError, UsageError
from millhand.pods.base import Job, JobHandle, Pod
from millhand.runs.follow import POLL_S, log_tail
from millhand.shell import Command

START_S = 180.0
# Binds the port that is asked for (0: a free one) and names it. On Windows SO_REUSEADDR would share a port.
_BIND = """\
import socket, sys
s = socket.socket()
if sys.platform != "win32":
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
print(s.getsockname()[1])
"""
# Linux: whether a training that the WebUI started still runs; it names its folder in the environment.
_TRAINS = """\
import glob
def marked(path):
    try:
        with open(path, "rb") as file:
            return b"LLAMABOARD_WORKDIR=" in file.read()
    except OSError:
        return False
print(int(any(map(marked, glob.glob("/proc/[0-9]*/environ")))))
"""


@dataclass(frozen=True, slots=True)
class Page:
    """A program that serves a page: its job's name, and its command for a port of the pod's 127.0.0.1.

    One that ``outlives`` its client is left on another machine as long as a training that it started runs.
    """

    job: str
    command: Callable[[int], Command]
    outlives: bool = False


@contextmanager
def shown(pod: Pod, page: Page, *, at: int) -> Iterator[tuple[str, JobHandle]]:
    """Serve a page as long as the block lasts; yields its address on this machine and its job.

    One that an earlier client left running on the pod is shown again. At the end it is ended, unless a
    training that was started on it still runs.

    Args:
        pod: Where the program runs.
        page: The program.
        at: The port of this machine's 127.0.0.1; 0 takes a free one.

    Raises:
        UsageError: The port is taken.
        TrainingError: The program did not come up.
    """
    handle, port = _running(pod, page)
    if handle is None:
        port = free_port(pod, at if pod.shared else 0)
        handle = pod.start(
            Job(
                f"{page.job}-{port}",
                page.command(port),
                tethered=pod.shared or not page.outlives,
                stall_minutes=0,
            )
        )
    with _ended(pod, handle), pod.forward(port, at=0 if pod.shared else at) as local:
        url = f"http://127.0.0.1:{local}"
        with pod.present():  # no longer: a page that nobody uses is no work
            _wait_until_shown(url, handle)
        yield url, handle


@contextmanager
def _ended(pod: Pod, handle: JobHandle) -> Iterator[None]:
    """End the program after the block, however that ends; of two errors the first is told."""
    with ExitStack() as end:
        end.callback(_end, pod, handle)
        try:
            yield
        except MillhandError:
            end.pop_all()
            with suppress(MillhandError):  # the pod may be gone
                _end(pod, handle)
            raise


def _end(pod: Pod, handle: JobHandle) -> None:
    if not (handle.status().alive and still_trains(pod)):
        handle.stop(5)


def _running(pod: Pod, page: Page) -> tuple[JobHandle | None, int]:
    """The job that an earlier client left, and its port, which is part of its name."""
    ports = [name.removeprefix(f"{page.job}-") for name in pod.jobs() if name.startswith(f"{page.job}-")]
    for port in ports if not pod.shared else []:
        handle = pod.attach(f"{page.job}-{port}")
        if port.isdigit() and handle.status().alive:
            return handle, int(port)
    return None, 0


def still_trains(pod: Pod) -> bool:
    """Whether a training that was started on a WebUI runs on the pod."""
    return pod.run(Command((pod.python, "-I", "-S", "-c", _TRAINS))).stdout.strip() == "1"


def free_port(pod: Pod, port: int) -> int:
    """The pod's port, or a free one for 0.

    Raises:
        UsageError: It is in use.
    """
    result = pod.run(Command((pod.python, "-c", _BIND, str(port))))
    if result.code != 0:
        raise UsageError(f"Port {port} is in use.", mend="Name another one: `--port N`.")
    return int(result.stdout)


def _wait_until_shown(url: str, handle: JobHandle) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and handle.status().alive:
        try:
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(POLL_S)
    raise TrainingError(f"The page did not come up. The last it printed:\n{log_tail(handle)}")
