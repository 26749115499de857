"""`millhand push model --pod POD`: the pod that holds the model sends it over its own line.

What stands against it, the card and the plan are worked out here, from the ledger and from the pod's own list
of sizes and hashes; of the model only its small texts come here, to be looked through. A job on the pod then
does what :class:`millhand.hub.publish.Publisher` does, and here the Hub's listing is compared with the pod's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from millhand.errors import Finding, FindingsError, MillhandError, StoppedError, UsageError
from millhand.files import write_text
from millhand.hub import inventory, sending
from millhand.hub.access import Standing
from millhand.hub.listing import LocalFile, changes
from millhand.hub.publish import Published, Publisher
from millhand.hub.scan import is_passed_over
from millhand.hub.selection import is_model_file
from millhand.pods import carried
from millhand.pods.base import Job, JobHandle, Pod
from millhand.pods.podfile import RunPodSpec, find_pod
from millhand.runs import manifest
from millhand.runs.deliver import Delivering, Parcel, Ready
from millhand.runs.finished import exported, open_ledger
from millhand.runs.follow import POLL_S, log_tail
from millhand.runs.ledger import Run
from millhand.runs.places import pod_settings
from millhand.runs.pod_ledger import open_pod_ledger
from millhand.runs.published import is_of_run
from millhand.shell import Command, Secret
from millhand.workspace import STATE, Workspace

MOST_SCANNED = 16 << 20  # a text above it is none that belongs to a model
_PROGRAM = "MILLHAND_PROGRAM"
_SETTINGS = ("HF_ENDPOINT", "HF_HOME", "HF_HUB_DISABLE_XET", "HF_XET_HIGH_PERFORMANCE")


@dataclass(frozen=True, slots=True)
class FileThere(LocalFile):
    """A file that lies on a pod, as the pod describes it."""

    blob_id_there: str = ""

    @property
    def blob_id(self) -> str:
        """Git's SHA-1 of it as a blob; empty for what is too large to be one."""
        return self.blob_id_there

    @property
    def unchanged(self) -> bool:
        """The pod itself looks before it commits."""
        return True


@dataclass(frozen=True, slots=True)
class ParcelThere(Parcel):
    """A parcel of which ``names`` lie in ``folder`` of the pod's workspace; the rest lies here."""

    folder: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PublisherThere(Publisher):
    """A publisher whose files are sent by the pod. What it asks the Hub itself is small."""

    workspace: Workspace
    pod: Pod
    run: str

    def publish(
        self, standing: Standing, files: Sequence[LocalFile], *, card: str | None = None
    ) -> Published:
        """Have the pod bring the files there, then look at what is there.

        Raises:
            FindingsError: The Hub refuses, or has other bytes than lie on the pod.
            StoppedError: Ctrl-C ended the following; the pod goes on.
            MillhandError: The job broke off; the same call goes on.
        """
        handle = self.pod.attach(self.job)
        if handle.status().alive:  # of an earlier client; what it does not publish, the next one does
            self.hub.say(f"{self.pod.name} is sending already; following it.")
            self._follow(handle)
        plan = f"{STATE}/runs/{self.run}/{self.job}.json"
        write_text(self.workspace.root / plan, json.dumps(self._plan(standing, files)))
        self.pod.put([plan])
        self.hub.say(f"{self.pod.name} sends to {self.target.id}.")
        handle = self.pod.start(Job(self.job, self._command(plan)))
        self._follow(handle)
        answer = self._answer(handle)
        self._verify(files, answer["commit"])
        facts = (answer["commit"], tuple(files), int(answer["sent"]), bool(answer["again"]))
        return Published(self.target, self.url, *facts, removed=tuple(answer["removed"]))

    @property
    def job(self) -> str:
        """The job that sends to this target: one at a time."""
        mark = hashlib.sha256(self.target.step.encode()).hexdigest()[:8]
        return f"push-{self.run}-{mark}"

    def _plan(self, standing: Standing, files: Iterable[LocalFile]) -> dict[str, Any]:
        found = changes(files, standing.files, self.stale)
        stale = [change.path for change in found if change.state == "removed"]
        planned = [_planned(file) for file in files]
        return {"target": asdict(self.target), "stale": stale, "card": standing.card, "files": planned}

    def _command(self, plan: str) -> Command:
        settings = pod_settings(self.workspace, self.pod)
        env: dict[str, str | Secret] = {name: settings[name] for name in _SETTINGS if settings.get(name)}
        env |= {"HF_HUB_OFFLINE": "0", _PROGRAM: carried.packed(sending.MODULES, sending.ENTRY)}
        if self.hub.token is not None:
            env["HF_TOKEN"] = self.hub.token
        return Command((*carried.boot_argv(_PROGRAM, self.pod.python, alone=False), plan), env)

    def _follow(self, handle: JobHandle) -> None:
        """Wait for the job's end; a person hears its notes."""
        offset = 0
        try:
            while True:
                alive = handle.status().alive  # asked before reading, so that the last lines are not missed
                lines, _, _rest = handle.log(offset).rpartition(b"\n")
                offset += len(lines) + 1 if lines else 0
                for line in lines.decode("utf-8", errors="replace").splitlines():
                    if not line.startswith("{"):
                        self.hub.say(f"{self.pod.name}: {line}")
                if not alive:
                    return
                time.sleep(POLL_S)
        except KeyboardInterrupt:
            mend = "The same command follows it again."
            raise StoppedError(
                f"Nobody follows it now; {self.pod.name} goes on sending.", mend=mend
            ) from None

    def _answer(self, handle: JobHandle) -> dict[str, Any]:
        lines = handle.log_tail().decode("utf-8", errors="replace").splitlines()
        last = lines[-1] if lines and lines[-1].startswith("{") else ""
        answer: dict[str, Any] = json.loads(last) if last else {}
        if "error" in answer:
            _fail(answer)
        if handle.status().exit_code != 0 or "commit" not in answer:
            mend = "The same command goes on: what has arrived is not sent twice."
            text = f"{self.pod.name} broke off sending. The last that it printed:\n{log_tail(handle)}"
            raise MillhandError(text, mend=mend)
        return answer


