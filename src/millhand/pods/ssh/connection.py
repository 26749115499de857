"""A connection that is made anew when it breaks: channels for agents and tunnels, from any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import paramiko
import tenacity

from millhand.pods.ssh.address import Address
from millhand.pods.ssh.dial import PACKET, WINDOW, Timing, dial
from millhand.pods.ssh.faults import ConnectError, ConnectionLostError, UnreachableError, WrongPinError
from millhand.pods.ssh.hostkeys import Trust
from millhand.pods.ssh.streams import Stream

_LATE_PINS_S = 30.0
_PROHIBITED = 1  # SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, RFC 4254, 5.1


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, in seconds, somebody who does not answer is asked again: at first, and after a loss."""

    first_s: float = 0.0
    lost_s: float = 600.0


@dataclass
class Connection:
    """One pod's connection, shared by all that talk to it. Safe to use from several threads.

    Args:
        name: The pod's name, for what is told.
        address: Asked before each attempt: a pod that was started again has another port.
        trust: Holds the host's key (:func:`millhand.pods.ssh.dial.dial`).
        tell: Is told of a loss, and of its end.
        timing: How soon a silent connection counts as broken.
        patience: How long to try.
    """

    name: str
    address: Callable[[], Address]
    trust: Callable[[str], Trust]
    tell: Callable[[str], None] = lambda _: None
    timing: Timing = field(default_factory=Timing)
    patience: Patience = field(default_factory=Patience)
    python: str = "python3"
    _transport: paramiko.Transport | None = field(default=None, init=False)
    known: bool = field(default=False, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _closed: threading.Event = field(default_factory=threading.Event, init=False)
    _gave_up: tuple[float, Exception] = field(default=(0.0, Exception()), init=False)

    def open_agent(self, agent: bytes, *, transport: Literal["shared", "new"] = "shared") -> Stream:
        """Start an agent and give the stream to it.

        Raises:
            ConnectError: There is no way there, or none any more.
            ConnectionLostError: The connection broke meanwhile; opening again connects anew.
        """
        if transport == "shared":
            with suppress(paramiko.ChannelException):  # an sshd allows so many channels: MaxSessions
                return self._stream(self.transport(), agent, lambda: None)
        own = self._dialled()
        try:
            return self._stream(own, agent, own.close)
        except paramiko.ChannelException as error:
            mend = "The account there must be one that runs commands (MaxSessions in sshd_config)."
            raise ConnectError(
                f"The sshd of {self.name} opens no session: {error.text}.", mend=mend
            ) from error

    def open_tunnel(self, port: int) -> paramiko.Channel:
        """A channel to a port of the pod's 127.0.0.1.

        Raises:
            ConnectError: There is no way there, or sshd forbids tunnels.
            ConnectionLostError: The connection broke.
            paramiko.ChannelException: Nothing listens there.
        """
        transport = self.transport()
        target = ("127.0.0.1", port)
        try:
            return transport.open_channel(
                "direct-tcpip", target, ("127.0.0.1", 0), WINDOW, PACKET, self.timing.connect_s
            )
        except paramiko.ChannelException as error:
            if error.code == _PROHIBITED:
                raise self._forbidden() from error
            raise
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._lost(error) from error

    def check_tunnels(self, port: int) -> None:
        """See that sshd lets tunnels through to a port, without troubling what listens there.

        Raises:
            ConnectError: There is no way there, or sshd forbids tunnels.
            ConnectionLostError: The connection broke.
        """
        for asked in (1, port):  # nothing listens on port 1; an sshd may allow named ports only (PermitOpen)
            try:
                self.open_tunnel(asked).close()
            except paramiko.ChannelException:
                return
            except ConnectError:
                if asked == port:
                    raise
            else:
                return

    def transport(self) -> paramiko.Transport:
        """The transport that all share, made anew if it broke.

        Raises:
            ConnectError: There is no way there.
        """
        asked = time.monotonic()
        with self._lock:
            if self._transport is not None and self._transport.is_active():
                return self._transport
            gave_up, why = self._gave_up
            if gave_up > asked:  # another thread has tried in vain while this one waited
                raise why
            try:
                self._transport = self._dialled()
            except Exception as error:
                self._gave_up = (time.monotonic(), error)
                raise
            return self._transport

    @property
    def closed(self) -> bool:
        """Whether it was hung up on purpose."""
        return self._closed.is_set()

    def wait_closed(self, within_s: float) -> bool:
        """Wait so long, and say whether it was hung up on purpose."""
        return self._closed.wait(within_s)

    def close(self) -> None:
        """Hang up. Nothing is dialled any more."""
        self._closed.set()
        if self._transport is not None:
            self._transport.close()

    def _stream(self, transport: paramiko.Transport, agent: bytes, on_close: Callable[[], None]) -> Stream:
        try:
            channel = transport.open_session(WINDOW, PACKET, self.timing.connect_s)
            return Stream(channel, agent, python=self.python, place=self.name, on_close=on_close)
        except paramiko.ChannelException:
            on_close()
            raise
        except (paramiko.SSHException, EOFError, OSError) as error:
            on_close()
            raise self._lost(error) from error

    def _forbidden(self) -> ConnectError:
        return ConnectError(
            f"The sshd of {self.name} allows no tunnels, so none of its ports can be reached.",
            mend="Set `AllowTcpForwarding local` in /etc/ssh/sshd_config there, then reload sshd.",
        )

    def _lost(self, error: Exception) -> ConnectionLostError:
        return ConnectionLostError(f"The connection to {self.name} broke: {error or type(error).__name__}.")

    def _dialled(self) -> paramiko.Transport:
        patience_s = self.patience.lost_s if self.known else self.patience.first_s
        attempts = _Attempts(self, patience_s)
        retrying = tenacity.Retrying(
            retry=attempts.may_pass,
            wait=tenacity.wait_random_exponential(multiplier=0.25, max=8),
            stop=tenacity.stop_after_delay(patience_s) | tenacity.stop_when_event_set(self._closed),
            sleep=tenacity.sleep_using_event(self._closed),
            before_sleep=attempts.tell,
            reraise=True,
        )
        try:
            transport = retrying(self._once)
        except UnreachableError as error:
            raise self._given_up(error, patience_s) from error
        attempts.connected()
        self.known = True
        return transport

    def _once(self) -> paramiko.Transport:
        if self._closed.is_set():
            raise ConnectionLostError(f"The connection to {self.name} is closed.")
        return dial(self.address(), self.trust, self.timing)

    def _given_up(self, error: UnreachableError, patience_s: float) -> UnreachableError:
        if not self.known:
            return error
        return UnreachableError(
            f"{self.name} could not be reached again within {patience_s:.0f} s. {error.message}",
            mend="Jobs there go on without this computer. Repeat the command to follow them. " + error.mend,
        )


class _Attempts:
    """One dialling: what may pass by itself, and what the user is told of it, once."""

    def __init__(self, connection: Connection, patience_s: float) -> None:
        self._connection, self._patience_s, self._again = connection, patience_s, connection.known
        self._told = False
        self._wrong_since: float | None = None

    def may_pass(self, state: tenacity.RetryCallState) -> bool:
        """Whether a failure may be over at the next attempt.

        A pod that was started again has new host keys. Its log, which pins them, may say so a moment late.
        """
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, WrongPinError) and self._again:
            self._wrong_since = self._wrong_since or time.monotonic()
            return time.monotonic() - self._wrong_since < _LATE_PINS_S
        return isinstance(error, UnreachableError)

    def tell(self, state: tenacity.RetryCallState) -> None:
        if not self._told and state.outcome is not None:
            why = str(getattr(state.outcome.exception(), "message", ""))
            self._connection.tell(f"{why} Trying again for {self._patience_s:.0f} s.")
        self._told = True

    def connected(self) -> None:
        if self._told:
            self._connection.tell(f"Connected to {self._connection.name}{' again' if self._again else ''}.")
