"""Files to the Hub: one commit that has all of them, or none.

The library's own ways to upload a folder are not taken. ``upload_folder`` commits in batches where hf_xet is
there, and ``upload_large_folder`` always does: whoever looks in between, or after a break, finds an index
without its shards. Here the two halves that the library offers one by one are called one after the other:
``preupload_lfs_files`` brings the large objects to the storage, where nobody sees them, and one
``create_commit`` then names them all, with the small files in it, against the parent that was looked at. So a
revision has either the old files or the new ones. What was uploaded before a break stays in the storage: the
LFS batch (or xet's deduplication) says so, and it is not sent again.

A lost answer to the commit is no riddle: the branch is listed again. If it has our bytes, it was ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from millhand.errors import FindingsError, MillhandError
from millhand.hub.access import Standing, check_card, check_history, look, refs, tag_taken
from millhand.hub.client import MISHAPS, TRIES, Hub
from millhand.hub.errors import is_transient, is_unsure, response_of
from millhand.hub.listing import CARD, Change, LocalFile, RemoteFile, changes, compare, remote_files
from millhand.hub.stopping import stoppable
from millhand.hub.target import MAIN, Target

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

_CONFLICT = (409, 412)


@dataclass(frozen=True, slots=True)
class Published:
    """What is on the Hub, seen there.

    ``again``: it was there already; ``sent``: bytes of what changed; ``removed``: what was taken away.
    """

    target: Target
    url: str
    commit: str
    files: tuple[LocalFile, ...]
    sent: int
    again: bool
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Publisher:
    """Brings files to one target.

    Args:
        hub: The line.
        target: Where to.
        stale: Whether a file there that is not ours would be taken for a part of what is pushed; it goes.
    """

    hub: Hub
    target: Target
    stale: Callable[[str], bool]

    def look(self) -> Standing:
        """Look before anything is sent; see :func:`millhand.hub.access.look`."""
        return look(self.hub, self.target)

    def changes(self, standing: Standing, files: Iterable[LocalFile]) -> list[Change]:
        """What publishing would do."""
        return changes(files, standing.files, self.stale)

    def check_history(self, standing: Standing, files: Iterable[LocalFile]) -> None:
        """See that nothing else is shown; see :func:`millhand.hub.access.check_history`."""
        check_history(self.hub, self.target, standing, files)

    def stored(self, standing: Standing, found: Iterable[Change]) -> set[str]:
        """The paths whose bytes an earlier push left in the storage; they would not be sent."""
        from huggingface_hub.lfs import UploadInfo, post_lfs_batch_info

        wanted = [c for c in found if c.state in ("new", "changed") and c.sha256 and c.size]
        if not (standing.exists and wanted):
            return set()
        infos = [UploadInfo(c.size, b"", bytes.fromhex(str(c.sha256))) for c in wanted]
        token = self.hub.token.reveal() if self.hub.token else None
        ask = partial(
            post_lfs_batch_info, infos, token, self.target.kind, self.target.id, endpoint=self.hub.endpoint
        )
        answered, _, _ = self.hub.ask(ask, self.target.id)
        there = {item["oid"] for item in answered if not item.get("actions")}
        return {change.path for change in wanted if change.sha256 in there}

    def publish(
        self, standing: Standing, files: Sequence[LocalFile], *, card: str | None = None
    ) -> Published:
        """Bring the files there, look at what is there, and only then tag it or show it to everyone.

        Args:
            standing: What was looked at.
            files: What is to be there.
            card: Git's SHA-1 of the card whose text ours keeps, where that is not the one of ``standing``.

        Raises:
            FindingsError: The Hub refuses, or has other bytes than were sent.
            MillhandError: The line is lost; the same call goes on.
        """
        found = self.changes(standing, files)
        again = all(change.state == "same" for change in found)
        if standing.tags.get(self.target.tag) and not again:
            raise FindingsError(
                [tag_taken(self.target, standing.tags[self.target.tag])], message="Nothing was sent."
            )
        self.check_history(standing, files)
        self._check_card(files, found)
        self._make(standing)
        commit = self._deliver(files, standing.card if card is None else card)
        self._verify(files, commit)
        self._finish(standing, commit)
        sent = sum(change.size for change in found if change.state in ("new", "changed"))
        gone = tuple(change.path for change in found if change.state == "removed")
        return Published(self.target, self.url, commit, tuple(files), sent, again, gone)

    @property
    def url(self) -> str:
        """The page of what is published."""
        prefix = "" if self.target.kind == "model" else f"{self.target.kind}s/"
        where = "" if self.target.branch == MAIN else f"/tree/{self.target.branch}"
        return f"{self.hub.endpoint}/{prefix}{self.target.id}{where}"

    def _check_card(self, files: Iterable[LocalFile], found: Iterable[Change]) -> None:
        """Have the card refused before the weights are sent, not after."""
        changed = {change.path for change in found if change.state != "same"}
        for file in files:
            if file.path == CARD and CARD in changed and isinstance(file.source, bytes):
                check_card(self.hub, self.target, file.source.decode("utf-8"))

    def _make(self, standing: Standing) -> None:
        """Make the repository and the branch where they are not there."""
        target, api = self.target, self.hub.api
        if not standing.exists:
            # Private also where it is to be public: it is shown when it is whole.
            make = partial(api.create_repo, target.id, repo_type=target.kind, private=True, exist_ok=True)
            self.hub.ask(make, target.id)
        if target.branch not in (*standing.branches, MAIN):
            branch = partial(api.create_branch, target.id, repo_type=target.kind, branch=target.branch)
            self.hub.ask(partial(branch, exist_ok=True), target.id)

    def _deliver(self, files: Sequence[LocalFile], card: str) -> str:
        """Upload and commit; the commit that has all files."""
        for number in range(1, TRIES + 1):
            head = refs(self.hub, self.target.id, self.target.kind)[0].get(self.target.branch, "")
            listed = remote_files(self.hub, self.target.id, self.target.kind, head)
            todo = [change for change in changes(files, listed, self.stale) if change.state != "same"]
            if not todo:
                return head
            check_card_unchanged(todo, listed, card)
            added, removed = self._operations(files, todo)
            self._upload(added)
            check_unchanged(files)
            try:
                return self._commit([*added, *removed], head)
            except MISHAPS as error:
                if number == TRIES or not (is_transient(error) or _is_conflict(error)):
                    raise self.hub.told(error, self.target.id) from None
                self.hub.wait(error, number)
        raise AssertionError("the last try returns or raises")

    def _operations(
        self, files: Iterable[LocalFile], todo: Iterable[Change]
    ) -> tuple[list[CommitOperationAdd], list[CommitOperationDelete]]:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete
        from huggingface_hub.utils._runtime import is_xet_available

        states = {change.path: change.state for change in todo}
        added = []
        for file in (file for file in files if file.path in states):
            source = file.source if isinstance(file.source, bytes) else str(file.source)
            operation = CommitOperationAdd(file.path, source)
            if (
                not is_xet_available()
            ):  # xet hashes what it reads, and so would see a file that changes under it
                operation.upload_info.sha256 = bytes.fromhex(file.sha256)
            added.append(operation)
        gone = [path for path, state in states.items() if state == "removed"]
        return added, [CommitOperationDelete(path, is_folder=False) for path in gone]

    def _upload(self, added: Sequence[CommitOperationAdd]) -> None:
        """Bring the large files to the storage. What has arrived before a mishap is not sent again."""
        send = partial(
            self.hub.api.preupload_lfs_files,
            self.target.id,
            added,
            repo_type=self.target.kind,
            revision=self.target.branch,
            gitignore_content="",  # else the repository's own would silently leave files out
        )
        # The library itself repeats all but that PUT; what fails for good would send whole objects again.
        with stoppable():
            self.hub.ask(send, self.target.id, may_help=is_unsure)

    def _commit(self, operations: list[CommitOperationAdd | CommitOperationDelete], parent: str) -> str:
        made = self.hub.api.create_commit(
            self.target.id,
            operations,
            commit_message=f"Publish {self.target.id.partition('/')[2]} with Millhand",
            repo_type=self.target.kind,
            revision=self.target.branch,
            parent_commit=parent,
        )
        return made.oid

    def _verify(self, files: Sequence[LocalFile], commit: str) -> None:
        listed = remote_files(self.hub, self.target.id, self.target.kind, commit)
        findings = list(compare(files, listed, self.stale))
        if findings:
            raise FindingsError(findings, message=f"{self.target.id} is not what lies here: not delivered.")

    def _finish(self, standing: Standing, commit: str) -> None:
        target, api = self.target, self.hub.api
        if target.tag:
            tag = partial(api.create_tag, target.id, tag=target.tag, revision=commit, repo_type=target.kind)
            self.hub.ask(partial(tag, exist_ok=True), target.id)
            tagged = refs(self.hub, target.id, target.kind)[1].get(target.tag, "")
            if tagged != commit:
                raise FindingsError([tag_taken(target, tagged)], message="Published, and not tagged.")
        if target.public and not standing.public:
            show = partial(api.update_repo_settings, target.id, private=False, repo_type=target.kind)
            self.hub.ask(show, target.id)


def check_unchanged(files: Iterable[LocalFile]) -> None:
    """Stop before the commit if a file is not what was hashed.

    Raises:
        MillhandError: Somebody wrote to it meanwhile.
    """
    changed = [file.path for file in files if not file.unchanged]
    if changed:
        mend = "Let whatever writes there end, then push again: what has arrived is not sent twice."
        raise MillhandError(
            f"Changed while they were sent: {', '.join(changed)}. Nothing was published.", mend=mend
        )


def check_card_unchanged(todo: Iterable[Change], listed: Mapping[str, RemoteFile], card: str) -> None:
    """Stop before the commit if the card on the Hub is not the one whose text ours keeps.

    Raises:
        MillhandError: Somebody wrote into it meanwhile.
    """
    overwritten = any(change.path == CARD and change.state == "changed" for change in todo)
    if overwritten and listed[CARD].blob_id != card:
        mend = "Repeat the command: the new text is kept then, and what has arrived is not sent twice."
        raise MillhandError("The card was changed on the Hub meanwhile. Nothing was published.", mend=mend)


def _is_conflict(error: BaseException) -> bool:
    """Whether somebody committed since the branch was looked at."""
    response = response_of(error)
    return response is not None and response.status_code in _CONFLICT