@dataclass(frozen=True, slots=True)
class DeliveringThere(Delivering):
    """One call of `millhand push model --pod`."""

    pod: Pod = field(kw_only=True)

    def model(self, run: Run, *, adapter: bool = False) -> Parcel:
        """What a finished run made, as it lies on the pod.

        Raises:
            UsageError: There is none there, or another one.
            FindingsError: Something stands against publishing it.
        """
        self.pod.claim(run.name)
        folder = run.output_dir if adapter else self._merged(run)
        with TemporaryDirectory() as made:
            mirror = Path(made)
            self._mirror(folder, mirror)
            self._check_run(run, mirror, folder, adapter=adapter)
            own = mirror / manifest.FILE_NAME  # it goes from here, as others may see it
            names = {path.name for path in mirror.iterdir() if is_model_file(path.name)} - {own.name}
            if not own.is_file():  # of an adapter it is written where the run was verified
                shutil.copyfile(self.workspace.root / run.output_dir / own.name, own)
            parcel = self.model_in(mirror, run, f"{folder} on {self.pod.name}", merged=not adapter)
        return ParcelThere(**_fields(parcel), folder=folder, names=tuple(sorted(names)))

    def ready(self, parcel: Parcel, *, ask_storage: bool = False) -> Ready:
        """Look at the Hub and at the pod, write the card, and tell what would be done."""
        if not isinstance(parcel, ParcelThere) or parcel.run is None:
            raise TypeError("a parcel of a pod is needed")
        publisher = PublisherThere(
            self.hub, self.target, parcel.stale, self.workspace, self.pod, parcel.run.name
        )
        standing = publisher.look()
        self.hub.say(f"{self.pod.name} hashes {parcel.folder}.")
        files = [*self._described(parcel), *_beside(parcel), self.card(parcel.facts, standing)]
        publisher.check_history(standing, files)
        found = publisher.changes(standing, files)
        stored = publisher.stored(standing, found) if ask_storage else set[str]()
        return Ready(parcel, publisher, standing, tuple(files), tuple(found), frozenset(stored))

    def release(self, parcel: Parcel) -> object:
        """Give back a pod that was rented for the run: what lies there was seen on the Hub.

        Not where a merged model lies there still and it was the adapter that went.
        """
        if isinstance(parcel, ParcelThere) and parcel.run is not None:
            mark = exported(self.pod, open_ledger(self.workspace), parcel.run)
            if mark is not None and mark.facts["folder"] != parcel.folder:
                return f"{self.pod.name} stays: {mark.facts['folder']} lies there and was not sent."
        return self.pod.release()

    def _merged(self, run: Run) -> str:
        mark = exported(self.pod, open_ledger(self.workspace), run)
        if mark is None:
            mend = f"millhand export {run.project} --run {run.name} --pod {self.pod.name} --there"
            raise UsageError(
                f"Of run {run.name} there is no merged model on {self.pod.name}.",
                mend=f"Make it there: `{mend}`; or send what is here, without --pod.",
            )
        return str(mark.facts["folder"])

    def _mirror(self, folder: str, mirror: Path) -> None:
        """Lay the folder down here: its texts as they are, of all else only the names."""
        for item in self._inventory(folder):
            scanned = is_model_file(item["path"]) and not is_passed_over(item["path"])
            if scanned and item["size"] > MOST_SCANNED:
                raise FindingsError([_too_large(folder, item)], message="Nothing was sent.")
            data = self.pod.read(f"{folder}/{item['path']}") if scanned else b""
            (mirror / item["path"]).write_bytes(data)

    def _check_run(self, run: Run, mirror: Path, folder: str, *, adapter: bool) -> None:
        """See that it is this run's: by its manifest, an adapter by the weights that came home."""
        home = self.workspace.root / run.output_dir
        if adapter:
            weights = sorted(path.name for path in home.glob("*.safetensors"))
            there = {item["path"]: item["sha256"] for item in self._inventory(folder, *weights)}
            sha256 = open_ledger(self.workspace).sha256
            same = bool(weights) and all(there.get(name) == sha256(home / name) for name in weights)
        else:
            same = is_of_run(mirror, run)
        if not same:
            mend = "Send what is here, without --pod; or train or export there again."
            raise UsageError(f"{folder} on {self.pod.name} is not what run {run.name} made.", mend=mend)

    def _described(self, parcel: ParcelThere) -> list[LocalFile]:
        return [
            FileThere(
                item["path"],
                item["size"],
                item["sha256"],
                Path(parcel.folder) / item["path"],
                item["mtime_ns"],
                item["blob_id"],
            )
            for item in self._inventory(parcel.folder, *parcel.names)
        ]

    def _inventory(self, folder: str, *names: str) -> list[dict[str, Any]]:
        script = Path(inventory.__file__).read_bytes()
        command = Command((self.pod.python, "-I", "-S", "-", folder, *names))
        mend = "Repeat the command; it changes nothing before it has seen all files."
        with self.pod.present():
            found: list[dict[str, Any]] = json.loads(
                self.pod.run(command, stdin=script).check(mend=mend).stdout
            )
        return found


