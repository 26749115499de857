"""The real WebUI, on a pod of its own workspace, seen from here: its files, its page, its end."""

from __future__ import annotations

import importlib.util
import json
import socket
from pathlib import Path

import httpx
import pytest

from millhand.errors import UsageError
from millhand.llamafactory import webui
from millhand.llamafactory.webui import SAME
from millhand.llamafactory.yaml import read_yaml
from millhand.pods.local import LocalPod
from millhand.runs.webui import tensorboard, web_ui
from millhand.workspace import Workspace
from tests.integration.conftest import Bench
from tests.mirror_pod import MirrorPod

pytestmark = pytest.mark.real


@pytest.fixture
def pod(bench: Bench, tmp_path: Path) -> MirrorPod:
    (tmp_path / "machine").mkdir()
    return MirrorPod(tmp_path / "machine", bench.root)


def test_the_page_of_a_pod_is_seen_here_and_ends_with_the_block(bench: Bench, pod: MirrorPod) -> None:
    with web_ui(Workspace(bench.root), pod, at=0, language="en") as (url, handle):
        page = httpx.get(f"{url}/config", trust_env=False).json()
        labels = {component.get("props", {}).get("label") for component in page["components"]}
        listening = _listens(url)
        assert handle.status().alive
    assert not handle.status().alive
    assert page["title"].startswith("LLaMA Factory")
    assert "Project Name" in labels
    assert listening == {"127.0.0.1"}
    info = json.loads((pod.root / webui.FOLDER / "data/dataset_info.json").read_text())
    rows = (pod.root / webui.FOLDER / "data" / info["bicycle"]["file_name"]).resolve()
    assert rows == (pod.root / "dataset_registry/bicycle/rows.jsonl").resolve()
    assert rows.is_file()


def _listens(url: str) -> set[str]:
    """The addresses on which somebody listens at the port (Linux)."""
    port = f"{int(url.rpartition(':')[2]):04X}"
    lines = [
        *Path("/proc/net/tcp").read_text().splitlines(),
        *Path("/proc/net/tcp6").read_text().splitlines(),
    ]
    fields = [line.split() for line in lines]
    hosts = {
        field[1].partition(":")[0] for field in fields if field[1].endswith(f":{port}") and field[3] == "0A"
    }
    return {"127.0.0.1" if host == "0100007F" else host for host in hosts}


def test_a_page_that_a_client_left_is_shown_again(bench: Bench, pod: MirrorPod) -> None:
    with web_ui(Workspace(bench.root), pod, at=0) as (first, handle):
        again = MirrorPod(pod.root, bench.root)
        with web_ui(Workspace(bench.root), again, at=0) as (second, other):
            assert second == first
            assert other.name == handle.name


def test_the_page_trains_what_a_config_says(bench: Bench, pod: MirrorPod) -> None:
    """What "Load arguments" would fill in is what the real parser of LLaMA-Factory takes for training."""
    bench.configure(lora_rank=16, neftune_noise_alpha=3.0, seed=7)
    values = json.loads(_board(bench))
    assert values["train.lora_rank"] == 16
    assert values["train.neftune_alpha"] == 3.0
    assert json.loads(values["train.extra_args"])["seed"] == 7
    assert values["top.model_path"] == "../../models/tiny"


def _board(bench: Bench) -> str:
    values = read_yaml(bench.root / "llamafactory_configs/qa/train.yaml")
    return json.dumps(webui.board_values(values))


def test_every_element_that_is_filled_in_is_on_the_page() -> None:
    source = "".join((_package() / "webui/components" / f"{tab}.py").read_text() for tab in ("top", "train"))
    given = {**dict.fromkeys(SAME, 1), "neftune_noise_alpha": 1, "pissa_init": True, "lora_target": "all"}
    for element in webui.board_values({**given, "learning_rate": 1e-4, "num_train_epochs": 1}):
        assert f"{element.partition('.')[2]} = gr." in source, element


def _package() -> Path:
    spec = importlib.util.find_spec("llamafactory")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def test_tensorboard_shows_what_runs_wrote(bench: Bench, pod: MirrorPod) -> None:
    (pod.root / "outputs").mkdir()
    with tensorboard(pod, at=0) as (url, _):
        assert "TensorBoard" in httpx.get(url, trust_env=False).text


def test_a_taken_port_is_named_before_anything_starts(bench: Bench) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ui = web_ui(Workspace(bench.root), LocalPod(bench.root), at=port)
        with pytest.raises(UsageError, match=f"Port {port} is in use"), ui:
            pass
