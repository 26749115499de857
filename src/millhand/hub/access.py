"""What can be known before a byte is sent: the token and its rights, the name, who may read, the card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from typing import Any

from millhand.errors import Finding, FindingsError
from millhand.hub.client import Hub
from millhand.hub.errors import no_right, response_of
from millhand.hub.listing import CARD, LocalFile, RemoteFile, is_same, remote_files
from millhand.hub.target import MAIN, RepoType, Target

_TYPES = ("model", "dataset", "space")
_FEW = (
    4  # commits of a history that is read: the repository's own first one, and a push or two that broke off
)
_HUBS_OWN = ".gitattributes"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the Hub has of a target. ``files``: of its branch, or of main where that is to be made."""

    exists: bool
    public: bool = False
    branches: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, RemoteFile] = field(default_factory=dict)

    def head(self, branch: str) -> str:
        """The commit that a branch stands at, or would start from; empty where there is no repository."""
        return self.branches.get(branch) or self.branches.get(MAIN, "")

    @property
    def card(self) -> str:
        """Git's SHA-1 of the card; empty where there is none."""
        return self.files[CARD].blob_id if CARD in self.files else ""


def look(hub: Hub, target: Target) -> Standing:
    """Look at a target that is to be written to; nothing is changed.

    Raises:
        FindingsError: The token is bad or may not write there, or the repository is not as it is wanted.
        MillhandError: The Hub does not answer.
    """
    reason = refusal(hub.ask(hub.api.whoami, target.id), target)
    if reason:
        raise no_right(target.id, reason)
    if not _exists(hub, target.id, target.kind):
        _check_other_types(hub, target)
        return Standing(exists=False)
    _check_write(hub, target)
    standing = _standing(hub, target)
    findings = list(_faults(target, standing))
    if findings:
        raise FindingsError(findings, message="Nothing was sent.")
    return standing


def _exists(hub: Hub, repository: str, kind: str) -> bool:
    return hub.ask(lambda: hub.api.repo_exists(repository, repo_type=kind), repository)


def _standing(hub: Hub, target: Target) -> Standing:
    info = hub.ask(lambda: hub.api.repo_info(target.id, repo_type=target.kind), target.id)
    branches, tags = refs(hub, target.id, target.kind)
    standing = Standing(True, not info.private, branches, tags)
    files = remote_files(hub, target.id, target.kind, standing.head(target.branch))
    return Standing(True, standing.public, branches, tags, files)


def refs(hub: Hub, repository: str, kind: RepoType) -> tuple[dict[str, str], dict[str, str]]:
    """The commits of the branches and of the tags, by name."""
    found = hub.ask(lambda: hub.api.list_repo_refs(repository, repo_type=kind), repository)
    branches, tags = (
        {ref.name: ref.target_commit for ref in group} for group in (found.branches, found.tags)
    )
    return branches, tags


def refusal(who: Mapping[str, Any], target: Target) -> str:
    """Why the account that a token is of may not write there, as far as it says so itself; empty: it may.

    ``who`` is the answer of /api/whoami-v2. What it leaves open, the Hub decides when it is asked.
    """
    token = who.get("auth", {}).get("accessToken", {})
    roles = {org.get("name"): org.get("roleInOrg", "write") for org in who.get("orgs", [])}
    role = token.get("role")
    if role == "read":
        return "it is a token that only reads."
    if target.namespace != who.get("name") and target.namespace not in roles:
        near = get_close_matches(target.namespace, [str(who.get("name")), *map(str, roles)], n=1)
        meant = f" Is {near[0]}/{target.id.partition('/')[2]} meant?" if near else ""
        return f"{who.get('name')} is not {target.namespace}, nor in an organisation of that name.{meant}"
    if roles.get(target.namespace) == "read":
        return f"{who.get('name')} only reads in {target.namespace}."
    if role == "fineGrained" and not _is_in_scope(token.get("fineGrained", {}), target):
        return f"its fine-grained rights do not hold `repo.write` for {target.namespace}."
    return ""


def _is_in_scope(rights: Mapping[str, Any], target: Target) -> bool:
    return any(
        scope.get("entity", {}).get("name") in (target.namespace, target.id)
        and "repo.write" in scope.get("permissions", ())
        for scope in rights.get("scoped", [])
    )


def _check_other_types(hub: Hub, target: Target) -> None:
    for kind in (kind for kind in _TYPES if kind != target.kind):
        if _exists(hub, target.id, kind):
            finding = Finding(
                id="hub.other-type",
                severity="error",
                message=f"{target.id} is a {kind}, and this is a {target.kind}.",
                why="The Hub may hold both under one name; mostly it is a slip.",
                mend=f"Name another repository, or make an empty {target.kind} of that name there first.",
            )
            raise FindingsError([finding], message="Nothing was sent.")


