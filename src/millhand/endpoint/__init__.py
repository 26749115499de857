"""Language models behind OpenAI-compatible URLs: one at a time (client), or many questions (asking)."""

from millhand.endpoint.client import Endpoint, EndpointError, Message, parse_events

__all__ = ["Endpoint", "EndpointError", "Message", "parse_events"]
