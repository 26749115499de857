"""What is to be done that one side becomes as the other, entry by entry: pure. This file travels."""

from __future__ import annotations

from millhand.pods.sync.folders import Entry

SAME, SEND, META, ASK, BLOCKED = "same", "send", "meta", "ask", "blocked"
_TICK_NS = 2_000_000_000  # the coarsest clock of a file system (FAT)


def verdict(new: Entry, old: Entry | None) -> str:
    """What ``old``, where ``new`` is to be, asks for.

    Bytes decide, not times: files of one size are the same when their digests are. ``ASK``: a digest is not
    known. ``META``: only the time or the executable bit differ. ``BLOCKED``: a folder stands where a file is
    to be, or the other way round; nothing is removed that nobody named.
    """
    if old is None:
        return SEND
    if (new.kind == "d") != (old.kind == "d") or old.kind == "o":
        return BLOCKED
    if new.kind != old.kind:
        return SEND
    if new.kind == "f":
        return _of_files(new, old)
    return SAME if new.link == old.link else SEND


def _of_files(new: Entry, old: Entry) -> str:
    if new.size != old.size:
        return SEND
    if new.digest is None or old.digest is None:
        return ASK
    if new.digest != old.digest:
        return SEND
    return SAME if _same_meta(new, old) else META


def _same_meta(new: Entry, old: Entry) -> bool:
    unknown = new.executable is None or old.executable is None
    return (unknown or new.executable == old.executable) and abs(new.mtime_ns - old.mtime_ns) < _TICK_NS
