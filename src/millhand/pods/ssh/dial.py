"""One SSH transport: TCP, key exchange, the host's key, the user's. Nothing is retried here.

AES-GCM comes before paramiko's counter mode, which costs a third more of a core; Nagle is off, and nobody is
looked up by address. A transport that hears nothing for ``silence_s``, though it asks, counts as broken: a
connection whose other end is gone stays open for a quarter of an hour by itself.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import paramiko

from millhand.pods.ssh.address import PORT, Address, completed
from millhand.pods.ssh.faults import ConnectError, UnreachableError
from millhand.pods.ssh.hostkeys import Pinned, Trust, host_key
from millhand.pods.ssh.login import log_in
from millhand.pods.ssh.packets import Packets

WINDOW = 64 << 20  # of what the pod sends: 100 MiB/s at a round trip of 0.6 s
PACKET = 1 << 16
_SMALL = 4096
_FIRST_PULSE_S = 1.0
_ROOM = 4_000_000
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_KEY_TYPES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: for a connection to stand, between signs of life, and of silence until it counts as broken."""

    connect_s: float = 15.0
    pulse_s: float = 5.0
    silence_s: float = 20.0


def dial(address: Address, trust: Callable[[str], Trust], timing: Timing) -> paramiko.Transport:
    """Connect and log in.

    Args:
        address: Where to; completed from ~/.ssh/config here.
        trust: What holds the host's key, by the host's name: the pod's is ``""``, a jump host's its own.
        timing: How long to wait for what.

    Raises:
        UnreachableError: Nobody answers there now.
        HostKeyError: The host shows another key than it should.
        ConnectError: The name is unknown, or no key is taken there.
    """
    address = completed(address)
    began = time.monotonic()
    sock = _reach(address, trust, timing)
    # Through a jump host most of it was logging in there.
    trip_s = None if address.jump else time.monotonic() - began
    line = _Line(sock, timing.silence_s, trip_s)
    transport = paramiko.Transport(
        line,  # type: ignore[arg-type]
        default_window_size=WINDOW,
        default_max_packet_size=PACKET,
        packetizer_class=Packets,
    )
    try:
        held = Pinned(address.fingerprints) if address.fingerprints else trust("")
        _shake_hands(transport, address, held, timing)
        log_in(transport, address)
    except BaseException:
        transport.close()
        raise
    line.awake = True
    threading.Thread(target=_pulse, args=(transport, line, timing.pulse_s), daemon=True).start()
    return transport


