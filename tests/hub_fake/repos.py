"""Routes of accounts and repositories: whoami, create, info, refs, branches, tags, settings."""

from __future__ import annotations

from typing import Any

from tests.hub_fake import store
from tests.hub_fake.asked import Asked
from tests.hub_fake.script import RefusedError, StrictError
from tests.hub_fake.state import KINDS
from tests.hub_fake.store import Entry, Repo

Answer = tuple[int, Any, dict[str, str]]


def whoami(asked: Asked) -> Answer:
    """GET /api/whoami-v2."""
    user = asked.signed_in()
    token: dict[str, Any] = {
        "displayName": "test",
        "role": user.role,
        "createdAt": "2026-01-01T00:00:00.000Z",
    }
    if user.role == "fineGrained":
        scopes = [
            {"entity": {"type": "user", "name": name}, "permissions": ["repo.content.read", "repo.write"]}
            for name in user.scopes
        ]
        token["fineGrained"] = {"canReadGatedRepos": True, "global": [], "scoped": scopes}
    orgs = [{"type": "org", "name": name, "roleInOrg": role} for name, role in user.orgs]
    answer = {"type": "user", "id": "1" * 24, "name": user.name, "fullname": user.name, "orgs": orgs}
    return 200, {**answer, "auth": {"type": "access_token", "accessToken": token}}, {}


def create(asked: Asked) -> Answer:
    """POST /api/repos/create."""
    given = asked.json(("organization", "type", "visibility"), ("name",))
    user, kind = asked.signed_in(), given.get("type", "model")
    namespace = given.get("organization") or user.name
    if kind not in KINDS or given.get("visibility", "public") not in ("private", "public"):
        raise StrictError(f"no such type or visibility: {given}")
    if not user.may_write(namespace):
        text = f'You don\'t have the rights to create a {kind} under the namespace "{namespace}"'
        raise RefusedError(403, text)
    repo_id = f"{namespace}/{given['name']}"
    plural = "" if kind == "model" else f"{kind}s/"
    url = f"{asked.hub.url}/{plural}{repo_id}"
    if asked.hub.find(kind, repo_id):
        raise_conflict(kind, url)
    asked.hub.make(repo_id, kind, private=given.get("visibility") == "private")
    return 200, {"url": url, "name": repo_id, "id": "2" * 24}, {}


class ConflictError(RefusedError):
    """409 of a repository that is there; its body has the address too."""

    def __init__(self, kind: str, url: str) -> None:
        super().__init__(409, f"You already created this {kind} repo")
        self.body = {"error": self.message, "url": url}


def raise_conflict(kind: str, url: str) -> None:
    """Refuse as the Hub does where the repository exists."""
    raise ConflictError(kind, url)


def info(asked: Asked) -> Answer:
    """GET /api/models/REPO[/revision/REV]."""
    asked.params("blobs", "expand", "securityStatus")
    repo = asked.repo()
    oid = asked.commit(repo)
    siblings = [{"rfilename": path} for path in repo.commits[oid].files]
    answer = {"_id": "3" * 24, "id": repo.id, "author": repo.id.partition("/")[0], "sha": oid,
              "private": repo.private, "gated": "auto" if repo.gated else False, "disabled": False,
              "downloads": 0, "likes": 0, "tags": [], "siblings": siblings, "usedStorage": 0,
              "createdAt": "2026-01-01T00:00:00.000Z"}  # fmt: skip
    return 200, answer, {}


def check_access(asked: Asked) -> Answer:
    """GET /api/models/REPO/auth-check[/write]."""
    asked.repo(write=bool(asked.match.get("write")))
    return 200, None, {}


def refs(asked: Asked) -> Answer:
    """GET /api/models/REPO/refs."""
    asked.params("include_prs")
    repo = asked.repo()
    branches = [_ref("heads", name, oid) for name, oid in repo.branches.items()]
    tags = [_ref("tags", name, oid) for name, oid in repo.tags.items()]
    return 200, {"branches": branches, "converts": [], "tags": tags}, {}


