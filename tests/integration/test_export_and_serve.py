"""The real export, chat and API server on the tiny model."""

from __future__ import annotations

import json
import signal
import socket
import struct
from pathlib import Path

import httpx
import pytest

from tests.integration.conftest import Bench

pytestmark = pytest.mark.real


def listening(port: int) -> set[str]:
    """The addresses on which a port is listened on, from the kernel's tables."""
    addresses = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, hexport = local.split(":")
            if state == "0A" and int(hexport, 16) == port:
                packed = struct.pack("<I", int(address, 16)) if len(address) == 8 else None
                addresses.add(socket.inet_ntoa(packed) if packed else address)
    return addresses


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_merged_model_is_verified_asked_and_served(bench: Bench) -> None:
    bench.call("train", "qa")
    exported = bench.answer("export", "qa")
    assert exported["folder"] == "outputs/qa-merged"
    assert exported["parameters"] > 900_000
    assert not (bench.root / "outputs/qa-merged.partial").exists()
    manifest = json.loads((bench.root / "outputs/qa-merged/millhand_run.json").read_text())
    assert manifest["export"]["tokens"] >= 1
    assert manifest["run"] == "qa"

    before = bench.files("outputs/qa-merged")
    assert bench.answer("export", "qa")["again"] is True
    assert bench.files("outputs/qa-merged") == before

    answers = bench.answer("chat", "qa", "-m", "체인은 얼마나 자주 닦아야 하나요?", "-m", "안장 높이는?")
    assert [sorted(answer) for answer in answers] == [["answer", "question"]] * 2
    measured = bench.answer("evaluate", "qa", "--limit", "3", "--adapter")
    (trained,) = measured["sets"].values()
    assert trained["asked"] == 3
    assert "run qa in outputs/qa" in measured["model"]

    port, key = free_port(), "k" * 24
    server = bench.start("serve", "qa", "--port", str(port), MILLHAND_API_KEY=key)
    url = f"http://127.0.0.1:{port}/v1"
    bench.wait(lambda: bool(listening(port)))
    assert listening(port) == {"127.0.0.1"}
    assert httpx.get(f"{url}/models").status_code == 401
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{url}/models", headers=headers).json()["data"][0]["id"] == "qa"
    order = {"model": "qa", "messages": [{"role": "user", "content": "안장 높이는?"}], "stream": True}
    with httpx.stream("POST", f"{url}/chat/completions", headers=headers, json=order, timeout=60) as answer:
        assert [line for line in answer.iter_lines() if line][-1] == "data: [DONE]"
    arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [argv for argv in arguments if key.encode() in argv]
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=30) == 130
    assert listening(port) == set()


def test_a_merge_on_another_base_or_a_broken_model_is_never_called_done(bench: Bench) -> None:
    bench.call("export", "qa", code=2)
    bench.call("train", "qa")
    config = bench.root / "llamafactory_configs/qa/export.yaml"
    right = config.read_text()
    config.write_text(right.replace('"chatml"', '"qwen"') + "quantization_bit: 4\n")
    _, err = bench.call("export", "qa", code=3)
    assert "template: chatml" in err
    assert "quantization_bit" in err
    config.write_text(right)
    adapter = bench.root / "outputs/qa/adapter_config.json"
    adapter.write_text(adapter.read_text().replace('"r": 8', '"r": 4'))
    _, err = bench.call("export", "qa", code=1)
    assert "size mismatch" in err
    assert not (bench.root / "outputs/qa-merged").exists()
    assert bench.answer("runs")[0]["state"] == "trained"
