"""The real export, chat and API server on the tiny model."""

from __future__ import annotations

import json
import signal
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from tests.integration.conftest import Bench
from tests.patience import WITHIN_S

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
    assert not list((bench.root / ".millhand/jobs").glob("serve-*"))
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
    with httpx.stream(
        "POST", f"{url}/chat/completions", headers=headers, json=order, timeout=WITHIN_S
    ) as answer:
        assert [line for line in answer.iter_lines() if line][-1] == "data: [DONE]"
    arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [argv for argv in arguments if key.encode() in argv]
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=WITHIN_S) == 130
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

    base = bench.root / "models/tiny/model.safetensors"
    weights = base.read_bytes()
    base.write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    for command in (("export", "qa"), ("chat", "qa", "-m", "?")):
        _, err = bench.call(*command, code=3)
        assert "model.safetensors" in err
    base.write_bytes(weights)

    adapter = bench.root / "outputs/qa/adapter_config.json"
    adapter.write_text(adapter.read_text().replace('"r": 8', '"r": 4'))
    _, err = bench.call("export", "qa", code=1)
    assert "size mismatch" in err
    assert not (bench.root / "outputs/qa-merged").exists()
    assert bench.answer("runs")[0]["state"] == "trained"

    (bench.root / "outputs/qa").rename(bench.root / "outputs/elsewhere")
    assert bench.answer("runs")[0]["state"] == "missing"
    _, err = bench.call("export", "qa", code=2)
    assert "outputs/qa" in err
    assert "millhand train qa" in err


def test_a_chat_template_that_is_not_the_trained_one_is_refused(bench: Bench) -> None:
    bench.call("train", "qa")
    chat = bench.root / "llamafactory_configs/qa/chat.yaml"
    chat.write_text(chat.read_text().replace('"chatml"', '"qwen"'))
    _, err = bench.call("chat", "qa", "-m", "?", code=3)
    assert "template: chatml" in err


def test_full_fine_tuning_is_exported_from_its_preset_and_answers(bench: Bench) -> None:
    bench.call(
        "config", "new", "full", "--preset", "tiny-cpu", "--dataset", "bicycle", "--model", "models/tiny",
        "--set", "finetuning_type=full", "--set", "max_steps=4",
    )  # fmt: skip
    bench.call("train", "full")
    assert bench.answer("export", "full")["parameters"] > 900_000
    assert bench.answer("chat", "full", "-m", "안장 높이는?")[0]["question"] == "안장 높이는?"


def test_an_adapter_trained_on_an_adapter_is_merged_with_it(bench: Bench) -> None:
    bench.call("train", "qa")
    bench.configure(
        adapter_name_or_path="outputs/qa", create_new_adapter=True, max_steps=2, output_dir="outputs/on-top"
    )
    assert bench.answer("train", "qa")["output_dir"] == "outputs/on-top-2"
    bench.call("export", "qa")
    given = (bench.root / ".millhand/runs/qa-2/export.yaml").read_text()
    assert "adapter_name_or_path: outputs/qa,outputs/on-top-2" in given


def test_two_exports_at_once_make_one_model_and_a_killed_one_is_done_again(bench: Bench) -> None:
    bench.call("train", "qa")
    first = bench.start("export", "qa")
    bench.wait(lambda: (bench.root / ".millhand/jobs/export-qa/state.json").exists())
    first.kill()
    first.communicate()
    clients = [bench.start("export", "qa", "--json") for _ in range(2)]
    answers = [json.loads(client.communicate(timeout=WITHIN_S)[0]) for client in clients]
    assert [client.returncode for client in clients] == [0, 0]
    assert sorted(answer["again"] for answer in answers) == [False, True]
    assert bench.answer("export", "qa")["again"] is True


def test_a_stranger_on_the_port_never_learns_the_key(bench: Bench) -> None:
    bench.call("train", "qa")
    heard: list[str | None] = []

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers["Authorization"])
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        port = str(stranger.server_address[1])
        _, err = bench.call("serve", "qa", "--port", port, code=2, MILLHAND_API_KEY="planted-key")
        stranger.shutdown()
    assert f"Port {port} is in use" in err
    assert heard == []