def _ref(kind: str, name: str, oid: str) -> dict[str, str]:
    return {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": oid}


def branch(asked: Asked) -> Answer:
    """POST /api/models/REPO/branch/NAME."""
    given, repo, name = asked.json(("startingPoint",)), asked.repo(write=True), asked.match["branch"]
    if name in repo.branches:
        raise RefusedError(409, f"Reference already exists: refs/heads/{name}")
    start = repo.resolve(given.get("startingPoint", "main"))
    if not start:
        raise RefusedError(404, "Invalid rev id", "RevisionNotFound")
    repo.branches[name] = start
    repo.save()
    return 200, {}, {}


def tag(asked: Asked) -> Answer:
    """POST /api/models/REPO/tag/REV."""
    given, repo = asked.json(("message",), ("tag",)), asked.repo(write=True)
    oid = asked.commit(repo)
    if given["tag"] in repo.tags:
        raise RefusedError(409, f"Tag reference exists already: refs/tags/{given['tag']}")
    repo.tags[given["tag"]] = oid
    repo.save()
    return 200, {}, {}


def settings(asked: Asked) -> Answer:
    """PUT /api/models/REPO/settings."""
    given, repo = asked.json(("gated", "visibility")), asked.repo(write=True)
    repo.private = given.get("visibility", "private" if repo.private else "public") == "private"
    repo.save()
    return 200, {"private": repo.private}, {}


def tree(asked: Asked) -> Answer:
    """GET /api/models/REPO/tree/REV: pages that link to the next."""
    asked.params("recursive", "expand", "cursor")
    if asked.query.get("recursive") != "true":
        raise StrictError("only a recursive tree is known here")
    repo = asked.repo()
    check_gate(asked, repo)
    items = list(_items(repo, repo.commits[asked.commit(repo)].files))
    start = int(asked.query.get("cursor", "0"))
    end = start + asked.hub.page
    link = {}
    if end < len(items):
        path = f"{asked.hub.url}/api/{repo.kind}s/{repo.id}/tree/{asked.match['revision']}"
        link = {"Link": f'<{path}?recursive=true&expand=false&cursor={end}>; rel="next"'}
    return 200, items[start:end], link


def history(asked: Asked) -> Answer:
    """GET /api/models/REPO/commits/REV: the newest first."""
    asked.params()
    repo = asked.repo()
    oid, found = asked.commit(repo), []
    while oid:
        title = repo.commits[oid].title
        authors = [{"user": repo.id.partition("/")[0]}]
        date = "2026-01-01T00:00:00.000Z"
        found.append({"id": oid, "title": title, "message": "", "authors": authors, "date": date})
        oid = repo.commits[oid].parent
    return 200, found, {}


def paths_info(asked: Asked) -> Answer:
    """POST /api/models/REPO/paths-info/REV, a form."""
    from urllib.parse import parse_qs

    given, repo = parse_qs(asked.body.decode()), asked.repo()
    check_gate(asked, repo)
    files = repo.commits[asked.commit(repo)].files
    wanted = {path: files[path] for path in given.get("paths", []) if path in files}
    return 200, [item for item in _items(repo, wanted) if item["type"] == "file"], {}


def _items(repo: Repo, files: dict[str, Entry]) -> list[dict[str, Any]]:
    folders = {"/".join(path.split("/")[:n]) for path in files for n in range(1, path.count("/") + 1)}
    shown = [{"type": "directory", "oid": "4" * 40, "size": 0, "path": folder} for folder in sorted(folders)]
    return shown + [_item(path, entry) for path, entry in sorted(files.items())]


def _item(path: str, entry: Entry) -> dict[str, Any]:
    if entry.kind == "regular":
        return {"type": "file", "oid": entry.oid, "size": entry.size, "path": path}
    text = store.pointer(entry)
    lfs = {"oid": entry.oid, "size": entry.size, "pointerSize": len(text)}
    return {"type": "file", "oid": store.blob_id(text), "size": entry.size, "path": path, "lfs": lfs}


def check_gate(asked: Asked, repo: Repo) -> None:
    """Refuse who was not admitted to a gated repository: all but its owner.

    Raises:
        RefusedError: The account was not.
    """
    owner = asked.user is not None and asked.user.may_read(repo.id.partition("/")[0])
    if repo.gated and not owner:
        text = f"Access to {repo.kind} {repo.id} is restricted and you are not in the authorized list."
        raise RefusedError(403 if asked.user else 401, text, "GatedRepo")
