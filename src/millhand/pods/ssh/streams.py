"""The two-way stream to an agent on a pod: what it reads and writes, less what a login shell says first.

An agent's first words are a line with a mark. What comes before it (a banner, the output of a .bashrc) is
skipped, so any login shell will do that runs a command. The mark is waited for when something is first read,
not when the agent is started: that would cost a round trip.
"""

from __future__ import annotations

import shlex
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

import paramiko

from millhand.pods.bundle import boot_argv
from millhand.pods.ssh.faults import AgentError, ConnectionLostError, NoAgentError
from millhand.pods.ssh.packets import send_burst
from millhand.pods.ssh.received import keep_pieces

MARK = "millhand-agent "
START_S = 60.0  # a Python on a cold network volume
_NOISE = 1 << 20
_BUFFER = 1 << 16
_SAID = 4000
_BROKEN = (paramiko.SSHException, EOFError, OSError)
OLDEST = (3, 8)
# Runs under any Python 3: says which one it is, and where that will do, runs what follows as BOOT does.
_STAGE = f"""\
import sys,zlib
o,b,v=sys.stdout.buffer,sys.stdin.buffer,sys.version_info
o.write(("\\n{MARK}%d.%d\\n"%(v[0],v[1])).encode());o.flush()
if v>={OLDEST}:exec(compile(zlib.decompress(b.read(int(b.readline()))),'millhand-agent','exec'))
"""


def _packed(source: str) -> bytes:
    packed = zlib.compress(source.encode("ascii"), 9)
    return b"%d\n%s" % (len(packed), packed)


