"""`millhand push`: what a run made, or a dataset, goes to the Hub; the ledger says so when it was seen there.

All that can be found here is found first, then what the Hub knows, and only then is a byte sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any, TypeAlias, get_args

import msgspec

from millhand.datasets.built import FILE as BUILD
from millhand.datasets.definition import FILE as DEFINITION
from millhand.datasets.registry import Registry
from millhand.errors import Finding, FindingsError, UsageError
from millhand.files import locked, write_text
from millhand.hub.access import Standing
from millhand.hub.card import dataset_card, keep_personal_text, model_card
from millhand.hub.client import Hub
from millhand.hub.facts import Data, DatasetFacts, Gate, ModelFacts, Override
from millhand.hub.fetch import read_text
from millhand.hub.gates import check_gates
from millhand.hub.listing import CARD, Change, LocalFile, local_file, local_text
from millhand.hub.publish import Published, Publisher
from millhand.hub.selection import check_model, check_weights, is_part, is_part_of_merged, model_paths
from millhand.hub.target import Target
from millhand.pods.local import LocalPod
from millhand.runs import manifest
from millhand.runs.finished import finished_run, open_ledger
from millhand.runs.for_others import (
    build_for_others,
    check_paths,
    definition_for_others,
    manifest_for_others,
)
from millhand.runs.ledger import Run
from millhand.runs.naming import runs_meant
from millhand.runs.publishable import base_readme
from millhand.runs.published import (
    curves,
    dataset_facts,
    is_of_run,
    licence_files,
    model_facts,
    model_folder,
    private_words,
)
from millhand.training.project import Project, open_project
from millhand.workspace import Workspace

DELIVERED = "deliver:"  # the step that brought something to the Hub, followed by what and where to
Facts: TypeAlias = ModelFacts | DatasetFacts
_HASHING = 4
_DATASET_PARTS = (DEFINITION, BUILD, "rows.jsonl", "validation.jsonl", "test.jsonl")


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to go: its files by their path in the repository, its facts, and what was found against it."""

    facts: Facts
    paths: dict[str, Path]
    stale: Callable[[str], bool]
    notes: tuple[Finding, ...] = ()
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """A parcel at the Hub's door: looked at from both sides, nothing sent."""

    parcel: Parcel
    publisher: Publisher
    standing: Standing
    files: tuple[LocalFile, ...]
    changes: tuple[Change, ...]
    stored: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class Delivering:
    """One call of `millhand push`."""

    workspace: Workspace
    hub: Hub
    target: Target
    overrides: Sequence[Override] = ()

    def model(self, run: Run, *, adapter: bool = False) -> Parcel:
        """What a finished run made: its merged model, or its adapter.

        Raises:
            UsageError: There is none here, or another run's.
            FindingsError: Something stands against publishing it.
        """
        folder = made_here(self.workspace, run, adapter=adapter)
        shown = self.workspace.relative(folder)
        return self.model_in(folder, run, shown, merged=not adapter)

    def model_in(self, folder: Path, run: Run, shown: str, *, merged: bool) -> Parcel:
        """What a finished run made, as it lies in ``folder``; findings call that ``shown``.

        Raises:
            FindingsError: Something stands against publishing it.
        """
        facts = model_facts(
            self.workspace,
            run,
            merged=merged,
            repository=self.target.id,
            base_readme=base_readme(self.hub, run.facts["model"]),
            folder=folder,
        )
        facts = msgspec.structs.replace(facts, data=tuple(map(self._linked, facts.data)))
        beside = [*licence_files(self.workspace, run), *curves(self.workspace, run)]
        paths = {path.name: path for path in (*beside, *model_paths(folder))}
        if manifest.FILE_NAME in paths:
            own = paths[manifest.FILE_NAME]
            paths[manifest.FILE_NAME] = manifest_for_others(self.workspace, own, run.name)
        stale = is_part_of_merged if merged else is_part
        return self._checked(Parcel(facts, paths, stale, run=run), list(check_model(folder, shown)))

    def dataset(self, name: str) -> Parcel:
        """A dataset of the registry: its rows, all their parts, and what they were made from.

        Raises:
            UsageError: There is none of that name, or it lies on a hub.
            FindingsError: Something stands against publishing it.
        """
        dataset = Registry(self.workspace.registry).dataset(name)
        facts = dataset_facts(self.workspace, name, repository=self.target.id)
        folder = dataset.rows_path.parent
        paths = {split.path: folder / split.path for split in facts.splits} or {
            dataset.rows_path.name: dataset.rows_path
        }
        beside = (DEFINITION, BUILD) if dataset.ours else ()
        paths |= {file: folder / file for file in beside if (folder / file).is_file()}
        findings: list[Finding] = []
        if BUILD in paths:
            paths[BUILD] = build_for_others(self.workspace, paths[BUILD])
        if DEFINITION in paths:
            findings += check_paths(paths[DEFINITION], self.workspace.relative(paths[DEFINITION]))
            paths[DEFINITION] = definition_for_others(self.workspace, paths[DEFINITION])
        return self._checked(Parcel(facts, paths, lambda path: path in _DATASET_PARTS), findings)

    def _checked(self, parcel: Parcel, findings: list[Finding]) -> Parcel:
        """The parcel, if nothing stands against it; its facts tell the gates that were opened."""
        private = private_words(self.workspace)
        gates = check_gates(parcel.facts, parcel.paths, overrides=self.overrides, private=private)
        check_overrides(self.overrides, gates)
        facts = msgspec.structs.replace(parcel.facts, overrides=tuple(self.overrides))
        findings += gates
        if any(finding.severity == "error" for finding in findings):
            raise FindingsError(findings, message="Nothing was sent.")
        return Parcel(facts, parcel.paths, parcel.stale, tuple(findings), parcel.run)

    def _linked(self, data: Data) -> Data:
        """A dataset with its name on the Hub, if just these rows went there; a private one stays so."""
        note = read_dataset_note(self.workspace, data.name)
        same = bool(data.sha256) and note.get("sha256") == data.sha256
        if data.repository or not same or (self.target.public and not note.get("public")):
            return data
        return msgspec.structs.replace(data, repository=str(note["repository"]))

    def ready(self, parcel: Parcel, *, ask_storage: bool = False) -> Ready:
        """Look at the Hub, write the card, and tell what would be done.

        Args:
            parcel: What is to go.
            ask_storage: Whether to ask for what an earlier push left in the storage.

        Raises:
            FindingsError: The Hub would refuse it.
            MillhandError: The Hub does not answer.
        """
        publisher = Publisher(self.hub, self.target, parcel.stale)
        standing = publisher.look()
        sha256 = open_ledger(self.workspace).sha256
        with ThreadPoolExecutor(_HASHING) as pool:  # hashing lets go of the interpreter's lock
            names = sorted(parcel.paths)
            files = list(pool.map(local_file, names, map(parcel.paths.__getitem__, names), repeat(sha256)))
        files.append(self.card(parcel.facts, standing))
        publisher.check_history(standing, files)
        found = publisher.changes(standing, files)
        stored = publisher.stored(standing, found) if ask_storage else set[str]()
        return Ready(parcel, publisher, standing, tuple(files), tuple(found), frozenset(stored))

    def card(self, facts: Facts, standing: Standing) -> LocalFile:
        """The card, with what a person wrote into the one that is there."""
        return local_text(CARD, self._card(facts, standing))

    def _card(self, facts: Facts, standing: Standing) -> str:
        new = model_card(facts) if isinstance(facts, ModelFacts) else dataset_card(facts)
        if CARD not in standing.files:
            return new
        head = standing.head(self.target.branch)
        return keep_personal_text(new, read_text(self.hub, self.target.id, self.target.kind, head, CARD))

    def deliver(self, ready: Ready) -> Published:
        """Bring it there; the run's step is marked when the Hub's listing is what lies here.

        Raises:
            FindingsError: The Hub refuses, or lists other bytes.
            MillhandError: The line is lost; the same call goes on.
        """
        ledger, run, step = open_ledger(self.workspace), ready.parcel.run, DELIVERED + self.target.step
        name = self.target.step.replace("/", "--").replace(":", "-").replace("@", "-")
        with locked(self.workspace.state / "locks" / f"deliver-{name}", self._tell):
            if run and not ledger.done(run.name, step):
                ledger.begin(run.name, step)
            published = ready.publisher.publish(ready.standing, ready.files)
            if run:
                ledger.finish(run.name, step, delivered_facts(published))
            elif isinstance(ready.parcel.facts, DatasetFacts):
                note_dataset(self.workspace, ready.parcel.facts, published)
        return published

    def release(self, parcel: Parcel) -> object:
        """Nothing: what was delivered lies here."""

    def _tell(self) -> None:
        self.hub.say(f"Another command is pushing to {self.target.id}; waiting for it.")


