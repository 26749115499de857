"""The tools that a row describes and the calls of them, as LLaMA-Factory reads both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson


def are_tools(given: object, format_: str = "") -> bool:
    """Whether ``tools`` of a row can be written into a system text (data/formatter.py: ToolFormatter).

    ``format_`` is the template's way to write them, empty where it is not known: only ``default`` looks into
    each tool (data/tool_utils.py: DefaultToolUtils).
    """
    tools = _parsed(given)
    if not tools:
        return tools is not None
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        return False
    return format_ != "default" or all(map(_is_described, tools))


def _is_described(tool: Mapping[str, Any]) -> bool:
    inner = tool.get("function") if tool.get("type") == "function" else tool
    if not isinstance(inner, dict) or "name" not in inner:
        return False
    wanted = inner.get("parameters")
    properties = wanted.get("properties") if isinstance(wanted, dict) else None
    return isinstance(properties, dict) and all(isinstance(one, dict) for one in properties.values())


def is_call(text: str) -> bool:
    """Whether a function call can be read (data/formatter.py: FunctionFormatter); marked ones may be."""
    if "<tool_call>" in text or "<think>" in text:
        return True
    calls = _parsed(text)
    calls = calls if isinstance(calls, list) else [calls]
    return all(isinstance(call, dict) and {"name", "arguments"} <= call.keys() for call in calls)


def has_calls(message: Mapping[str, Any]) -> bool:
    """Whether the ``tool_calls`` of a message in openai's form, where it has any, are a list of objects."""
    calls = message.get("tool_calls")
    return not calls or (isinstance(calls, list) and all(isinstance(call, dict) for call in calls))


def _parsed(text: object) -> Any:
    """The value of JSON text, NaN and Infinity with it as ``json.loads`` has them; None of any other."""
    if not isinstance(text, str):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None
