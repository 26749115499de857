"""SSH packets under AES-GCM with few copies and few calls: sending in small steps is what paramiko spends.

What a channel has to send goes as a :class:`Burst`: as many packets as the window has room for, put under the
cipher one behind the other, and written at once.

paramiko's own way is taken for all other ciphers and until keys are exchanged. The format is that of RFC
4253, 6 and RFC 5647, 7: four bytes of length in clear, then padding's length, payload and padding under the
cipher, then a tag of 16 bytes; the nonce is four fixed bytes and a counter of eight.

Keys are changed after 32 GiB, not after paramiko's half: OpenSSH does so after 2^32 blocks, 64 GiB (RFC 4344,
3.2). If the other side closes a channel in the moment in which they are changed, paramiko's thread waits for
itself for half a minute and the connection breaks.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import paramiko
from paramiko import Message, SSHException
from paramiko.packet import NeedRekeyException, Packetizer

_KEY_BYTES = 32 << 30
_BLOCK, _TAG = 16, 16
_MOST = (
    1 << 18
)  # bytes of a packet; what is more is no packet: RFC 4253 asks for 35,000, OpenSSH takes 256 Ki
_READ = 1 << 18
_BURST = 1 << 20  # bytes of data that are written at once
_MOMENT_S = 0.002  # that a burst's room is waited for: enough where the pod is near, little where it is far
_NAP_S = 0.0005  # between two looks at it
_PACKETS = 1 << 10  # in a burst
_DATA = paramiko.common.MSG_CHANNEL_DATA
_HEAD = struct.Struct(">II")  # of data: its channel, its length


class _Nonce:
    """The nonces of one key, in order."""

    def __init__(self, first: bytes) -> None:
        self._fixed, self._count = first[:4], int.from_bytes(first[4:], "big")

    def next(self) -> bytes:
        """Each once."""
        nonce = self._fixed + self._count.to_bytes(8, "big")
        self._count = (self._count + 1) & 0xFFFF_FFFF_FFFF_FFFF
        return nonce


class Burst(Message):
    """Data for a channel, in packets of at most ``most`` bytes."""

    def __init__(self, number: int, data: memoryview, most: int) -> None:
        super().__init__()
        self._number, self._data, self._most = number, data, most

    def groups(self) -> Iterator[tuple[bytes, memoryview, int]]:
        """Packets that have one head: it, the data of all of them, how much of it each has."""
        whole = len(self._data) // self._most * self._most
        for data, size in ((self._data[:whole], self._most), (self._data[whole:], len(self._data) - whole)):
            if data:
                yield struct.pack(">BII", _DATA, self._number, size), data, size

    def parts(self) -> Iterator[tuple[bytes, memoryview]]:
        """The head and the data of each packet."""
        for head, data, size in self.groups():
            for at in range(0, len(data), size):
                yield head, data[at : at + size]


def send_burst(channel: Any, data: memoryview, step: int = 1) -> int:
    """Send what the window of a ``paramiko.Channel`` has room for; wait until it has some. How much it was.

    Nothing was sent where the channel is closed. It does what ``channel.send`` does, for more than a packet.

    Args:
        step: Room that is waited for a moment, in bytes: where the other side opens its window by little and
            little, sending by little and little would keep both busy with changing from one to the other.

    Raises:
        OSError: The channel is closed here.
        paramiko.SSHException: The connection broke.
    """
    most = channel.out_max_packet_size - 64
    with channel.lock:
        if channel.closed:
            raise OSError("the channel is closed")
        _await_room(channel, min(len(data), step, _BURST))
        size = int(channel._wait_for_send_window(len(data)))
        room = min(len(data), _BURST, most * _PACKETS, size + int(channel.out_window_size))
        more = max(0, room - size) if size else 0
        channel.out_window_size -= more
    if size:
        # without the lock: in the exchange of keys paramiko's own thread takes it
        channel.transport._send_user_message(Burst(channel.remote_chanid, data[: size + more], most))
    return size + more


def _await_room(channel: Any, room: int) -> None:
    """Nap rather than wait to be woken: each little bit of room would do that."""
    # An alarm that nobody sets off; after an interrupted nap, too, the lock is held.
    alarm = threading.Condition(channel.lock)
    until = time.perf_counter() + _MOMENT_S
    while channel.out_window_size < room and not (channel.closed or channel.eof_sent):
        alarm.wait(_NAP_S)
        if time.perf_counter() > until:
            return


class _Data(Message):
    """What came for a channel, as paramiko asks for it: the channel's number, then the bytes."""

    def __init__(self, number: int, data: bytes) -> None:
        super().__init__()
        self._number, self._data = number, data

    def get_int(self) -> int:
        """The channel's number."""
        return self._number

    def get_binary(self) -> bytes:
        """The bytes."""
        return self._data

    def asbytes(self) -> bytes:
        """All of it, as in the packet."""
        return struct.pack(">II", self._number, len(self._data)) + self._data


