"""The agent at the pod's end of a sync: answers one message after the other. This file travels.

Its client decides everything; it looks, reads, writes and checks below the one root that ``hello`` names.
Each message has one answer, in order; an answer with ``error`` says why it was not done::

    hello    root, session, make, durable, key     free           bytes free there
    ping
    compare  entries (packed)                 rows (packed): index, verdict, old size, parts left, old row
    list     path, then more                  entries (packed), more, problems
    digests  paths                            digests
    missing  paths                            missing
    prepare  path                             digests of the blocks that an earlier session left
    probe    path, blocks                     the digests of some of its blocks
    base     path, count                      copy the old file's first blocks to their place; their digests
    sign     path, rule, start                the groups of a file from there on
    sums     path                             the digests of its blocks, size, mtime_ns
    pieces   path, rule, ranges               the pieces of some groups
    small    rows, packed, bytes              errors, one for each file that failed
    blocks   path, first, digests, ops, tag, packed, bytes
    finish   row                              the file takes its place
    apply    orders (packed)                  errors
    fetch    paths, squeeze                   rows, packed, bytes
    read     path, size, mtime_ns, ranges, squeeze     tag or digest, zeros, packed, bytes
    bye      save                             what was learned is written down; hello may come again

The client may vanish at any point: the agent ends then, and what it has of a file stays for the next.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from millhand.pods import wire
from millhand.pods.sync import cutting
from millhand.pods.sync.compare import ASK, BLOCKED, SAME, SEND, verdict
from millhand.pods.sync.folders import Entry, Root, Stamp, entry_of, reason_of, stamp_of, walk
from millhand.pods.sync.hashes import BLOCK, blocks_of, read_hash, whole
from millhand.pods.sync.intake import Intake
from millhand.pods.sync.names import RefusedError, is_secret
from millhand.pods.sync.packing import from_row, inflate, pack, squeezed, to_row, unpack
from millhand.pods.sync.store import FULL, MismatchError, Store
from millhand.pods.sync.tags import NONCE

PAGE = 1000
_MOST = 64 * BLOCK
if TYPE_CHECKING:
    from millhand.pods.sync.intake import Payload

    Answer = tuple[dict[str, Any], bytes | bytearray]


class ChangedError(Exception):
    """A file is not any more what it was said to be."""


class Agent:
    """Answers messages; one method a message."""

    def __init__(self) -> None:
        self.intake = Intake()
        self._store: Any = None
        self._walk: Iterator[tuple[Entry, Stamp]] = iter(())
        self._problems: list[tuple[str, str]] = []

    @property
    def _root(self) -> Root:
        root: Root = self._store.root
        return root

    def answer(self, header: dict[str, Any], payload: Payload) -> Answer:
        """Do what a message asks; what goes wrong is an answer too."""
        handler: Callable[..., Answer] = getattr(self, f"on_{header.pop('do', '')}", self._unknown)
        try:
            return handler(payload=payload, **header)
        except Exception as error:  # noqa: BLE001 - the client must hear of whatever it is
            return fault_of(error), b""

    def _unknown(self, payload: bytes, **header: Any) -> Answer:
        raise ValueError("no such message")

    def on_hello(
        self, payload: bytes, root: str, session: str, make: bool, durable: bool, key: str = ""
    ) -> Answer:
        """Begin: everything else is below ``root``; tags are taken with ``key``."""
        self.close(save=False)
        self.intake.use(bytes.fromhex(key))
        where = Root(os.path.expanduser(root))
        if make:
            where.make()
        self._store = Store(where, session, durable)
        return {"free": free_bytes(where.path), "root": where.path}, b""

    def on_ping(self, payload: bytes) -> Answer:
        """Answer at once."""
        return {}, b""

    def on_bye(self, payload: bytes, save: bool) -> Answer:
        """Write down what was learned and let go of everything; another ``hello`` may come."""
        self.close(save)
        return {}, b""

    def on_compare(self, payload: bytes) -> Answer:
        """Say what a client's entries ask for; what is the same here is not mentioned."""
        new = [from_row(row) for row in unpack(payload)]
        looked = [self._look(entry) for entry in new]
        pairs = list(zip(new, looked))
        alike = [old for entry, old in pairs if isinstance(old, tuple) and _alike(entry, old[0])]
        known = self._store.hashes.known((old.path, stamp) for old, stamp in alike)
        rows = [[index, *self._row(entry, old, known)] for index, (entry, old) in enumerate(pairs)]
        return {}, pack([row for row in rows if row[1] != SAME])

    def _look(self, entry: Entry) -> Any:
        try:
            return self._root.look(entry.path)
        except (OSError, RefusedError) as error:
            return reason_of(error)

    def _row(self, new: Entry, old: Any, known: dict[str, str]) -> list[Any]:
        """Verdict, old size, whether an earlier session left parts; if the client is asked, the old entry."""
        if isinstance(old, str):
            return [BLOCKED, None, False, old]
        entry = old[0] if old else None
        if entry and _alike(new, entry):
            entry = entry._replace(digest=known.get(new.path) or self._digest(new.path))
        said = verdict(new, entry)
        parts = said == SEND and new.size > BLOCK and self._store.parts_left(new.path)
        size = entry.size if entry and entry.kind == "f" else None
        return [said, size, parts, to_row(entry) if entry and said == ASK else None]

    def _digest(self, path: str) -> str | None:
        try:
            digest, stamp = read_hash(self._root, path)
        except (OSError, RefusedError):
            return None
        self._store.hashes.note(path, stamp, digest)
        return digest

    def on_list(self, payload: bytes, path: str | None) -> Answer:
        """The first or the next page of what lies below a path, with the digests that are known."""
        if path is not None:
            self._problems = []
            self._walk = walk(self._root, path, lambda entry: not is_secret(entry.path), self._problems)
        page = [pair for _, pair in zip(range(PAGE), self._walk)]
        known = self._store.hashes.known((entry.path, stamp) for entry, stamp in page if entry.kind == "f")
        rows = [to_row(entry._replace(digest=known.get(entry.path))) for entry, _ in page]
        more = len(page) == PAGE
        return {"more": more, "problems": [] if more else self._problems}, pack(rows)

    def on_missing(self, payload: bytes, paths: list[str]) -> Answer:
        """Which of these paths are not here, for certain."""
        return {"missing": [path for path in paths if self._look(Entry(path, "f")) is None]}, b""

    def on_digests(self, payload: bytes, paths: list[str]) -> Answer:
        """The digests of files; null where one cannot be read."""
        return {"digests": [self._digest(path) for path in paths]}, b""

    def on_prepare(self, payload: bytes, path: str) -> Answer:
        """Take over what an earlier session left of a file."""
        return {}, b"".join(self._store.prepare(path))

    def on_probe(self, payload: bytes, path: str, blocks: list[int]) -> Answer:
        """The digests of some blocks of a file."""
        fd = self._root.open(path)
        try:
            found = [hashlib.sha256(cutting.read_at(fd, int(block) * BLOCK, BLOCK)) for block in blocks]
        finally:
            os.close(fd)
        return {}, b"".join(one.digest() for one in found)

    def on_base(self, payload: bytes, path: str, count: int) -> Answer:
        """Begin a file with the first blocks of the one that is there."""
        return {}, b"".join(self._store.copy_base(path, count))

    def on_sign(self, payload: bytes, path: str, rule: list[Any], start: int = 0) -> Answer:
        """How a file is cut into groups."""
        with open(self._root.open(path), "rb", buffering=0) as file:
            return {}, cutting.pack_groups(list(cutting.groups(file, _rule(rule), start)))

    def on_sums(self, payload: bytes, path: str) -> Answer:
        """The digests of a file's blocks, and its size and time before they were taken."""
        fd = self._root.open(path)
        try:
            stamp = stamp_of(os.fstat(fd))
            blocks = list(blocks_of(fd))
        finally:
            os.close(fd)
        self._store.hashes.note(path, stamp, whole(blocks))
        return {"size": stamp.size, "mtime_ns": stamp.mtime_ns}, b"".join(blocks)

    def on_pieces(self, payload: bytes, path: str, rule: list[Any], ranges: list[list[int]]) -> Answer:
        """The pieces of some groups of a file."""
        fd = self._root.open(path)
        try:
            return {}, cutting.pack_pieces(
                fd, [(int(start), int(size)) for start, size in ranges], _rule(rule)
            )
        finally:
            os.close(fd)

    def on_small(self, payload: bytes, rows: list[Any], packed: int = 0) -> Answer:
        """Write small files."""
        data = inflate(payload, packed) if packed else payload
        faults, start = [], 0
        for row in rows:
            entry = from_row(row)
            fault = self._tried(self._store.write_small, entry, data[start : start + entry.size])
            start += entry.size
            faults += [[entry.path, fault]] if fault else []
        return {"faults": faults}, b""

    def on_blocks(
        self, payload: Payload, path: str, first: int, digests: list[str], ops: Any = None, packed: int = 0
    ) -> Answer:
        """Write blocks of a large file."""
        data = inflate(bytes(payload), min(packed, _MOST)) if packed else payload
        how = None if ops is None else [(int(kind), int(offset), int(size)) for kind, offset, size in ops]
        wanted = [bytes.fromhex(text) for text in digests]
        found = self.intake.digests(payload, wanted)
        self._store.write_blocks(path, first, wanted, how, data, found)
        return {}, b""

    def on_finish(self, payload: bytes, row: list[Any]) -> Answer:
        """All blocks of a file are here."""
        self._store.finish(from_row(row))
        return {}, b""

    def on_apply(self, payload: bytes) -> Answer:
        """Make folders and links, set times, delete."""
        orders: dict[str, Callable[..., None]] = {
            "folder": self._store.make_folder,
            "link": self._store.make_link,
            "meta": lambda row: self._store.set_meta(from_row(row)),
            "delete": self._store.delete,
        }
        faults = []
        for name, *arguments in unpack(payload):
            fault = self._tried(orders[name], *arguments)
            faults += (
                [[arguments[0] if isinstance(arguments[0], str) else arguments[0][0], fault]] if fault else []
            )
        return {"faults": faults}, b""

    def _tried(self, act: Callable[..., None], *arguments: Any) -> dict[str, Any] | None:
        try:
            act(*arguments)
        except (OSError, RefusedError, MismatchError) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            return fault_of(error)
        return None

    def on_fetch(self, payload: bytes, paths: list[str], squeeze: bool) -> Answer:
        """Small files, whole."""
        rows: list[Any] = []
        parts: list[bytes] = []
        for path in paths:
            try:
                entry, _, data = read_small(self._root, path)
            except (OSError, RefusedError, ChangedError) as error:
                rows.append([path, fault_of(error)])
                continue
            rows.append(to_row(entry))
            parts.append(data)
        return squeezed({"rows": rows}, b"".join(parts), squeeze)

    def on_read(
        self, payload: bytes, path: str, size: int, mtime_ns: int, ranges: list[list[int]], squeeze: bool
    ) -> Answer:
        """Some ranges of a large file, as long as it is what it was."""
        if sum(length for _, length in ranges) > _MOST:
            raise ValueError("too much in one piece")
        fd = self._root.open(path)
        try:
            data = b"".join(cutting.read_at(fd, int(offset), int(length)) for offset, length in ranges)
            now = os.fstat(fd)
        finally:
            os.close(fd)
        if (now.st_size, now.st_mtime_ns) != (size, mtime_ns):
            raise ChangedError(path)
        if data and not data.strip(b"\0"):
            return {**self._sealed(data), "zeros": len(data)}, b""
        return squeezed(self._sealed(data), data, squeeze)

    def _sealed(self, data: bytes) -> dict[str, Any]:
        """What tells the client that it has got these bytes."""
        tags, nonce = self.intake.tags(), os.urandom(NONCE)
        if tags is None:
            return {"digest": hashlib.sha256(data).hexdigest()}
        return {"tag": (nonce + tags.of(nonce, [data])).hex()}

    def close(self, save: bool = True) -> None:
        """The client is gone, or done."""
        store, self._store, self._walk = self._store, None, iter(())
        if store is not None:
            store.close(save)


