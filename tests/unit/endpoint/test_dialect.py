"""What servers refuse, in their own words, and how they are asked then."""

from __future__ import annotations

from typing import Any

import pytest

from millhand.endpoint.dialect import Dialect

BODY: dict[str, Any] = {
    "model": "m",
    "messages": [],
    "max_tokens": 9,
    "temperature": 0.3,
    "response_format": {},
}


@pytest.mark.parametrize(
    ("refusal", "gone", "new"),
    [
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
            "max_completion_tokens",
        ),
        ("Unsupported value: 'temperature' does not support 0.3 with this model.", "temperature", None),
        ("This response_format type is unavailable now", "response_format", None),
        (
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported",
            "response_format",
            None,
        ),
    ],
)
def test_a_refused_field_is_left_out_or_renamed(refusal: str, gone: str, new: str | None) -> None:
    dialect = Dialect()
    assert dialect.put(BODY) == BODY
    assert dialect.learn(BODY, refusal)
    spoken = dialect.put(BODY)
    assert gone not in spoken
    assert new is None or spoken[new] == BODY[gone]
    assert not dialect.learn(spoken, refusal)  # the same refusal again is meant


def test_a_refusal_of_something_else_teaches_nothing() -> None:
    assert not Dialect().learn(BODY, "maximum context length exceeded")
