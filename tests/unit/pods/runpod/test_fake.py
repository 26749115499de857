"""The fake itself: as strict as the OpenAPI document, with the state that the client is tested against."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.runpod_fake import FakeRunPod, schema
from tests.runpod_fake.clock import rfc3339

# read when tests are collected: the fixture that cleans the environment takes it away afterwards
_REAL = Path(os.environ.get("MILLHAND_REAL") or Path(__file__).parents[5] / "shared" / "real")
BODY = {"name": "a", "image": "x", "gpu": {"id": "NVIDIA L4", "count": 1}, "ports": ["22/tcp"]}


def ask(fake: FakeRunPod, url: str, method: str, path: str, **how: Any) -> httpx.Response:
    key = how.pop("key", fake.key)
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.request(method, f"{url}{path}", headers=headers, trust_env=False, **how)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"gpuTypeIds": ["NVIDIA L4"]}, "$: additional properties 'gpuTypeIds' not allowed"),
        ({"stopAfter": "1h"}, "'stopAfter' not allowed"),
        ({"name": ""}, "$/name: minLength"),
        ({"image": None}, "$/image: got NoneType"),
        ({"disk": 0}, "$/disk: minimum"),
        ({"env": {"A": 1}}, "$/env/A: got int"),
        ({"cloud": "secure"}, "$/cloud: value must be one of"),
        ({"mounts": {"network": [{"volumeId": "v"}]}}, "$/mounts/network/0: missing properties 'path'"),
        ({"mounts": {"network": [{"volumeId": "v", "path": "/w"}] * 2}}, "maxItems"),
        ({"mounts": {"persistent": {"size": 9, "path": "/w"}}}, "$/mounts/persistent/size: minimum"),
        ({"gpu": {"id": "NVIDIA L4", "minCudaVersion": "12"}}, "does not match pattern"),
        ({"gpu": {"id": "NVIDIA L4", "count": True}}, "got bool"),
    ],
)
def test_a_body_that_the_contract_does_not_allow_is_a_422_that_names_the_field(
    fake: FakeRunPod, url: str, change: dict[str, Any], told: str
) -> None:
    answer = ask(fake, url, "POST", "/pods", json={**BODY, **change})
    assert answer.status_code == 422
    assert told in "\n".join(answer.json()["errors"])
    assert not fake.pods


@pytest.mark.parametrize(
    "change",
    [
        {"gpu": None, "cpu": None},
        {"ports": ["22"]},
        {"gpu": {"id": "NVIDIA L4"}},
        {"gpu": {"id": "NVIDIA L5", "count": 1}},
        {"dataCenterIds": ["MARS-1"]},
    ],
)
def test_a_rule_that_is_broken_is_a_400(fake: FakeRunPod, url: str, change: dict[str, Any]) -> None:
    body = {name: value for name, value in {**BODY, **change}.items() if value is not None}
    assert ask(fake, url, "POST", "/pods", json=body).status_code == 400


def test_a_pod_comes_up_step_by_step_and_ends(fake: FakeRunPod, url: str) -> None:
    pod = ask(fake, url, "POST", "/pods", json=BODY).json()
    seen = []
    for wait in (0, 6, 20, 6):
        fake.clock.advance(wait)
        state = ask(fake, url, "GET", f"/pods/{pod['id']}").json()
        seen.append((state["status"], state["ssh"]["direct"] is not None, bool(state["runtime"])))
    assert seen == [
        ("PROVISIONING", False, False),
        ("STARTING", False, False),
        ("RUNNING", False, True),
        ("RUNNING", True, True),
    ]
    assert ask(fake, url, "POST", f"/pods/{pod['id']}/action", json={"action": "start"}).status_code == 409
    assert ask(fake, url, "DELETE", f"/pods/{pod['id']}").status_code == 204
    assert ask(fake, url, "GET", f"/pods/{pod['id']}").status_code == 404


def test_a_restart_changes_the_port_and_the_host_keys(fake: FakeRunPod, url: str) -> None:
    pod = fake.plant("mine", ports=["22/tcp"])
    fake.clock.advance(10)
    before = fake.shown(pod)["ssh"]["direct"]["port"], fake.machines.log(pod.id)
    ask(fake, url, "POST", f"/pods/{pod.id}/action", json={"action": "restart"})
    fake.clock.advance(10)
    assert fake.shown(pod)["ssh"]["direct"]["port"] != before[0]
    assert fake.machines.log(pod.id) != before[1]


def test_a_pod_that_is_restarting_is_not_booted_by_who_asks_after_it(
    fake: FakeRunPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = fake.plant("mine", ports=["22/tcp"])
    fake.clock.advance(10)
    fake.settle()
    restart, booted = fake.machines.restart, list(fake.machines.booted)

    def asked_after_meanwhile(pod_id: str) -> tuple[str, int]:
        fake.settle()
        assert fake.status(pod) == "STARTING"
        return restart(pod_id)

    monkeypatch.setattr(fake.machines, "restart", asked_after_meanwhile)
    fake.restart(pod)
    assert fake.machines.booted == booted
    assert fake.status(pod) == "RUNNING"


def test_a_pods_own_key_ends_that_pod_and_does_nothing_else(fake: FakeRunPod, url: str) -> None:
    pod, other = fake.plant("mine"), fake.plant("other")
    assert ask(fake, url, "GET", f"/pods/{pod.id}", key=pod.key).status_code == 403
    assert ask(fake, url, "POST", "/pods", key=pod.key, json=BODY).status_code == 403
    assert ask(fake, url, "DELETE", f"/pods/{other.id}", key=pod.key).status_code == 403
    end = {"action": "terminate"}
    assert ask(fake, url, "POST", f"/pods/{pod.id}/action", key=pod.key, json=end).status_code == 204
    assert set(fake.pods) == {other.id}
    assert ask(fake, url, "GET", "/pods", key="wrong").status_code == 401


def test_use_is_billed_per_second_and_cut_into_buckets(fake: FakeRunPod, url: str) -> None:
    pod = ask(fake, url, "POST", "/pods", json=BODY).json()
    fake.clock.advance(3 * 3600)
    fake.terminate(fake.pods[pod["id"]])
    start = rfc3339(fake.clock.now() - 86_400)
    query = {"startTime": start, "bucketSize": "hour", "podId": pod["id"]}
    bill = ask(fake, url, "GET", "/billing/pods", params=query).json()
    assert bill["metadata"]["recordCount"] in (3, 4)
    assert bill["metadata"]["totals"]["gpuAmount"] == pytest.approx(3 * 0.44)
    assert fake.balance() == pytest.approx(50 - bill["metadata"]["totals"]["totalAmount"])


def test_an_empty_balance_ends_pods_and_stops_those_on_a_network_volume(fake: FakeRunPod) -> None:
    volume = fake.add_volume("v", center="US-KS-2")
    kept = fake.plant("kept", mounts={"network": [{"volumeId": volume["id"], "path": "/w"}]})
    fake.plant("lost")
    fake.balance_usd = 1.0
    fake.clock.advance(10 * 3600)
    fake.settle()
    assert (list(fake.pods.values()), kept.stopped) == ([kept], True)


def openapi() -> dict[str, Any]:
    """The API's OpenAPI document, where it is at hand."""
    path = _REAL.parent / "reference" / "runpod-openapi-v2.json"
    if not path.is_file():
        pytest.skip("the OpenAPI document is not at hand")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def resolve(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """A schema with its references and allOf followed: all properties, and what is required."""
    if "$ref" in part:
        return resolve(document, document["components"]["schemas"][part["$ref"].rpartition("/")[2]])
    whole: dict[str, Any] = {"properties": {}, "required": [], "limits": {}}
    for piece in part.get("allOf", []):
        found = resolve(document, piece)
        whole["properties"].update(found["properties"])
        whole["required"] += found["required"]
        whole["limits"].update(found["limits"])
    whole["properties"].update(part.get("properties", {}))
    whole["required"] += part.get("required", [])
    names = ("minimum", "maximum", "minLength", "maxItems", "pattern", "enum")
    whole["limits"].update({name: part[name] for name in names if name in part})
    return whole


@pytest.mark.parametrize(
    ("name", "mine", "newer"),
    [
        ("CreatePodRequest", schema.CREATE_POD, schema.NEWER[""]),
        ("CreateGpuConfig", schema.CREATE_POD["properties"]["gpu"], schema.NEWER["gpu"]),
        ("Mounts", schema.CREATE_POD["properties"]["mounts"], set()),
        ("NetworkMount", schema.CREATE_POD["properties"]["mounts"]["properties"]["network"]["items"], set()),
        ("PersistentMount", schema.CREATE_POD["properties"]["mounts"]["properties"]["persistent"], set()),
        ("CreateNetworkVolumeRequest", schema.CREATE_VOLUME, set()),
        ("PodActionRequest", schema.ACTION, set()),
    ],
)
def test_the_fake_takes_what_the_document_allows(name: str, mine: dict[str, Any], newer: set[str]) -> None:
    document = openapi()
    theirs = resolve(document, document["components"]["schemas"][name])
    assert set(mine["properties"]) - newer == set(theirs["properties"])
    # the document requires `image` by an if/then: without a template, which Millhand never sends
    assert set(mine.get("required", [])) - {"image"} == set(theirs["required"])
    for field, rule in mine["properties"].items():
        if field not in newer and rule.get("type") in ("string", "integer"):
            limits = resolve(document, theirs["properties"][field])["limits"]
            assert {k: v for k, v in rule.items() if k not in ("type", "null")} == limits, field
