"""Packets under AES-GCM: what one end sends, paramiko's own end receives, and the other way round."""

from __future__ import annotations

import _thread
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from paramiko import Message, SSHException
from paramiko.packet import NeedRekeyException, Packetizer

from millhand.pods.ssh import packets
from millhand.pods.ssh.packets import Burst, Packets, send_burst

_KEY, _IV = bytes(range(16)), bytes(range(12))
_SIZES = st.one_of(st.integers(0, 100), st.integers(32_000, 33_000), st.integers(0, 200_000))


class _Socket:
    """A socket that paramiko's packets may read."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._closed = False
        sock.settimeout(0.05)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)


def _keyed(packetizer: Packetizer, iv: bytes = _IV) -> Packetizer:
    engine: Any = AESGCM(_KEY)
    packetizer.set_outbound_cipher(engine, 16, None, 16, None, aead=True, iv_out=iv)  # type: ignore[arg-type]
    packetizer.set_inbound_cipher(engine, 16, None, 16, None, aead=True, iv_in=iv)  # type: ignore[arg-type]
    return packetizer


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    yield one, other
    one.close()
    other.close()


def _exchanged(sender: Packetizer, receiver: Packetizer, sizes: list[int]) -> None:
    sent = [bytes([94, *(number * 7 % 256 for number in range(size))]) for size in sizes]

    def send() -> None:
        for data in sent:
            sender.send_message(Message(data))

    sending = threading.Thread(target=send)
    sending.start()
    for number, data in enumerate(sent):
        kind, message = receiver.read_message()
        assert bytes([kind]) + message.get_remainder() == data
        assert message.seqno == number
    sending.join()


@given(sizes=st.lists(_SIZES, max_size=20), first=st.binary(min_size=12, max_size=12))
def test_paramiko_reads_what_is_sent_and_the_other_way_round(sizes: list[int], first: bytes) -> None:
    for kinds in ((Packets, Packetizer), (Packetizer, Packets), (Packets, Packets)):
        one, other = socket.socketpair()
        with one, other:
            sender, receiver = (
                _keyed(kind(_Socket(end)), first)  # type: ignore[arg-type]
                for kind, end in zip(kinds, (one, other), strict=True)
            )
            _exchanged(sender, receiver, sizes)


@given(size=st.integers(1, 900_000), most=st.integers(1_000, 40_000), seed=st.integers(0, 255))
def test_a_burst_arrives_as_packets_of_its_channel(size: int, most: int, seed: int) -> None:
    data = bytes((seed + at) % 251 for at in range(1024)) * (size // 1024 + 1)
    for keyed in (_keyed, lambda packetizer: packetizer):
        one, other = socket.socketpair()
        with one, other:
            sender, receiver = keyed(Packets(_Socket(one))), keyed(Packetizer(_Socket(other)))  # type: ignore[arg-type]
            burst = Burst(7, memoryview(data)[:size], most)
            sending = threading.Thread(target=sender.send_message, args=[burst])
            sending.start()
            arrived = bytearray()
            while len(arrived) < size:
                kind, message = receiver.read_message()
                assert (kind, message.get_int()) == (94, 7)
                part = message.get_binary()
                assert 0 < len(part) <= most
                assert message.get_remainder() == b""
                arrived += part
            assert arrived == data[:size]
            sending.join()


@given(number=st.integers(0, 2**32 - 1), data=st.binary(max_size=3000), over=st.integers(-2, 2))
def test_data_is_given_as_paramiko_gives_it(number: int, data: bytes, over: int) -> None:
    """Also where a packet says that there is more of it, or less, than there is."""
    size = max(0, len(data) + over)
    sent = struct.pack(">BII", 94, number, size) + data
    heard = []
    for kind in (Packets, Packetizer):
        one, other = socket.socketpair()
        with one, other:
            sender, receiver = _keyed(Packetizer(_Socket(one))), _keyed(kind(_Socket(other)))  # type: ignore[arg-type]
            sender.send_message(Message(sent))
            ptype, message = receiver.read_message()
            assert ptype == 94
            assert message.asbytes() == sent[1:]
            heard.append((message.get_int(), message.get_binary()))
    assert heard[0] == heard[1]


def test_a_packet_that_is_nothing_but_padding_is_no_packet() -> None:
    one, other = socket.socketpair()
    with one, other:
        receiver = _keyed(Packets(_Socket(other)))  # type: ignore[arg-type]
        plain, size = bytes([255, 94]) + bytes(14), (16).to_bytes(4, "big")
        one.sendall(size + AESGCM(_KEY).encrypt(_IV, plain, size))
        with pytest.raises(SSHException, match="no packet"):
            receiver.read_message()


class _Channel:
    """As much of paramiko's channel as a burst asks for; ``sent`` is what was put on the way."""

    def __init__(self, window: int, *, ends: bool = False) -> None:
        self.lock, self.closed, self.eof_sent, self.remote_chanid = threading.Lock(), False, False, 7
        self.out_window_size, self.out_max_packet_size = window, 32_768
        self.sent = bytearray()
        self._ends = ends
        self.transport = self

    def _wait_for_send_window(self, size: int) -> int:
        if self._ends:
            return 0
        taken = min(size, self.out_window_size, self.out_max_packet_size - 64)
        self.out_window_size -= taken
        return taken

    def _send_user_message(self, burst: Burst) -> None:
        self.sent += b"".join(bytes(part) for _, part in burst.parts())