class Packets(Packetizer):
    """What :class:`paramiko.Transport` is given as its ``packetizer_class``."""

    def __init__(self, socket: Any) -> None:
        super().__init__(socket)
        self._socket = socket
        self._sealing = threading.RLock()
        self._seal: Any = None
        self._unseal: Any = None
        self._seal_nonce = self._unseal_nonce = _Nonce(bytes(12))
        self._plain = memoryview(bytearray(_MOST))
        self._sealed = memoryview(bytearray(_MOST + _BURST))
        self._opened = memoryview(bytearray(_MOST))
        self._held = memoryview(bytearray(_READ + _MOST))
        self._start = self._end = 0  # of what is held
        self._number = 0  # of the next packet that comes
        self._sent = self._received = 0

    def set_outbound_cipher(self, block_engine: Any, *args: Any, **options: Any) -> None:
        """Change what is sent to other keys."""
        super().set_outbound_cipher(block_engine, *args, **options)
        self._seal = block_engine if options.get("aead") else None
        self._sent = 0
        if self._seal is not None:
            self._seal_nonce = _Nonce(options["iv_out"])

    def set_inbound_cipher(self, block_engine: Any, *args: Any, **options: Any) -> None:
        """Change what is received to other keys."""
        super().set_inbound_cipher(block_engine, *args, **options)
        if self._unseal is not None and not options.get("aead"):
            raise SSHException("The other side wants a weaker cipher than the one it had.")
        self._unseal = block_engine if options.get("aead") else None
        self._received = 0
        if self._unseal is not None:
            self._unseal_nonce = _Nonce(options["iv_in"])

    def reset_seqno_in(self) -> None:
        """Count from zero."""
        super().reset_seqno_in()
        self._number = 0

    # Out.

    def send_message(self, data: Message) -> None:
        """Send one message, or a burst."""
        if self._seal is None:
            return self._send_plainly(data)
        with self._sealing:
            self._write(self._put_all(data))
            if self._sent >= _KEY_BYTES:
                self._ask_for_keys()
        return None

    def _send_plainly(self, data: Message) -> None:
        if not isinstance(data, Burst):
            return super().send_message(data)
        for head, payload in data.parts():
            super().send_message(Message(head + payload))
        return None

    def _put_all(self, data: Message) -> int:
        """Put a message or a burst under the cipher; where the last packet ends."""
        if isinstance(data, Burst):
            end = 0
            for head, some, size in data.groups():
                end = self._put(head, some, size, end)
            return end
        whole = memoryview(data.asbytes())
        return self._put(b"", whole, len(whole), 0)

    def _put(self, head: bytes, data: memoryview, length: int, end: int) -> int:
        """Put packets with so much of the data each behind others; where the last one ends.

        There are 32,000 in a gigabyte: what they have in common is done once.
        """
        if len(head) + length > _MOST - 64:
            raise SSHException("A message is longer than a packet may be.")
        padding = _BLOCK + 3 - (len(head) + length + 4) % _BLOCK
        begin, size = 1 + len(head), 1 + len(head) + length + padding
        words, step, seal = size.to_bytes(4, "big"), 4 + size + _TAG, self._seal.encrypt_into
        plain, body = self._plain[:size], self._plain[begin : begin + length]
        plain[:begin] = bytes([padding]) + head
        plain[begin + length :] = os.urandom(padding)
        for at in range(0, len(data), length):
            body[:] = data[at : at + length]
            self._sealed[end : end + 4] = words
            seal(self._seal_nonce.next(), plain, words, self._sealed[end + 4 : end + step])
            end += step
        return end

    def _write(self, end: int) -> None:
        self.write_all(self._sealed[:end])
        self._sent += end

    # In.

    def read_message(self) -> tuple[int, Message]:
        """Receive one message: its type and the rest of it.

        Raises:
            EOFError: The connection ended.
            NeedRekeyException: Keys are to be changed now.
            SSHException: This is no packet.
        """
        if self._unseal is None:
            kind, message = super().read_message()
            self._number = message.seqno + 1
            return kind, message
        self._fill(4)
        size = int.from_bytes(self._held[self._start : self._start + 4], "big")
        if size % _BLOCK or not size or size > _MOST - 64:
            raise SSHException("What comes is no packet.")
        self._fill(4 + size + _TAG)
        return self._message(size)

    def _message(self, size: int) -> tuple[int, Message]:
        at = self._start + 4
        self._start = at + size + _TAG
        sealed, length = self._held[at : self._start], self._held[at - 4 : at]
        self._unseal.decrypt_into(self._unseal_nonce.next(), sealed, length, self._opened[:size])
        padding, kind = self._opened[:2]
        if padding > size - 2:
            raise SSHException("What comes is no packet.")
        message = _message(kind, self._opened[2 : size - padding])
        message.seqno, self._number = self._number, (self._number + 1) & 0xFFFF_FFFF
        self._received += 4 + len(sealed)
        if self._received >= _KEY_BYTES:
            self._ask_for_keys()
        return kind, message

    def _fill(self, size: int) -> None:
        """Hold so many bytes at least."""
        while self._end - self._start < size:
            if self.handshake_timed_out():
                raise EOFError
            if self._start == self._end:
                self._start = self._end = 0
            elif self._start >= _READ:
                rest = bytes(self._held[self._start : self._end])
                self._held[: len(rest)] = rest
                self._start, self._end = 0, len(rest)
            self._end += self._more(first=size == 4)

    def _more(self, first: bool) -> int:
        """Read what is there into what is held; how much it was."""
        try:
            count = int(self._socket.recv_into(self._held[self._end :]))
        except TimeoutError:
            if self.closed:
                raise EOFError from None
            if first and self._start == self._end and self.need_rekey():
                raise NeedRekeyException from None
            return 0
        except OSError:
            if self.closed:
                raise EOFError from None
            raise
        if not count:
            raise EOFError
        return count

    def _ask_for_keys(self) -> None:
        if not self.need_rekey():
            self._trigger_rekey()  # type: ignore[attr-defined]


def _message(kind: int, rest: memoryview) -> Message:
    """What comes after a packet's first byte; data, which is most of it, is copied once."""
    if kind == _DATA and len(rest) >= _HEAD.size:
        number, size = _HEAD.unpack_from(rest)
        if size == len(rest) - _HEAD.size:
            return _Data(number, bytes(rest[_HEAD.size :]))
    return Message(bytes(rest))