class _Line:
    """A socket that notices when the other end has gone silent. paramiko reads it several times a second."""

    def __init__(
        self, sock: socket.socket | paramiko.Channel, silence_s: float, trip_s: float | None
    ) -> None:
        self._sock = sock
        self.trip_s = trip_s  # of a round trip, at most: of the fastest that was seen; None before one was
        self._silence_s = silence_s
        self._heard = time.monotonic()
        self.awake = False
        self._closed = False  # paramiko looks at this name of a socket's

    def recv(self, size: int) -> bytes:
        try:
            data = self._sock.recv(size)
        except TimeoutError:
            if self._silent():
                return b""
            raise
        if len(data) < _SMALL and isinstance(self._sock, socket.socket):
            _acknowledge(self._sock)
        self._heard = time.monotonic()
        return data

    def recv_into(self, buffer: memoryview) -> int:
        if not isinstance(self._sock, socket.socket):
            data = self.recv(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        try:
            count = self._sock.recv_into(buffer)
        except TimeoutError:
            if self._silent():
                return 0
            raise
        if count < _SMALL:
            _acknowledge(self._sock)
        self._heard = time.monotonic()
        return count

    def _silent(self) -> bool:
        return self.awake and time.monotonic() - self._heard > self._silence_s

    def send(self, data: bytes) -> int:
        return self._sock.send(data)

    def settimeout(self, seconds: float | None) -> None:
        self._sock.settimeout(seconds)

    def close(self) -> None:
        self._closed = True
        with suppress(EOFError, OSError, paramiko.SSHException):
            self._sock.close()
        if isinstance(self._sock, paramiko.Channel):  # through a jump host, on a transport for this alone
            self._sock.get_transport().close()


def _acknowledge(sock: socket.socket) -> None:
    """Confirm what came at once: an sshd holds the next back until then (RFC 896), and Linux takes 40 ms."""
    if sys.platform == "linux":
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _pulse(transport: paramiko.Transport, line: _Line, every_s: float) -> None:
    """Ask for a sign of life as long as the transport lives; sshd answers what it does not know, too."""
    # Not at once: an sshd would hold its answer to the first channel back until this one is confirmed.
    time.sleep(min(every_s, _FIRST_PULSE_S))
    with suppress(paramiko.SSHException, OSError, EOFError):
        while transport.is_active():
            asked = time.monotonic()
            transport.global_request("keepalive@openssh.com", wait=True)
            took_s = time.monotonic() - asked
            line.trip_s = took_s if line.trip_s is None else min(line.trip_s, took_s)
            time.sleep(every_s)


# The way there.


def _reach(
    address: Address, trust: Callable[[str], Trust], timing: Timing
) -> socket.socket | paramiko.Channel:
    if address.jump is None:
        return _connected(address, timing.connect_s)
    name = str(address.jump)
    hop = dial(address.jump, lambda further: trust(further or name), timing)
    try:
        target = (address.host, address.port or PORT)
        return hop.open_channel("direct-tcpip", target, ("127.0.0.1", 0), timeout=timing.connect_s)
    except (paramiko.SSHException, EOFError, OSError) as error:
        hop.close()
        raise UnreachableError(f"{address} cannot be reached through {address.jump}: {error}.") from error


def _connected(address: Address, within_s: float) -> socket.socket:
    try:
        sock = socket.create_connection((address.host, address.port or PORT), timeout=within_s)
    except socket.gaierror as error:
        raise _unknown(address, error) from error
    except TimeoutError as error:
        raise UnreachableError(
            f"{address} did not answer within {within_s:.0f} s.",
            mend="Is the machine up, and does a firewall let this port through? "
            f"Try `ssh -p {address.port} {address.user}@{address.host} true`.",
        ) from error
    except OSError as error:
        raise UnreachableError(
            f"{address} cannot be reached: {error.strerror or error}.",
            mend=f"Is sshd running there, on port {address.port}? RunPod changes it at each start.",
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    _make_room(sock)
    return sock


def _make_room(sock: socket.socket) -> None:
    """Take much before it is read: Linux offers 64 KiB at first and widens that over many round trips.

    Where the system allows little, its own widening is better than asking for a size: that would end it.
    """
    if sys.platform == "linux":
        with suppress(OSError, ValueError):
            most = int(Path("/proc/sys/net/core/rmem_max").read_text(encoding="ascii"))
            if most >= _ROOM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, min(most, 4 * _ROOM))


def _unknown(address: Address, error: socket.gaierror) -> ConnectError:
    if error.errno == socket.EAI_AGAIN:
        return UnreachableError(f"The name {address.host} cannot be looked up now: {error.strerror}.")
    mend = f"Is it spelt right? Try `ssh {address.host} true`."
    return ConnectError(f"There is no host {address.host}: {error.strerror}.", mend=mend)


# The host's key.


def _shake_hands(transport: paramiko.Transport, address: Address, trust: Trust, timing: Timing) -> None:
    options = transport.get_security_options()
    options.ciphers = (*_CIPHERS, *(name for name in options.ciphers if name not in _CIPHERS))
    known = trust.known_type()
    names = _KEY_TYPES.get(known, (known,)) if known else ()
    first = [name for name in names if name in options.key_types]
    options.key_types = (*first, *(name for name in options.key_types if name not in first))
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = timing.connect_s
    try:
        transport.start_client(timeout=timing.connect_s)
        shown = transport.get_remote_server_key()
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise UnreachableError(
            f"What answers at {address} does not get through SSH's key exchange: {error or 'it hung up'}.",
            mend="An sshd that is starting does this for seconds. Else another service listens on that port.",
        ) from error
    trust.check(host_key(shown.get_name(), shown.asbytes()), f"{address.host}:{address.port}")
