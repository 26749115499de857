"""Pods and trainings joined: pod files, live prices, machines whose GPUs are known or not."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from millhand.errors import UsageError
from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.models import GpuType, Prices
from millhand.runs import forecast as joined
from millhand.runs.facts import Facts, Gpu, PythonFacts
from millhand.runs.forecast import forecast
from millhand.training.config import NewProject, new_project
from millhand.training.project import Project, open_project
from millhand.workspace import Workspace
from tests.cases import check as made

_PODS = Path(__file__).parents[3] / "runpod"


@dataclass
class Catalogue:
    """RunPod's prices of this moment."""

    prices: dict[str, float]
    asked: list[tuple[str, int]] = field(default_factory=list)

    def gpus(self, cloud: str, count: int, min_cuda: str | None = None) -> list[GpuType]:
        self.asked.append((cloud, count))
        return [
            GpuType(id=id_, price=Prices(secure=usd, community=usd / 2)) for id_, usd in self.prices.items()
        ]


@pytest.fixture
def project(workspace: Workspace) -> Project:
    made.furnish(workspace)
    (workspace.root / "runpod").mkdir(exist_ok=True)
    for name in ("l4", "a100"):
        shutil.copy(_PODS / f"{name}.yaml", workspace.root / "runpod")
    new_project(workspace, NewProject("qa", "qwen3-4b-instruct-lora-l4", ["bicycle"]))
    return open_project(workspace, "qa")


def test_without_an_account_the_price_is_the_most_that_the_pod_file_allows(
    workspace: Workspace, project: Project
) -> None:
    (one,) = forecast(workspace, project, ["l4"]).prospects
    assert one.offer.usd_per_hour == (0.60, 0.60)
    assert one.offer.price_source.startswith("at most")
    assert one.price_usd is not None
    assert one.price_usd.high == pytest.approx(one.time_s.high / 3600 * 0.60)


def test_live_prices_are_those_of_the_catalogue_with_the_pods_disk(
    workspace: Workspace, project: Project
) -> None:
    account = Catalogue({"NVIDIA L4": 0.39})
    (one,) = forecast(workspace, project, ["l4"], account=cast("RunPod", account)).prospects
    assert account.asked == [("secure", 1)]
    assert one.offer.usd_per_hour is not None
    assert 0.39 < one.offer.usd_per_hour.low < 0.41
    assert "now" in one.offer.price_source


def test_what_is_not_on_offer_has_no_price(workspace: Workspace, project: Project) -> None:
    found = forecast(workspace, project, ["l4"], account=cast("RunPod", Catalogue({})))
    assert found.prospects[0].price_usd is None


def test_the_same_gpu_of_two_pod_files_stands_once(workspace: Workspace, project: Project) -> None:
    shutil.copy(_PODS / "l4.yaml", workspace.root / "runpod" / "l4-too.yaml")
    names = [one.offer.gpu.name for one in forecast(workspace, project, []).prospects]
    assert sorted(names) == ["A100 80GB", "A100 80GB SXM", "L4"]


def test_this_machines_gpus_are_asked_for(
    workspace: Workspace, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = (Gpu(name="NVIDIA L4", memory_gb=24.15),) * 2
    monkeypatch.setattr(joined, "ask", lambda *_, **__: Facts(python=PythonFacts(version="3.11"), gpus=gpus))
    (one,) = forecast(workspace, project, ["local"]).prospects
    assert (one.offer.gpu.memory_gb, one.offer.count, one.offer.rented) == (24.15, 2, False)
    assert one.price_usd is None


@pytest.mark.parametrize(
    ("pod", "said"), [("local", "no GPU"), ("ssh://me@host.example", "not known before")]
)
def test_a_pod_without_known_gpus_is_left_out_and_said(
    workspace: Workspace, project: Project, monkeypatch: pytest.MonkeyPatch, pod: str, said: str
) -> None:
    monkeypatch.setattr(joined, "ask", lambda *_, **__: Facts(python=PythonFacts(version="3.11")))
    told: list[str] = []
    with pytest.raises(UsageError, match="None of the pods"):
        forecast(workspace, project, [pod], tell=told.append)
    assert said in told[0]


def test_a_gpu_that_is_not_in_the_table_is_said(workspace: Workspace, project: Project) -> None:
    text = (_PODS / "l4.yaml").read_text(encoding="utf-8").replace("[NVIDIA L4]", "[NVIDIA L4, NVIDIA B300]")
    (workspace.root / "runpod" / "l4.yaml").write_text(text, encoding="utf-8")
    told: list[str] = []
    found: Any = forecast(workspace, project, ["l4"], tell=told.append)
    assert [one.offer.gpu.name for one in found.prospects] == ["L4"]
    assert "NVIDIA B300 is not in the table" in told[0]
