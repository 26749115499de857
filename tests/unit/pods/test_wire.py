"""The messages and the bundle, spoken with a real isolated Python at the other end of a pipe."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.pods import wire
from millhand.pods.bundle import boot_argv, bundle

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters()),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


class _Dribble(io.BytesIO):
    """A stream that gives one byte at a time, as a network may."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(1, size) if size else size)


@given(st.lists(st.tuples(st.dictionaries(st.text(), _JSON), st.binary())))
def test_what_is_sent_is_received_however_it_is_cut_up(messages: list[tuple[dict[str, Any], bytes]]) -> None:
    line = io.BytesIO()
    for header, payload in messages:
        wire.send(line, header, payload)
    reader = _Dribble(line.getvalue())
    assert [wire.receive(reader) for _ in messages] == messages


@given(st.binary(min_size=1, max_size=64))
def test_a_name_that_is_no_utf8_survives(raw: bytes) -> None:
    line = io.BytesIO()
    wire.send(line, {"name": raw.decode("utf-8", "surrogateescape")})
    header, _ = wire.receive(io.BytesIO(line.getvalue()))
    assert header["name"].encode("utf-8", "surrogateescape") == raw


def test_a_cut_stream_is_told() -> None:
    line = io.BytesIO()
    wire.send(line, {"a": 1}, b"payload")
    for end in range(len(line.getvalue())):
        with pytest.raises(wire.WireError, match="ended"):
            wire.receive(io.BytesIO(line.getvalue()[:end]))


@pytest.mark.parametrize("noise", [b"Welcome to Ubuntu 24.04 LTS\n" * 3, b"\0\0\0\x02" + b"\0" * 8 + b"[]"])
def test_what_is_no_message_is_told(noise: bytes) -> None:
    with pytest.raises(wire.WireError, match="not a message"):
        wire.receive(io.BytesIO(noise))


def test_a_bundle_becomes_an_agent_in_a_bare_python() -> None:
    sent = bundle(("millhand.pods.wire",), "millhand.pods.wire.send(sys.stdout.buffer, {'pid': 1}, b'x')")
    done = subprocess.run(boot_argv(sys.executable), input=sent, stdout=subprocess.PIPE, check=True, env={})
    assert wire.receive(io.BytesIO(done.stdout)) == ({"pid": 1}, b"x")


def test_what_follows_the_bundle_is_left_to_the_agent() -> None:
    echo = "millhand.pods.wire.send(sys.stdout.buffer, *millhand.pods.wire.receive(sys.stdin.buffer))"
    line = io.BytesIO()
    wire.send(line, {"한글": "공백 '\"\n"}, os.urandom(100_000))
    sent = bundle(("millhand.pods.wire",), echo) + line.getvalue()
    done = subprocess.run(boot_argv(sys.executable), input=sent, stdout=subprocess.PIPE, check=True)
    assert done.stdout == line.getvalue()
