"""SSH packets under AES-GCM with few copies and few calls: sending in small steps is what paramiko spends.

paramiko's own way is taken for all other ciphers and until keys are exchanged. The format is that of RFC
4253, 6 and RFC 5647, 7: four bytes of length in clear, then padding's length, payload and padding under the
cipher, then a tag of 16 bytes; the nonce is four fixed bytes and a counter of eight.

Keys are changed after 32 GiB, not after paramiko's half: OpenSSH does so after 2^32 blocks, 64 GiB (RFC 4344,
3.2). If the other side closes a channel in the moment in which they are changed, paramiko's thread waits for
itself for half a minute and the connection breaks.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from paramiko import Message, SSHException
from paramiko.packet import NeedRekeyException, Packetizer

_KEY_BYTES = 32 << 30
_BLOCK, _TAG = 16, 16
_MOST = (
    1 << 18
)  # bytes of a packet; what is more is no packet: RFC 4253 asks for 35,000, OpenSSH takes 256 Ki
_READ = 1 << 18


class _Nonce:
    """The nonces of one key, in order."""

    def __init__(self, first: bytes) -> None:
        self._fixed, self._count = first[:4], int.from_bytes(first[4:], "big")

    def next(self) -> bytes:
        """Each once."""
        nonce = self._fixed + self._count.to_bytes(8, "big")
        self._count = (self._count + 1) & 0xFFFF_FFFF_FFFF_FFFF
        return nonce


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
        self._sealed = memoryview(bytearray(_MOST))
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
        """Send one message."""
        payload = data.asbytes()
        if self._seal is None or len(payload) > _MOST - 64:
            return super().send_message(data) if self._seal is None else self._too_long()
        with self._sealing:
            packet = self._packet(payload)
            self.write_all(packet)
            self._sent += len(packet)
            if self._sent >= _KEY_BYTES:
                self._ask_for_keys()
        return None

    def _packet(self, payload: bytes) -> memoryview:
        padding = _BLOCK + 3 - (len(payload) + 4) % _BLOCK
        size = 1 + len(payload) + padding
        plain, sealed, length = self._plain, self._sealed, size.to_bytes(4, "big")
        plain[0] = padding
        plain[1 : size - padding] = payload
        plain[size - padding : size] = os.urandom(padding)
        sealed[:4] = length
        self._seal.encrypt_into(self._seal_nonce.next(), plain[:size], length, sealed[4 : 4 + size + _TAG])
        return sealed[: 4 + size + _TAG]

    def _too_long(self) -> None:
        raise SSHException("A message is longer than a packet may be.")

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
        plain = self._unseal.decrypt(self._unseal_nonce.next(), sealed, length)
        message = Message(plain[2 : size - plain[0]])
        message.seqno, self._number = self._number, (self._number + 1) & 0xFFFF_FFFF
        self._received += 4 + len(sealed)
        if self._received >= _KEY_BYTES:
            self._ask_for_keys()
        return plain[1], message

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
