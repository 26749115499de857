"""The paths of the API: who may, what is asked, what is answered."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.runpod_fake import schema
from tests.runpod_fake.billing import billing
from tests.runpod_fake.catalog import data_centers
from tests.runpod_fake.script import ProblemError
from tests.runpod_fake.state import FakePod, FakeRunPod

LARGEST = 102_400


@dataclass(frozen=True)
class Request:
    """A request: ``path`` follows /v2; ``who`` is the account, or the id of the pod whose key came."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    who: str = "account"


def authenticate(fake: FakeRunPod, header: str) -> str:
    """Whose key it is.

    Raises:
        ProblemError: 401.
    """
    if header == f"Bearer {fake.key}":
        return "account"
    for pod in [*fake.pods.values(), *fake.ended.values()]:
        if pod.key and header == f"Bearer {pod.key}":
            return pod.id
    raise ProblemError(401, "missing bearer token" if not header else "invalid bearer token")


def answer(fake: FakeRunPod, request: Request) -> tuple[int, Any]:
    """Status and JSON of a request; None for no body.

    Raises:
        ProblemError: An error answer.
    """
    if len(request.body) > LARGEST:
        raise ProblemError(413, f"the body is larger than {LARGEST} bytes")
    known = False
    for pattern, methods in _ROUTES:
        match = re.fullmatch(pattern, request.path)
        if match:
            known = True
            if request.method in methods:
                _may(request)
                return methods[request.method](fake, request, *match.groups())
    raise ProblemError(
        405 if known else 404, "The requested method is not allowed for this path." if known else "not found"
    )


def parse(request: Request, rules: dict[str, Any]) -> dict[str, Any]:
    """The body, which must be as the schema has it.

    Raises:
        ProblemError: 422, naming each violation.
    """
    try:
        value = json.loads(request.body)
    except ValueError:
        raise ProblemError(422, "Request validation failed.", ("$: not JSON",)) from None
    wrong = tuple(schema.violations(rules, value))
    if wrong:
        raise ProblemError(422, "Request validation failed.", wrong)
    assert isinstance(value, dict)
    return value


def _may(request: Request) -> None:
    """A pod's own key ends that pod and does nothing else."""
    if request.who == "account":
        return
    own = re.fullmatch(rf"/pods/{re.escape(request.who)}(/action)?", request.path)
    if own is None or request.method not in ("POST", "DELETE"):
        raise ProblemError(403, "access denied")


def _pod(fake: FakeRunPod, pod_id: str) -> FakePod:
    if pod_id not in fake.pods:
        raise ProblemError(404, "pod not found")
    return fake.pods[pod_id]


def _list_pods(fake: FakeRunPod, request: Request) -> tuple[int, Any]:
    # filters that the API does not know are ignored, as by the real one
    pods = [fake.shown(pod) for pod in fake.pods.values()]
    return 200, _page(fake, request, "pods", pods)


def _page(fake: FakeRunPod, request: Request, name: str, items: list[Any]) -> dict[str, Any]:
    if not fake.page_size:
        return {name: items}
    begin = int(request.query.get("cursor", "0"))
    end = begin + fake.page_size
    more = str(end) if end < len(items) else None
    return {name: items[begin:end], "pagination": {"nextCursor": more}}


def _create_pod(fake: FakeRunPod, request: Request) -> tuple[int, Any]:
    return 201, fake.shown(fake.create(parse(request, schema.CREATE_POD)))


def _get_pod(fake: FakeRunPod, request: Request, pod_id: str) -> tuple[int, Any]:
    return 200, fake.shown(_pod(fake, pod_id))


def _delete_pod(fake: FakeRunPod, request: Request, pod_id: str) -> tuple[int, Any]:
    fake.terminate(_pod(fake, pod_id))
    return 204, None


def _act(fake: FakeRunPod, request: Request, pod_id: str) -> tuple[int, Any]:
    action = parse(request, schema.ACTION)["action"]
    pod = _pod(fake, pod_id)
    if request.who != "account" and action not in ("stop", "terminate"):
        raise ProblemError(403, "access denied")
    fake.act(pod, action)
    return (204, None) if action == "terminate" else (200, fake.shown(pod))


def _list_volumes(fake: FakeRunPod, request: Request) -> tuple[int, Any]:
    return 200, _page(fake, request, "networkVolumes", fake.volumes)


def _create_volume(fake: FakeRunPod, request: Request) -> tuple[int, Any]:
    body = parse(request, schema.CREATE_VOLUME)
    if not any(c["id"] == body["dataCenter"] and c["networkVolumeTypes"] for c in data_centers()):
        raise ProblemError(400, "this data center has no network volumes")
    fake.volumes.append({"id": f"vol_{secrets.token_hex(4)}", "type": "STANDARD", **body})
    return 201, fake.volumes[-1]


def _gpus(fake: FakeRunPod, request: Request) -> tuple[int, Any]:
    asked = request.query.get("include") == "AVAILABILITY"
    if asked != ("product" in request.query):
        raise ProblemError(400, "include=AVAILABILITY and product go together")
    if not asked and {"count", "cloud", "minCudaVersion"} & set(request.query):
        raise ProblemError(400, "count, cloud and minCudaVersion need include=AVAILABILITY")
    return 200, {"gpus": [gpu.listed(request.query) for gpu in fake.gpus]}


def _centers(fake: FakeRunPod, request: Request) -> tuple[int, Any]:
    return 200, {"dataCenters": data_centers()}


def _billing(fake: FakeRunPod, request: Request) -> tuple[int, Any]:
    return 200, billing(fake, request.query)


Route = Callable[..., tuple[int, Any]]
_ROUTES: tuple[tuple[str, dict[str, Route]], ...] = (
    (r"/pods", {"GET": _list_pods, "POST": _create_pod}),
    (r"/pods/([^/]+)", {"GET": _get_pod, "DELETE": _delete_pod}),
    (r"/pods/([^/]+)/action", {"POST": _act}),
    (r"/network-volumes", {"GET": _list_volumes, "POST": _create_volume}),
    (r"/catalog/gpus", {"GET": _gpus}),
    (r"/catalog/datacenters", {"GET": _centers}),
    (r"/billing/pods", {"GET": _billing}),
)