@given(size=st.integers(1, 1_000_000), window=st.integers(1, 3_000_000))
def test_a_burst_takes_no_more_than_the_window_has(size: int, window: int) -> None:
    channel, data = _Channel(window), bytes(range(250)) * (size // 250 + 1)
    sent = send_burst(channel, memoryview(data)[:size])
    assert 0 < sent <= min(size, window)
    assert sent == len(channel.sent) == window - channel.out_window_size
    assert channel.sent == data[:sent]


class _Opening:
    """A lock; whenever it is let go, the channel's window opens by a little."""

    def __init__(self, channel: _Channel, by: int) -> None:
        self._channel, self._by = channel, by
        self._lock = threading.Lock()

    def acquire(self, *how: Any) -> bool:
        return self._lock.acquire(*how)

    def release(self) -> None:
        self._channel.out_window_size += self._by
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@pytest.mark.parametrize(("patience_s", "sent"), [(60.0, 70_000), (0.0, 20_000)])
def test_room_for_a_step_is_waited_for_but_not_long(
    monkeypatch: pytest.MonkeyPatch, patience_s: float, sent: int
) -> None:
    monkeypatch.setattr(packets, "_MOMENT_S", patience_s)
    channel = _Channel(10_000)
    channel.lock = _Opening(channel, 10_000)  # type: ignore[assignment]
    assert send_burst(channel, memoryview(bytes(100_000)), step=65_000) == sent


def test_an_interrupted_nap_leaves_the_lock_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "_MOMENT_S", 60.0)
    channel = _Channel(10)
    pressed = threading.Timer(0.05, _thread.interrupt_main)
    pressed.start()
    with pytest.raises(KeyboardInterrupt):
        send_burst(channel, memoryview(bytes(100)), step=50)
    pressed.join()
    assert channel.lock.acquire(blocking=False)
    assert not channel.sent


def test_where_a_channel_closes_no_room_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "_MOMENT_S", 60.0)
    channel = _Channel(10, ends=True)
    channel.eof_sent = True
    assert send_burst(channel, memoryview(bytes(100)), step=50) == 0


def test_on_a_channel_that_ended_nothing_is_sent() -> None:
    channel = _Channel(1000, ends=True)
    assert send_burst(channel, memoryview(b"words")) == 0
    assert (bytes(channel.sent), channel.out_window_size) == (b"", 1000)
    channel.closed = True
    with pytest.raises(OSError, match="closed"):
        send_burst(channel, memoryview(b"words"))


def test_a_changed_byte_is_noticed(ends: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = _keyed(Packets(_Socket(ends[0]))), _keyed(Packets(_Socket(ends[1])))
    sender.send_message(Message(b"\x5ethe bytes"))
    raw = bytearray(ends[1].recv(1000))
    raw[9] ^= 1
    ends[0].sendall(raw)
    with pytest.raises(InvalidTag):
        receiver.read_message()


@pytest.mark.parametrize("length", [0, 8, 17, 1 << 18, 0xFFFFFFF0])
def test_a_length_that_cannot_be_ends_it(ends: tuple[socket.socket, socket.socket], length: int) -> None:
    receiver = _keyed(Packets(_Socket(ends[1])))
    ends[0].sendall(length.to_bytes(4, "big") + bytes(64))
    with pytest.raises(SSHException):
        receiver.read_message()


def test_the_end_is_an_end(ends: tuple[socket.socket, socket.socket]) -> None:
    receiver = _keyed(Packets(_Socket(ends[1])))
    ends[0].sendall(bytes(3))
    ends[0].shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        receiver.read_message()


def test_keys_are_changed_in_time(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packets, "_KEY_BYTES", 1000)
    sender, receiver = _keyed(Packets(_Socket(ends[0]))), _keyed(Packets(_Socket(ends[1])))
    for _ in range(20):
        sender.send_message(Message(b"\x5e" + bytes(64)))
        receiver.read_message()
    assert sender.need_rekey()
    with pytest.raises(NeedRekeyException):  # only where nothing more comes
        receiver.read_message()
    _keyed(sender)
    assert not sender.need_rekey()


def test_no_way_back_to_a_weaker_cipher(ends: tuple[socket.socket, socket.socket]) -> None:
    receiver = _keyed(Packets(_Socket(ends[1])))
    with pytest.raises(SSHException):
        receiver.set_inbound_cipher(None, 16, None, 16, None, aead=False)  # type: ignore[arg-type]