def check_pod_is_up(workspace: Workspace, name: str) -> None:
    """See that the pod which is to send is there: a push rents none.

    Raises:
        UsageError: It is not rented.
    """
    pod_file = find_pod(workspace, name)
    if not isinstance(pod_file.spec, RunPodSpec):
        return
    alive = open_pod_ledger(workspace).entries(alive=True)
    if not any(entry.pod_file == pod_file.name and entry.state != "stopped" for entry in alive):
        rent_none(pod_file.name)


def rent_none(name: str, run: str = "") -> NoReturn:
    """Refuse to rent or start a pod for a push, also where one of another run is up.

    Raises:
        UsageError: Always.
    """
    mend = f"`millhand up {name}` first; what lies on a network volume is there again then."
    if run:
        again = f"`millhand export PROJECT --run {run} --pod {name} --there`"
        mend += f" A stopped pod of run {run} is started again by {again}."
    raise UsageError(f"No pod of {name} is up for it, and a push rents none and starts none.", mend=mend)


def _beside(parcel: ParcelThere) -> list[LocalFile]:
    """What lies here and goes with it, as bytes: licences, pictures of the loss."""
    found = []
    for name, path in sorted(parcel.paths.items()):
        if name not in parcel.names:
            data = path.read_bytes()
            found.append(LocalFile(name, len(data), hashlib.sha256(data).hexdigest(), data))
    return found


def _planned(file: LocalFile) -> dict[str, Any]:
    facts = {"path": file.path, "size": file.size, "sha256": file.sha256}
    if isinstance(file.source, bytes):
        return {**facts, "data": base64.b64encode(file.source).decode("ascii")}
    return {**facts, "source": file.source.as_posix(), "mtime_ns": file.mtime_ns}


def _fields(parcel: Parcel) -> dict[str, Any]:
    return {name: getattr(parcel, name) for name in ("facts", "paths", "stale", "notes", "run")}


def _fail(answer: Mapping[str, Any]) -> NoReturn:
    findings = [Finding(**item) for item in answer["findings"]]
    if findings:
        raise FindingsError(findings, message=answer["error"])
    raise MillhandError(answer["error"], mend=answer["mend"])


def _too_large(folder: str, item: Mapping[str, Any]) -> Finding:
    return Finding(
        id="hub.too-large",
        severity="error",
        file=f"{folder}/{item['path']}",
        message=f"It is a text of {item['size']:,} bytes.",
        why="Texts are looked through for keys and personal data here; none of a model's is so large.",
        mend="Take it away, or bring the model home and push it from there.",
    )