def read_small(root: Root, path: str) -> tuple[Entry, Stamp, bytes]:
    """A small file, as it was at one moment.

    Raises:
        ChangedError: It changes all the time, or has grown.
    """
    for _ in range(5):
        fd = root.open(path)
        try:
            before = os.fstat(fd)
            data = cutting.read_at(fd, 0, min(before.st_size, BLOCK) + 1)  # no more room than it needs
            after = os.fstat(fd)
        finally:
            os.close(fd)
        if len(data) <= BLOCK and stamp_of(before) == stamp_of(after) and len(data) == after.st_size:
            entry = entry_of(path, after)._replace(digest=hashlib.sha256(data).hexdigest())
            return entry, stamp_of(after), data
        if len(data) > BLOCK:
            break
    raise ChangedError(path)


def fault_of(error: Exception) -> dict[str, Any]:
    """What a client is told of an error."""
    if isinstance(error, OSError):
        kind = "full" if error.errno in FULL else "gone" if error.errno == errno.ENOENT else "os"
    else:
        kinds = {RefusedError: "refused", MismatchError: "mismatch", ChangedError: "changed"}
        kind = kinds.get(type(error), "internal")
    return {"error": reason_of(error) or type(error).__name__, "kind": kind}


def free_bytes(path: str) -> int | None:
    """How much fits there; None where nobody knows."""
    if sys.platform == "win32":
        return None
    while path and not os.path.exists(path):
        path = os.path.dirname(path)
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def _alike(new: Entry, old: Entry) -> bool:
    return new.kind == old.kind == "f" and new.size == old.size


def _rule(row: list[Any]) -> cutting.Rule:
    separator, mask, longest = row
    return cutting.Rule(str(separator), int(mask), max(BLOCK >> 6, int(longest)))


def main() -> None:
    """Answer until the client is gone."""
    reader, writer = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    _widen(reader.fileno(), writer.fileno())
    gc.disable()  # nothing here goes on making cycles; looking for them takes a tenth of the time
    agent = Agent()
    try:
        while True:
            header, size = wire.receive_header(reader)
            wire.send(writer, *agent.answer(header, agent.intake.read(reader, header, size)))
            writer.flush()
    except (wire.WireError, OSError):
        return
    finally:
        agent.close()
        os._exit(0)  # what is left in a buffer has no reader


def _widen(*pipes: int) -> None:
    """A megabyte between us and sshd spares most changes from one process to the other."""
    if sys.platform == "win32":
        return
    import fcntl

    with contextlib.suppress(OSError):
        for pipe in pipes:
            fcntl.fcntl(pipe, 1031, 1 << 20)  # F_SETPIPE_SZ, Linux
