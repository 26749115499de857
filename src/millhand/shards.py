"""The same work on many files, several at once: what is done stays done, what fails is listed.

A pool of processes does it on this machine. Each output is written beside its place and renamed; its
marker comes last, so a second call goes on where the first one broke off. A second call at the same
time waits for the first.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from millhand.files import locked, write_text

# Called in another process: a function of a module, or a `functools.partial` of one, with values that
# can be sent there. It writes the output file; what it returns must go through JSON.
Work: TypeAlias = Callable[[Path, Path], Any]
_MARKER = ".done"
_CHANGED = "it was changed while it was worked on: type the same command again"
_DIED = "the process that worked on it died (out of memory?)"


@dataclass(frozen=True, slots=True)
class Shard:
    """One input and what became of it: ``value`` is what the work returned, as JSON gives it back.

    ``error`` says why there is no output; ``skipped`` that an earlier call had made it.
    """

    input: Path
    output: Path
    value: Any = None
    error: str = ""
    skipped: bool = False


def map_shards(
    work: Work,
    inputs: Sequence[Path],
    out: Path,
    *,
    version: str = "",
    suffix: str = "",
    workers: int | None = None,
    on_done: Callable[[Shard], None] = lambda _: None,
) -> list[Shard]:
    """Call ``work(input, output)`` for each input; the answer is in their order.

    Args:
        out: The folder of the outputs: ``part-00000`` and on, with ``suffix`` behind.
        version: Of the work and its options: an output of another version is made anew.
        workers: Processes at once; else one a core. With one, the work is done in this process.
        on_done: Is told of each shard when it is done.

    An input whose work raises, or kills its process, is an answer with ``error``; the rest goes on.
    """
    with locked(out / ".lock"):
        return _mapped(work, inputs, out, version, suffix, workers or _cores(), on_done)


def _mapped(
    work: Work,
    inputs: Sequence[Path],
    out: Path,
    version: str,
    suffix: str,
    workers: int,
    on_done: Callable[[Shard], None],
) -> list[Shard]:
    shards = [Shard(path, out / f"part-{number:05}{suffix}") for number, path in enumerate(inputs)]
    done: dict[Path, Shard] = {}
    due: list[Shard] = []
    for shard in shards:
        standing = _standing(shard, version)
        if standing is None:
            due.append(shard)
        else:
            done[shard.output] = standing
            on_done(standing)
    for shard in _all(work, due, version, min(workers, len(due))):
        done[shard.output] = shard
        on_done(shard)
    return [done[shard.output] for shard in shards]


def _all(work: Work, due: Sequence[Shard], version: str, workers: int) -> Iterator[Shard]:
    if workers <= 1:
        yield from (_one(work, shard, version) for shard in due)
        return
    left = {shard.output: shard for shard in due}
    for shard in _pooled(work, due, version, workers):
        del left[shard.output]
        yield shard
    for shard in left.values():  # one of these kills: each alone, so that it is known which
        yield from list(_pooled(work, [shard], version, 1)) or [_failed(shard, _DIED)]


def _pooled(work: Work, due: Sequence[Shard], version: str, workers: int) -> Iterator[Shard]:
    """Each shard when it is done, up to where a process dies."""
    context = multiprocessing.get_context("spawn")  # the same on every system, and safe beside threads
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_quietly)
    try:
        with _deaf():
            futures: list[Future[Shard]] = [pool.submit(_one, work, shard, version) for shard in due]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool:
        pass
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that begin in this block do not hear Ctrl-C while they import: it would print where."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)


def _end_quietly() -> None:
    """In a worker: Ctrl-C ends it at once, and its parent says so."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))


def _one(work: Work, shard: Shard, version: str) -> Shard:
    temporary = shard.output.with_name(f".{shard.output.name}.tmp")
    try:
        key = _key(shard.input, version)
        value = msgspec.to_builtins(work(shard.input, temporary))
        if _key(shard.input, version) != key:
            return _failed(shard, _CHANGED)
        temporary.replace(shard.output)
        marker = msgspec.json.encode({"key": key, "value": value})
        write_text(_marker(shard.output), marker.decode("utf-8"))
    except Exception as error:  # noqa: BLE001 - whatever one file does, the others go on
        return _failed(shard, f"{type(error).__name__}: {error}")
    finally:
        temporary.unlink(missing_ok=True)
    return Shard(shard.input, shard.output, msgspec.json.decode(msgspec.json.encode(value)))


def forget(shard: Shard) -> None:
    """Have a shard done again by the next call, though its input stays the same."""
    _marker(shard.output).unlink(missing_ok=True)


def _failed(shard: Shard, error: str) -> Shard:
    return Shard(shard.input, shard.output, error=error)


def _standing(shard: Shard, version: str) -> Shard | None:
    try:
        marker = msgspec.json.decode(_marker(shard.output).read_bytes())
        same = marker["key"] == _key(shard.input, version) and shard.output.is_file()
    except (OSError, msgspec.DecodeError, LookupError, TypeError):
        return None
    return Shard(shard.input, shard.output, marker["value"], skipped=True) if same else None


def _marker(output: Path) -> Path:
    return output.with_name(output.name + _MARKER)


def _key(path: Path, version: str) -> str:
    """What an output depends on; a file counts as the same while its size and time are."""
    stat = path.stat()
    parts = (str(path.absolute()), str(stat.st_size), str(stat.st_mtime_ns), version)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
