"""What a channel keeps of what it received: the same as paramiko's own buffer."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st
from paramiko.buffered_pipe import BufferedPipe
from paramiko.channel import Channel

from millhand.pods.ssh.received import keep_pieces

_STEPS = st.lists(st.one_of(st.binary(max_size=20), st.integers(0, 30), st.none()), max_size=30)


def _kept() -> BufferedPipe:
    channel = Channel(1)
    keep_pieces(channel)
    return channel.in_buffer


@given(steps=_STEPS)
def test_it_gives_what_came_as_paramikos_own_buffer_does(steps: list[bytes | int | None]) -> None:
    """Bytes are fed, a number is read, None empties it."""
    own, ours = BufferedPipe(), _kept()
    for step in steps:
        if isinstance(step, bytes):
            own.feed(step)
            ours.feed(step)
        elif step is None:
            assert ours.empty() == own.empty()
        elif len(own):
            assert ours.read(step) == own.read(step)
        assert len(ours) == len(own)
        assert ours.read_ready() == own.read_ready()


def test_who_waits_is_woken_by_what_comes_and_by_the_end() -> None:
    pipe, heard = _kept(), list[bytes]()

    def listen() -> None:
        while data := pipe.read(4):
            heard.append(data)

    thread = threading.Thread(target=listen)
    thread.start()
    pipe.feed(b"one")
    pipe.feed(b"two and three")
    pipe.close()
    thread.join(10)
    assert not thread.is_alive()
    assert b"".join(heard) == b"onetwo and three"
    assert max(map(len, heard)) <= 4
