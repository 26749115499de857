"""Where a model's shape comes from: a folder, the cache, the table that ships, the Hub."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from millhand.errors import UsageError
from millhand.training.estimate.gpus import GPUS, USUAL, find_gpu
from millhand.training.estimate.models import Finder, table

CONFIG = table()["Qwen/Qwen3-0.6B"].config


def finder(
    tmp_path: Path, answer: httpx.Response | Exception, **settings: str
) -> tuple[Finder, list[httpx.Request]]:
    asked: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    client = httpx.Client(transport=httpx.MockTransport(reply))
    return Finder(tmp_path, {"HF_HOME": str(tmp_path / "hf"), **settings}, client=client), asked


def test_a_folder_comes_before_all_else(tmp_path: Path) -> None:
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    (tmp_path / "models" / "tiny" / "config.json").write_text(json.dumps({**CONFIG, "num_hidden_layers": 2}))
    (tmp_path / "models" / "tiny" / "tokenizer.json").write_text("{}")
    found = finder(tmp_path, httpx.Response(500))[0].find("models/tiny")
    assert found.base.config["num_hidden_layers"] == 2
    assert found.tokenizer == tmp_path / "models" / "tiny" / "tokenizer.json"


def test_the_cache_is_looked_into(tmp_path: Path) -> None:
    kept = tmp_path / "hf" / "hub" / "models--owner--made" / "snapshots" / "abc"
    kept.mkdir(parents=True)
    (kept / "config.json").write_text(json.dumps(CONFIG))
    assert finder(tmp_path, httpx.Response(500))[0].find("owner/made").base.config == CONFIG


def test_what_ships_needs_no_network(tmp_path: Path) -> None:
    found, asked = finder(tmp_path, httpx.Response(500))
    assert found.find("Qwen/Qwen3-0.6B").base.config == CONFIG
    assert asked == []


def test_the_hub_is_asked_with_the_token_and_through_the_endpoint(tmp_path: Path) -> None:
    found, asked = finder(
        tmp_path,
        httpx.Response(200, json=CONFIG),
        HF_TOKEN="hf_secret",
        HF_ENDPOINT="https://mirror.example/",
    )
    assert found.find("owner/made").base.source == "owner/made on the Hub"
    assert str(asked[0].url) == "https://mirror.example/owner/made/resolve/main/config.json"
    assert asked[0].headers["authorization"] == "Bearer hf_secret"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(401), "is gated"),
        (httpx.Response(404), "has no config.json"),
        (httpx.Response(200, text="<html>"), "is no JSON"),
        (httpx.Response(200, text="[]"), "holds no object"),
        (httpx.ConnectError("no way"), "does not answer"),
    ],
)
def test_what_the_hub_refuses_is_said_without_the_token(
    tmp_path: Path, answer: httpx.Response | Exception, said: str
) -> None:
    found, _ = finder(tmp_path, answer, HF_TOKEN="hf_secret")
    with pytest.raises(UsageError, match=said) as caught:
        found.find("owner/made")
    assert "hf_secret" not in str(caught.value)
    assert caught.value.mend


@pytest.mark.parametrize("name", ["owner/made", "models/none/there", "none"])
def test_offline_nobody_is_asked(tmp_path: Path, name: str) -> None:
    found, asked = finder(tmp_path, httpx.Response(200, json=CONFIG), HF_HUB_OFFLINE="1")
    with pytest.raises(UsageError, match="does not ship"):
        found.find(name)
    assert asked == []


def test_gpus_are_found_by_id_and_name() -> None:
    assert find_gpu("nvidia l4") is find_gpu("L4") is GPUS["NVIDIA L4"]
    assert find_gpu("NVIDIA T4000") is None
    assert set(USUAL) <= set(GPUS)
    assert all(20 <= gpu.memory_gb <= 200 and gpu.tflops < 1000 for gpu in GPUS.values())