def made_here(workspace: Workspace, run: Run, *, adapter: bool = False) -> Path:
    """The folder of what a finished run made, looked at without the Hub: the merged model, or the adapter.

    Raises:
        UsageError: There is none here, or another run's.
        FindingsError: It is not whole.
    """
    folder = model_folder(workspace, run, merged=not adapter)
    shown = workspace.relative(folder)
    again = f"{'train' if adapter else 'export'} {run.project}{'' if adapter else f' --run {run.name}'}"
    if not adapter and not is_of_run(folder, run):
        mend = f"Export it again: `millhand {again}`."
        raise UsageError(f"{shown} is not what run {run.name} made.", mend=mend)
    findings = list(check_weights(folder, shown, f"Make it anew: `millhand {again}`."))
    if findings:
        raise FindingsError(findings, message="Nothing was sent.")
    return folder


def check_overrides(overrides: Sequence[Override], findings: Iterable[Finding]) -> None:
    """See that each override opens something: the card tells its reason.

    Raises:
        UsageError: One opens nothing.
    """
    found = {(finding.id.removeprefix("hub."), finding.file) for finding in findings}
    idle = [item for item in overrides if (item.gate, item.subject) not in found]
    if not idle:
        return
    there = sorted(f"{gate}:{subject}" for gate, subject in found if gate in get_args(Gate))
    mend = f"What stands against it is: {', '.join(there)}." if there else "Leave it out: no gate is closed."
    named = ", ".join(f"{item.gate}:{item.subject}" for item in idle)
    raise UsageError(f"--override {named} opens nothing.", mend=mend)


