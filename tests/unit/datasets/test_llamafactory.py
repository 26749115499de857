"""What the installed LLaMA-Factory itself makes of what is registered: nothing is lost, nothing skipped."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from millhand.datasets.registry import Registry
from tests.unit.datasets.conftest import Adder

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not importlib.util.find_spec("llamafactory"), reason="LLaMA-Factory is not installed"),
]

_ALIGN = """
import json, sys, types
from datasets import load_dataset
from llamafactory.data.converter import get_dataset_converter
from llamafactory.data.parser import get_dataset_list

folder, cache, *names = sys.argv[1:]
found = {}
for attr, name in zip(get_dataset_list(names, folder), names):
    rows = load_dataset("json", data_files=[f"{folder}/{attr.dataset_name}"], split="train", cache_dir=cache)
    convert = get_dataset_converter(attr.formatting, attr, types.SimpleNamespace(media_dir=folder))
    found[name] = [convert(row) for row in rows]
print(json.dumps(found))
"""


def aligned(registry: Registry, cache: Path, *names: str) -> dict[str, list[dict[str, Any]]]:
    """Dataset -> LLaMA-Factory's samples: _prompt, _response, _system, _tools."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _ALIGN, registry.folder, cache, *names],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "HF_DATASETS_OFFLINE": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_llamafactory_gets_every_text_of_every_row(add: Adder, registry: Registry, tmp_path: Path) -> None:
    plain = {"instruction": "요약하세요.", "input": "본문", "output": "끝."}
    add([plain, {**plain, "system": "짧게.", "history": [["앞", "뒤"]]}], file="a.jsonl")
    messages = [
        {"role": "system", "content": "짧게."},
        {"role": "user", "content": "날씨?"},
        {"role": "assistant", "tool_calls": [{"function": {"name": "w", "arguments": '{"c": "부산"}'}}]},
        {"role": "tool", "content": "맑음"},
        {"role": "assistant", "content": "맑습니다."},
    ]
    tools = [{"name": "w", "parameters": {"type": "object", "properties": {}}}]
    add([{"messages": messages, "tools": tools}, {"messages": messages[:2] + messages[4:]}], file="b.jsonl")
    late = [orjson.dumps({"instruction": "q" * 500, "output": "a" * 500, "history": []})] * 12_000
    path = tmp_path / "c.jsonl"
    path.write_bytes(b"\n".join([*late, b'{"instruction": "q", "output": "a", "history": [["b", "c"]]}']))
    add(path)

    found = aligned(registry, tmp_path / "cache", "a", "b", "c")
    assert [[m["content"] for m in row["_prompt"]] for row in found["a"]] == [
        ["요약하세요.\n본문"],
        ["앞", "뒤", "요약하세요.\n본문"],
    ]
    assert [row["_system"] for row in found["a"]] == ["", "짧게."]
    assert [m["role"] for m in found["b"][0]["_prompt"]] == ["user", "function", "observation"]
    assert found["b"][1]["_response"] == [{"role": "assistant", "content": "맑습니다."}]
    assert [row["_system"] for row in found["b"]] == ["짧게.", "짧게."]  # and no "detailed thinking off"
    assert [bool(row["_tools"]) for row in found["b"]] == [True, False]
    assert len(found["c"]) == 12_001
    for name, rows in found.items():
        turns = list(registry.dataset(name).turns())
        assert [row["_prompt"][-1]["content"] for row in rows] == [turn.question for turn in turns]
        assert [row["_response"][0]["content"] for row in rows] == [turn.answer for turn in turns]
