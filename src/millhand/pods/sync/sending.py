"""Large files on their way to a pod, one after the other: what the pod has of them is not sent."""

from __future__ import annotations

from millhand.pods.sync.buffers import Buffers
from millhand.pods.sync.folders import Entry, reason_of
from millhand.pods.sync.hashes import STRIDE
from millhand.pods.sync.large import Large
from millhand.pods.sync.names import RefusedError
from millhand.pods.sync.remote import ChangedError
from millhand.pods.sync.transfer import TRIES, Transfer
from millhand.pods.sync.tree import refused


class Larges:
    """Sends large files, one after the other; their blocks are on the way together."""

    def __init__(self, transfer: Transfer) -> None:
        self._transfer = transfer
        self._broken: list[Large] = []
        self._buffers = Buffers(STRIDE, transfer.tagging)

    def send(self, entry: Entry, old: int, parts: bool) -> None:
        """Send a file; ``old``: bytes of the one to copy from; ``parts``: a broken session left something."""
        large = Large(self._transfer, entry, self._buffers, self._broken.append)
        self._tried(large, old, self._held(entry) if parts else [])

    def _tried(self, large: Large, old: int, held: list[bytes]) -> None:
        try:
            self._send(large, old, held)
        except (OSError, RefusedError) as error:
            why = f"it cannot be read: {reason_of(error)}"
            self._transfer.found(refused(large.path, why, "sync.unreadable"))
        except ChangedError:
            why = "it changes faster than it can be sent"
            self._transfer.found(refused(large.path, why, "sync.changing"))

    def _held(self, entry: Entry) -> list[bytes]:
        packed = self._transfer.crew.call({"do": "prepare", "path": entry.path})[1]
        return [packed[at : at + 32] for at in range(0, len(packed), 32)]

    def _send(self, large: Large, old: int, held: list[bytes]) -> None:
        for attempt in range(TRIES):
            with large.opened() as file:
                base = large.base(file, 0 if held or attempt else old)
                plan = large.plan(file, base.first) if old and not attempt else None
                if large.pass_over(file, held or base.there, plan, base):
                    return large.seal()
            self._transfer.report.again += 1
            self._transfer.crew.drain()  # an old block must not come after its new one
            held = large.arrived()
        raise ChangedError(large.path)

    def mend(self) -> None:
        """Send once more, whole, what the pod could not put together: its old file has changed meanwhile."""
        for _ in range(TRIES):
            broken, self._broken[:] = list(self._broken), []
            for large in broken:
                self._tried(large, 0, large.arrived())
            self._transfer.crew.drain()
        for large in self._broken:
            self._transfer.found(refused(large.path, "it does not arrive as it was sent", "sync.mismatch"))
