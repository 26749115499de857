"""The OpenAI-compatible client: whatever answers at such a URL is a language model to Millhand.

Protocol: OpenAI's ``/v1/models`` and ``/v1/chat/completions`` as LLaMA-Factory, vLLM, Ollama and
llama.cpp serve them; streams are server-sent events that end with ``data: [DONE]``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millhand.errors import MillhandError
from millhand.shell import Secret

if TYPE_CHECKING:
    import httpx

Message = Mapping[str, str]


class EndpointError(MillhandError):
    """A language model's server refused, broke off or answered what cannot be read."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind a URL.

    Args:
        url: Up to and with ``/v1``.
        model: The name that the server knows it by.
        key: Sent as a bearer token.
        timeout_s: For one answer.
    """

    url: str
    model: str
    key: Secret
    timeout_s: float = 120.0

    def guarded(self) -> bool:
        """Whether a server is there and asks for a key. It is asked without one, so nobody learns the key."""
        import httpx

        try:
            response = httpx.get(f"{self.url}/models", timeout=5.0, trust_env=False)
        except httpx.TransportError:
            return False
        return response.status_code == httpx.codes.UNAUTHORIZED

    def models(self) -> list[str]:
        """The names of the models that the server has.

        Raises:
            EndpointError: It does not answer, or refuses the key.
        """
        import httpx

        try:
            with self._client() as client:
                response = client.get("models", timeout=5.0)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                mend = "Set MILLHAND_API_KEY to the server's key."
                raise EndpointError(f"{self.url} refuses the key.", mend=mend)
            return [model["id"] for model in _checked(response).json()["data"]]
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise EndpointError(f"{self.url} names no models: {type(error).__name__}: {error}") from error

    def chat(self, messages: Sequence[Message], **options: object) -> str:
        """Ask and return the whole answer.

        Raises:
            EndpointError: No answer came, or one without text.
        """
        import httpx

        try:
            with self._client() as client:
                response = client.post("chat/completions", json=self._order(messages, options))
            return _content(_checked(response).json())
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise EndpointError(f"{self.url} gave no answer: {type(error).__name__}: {error}") from error

    def stream(self, messages: Sequence[Message], **options: object) -> Iterator[str]:
        """Ask and yield the answer's pieces as they come.

        Raises:
            EndpointError: The answer broke off.
        """
        import httpx

        order = self._order(messages, {**options, "stream": True})
        try:
            with self._client() as client, client.stream("POST", "chat/completions", json=order) as response:
                if not response.is_success:
                    response.read()
                yield from parse_events(_checked(response).iter_lines())
        except httpx.HTTPError as error:
            raise EndpointError(f"{self.url} broke off: {type(error).__name__}: {error}") from error

    def _client(self) -> httpx.Client:
        import httpx

        headers = {"Authorization": f"Bearer {self.key.reveal()}"}
        # trust_env off: a proxy of the environment has no business with a model on this machine
        return httpx.Client(base_url=self.url, headers=headers, timeout=self.timeout_s, trust_env=False)

    def _order(self, messages: Sequence[Message], options: Mapping[str, object]) -> dict[str, object]:
        return {"model": self.model, "messages": [dict(message) for message in messages], **options}


def parse_events(lines: Iterator[str]) -> Iterator[str]:
    """Yield the text of each server-sent event of a streamed answer.

    Raises:
        EndpointError: The stream ended without ``[DONE]``.
    """
    for line in lines:
        field, _, value = line.partition(":")
        if field != "data":
            continue
        if value.strip() == "[DONE]":
            return
        piece = _piece(value)
        if piece:
            yield piece
    raise EndpointError("The answer broke off before its end.")


def _piece(event: str) -> str:
    """The text of one event; none where it tells something else (vLLM's token counts have no choices)."""
    try:
        choices = json.loads(event)["choices"]
        return choices[0]["delta"].get("content") or "" if choices else ""
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise EndpointError(f"The answer broke off with {event.strip()[:300]}") from error


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    raise EndpointError(f"{response.request.url} answered {response.status_code}: {response.text[:500]}")


def _content(answer: Any) -> str:
    content = answer["choices"][0]["message"]["content"]
    if not isinstance(content, str):
        raise TypeError("an answer without text")
    return content
