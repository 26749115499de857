"""Which request is answered by what. A stage is the name under which faults are ordered."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from tests.hub_fake import commits, repos
from tests.hub_fake.asked import Asked
from tests.hub_fake.repos import Answer
from tests.hub_fake.script import RefusedError, StrictError

CDN = "cdn"
_API = r"/api/(?P<kind>models|datasets|spaces)/(?P<repo>[^/]+/[^/]+)"
_REPO = r"/(?P<kind>datasets/|spaces/)?(?P<repo>[^/]+/[^/]+?)"
_OBJECT = r"/_lfs/(?P<kind>[a-z]+)/(?P<repo>[^/]+/[^/]+)/(?P<oid>[0-9a-f]{64})"


@dataclass(frozen=True)
class Route:
    """A row of the table; ``streams`` where the body is an object's bytes."""

    stage: str
    method: str
    path: str
    answer: Callable[[Asked], Answer]
    streams: bool = False


def resolve(asked: Asked) -> Answer:
    """HEAD and GET /REPO/resolve/REV/PATH: a blob's own bytes, or the way to the storage for an object."""
    repo = asked.repo()
    repos.check_gate(asked, repo)
    oid = asked.commit(repo)
    entry = repo.commits[oid].files.get(asked.match["path"])
    headers = {"X-Repo-Commit": oid}
    if entry is None:
        raise RefusedError(404, "Entry not found", "EntryNotFound", headers)
    headers |= {"ETag": f'"{entry.oid}"', "Accept-Ranges": "bytes"}
    if entry.kind == "regular":
        return _blob(asked, repo.where(entry).read_bytes(), headers)
    host = asked.hub.url.replace("127.0.0.1", "localhost")  # the storage is another host
    url = f"{host}/_lfs/{repo.kind}/{repo.id}/{entry.oid}?X-Amz-Signature={asked.hub.sign()}"
    return (
        302,
        Raw(b""),
        {**headers, "X-Linked-ETag": f'"{entry.oid}"', "X-Linked-Size": str(entry.size), "Location": url},
    )


def _blob(asked: Asked, data: bytes, headers: dict[str, str]) -> Answer:
    wanted = asked.headers.get("range")
    if not wanted:
        return 200, Raw(data), headers
    start = int(wanted.removeprefix("bytes=").partition("-")[0])
    return 206, Raw(data[start:]), {**headers, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}


class Raw(bytes):
    """A body that is no JSON."""


def unknown(asked: Asked) -> Answer:
    """What the Hub of the tests does not know."""
    raise StrictError("no such route")


ROUTES = (
    Route("whoami", "GET", r"/api/whoami-v2", repos.whoami),
    Route("create", "POST", r"/api/repos/create", repos.create),
    Route("validate", "POST", r"/api/validate-yaml", commits.validate_card),
    Route("access", "GET", rf"{_API}/auth-check(?P<write>/write)?", repos.check_access),
    Route("refs", "GET", rf"{_API}/refs", repos.refs),
    Route("branch", "POST", rf"{_API}/branch/(?P<branch>[^/]+)", repos.branch),
    Route("tag", "POST", rf"{_API}/tag/(?P<revision>[^/]+)", repos.tag),
    Route("settings", "PUT", rf"{_API}/settings", repos.settings),
    Route("tree", "GET", rf"{_API}/tree/(?P<revision>[^/]+)", repos.tree),
    Route("paths-info", "POST", rf"{_API}/paths-info/(?P<revision>[^/]+)", repos.paths_info),
    Route("commits", "GET", rf"{_API}/commits/(?P<revision>[^/]+)", repos.history),
    Route("preupload", "POST", rf"{_API}/preupload/(?P<revision>[^/]+)", commits.preupload),
    Route("commit", "POST", rf"{_API}/commit/(?P<revision>[^/]+)", commits.commit),
    Route("info", "GET", rf"{_API}(/revision/(?P<revision>[^/]+))?", repos.info),
    Route("batch", "POST", rf"{_REPO}\.git/info/lfs/objects/batch", commits.batch),
    Route("verify", "POST", rf"{_REPO}\.git/info/lfs/verify", commits.verify),
    Route("put", "PUT", _OBJECT, unknown, streams=True),
    Route("part", "PUT", rf"{_OBJECT}/part", unknown, streams=True),
    Route("complete", "POST", rf"{_OBJECT}/complete", unknown, streams=True),
    Route(CDN, "GET", _OBJECT, unknown, streams=True),
    Route("head", "HEAD", rf"{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", resolve),
    Route("get", "GET", rf"{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", resolve),
)
NOWHERE = Route("unknown", "", "", unknown)


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route of a request, and the parts of its path."""
    for route in ROUTES:
        match = re.fullmatch(route.path, path) if route.method == method else None
        if match:
            return route, {name: unquote(text) for name, text in match.groupdict().items() if text}
    return NOWHERE, {}