def _check_write(hub: Hub, target: Target) -> None:
    """Ask the Hub whether this token may write; a Hub that does not know the question says so later."""

    def ask() -> None:
        try:
            hub.api.auth_check(target.id, repo_type=target.kind, write=True)
        except OSError as error:
            response = response_of(error)
            if response is None or response.status_code != 404:
                raise

    hub.ask(ask, target.id)


def _faults(target: Target, standing: Standing) -> Iterator[Finding]:
    if standing.public and not target.public:
        yield Finding(
            id="hub.public",
            severity="error",
            message=f"{target.id} is public, and --public was not given.",
            why="All that is pushed there can be read by everyone.",
            mend="Agree with `--public`, make the repository private in its settings, or push elsewhere.",
        )
    tagged = standing.tags.get(target.tag)
    if tagged and tagged != standing.branches.get(target.branch):
        yield tag_taken(target, tagged)
    if target.branch in standing.tags:
        yield Finding(
            id="hub.bad-name",
            severity="error",
            message=f"--revision {target.branch} is a tag of {target.id}.",
            why="A tag stays on its commit; only a branch is added to.",
            mend=f"Name a branch, or leave --revision out: it is {MAIN} then.",
        )


def check_history(hub: Hub, target: Target, standing: Standing, files: Iterable[LocalFile]) -> None:
    """See that a private repository which is to be shown shows nothing but ``files``.

    Its history is shown with it. A repository that a push made and broke off at holds none, or just these.

    Raises:
        FindingsError: It holds others, on any branch, in any commit.
    """
    if not (target.public and standing.exists) or standing.public:
        return
    ours, commits = {file.path: file for file in files}, _history(hub, target, standing)
    if len(commits) <= _FEW and all(_is_of(hub, target, commit, ours) for commit in commits):
        return
    finding = Finding(
        id="hub.history",
        severity="error",
        message=f"{target.id} is private, and its {len(commits)} commits may hold files that do not go now.",
        why="Whoever sees a repository sees its whole history; those files were not looked through for this.",
        mend="Push to a new name; or read its commits and make it public in its settings on the Hub.",
    )
    raise FindingsError([finding], message="Nothing was sent.")


def _history(hub: Hub, target: Target, standing: Standing) -> set[str]:
    """All commits that a branch or a tag leads to."""

    def listed(head: str) -> set[str]:
        found = hub.api.list_repo_commits(target.id, repo_type=target.kind, revision=head)
        return {commit.commit_id for commit in found}

    heads = {*standing.branches.values(), *standing.tags.values()}
    return {commit for head in sorted(heads) for commit in hub.ask(partial(listed, head), target.id)}


def _is_of(hub: Hub, target: Target, commit: str, ours: Mapping[str, LocalFile]) -> bool:
    listed = remote_files(hub, target.id, target.kind, commit)
    return all(
        path == _HUBS_OWN or (path in ours and is_same(ours[path], file)) for path, file in listed.items()
    )


def tag_taken(target: Target, commit: str) -> Finding:
    """The tag stands on another commit."""
    return Finding(
        id="hub.tag-taken",
        severity="error",
        message=f"The tag {target.tag} of {target.id} is on commit {commit[:7]} already.",
        why="Whoever uses the tag would find other bytes than before.",
        mend="Name another: `--tag NAME`; or delete that one on the Hub.",
    )


def check_card(hub: Hub, target: Target, text: str) -> None:
    """Have the Hub check a card's metadata, as it will when it is committed.

    Raises:
        FindingsError: It would refuse the card.
    """
    from huggingface_hub import get_session
    from huggingface_hub.utils._headers import build_hf_headers
    from huggingface_hub.utils._http import hf_raise_for_status

    token = hub.token.reveal() if hub.token else False
    url, body = f"{hub.endpoint}/api/validate-yaml", {"content": text, "repoType": target.kind}

    def ask() -> list[str]:
        response = get_session().post(url, json=body, headers=build_hf_headers(token=token))
        if response.status_code == 400:
            return [str(error.get("message", "")) for error in response.json().get("errors", [])]
        hf_raise_for_status(response)
        return []

    faults = hub.ask(ask, target.id)
    if faults:
        finding = Finding(
            id="hub.card-refused",
            severity="error",
            file="README.md",
            message=f"The Hub refuses the card's metadata: {'; '.join(faults)}",
            why="It refuses the whole commit with it.",
            mend="Mend what a person wrote into the card on the Hub, or the licence of the data.",
        )
        raise FindingsError([finding], message="Nothing was sent.")