def delivered_facts(published: Published) -> dict[str, Any]:
    """What the ledger keeps of a delivery."""
    target = published.target
    return {
        "repository": target.id,
        "type": target.kind,
        "branch": target.branch,
        "tag": target.tag,
        "public": target.public,
        "commit": published.commit,
        "url": published.url,
        "files": {file.path: {"size": file.size, "sha256": file.sha256} for file in published.files},
    }


def note_dataset(workspace: Workspace, facts: DatasetFacts, published: Published) -> None:
    """Keep where a dataset's rows were brought to: cards of what is trained on them name it."""
    note = {**delivered_facts(published), "sha256": facts.sha256}
    write_text(_note(workspace, facts.name), json.dumps(note, indent=2, sort_keys=True, ensure_ascii=False))


def read_dataset_note(workspace: Workspace, name: str) -> dict[str, Any]:
    """Where a dataset's rows were last brought to; empty where they were not."""
    path = _note(workspace, name)
    note: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    return note


def _note(workspace: Workspace, name: str) -> Path:
    return workspace.state / "delivered" / f"{name}.json"


def find_run(workspace: Workspace, name: str, run_name: str = "") -> Run:
    """The last finished run of a project, or the run named: by ``run_name``, or by ``name``.

    The name is read as everywhere (:func:`runs_meant`).

    Raises:
        UsageError: There is no such project and no such run, or none that is finished.
    """
    pod, meant = LocalPod(workspace.root), runs_meant(open_ledger(workspace), name)
    if not meant:
        return finished_run(workspace, pod, open_project(workspace, name), run_name)
    project = Project(meant[0].project, workspace.configs / meant[0].project)
    return finished_run(workspace, pod, project, run_name or ("" if project.name == name else meant[0].name))


def delivered(workspace: Workspace, run: Run) -> list[dict[str, Any]]:
    """Where a run's model was brought to, oldest first."""
    marks = [mark for mark in open_ledger(workspace).steps(run.name) if mark.name.startswith(DELIVERED)]
    return [mark.facts for mark in marks if mark.done_s is not None]
