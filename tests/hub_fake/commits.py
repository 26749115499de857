"""Routes that change a repository: the card's check, preupload, the LFS batch, the commit."""

from __future__ import annotations

import base64
import json
import re
from fnmatch import fnmatch
from typing import Any

import yaml

from tests.hub_fake.asked import Asked, known
from tests.hub_fake.repos import Answer
from tests.hub_fake.script import RefusedError, StrictError
from tests.hub_fake.store import Entry, Repo

REGULAR_AT_MOST = 10 << 20
SAMPLE = 512
# The Hub's own list: https://huggingface.co/docs/hub/repositories-licenses
_LICENCES = """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0
    bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear
    c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0
    cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0
    cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl
    ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1
    lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
    openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr
    deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3
    llama4 gemma unknown other
    """
LICENCES = frozenset(_LICENCES.split())


def validate_card(asked: Asked) -> Answer:
    """POST /api/validate-yaml."""
    given = asked.json((), ("content", "repoType"))
    errors = list(card_faults(given["content"]))
    warnings = [] if given["content"].startswith("---\n") else [{"message": "empty or missing yaml metadata"}]
    return (400 if errors else 200), {"errors": errors, "warnings": warnings}, {}


def card_faults(text: str) -> list[dict[str, str]]:
    """What the Hub would refuse of a card's metadata."""
    match = re.match(r"---\n(.*?)\n---\s*\n", text, re.DOTALL)
    if not match:
        return []
    try:
        data = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        return [{"message": f"YAML: {error}"}]
    if not isinstance(data, dict):
        return [{"message": '"metadata" must be of type object'}]
    licence = data.get("license")
    licences = licence if isinstance(licence, list) else [] if licence is None else [licence]
    return [{"message": f'"license" must be one of … not {x!r}'} for x in licences if x not in LICENCES]


def preupload(asked: Asked) -> Answer:
    """POST /api/models/REPO/preupload/REV: how each file goes, and what the revision has of it."""
    asked.params("create_pr")
    given, repo = asked.json(("gitIgnore",), ("files",)), asked.repo(write=True)
    head = repo.commits[asked.commit(repo)].files
    if len(given["files"]) > 256:
        raise StrictError("more than 256 files in one preupload")
    ignore = given["gitIgnore"] if "gitIgnore" in given else _text(repo, head.get(".gitignore"))
    answers = []
    for file in given["files"]:
        known(file, (), ("path", "sample", "size"))
        mode = upload_mode(repo, file["path"], file["size"], base64.b64decode(file["sample"]))
        ignored = any(fnmatch(file["path"], line) for line in ignore.splitlines() if line.strip())
        answer: dict[str, Any] = {"path": file["path"], "uploadMode": mode, "shouldIgnore": ignored}
        if file["path"] in head:
            answer["oid"] = head[file["path"]].oid
        answers.append(answer)
    return 200, {"files": answers, "commitOid": asked.commit(repo)}, {}


def upload_mode(repo: Repo, path: str, size: int, sample: bytes) -> str:
    """``lfs`` for what .gitattributes names, for what is large and for what is no text; else ``regular``."""
    lines = _text(repo, repo.head().files.get(".gitattributes")).splitlines()
    patterns = [line.split()[0] for line in lines if "filter=lfs" in line]
    named = any(fnmatch(path, p) or fnmatch(path.rpartition("/")[2], p) for p in patterns)
    return "lfs" if named or size > REGULAR_AT_MOST or b"\0" in sample else "regular"


def _text(repo: Repo, entry: Entry | None) -> str:
    return repo.where(entry).read_text(encoding="utf-8") if entry else ""


def batch(asked: Asked) -> Answer:
    """POST /REPO.git/info/lfs/objects/batch."""
    given = asked.json(("ref",), ("operation", "transfers", "objects", "hash_algo"))
    repo, hub = asked.repo(write=True), asked.hub
    if given["operation"] != "upload" or given["hash_algo"] != "sha256" or "basic" not in given["transfers"]:
        raise StrictError(f"not an upload that is known: {given}")
    wanted = {item["oid"]: item["size"] for item in given["objects"]}
    new = {oid: size for oid, size in wanted.items() if not repo.object(oid).is_file()}
    if hub.stored_bytes(repo.id.partition("/")[0]) + sum(new.values()) > hub.quota_bytes:
        text = "Private repository storage limit reached, please upgrade your plan to increase it."
        raise RefusedError(403, text)
    objects = [
        {"oid": oid, "size": size, **(_actions(asked, repo, oid, size) if oid in new else {})}
        for oid, size in wanted.items()
    ]
    return (
        200,
        {"transfer": "multipart", "objects": objects},
        {"Content-Type": "application/vnd.git-lfs+json"},
    )