class Stream:
    """Bytes to and from an agent. A context manager; usable as :mod:`millhand.pods.wire`'s reader and writer.

    One thread may read while another writes.

    Args:
        channel: A session channel on which nothing runs yet.
        agent: The bundle to run (:func:`millhand.pods.bundle.bundle`).
        python: The interpreter there.
        place: Where this is, for errors.
        on_close: Called once when the stream is closed.
    """

    def __init__(
        self,
        channel: paramiko.Channel,
        agent: bytes,
        *,
        python: str,
        place: str,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._channel, self._python, self._place = channel, python, place
        self._on_close: Callable[[], None] | None = on_close
        self._out = bytearray()
        keep_pieces(channel)
        self._rest: bytes | None = None  # what came after the mark; None before the mark
        try:
            channel.exec_command(shlex.join(boot_argv(python)))
        except _BROKEN as error:
            raise self._fault(error) from error
        self._step = channel.out_window_size // 2  # as it is now, wide open: before, sshd grants none
        self._send(_packed(_STAGE) + agent)

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, at least one; ``b""`` where the agent ended.

        Raises:
            ConnectionLostError: The connection broke.
            NoAgentError: No agent came up.
        """
        if self._rest is None:
            self._rest = self._after_the_mark()
        if self._rest:
            data, self._rest = self._rest[:size], self._rest[size:]
            return data
        return self._received(size)

    def write(self, data: bytes | bytearray) -> None:
        """Take all of ``data``; it may be sent at once or later.

        Raises:
            ConnectionLostError: The connection broke.
            AgentError: The agent ended.
            NoAgentError: It did not come up.
        """
        if len(data) >= _BUFFER:
            self.flush()
            self._send(data)
        else:
            self._out += data
            if len(self._out) >= _BUFFER:
                self.flush()

    def flush(self) -> None:
        """Send what was written."""
        waiting, self._out = self._out, bytearray()
        if waiting:
            self._send(waiting)

    def _send(self, data: bytes | bytearray) -> None:
        view, at = memoryview(data), 0
        try:
            while at < len(view):
                sent = send_burst(self._channel, view[at:], self._step)
                if not sent:
                    raise EOFError("the channel is closed")
                at += sent
        except _BROKEN as error:
            raise self._fault(error) from error

    def close(self) -> None:
        """Close it; the agent reads the end of its input."""
        with suppress(*_BROKEN):
            self._channel.close()
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    @property
    def trip_s(self) -> float | None:
        """Seconds of a round trip at most, as far as it is known."""
        trip_s: float | None = getattr(self._channel.get_transport().sock, "trip_s", None)
        return trip_s

    @property
    def alive(self) -> bool:
        """Whether something written now may arrive."""
        transport = self._channel.get_transport()
        return not self._channel.closed and not self._channel.eof_received and transport.is_active()

    def farewell(self, within_s: float = 2.0) -> str:
        """How the agent ended and the last it printed on its standard error, for an error's text."""
        self._channel.status_event.wait(within_s)
        code = self._channel.exit_status if self._channel.exit_status_ready() else -1
        said = bytearray()
        while self._channel.recv_stderr_ready():
            said += self._channel.recv_stderr(_BUFFER)
        return f"exit code {code}. {said[-_SAID:].decode('utf-8', 'replace')}".strip()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _received(self, size: int) -> bytes:
        data = self._channel.recv(size)
        if not data and not self._channel.get_transport().is_active():
            raise self._lost()
        return data

    def _after_the_mark(self) -> bytes:
        """Read up to the line with the mark; what came after it."""
        mark, heard = b"\n" + MARK.encode(), b"\n"
        deadline = time.monotonic() + START_S
        while True:
            before, found, after = heard.partition(mark)
            version, whole, rest = after.partition(b"\n")
            if found and whole:
                self._check_version(version.decode("ascii", "replace"))
                return rest
            if len(before) > _NOISE:
                raise self._no_agent(heard)
            heard += self._first_words(deadline - time.monotonic(), heard)

    def _first_words(self, within_s: float, heard: bytes) -> bytes:
        self._channel.settimeout(max(0.0, within_s))
        try:
            data = self._received(_BUFFER)
        except TimeoutError:
            data = b""
        finally:
            self._channel.settimeout(None)
        if not data:
            raise self._no_agent(heard)
        return data

    def _check_version(self, version: str) -> None:
        major, _, minor = version.partition(".")
        if (int(major), int(minor)) < OLDEST:
            raise NoAgentError(
                f"{self._python} on {self._place} is Python {version}; Millhand needs 3.8 or later there.",
                mend="Install a newer one and name it with `python:` in the pod file.",
            )

    def _no_agent(self, heard: bytes) -> NoAgentError:
        said = heard[-_SAID:].decode("utf-8", "replace").strip()
        ended = self.farewell()
        if "exit code 127" in ended or "exit code 126" in ended:
            return NoAgentError(
                f"There is no {self._python} on {self._place} that runs.",
                mend="Install one there (`apt-get install python3`), or name another with `python:` in the "
                "pod file.",
            )
        return NoAgentError(
            f"{self._place} lets nobody run a command: it ended with {ended}\n{said}".rstrip(),
            mend="The account needs a shell that runs commands; try `ssh HOST true`.",
        )

    def _fault(self, error: Exception) -> ConnectionLostError | NoAgentError | AgentError:
        if not self._channel.get_transport().is_active() or not self._channel.closed:
            return self._lost(error)
        if self._rest is None:
            return self._no_agent(self._last_words())
        return AgentError(f"The agent on {self._place} ended: {self.farewell()}")

    def _last_words(self, within_s: float = 2.0) -> bytes:
        """What a shell that ended at once has said: nobody had read it when the agent could not be sent."""
        heard = b""
        with suppress(*_BROKEN):
            self._channel.settimeout(within_s)
            while len(heard) < _SAID and (data := self._channel.recv(_BUFFER)):
                heard += data
        return heard

    def _lost(self, error: Exception | None = None) -> ConnectionLostError:
        why = f": {error}" if error and str(error) else ""
        return ConnectionLostError(f"The connection to {self._place} broke{why}.")
