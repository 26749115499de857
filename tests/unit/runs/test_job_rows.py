"""The jobs of a pod file's pods: each pod is asked, and each job is told as its own pod sees it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from millhand.errors import MillhandError
from millhand.pods.base import JobStatus
from millhand.runs.finished import open_ledger
from millhand.runs.job_rows import Jobs, jobs_of
from millhand.runs.ledger import Run
from millhand.runs.pod_ledger import PodEntry
from millhand.workspace import Workspace
from tests.conftest import Millhand
from tests.runpod_fake.fixtures import Rent, account, fake, pod_file, rent, url

__all__ = ["account", "fake", "pod_file", "rent", "url"]
RUNNING, LOST = JobStatus("running", step=4, total_steps=9), JobStatus("lost", faults=("job.restarted",))


class Pod:
    """A rented pod that knows jobs, or does not answer."""

    def __init__(self, jobs: dict[str, JobStatus] | None) -> None:
        self.known, self.closed = jobs, 0

    def jobs(self) -> list[str]:
        if self.known is None:
            raise MillhandError("It does not answer.")
        return list(self.known)

    def attach(self, name: str) -> Any:
        status = (self.known or {})[name]

        class Handle:
            def status(self) -> JobStatus:
                return status

        return Handle()

    def close(self) -> None:
        self.closed += 1


class Place:
    """What is rented of l4, for the runs ``qa-1`` and ``qa-2`` or for none, and what it answers."""

    def __init__(self, workspace: Workspace, rent: Rent, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workspace, self._rent = workspace, rent
        self.pods: dict[str, Pod] = {}
        monkeypatch.setattr("millhand.runs.rented_there.there", self._there)
        for name in ("qa-1", "qa-2"):
            run = Run(name, "qa", "c", "f", "l4", f"outputs/{name}", 1.0, {"config": {}})
            open_ledger(workspace).add(run)

    def has(self, run: str, jobs: dict[str, JobStatus] | None, **changes: str) -> str:
        name = self._rent(run, **changes).name
        self.pods[name] = Pod(jobs)
        return name

    def _there(self, workspace: Workspace, pod_file: object, entry: PodEntry, say: object) -> Pod:
        return self.pods[entry.name]

    def asked(self) -> Jobs:
        found = jobs_of(self.workspace, "l4", [].append)
        assert all(pod.closed == 1 for pod in self.pods.values())
        return found


@pytest.fixture
def place(workspace: Workspace, rent: Rent, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(workspace, rent, monkeypatch)


@pytest.mark.parametrize("upside_down", [False, True])
def test_a_job_is_told_as_the_pod_sees_it_on_which_it_runs(place: Place, upside_down: bool) -> None:
    views = [{"train-qa-1": RUNNING, "train-qa-2": LOST}, {"train-qa-1": LOST, "train-qa-2": RUNNING}]
    first, second = ("qa-1", "qa-2") if not upside_down else ("qa-2", "qa-1")
    names = {run: place.has(run, views[run == "qa-2"]) for run in (first, second)}
    rows = {row.run: row for row in place.asked().rows}
    assert {run: (row.rented, row.phase, row.step) for run, row in rows.items()} == {
        run: (names[run], "running", 4) for run in names
    }


def test_a_job_of_a_pod_that_does_not_answer_is_unknown_and_not_lost(place: Place) -> None:
    over = JobStatus("exited", exit_code=0)
    place.has("qa-1", {"train-qa-1": over, "train-qa-2": LOST})
    silent = place.has("qa-2", None)
    found = place.asked()
    assert [(row.run, row.phase, row.faults) for row in found.rows] == [
        ("qa-1", "exited", ()),
        ("qa-2", "unknown", ()),
    ]
    assert list(found.missed) == [silent]


def test_a_job_that_was_lost_is_told_as_its_runs_own_pod_saw_it(place: Place) -> None:
    killed = JobStatus("lost", faults=("job.oom",))
    own = place.has("qa-1", {"train-qa-1": killed})
    place.has("", {"train-qa-1": LOST})
    (row,) = place.asked().rows
    assert (row.rented, row.phase, row.faults) == (own, "lost", ("job.oom",))


def test_pods_with_disks_of_their_own_have_jobs_of_their_own(place: Place) -> None:
    names = [
        place.has(run, {"doctor": status}, volume="persistent_gb: 20")
        for run, status in (("qa-1", LOST), ("qa-2", RUNNING))
    ]
    assert [(row.rented, row.phase) for row in place.asked().rows] == [
        (names[0], "lost"),
        (names[1], "running"),
    ]


def test_a_pod_that_is_ending_is_not_asked(place: Place, workspace: Workspace) -> None:
    from millhand.runs.pod_ledger import open_pod_ledger

    name = place.has("qa-1", None)
    open_pod_ledger(workspace).set(name, state="ending")
    place.has("qa-2", {"train-qa-2": RUNNING})
    found = jobs_of(workspace, "l4", [].append)
    assert ([row.run for row in found.rows], found.missed) == (["qa-2"], {})


def test_ps_says_which_pod_each_job_is_on_and_which_could_not_be_asked(
    place: Place, millhand: Millhand
) -> None:
    on = place.has("qa-1", {"train-qa-1": RUNNING})
    assert "l4" in millhand("ps").stdout
    assert on not in millhand("ps").stdout
    other = place.has("qa-2", {"train-qa-2": RUNNING})
    shown = millhand("ps", "--pod", "l4")
    assert (shown.exit_code, on in shown.stdout, other in shown.stdout) == (0, True, True)
    place.pods[other].known = None
    shown = millhand("ps", "--json")
    assert (shown.exit_code, f"{other}: It does not answer." in shown.stderr) == (1, True)
    assert [(row["run"], row["pod"], row["rented"]) for row in json.loads(shown.stdout)] == [
        ("qa-1", "l4", on)
    ]
    place.pods[on].known = None
    shown = millhand("ps", "--pod", "l4")
    assert (shown.exit_code, on in shown.stderr, other in shown.stderr) == (1, True, True)