def _actions(asked: Asked, repo: Repo, oid: str, size: int) -> dict[str, Any]:
    base = f"{asked.hub.url}/_lfs/{repo.kind}/{repo.id}/{oid}"
    signed = f"size={size}&X-Amz-Signature={asked.hub.sign()}"
    upload: dict[str, Any] = {"href": f"{base}?{signed}"}
    if size > asked.hub.part_bytes:
        count = -(-size // asked.hub.part_bytes)
        parts = {f"{n:05}": f"{base}/part?partNumber={n}&{signed}" for n in range(1, count + 1)}
        upload = {"href": f"{base}/complete?{signed}"}
        upload["header"] = {"chunk_size": str(asked.hub.part_bytes), **parts}
    prefix = "" if repo.kind == "model" else f"{repo.kind}s/"
    verify = {"href": f"{asked.hub.url}/{prefix}{repo.id}.git/info/lfs/verify", "header": {}}
    return {"authenticated": True, "actions": {"upload": upload, "verify": verify}}


def verify(asked: Asked) -> Answer:
    """POST /REPO.git/info/lfs/verify: whether an object has arrived whole."""
    given, repo = asked.json((), ("oid", "size")), asked.repo(write=True)
    path = repo.object(given["oid"])
    if not path.is_file() or path.stat().st_size != given["size"]:
        raise RefusedError(404, f"Object {given['oid']} is not there")
    return 200, {}, {}


def commit(asked: Asked) -> Answer:
    """POST /api/models/REPO/commit/BRANCH: lines of JSON, all or nothing."""
    asked.params()
    repo, lines = asked.repo(write=True), [json.loads(line) for line in asked.body.splitlines()]
    if asked.headers.get("content-type") != "application/x-ndjson" or lines[0]["key"] != "header":
        raise StrictError("a commit is NDJSON that begins with its header")
    known(lines[0]["value"], ("description", "parentCommit"), ("summary",))
    name = asked.match["revision"]
    if name not in repo.branches:
        raise RefusedError(404, f"Invalid rev id: {name}", "RevisionNotFound")
    parent = lines[0]["value"].get("parentCommit")
    if parent and parent != repo.branches[name]:
        raise RefusedError(412, "A commit has happened since. Please refresh and try again.")
    if not lines[1:]:
        raise StrictError("an empty commit")
    files = _applied(repo, dict(repo.head(name).files), lines[1:])
    oid = repo.add(name, lines[0]["value"]["summary"], files)
    repo.save()
    url = f"{asked.hub.url}/{repo.id}/commit/{oid}"
    return 200, {"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""}, {}


def _applied(repo: Repo, files: dict[str, Entry], lines: list[dict[str, Any]]) -> dict[str, Entry]:
    """The files after the operations."""
    before = dict(files)
    for line in lines:
        value = line["value"]
        if line["key"] == "file":
            files[value["path"]] = _regular(repo, value)
        elif line["key"] == "lfsFile":
            files[value["path"]] = _lfs(repo, value)
        elif line["key"] == "deletedFile":
            known(value, (), ("path",))
            if value["path"] not in before:
                raise RefusedError(404, "A file with this name doesn't exist", "EntryNotFound")
            files.pop(value["path"], None)
        else:
            raise StrictError(f"an operation that is not known: {line['key']}")
    return _attributed(repo, files)


def _regular(repo: Repo, value: dict[str, Any]) -> Entry:
    known(value, (), ("content", "path", "encoding"))
    data = base64.b64decode(value["content"])
    if upload_mode(repo, value["path"], len(data), data[:SAMPLE]) != "regular" and data:
        raise StrictError(f"{value['path']} should have gone as an LFS object")
    if value["path"] == "README.md" and (faults := card_faults(data.decode())):
        raise RefusedError(400, f"Invalid metadata in README.md: {faults}")
    return repo.keep_blob(data)


def _lfs(repo: Repo, value: dict[str, Any]) -> Entry:
    known(value, (), ("path", "algo", "oid", "size"))
    path = repo.object(value["oid"])
    if not path.is_file():
        text = "Your push was rejected because an LFS pointer pointed to a file that does not exist."
        raise RefusedError(400, f"{text} Object {value['oid']}")
    if path.stat().st_size != value["size"]:
        raise StrictError(f"{value['path']}: the size is not the object's")
    return Entry("lfs", value["oid"], value["size"])


def _attributed(repo: Repo, files: dict[str, Entry]) -> dict[str, Entry]:
    """The Hub itself names in .gitattributes what went as LFS without a pattern of it."""
    text = _text(repo, files.get(".gitattributes"))
    patterns = [line.split()[0] for line in text.splitlines()]
    lfs = [path for path, entry in files.items() if entry.kind == "lfs"]
    new = [path for path in lfs if not any(fnmatch(path.rpartition("/")[2], p) for p in patterns)]
    if not new:
        return files
    text += "".join(f"{path} filter=lfs diff=lfs merge=lfs -text\n" for path in new)
    return {**files, ".gitattributes": repo.keep_blob(text.encode())}
