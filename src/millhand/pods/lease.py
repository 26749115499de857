"""The client's side of a lease: what a pod is told of it, and what its keeper answers.

The pod's side is :mod:`millhand.pods.keeper`. A pod's container starts it at each boot
(:func:`boot_argv` with :func:`boot_env`), and a client once more when it connects (:meth:`PodLease.arm`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from millhand.errors import MillhandError
from millhand.pods import carried
from millhand.pods.base import Pod
from millhand.pods.bundle import boot_argv as stdin_boot_argv
from millhand.pods.bundle import bundle
from millhand.shell import Command, Secret

MODULES = (
    "millhand.pods.job_processes",
    "millhand.pods.keeper_terms",
    "millhand.pods.keeper_look",
    "millhand.pods.keeper_api",
    "millhand.pods.keeper_rules",
    "millhand.pods.keeper",
)
ENTRY = "sys.exit(millhand.pods.keeper.main())"
_PROGRAM = "MILLHAND_KEEPER"
_ANSWER_S = 60.0
_SHOWN = 200


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a pod's lease says; the fields are those of MILLHAND_LEASE (:mod:`millhand.pods.keeper`)."""

    hours: float
    deadline_epoch_s: float | None = None
    spend_usd: float | None = None
    usd_per_hour: float = 0.0
    idle_minutes: float | None = None
    end_action: Literal["stop", "terminate"] = "terminate"
    storage: Literal["network", "persistent", "container"] = "container"
    api_url: str = "https://api.runpod.io/v2"
    volume: str = "/workspace"
    jobs: str = "/workspace/.millhand/jobs"
    grace_s: float = 180.0
    revive_minutes: float = 15.0


class LeaseState(msgspec.Struct, frozen=True, kw_only=True):
    """How a pod's lease stands, by its keeper. ``armed`` is what a run needs before it starts.

    ``alive``: a keeper runs. ``limit`` is the rule that comes first (deadline, spend, order), ``left_s``
    seconds from now as of ``heartbeat_s``. ``why`` says why the pod is ending or has ended (idle as well),
    ``fault`` what the API last answered to that. ``boots`` counts starts of the container and
    ``restarts`` has their times; ``keepers`` counts those that held the lease, ``pid`` is the last one's.
    ``undelivered`` are jobs whose results would be lost with the pod.
    Times are seconds since the epoch by the pod's clock.
    """

    pod: str = ""
    pid: int | None = None
    alive: bool = False
    armed: bool = False
    can_end: bool = False
    phase: Literal["", "held", "ending", "ended"] = ""
    why: str = ""
    action: str = ""
    fault: str = ""
    limit: str = ""
    left_s: float | None = None
    held_s: float = 0.0
    spent_usd: float = 0.0
    boots: int = 0
    keepers: int = 0
    restarts: tuple[float, ...] = ()
    active: tuple[str, ...] = ()
    safe: bool = False
    undelivered: tuple[str, ...] = ()
    armed_s: float | None = None
    heartbeat_s: float | None = None
    last_active_s: float | None = None
    now_s: float | None = None
    clock_offset_s: float | None = None
    revived: bool = False


def boot_argv(python: str = "python3") -> tuple[str, ...]:
    """The container's command for the keeper, to be put in the background of what the image starts."""
    return (*carried.boot_argv(_PROGRAM, python), "hold")


def boot_env(terms: Terms) -> dict[str, str]:
    """The container's environment for :func:`boot_argv`: the keeper's program and the lease. No secret."""
    return {_PROGRAM: carried.packed(MODULES, ENTRY), "MILLHAND_LEASE": lease_text(terms)}


def lease_text(terms: Terms) -> str:
    """The lease as JSON."""
    return msgspec.json.encode(terms).decode("utf-8")


class PodLease:
    """The lease of one pod, asked over the pod's own connection.

    Args:
        pod: How the pod is reached.
        pod_id: RunPod's id of it.
        terms: The lease that it was started with; later orders are the keeper's to remember.
        key: The key that may end the pod, for a pod that has none in its own environment.
        python: Any Python >= 3.8 there; the training environment's may not be there yet.
    """

    def __init__(
        self, pod: Pod, pod_id: str, terms: Terms, *, key: Secret | None = None, python: str = "python3"
    ) -> None:
        self._pod, self._python = pod, python
        self._env: dict[str, str | Secret] = {"MILLHAND_LEASE": lease_text(terms), "RUNPOD_POD_ID": pod_id}
        if key is not None:
            self._env["RUNPOD_API_KEY"] = key

    def arm(self) -> LeaseState:
        """Have a keeper hold the lease, the one that runs already or a new one.

        Raises:
            MillhandError: The lease is not enforced on the pod; nothing should start there.
        """
        state = self._asked("hold", "--detach")
        if not state.armed:
            raise MillhandError(f"The lease cannot be armed on the pod: {_why_not(state)}.", mend=_MEND)
        return state

    def state(self) -> LeaseState:
        """How the lease stands."""
        return self._asked("status")

    def extend(self, *, hours: float | None = None, spend_usd: float | None = None) -> LeaseState:
        """Set a new end, ``hours`` from now, and a new limit of what the pod may cost in all.

        Raises:
            MillhandError: No keeper took it.
        """
        asked = {"hours": hours, "spend_usd": spend_usd}
        return self.order({name: value for name, value in asked.items() if value is not None})

    def end(self) -> LeaseState:
        """Have the pod ended now; running jobs save first.

        Raises:
            MillhandError: No keeper took it.
        """
        return self.order({"end": True})

    def order(self, changes: dict[str, float | str | bool]) -> LeaseState:
        """Change the lease (:mod:`millhand.pods.keeper` has the fields of an order).

        Raises:
            MillhandError: No keeper took it.
        """
        return self._asked("order", msgspec.json.encode(changes).decode("utf-8"))

    def beat(self) -> None:
        """Say that a client is at work: idle counting starts again."""
        self._run("beat")

    def delivered(self, job: str = "") -> None:
        """Say that what a job made is verified elsewhere, so that nothing is lost with the pod.

        Raises:
            MillhandError: There is no such job.
        """
        self._run("delivered", *([job] if job else []))

    def _asked(self, *words: str) -> LeaseState:
        said = self._run(*words)
        try:
            return msgspec.json.decode(said, type=LeaseState)
        except msgspec.DecodeError as error:
            raise MillhandError(
                f"The pod's keeper did not answer with the state of a lease, but {said[:_SHOWN]!r}.",
                mend=_MEND,
            ) from error

    def _run(self, *words: str) -> str:
        command = Command((*stdin_boot_argv(self._python), *words), env=self._env)
        result = self._pod.run(command, stdin=bundle(MODULES, ENTRY), timeout_s=_ANSWER_S)
        if result.code != 0:
            said = (result.stderr or result.stdout).strip().splitlines()
            raise MillhandError(f"The pod's keeper: {said[-1] if said else f'exit code {result.code}'}.")
        return result.stdout


_MEND = "Nothing was started. `millhand down` ends the pod; look for it with `millhand pods`."


def _why_not(state: LeaseState) -> str:
    if not state.alive:
        return "its keeper did not come up"
    if not state.can_end:
        return "the pod has no key of its own (RUNPOD_API_KEY) with which to end itself"
    return f"it is {state.phase} ({state.why})"
