"""Each server's own ways: what it refuses to be sent is left out, or said in another word.

Sources: OpenAI's newer models want ``max_completion_tokens`` and no ``temperature``; LLaMA-Factory reads
``max_tokens`` only and ignores ``response_format``; llama.cpp, Ollama and vLLM take both.
"""

from __future__ import annotations

import re
from typing import Any

_RENAMED = {"max_tokens": "max_completion_tokens"}
# In which words of a refusal a field is meant.
_MEANT = {
    "response_format": r"response_format|json_schema|structured output|guided|grammar",
    "max_tokens": r"max_tokens",
    "temperature": r"temperature",
    "seed": r"\bseed\b",
}


class Dialect:
    """What one server has been found to refuse. Nothing is left out before it has refused it."""

    def __init__(self) -> None:
        self._without: set[str] = set()

    def put(self, body: dict[str, Any]) -> dict[str, Any]:
        """The request in the server's own way."""
        spoken = dict(body)
        for name in self._without & spoken.keys():
            value = spoken.pop(name)
            if name in _RENAMED:
                spoken[_RENAMED[name]] = value
        return spoken

    def learn(self, sent: dict[str, Any], refusal: str) -> bool:
        """Learn from a refusal (400, 422) of what was sent; whether asking once more makes sense."""
        named = {
            name
            for name, words in _MEANT.items()
            if name in sent and name not in self._without and re.search(words, refusal, re.IGNORECASE)
        }
        self._without |= named
        return bool(named)
