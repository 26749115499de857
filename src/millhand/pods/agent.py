"""The agent on a pod: answers a client's requests, one after the other, as long as the client is there.

The client sends ``{"op": "hello", "root": FOLDER}`` first, then what it wants done, and ``{"op": "bye"}``
last; each but the last gets one answer. ``{"error": KIND, "text": ...}`` answers what is refused. Names,
environments and secrets come in messages only, so none is ever quoted, and none is seen in a process list.

It travels: standard library only, any Python >= 3.8.
"""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from millhand.pods import agent_files, agent_jobs, agent_run, wire
from millhand.pods.agent_io import Answer, Client, RefusedError

if sys.platform == "win32":
    raise ImportError("an agent runs on a pod, and a pod runs Linux")

# A client that vanished without a word leaves its agent waiting; where one is still meant, it is made anew.
IDLE_S = 1800

OPERATIONS: dict[str, Callable[[Client, Path, dict[str, Any], bytes], Answer]] = {
    "run": agent_run.run,
    "run.forget": agent_run.forget,
    "job.start": agent_jobs.start,
    "job.status": agent_jobs.status,
    "job.watch": agent_jobs.watch,
    "job.log": agent_jobs.log,
    "job.renew": agent_jobs.renew,
    "job.stop": agent_jobs.stop,
    "job.forget": agent_jobs.forget,
    "jobs": agent_jobs.listed,
    "file.read": agent_files.read,
    "file.describe": agent_files.describe,
    "file.remove": agent_files.remove,
    "file.rename": agent_files.rename,
    "folder.make": agent_files.make_folder,
}


def hello(order: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Make the workspace's root and say what is here."""
    root = Path(os.path.expanduser(order["root"]))  # noqa: PTH111 - one of another user must stay as it is
    root.mkdir(parents=True, exist_ok=True)
    root = root.resolve()
    return root, {"root": str(root), "python": platform.python_version(), "pid": os.getpid()}


def serve(client: Client) -> None:
    """Answer until the client hangs up or says that it will."""
    root, unacknowledged = None, None
    while True:
        signal.alarm(IDLE_S)
        order, payload = client.receive()
        signal.alarm(0)
        if root is None:
            root = _greet(client, order)
            continue
        if unacknowledged is not None:  # who asks again has the last answer
            agent_run.answered(root, unacknowledged)
        if order.get("op") == "bye":
            agent_run.tidy(root)
            return
        answer, said = _answer(client, root, order, payload)
        unacknowledged = order["token"] if order.get("op") == "run" and "error" not in answer else None
        client.send(answer, said)


def _greet(client: Client, order: dict[str, Any]) -> Path | None:
    try:
        root, answer = hello(order)
        agent_run.sweep(root)
    except (RefusedError, OSError, ValueError, KeyError) as error:
        client.send({"error": "os", "text": f"The pod's workspace cannot be used: {error}"})
        return None
    client.send(answer)
    return root


def _answer(client: Client, root: Path, order: dict[str, Any], payload: bytes) -> Answer:
    try:
        return OPERATIONS[order["op"]](client, root, order, payload)
    except RefusedError as refusal:
        return {"error": refusal.kind, "text": str(refusal)}, b""
    except (OSError, ValueError, KeyError, TypeError) as error:
        return {"error": "os", "text": f"{type(error).__name__}: {error}"}, b""


def main() -> None:
    """Serve on the standard streams; what anything prints by mistake goes to the errors."""
    reader = sys.stdin.buffer
    writer: IO[bytes] = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(wire.WireError, BrokenPipeError, ConnectionResetError):
        serve(Client(reader, writer, _child_bell()))
    with contextlib.suppress(OSError):
        writer.close()
    os._exit(0)  # nothing is left to flush, and no supervisor's Popen is to complain


def _child_bell() -> int:
    """A descriptor that can be read from when a child has ended."""
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading
