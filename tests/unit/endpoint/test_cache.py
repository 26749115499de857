"""Answers that were paid for, and what was sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.endpoint.cache import FILE, AnswerCache
from millhand.endpoint.order import Reply, Request, read_reply
from millhand.errors import MillhandError
from tests.unit.endpoint.conftest import question


def test_an_answer_is_found_again_by_its_request(cache: AnswerCache) -> None:
    assert cache.get(question().key) is None
    cache.put(cache.sending(question().key), question(), Reply("답", "stop", 10, 5))
    assert cache.get(question().key) == Reply("답", "stop", 10, 5, cached=True)
    assert cache.get(question(1).key) is None


def test_what_was_sent_and_not_answered_is_lost(cache: AnswerCache) -> None:
    cache.sending("a")
    cache.ended(cache.sending("b"), "refused")
    cache.ended(cache.sending("c"), "lost")
    cache.put(cache.sending(question().key), question(), Reply("답", "stop", 10, 5))
    assert cache.totals() == (4, 1, 1, 2)
    assert cache.usage(question().model) == (question().characters, 10, 1, 5)


def test_a_damaged_file_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(MillhandError, match="move it aside") as caught:
        AnswerCache(tmp_path)
    assert FILE in str(caught.value)


def test_the_key_is_made_of_model_messages_and_options_alone() -> None:
    one = Request("m", ({"role": "user", "content": "가"},), {"a": 1, "b": 2})
    same = Request("m", ({"content": "가", "role": "user"},), {"b": 2, "a": 1})
    others = [
        Request("n", one.messages, one.options),
        Request("m", ({"role": "user", "content": "나"},), one.options),
        Request("m", one.messages, {"a": 1}),
    ]
    assert one.key == same.key
    assert len({one.key, *(other.key for other in others)}) == 4


@given(st.text())
def test_any_text_has_a_key(text: str) -> None:
    assert len(Request("m", ({"role": "user", "content": text},)).key) == 64


@given(
    st.binary()
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda v: repr(v).encode())
)
def test_any_body_is_an_answer_or_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_reply(body)


def test_a_refusal_field_is_a_refusal() -> None:
    reply = read_reply(
        b'{"choices": [{"message": {"content": null, "refusal": "no"}, "finish_reason": "stop"}]}'
    )
    assert (reply.text, reply.finish) == ("no", "refusal")


def test_half_a_surrogate_pair_in_an_answer_can_be_kept(cache: AnswerCache) -> None:
    reply = read_reply(b'{"choices": [{"message": {"content": "a\\ud800b"}}]}')
    cache.put(cache.sending(question().key), question(), reply)
    assert reply.text == "a?b"
