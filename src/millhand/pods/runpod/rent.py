"""Renting: from candidates to a pod that can be connected to, never two, never one that nobody knows of.

A pod's name is written down (:class:`Book`) before it is asked for. Whatever then happens, to the answer or
to this process, the pod is found again by that name, and asked for anew only when it is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from millhand.errors import MillhandError
from millhand.pods.lease import Terms
from millhand.pods.podfile import RunPodSpec
from millhand.pods.runpod.candidates import Candidate, put_last
from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.errors import (
    CONSOLE,
    ApiError,
    CandidateRefusedError,
    NotAllowedError,
    OutcomeUnknownError,
)
from millhand.pods.runpod.models import PodState
from millhand.pods.runpod.ready import LIMIT_S, HostUnusableError, wait_ready
from millhand.pods.runpod.request import create_body, new_name, terms_of

ASKED_AGAIN = 6
LOOK_AFTER_S = (2.0, 5.0, 10.0)
BAD_HOSTS = 3
_DEARER = 1.02  # above this the billed price is not the shown one


class NothingToRentError(ApiError):
    """No candidate could be had. The message says of each why."""


class Book(Protocol):
    """Where pods are written down."""

    def intend(self, name: str, candidate: Candidate, terms: Terms) -> None:
        """A pod of this name is about to be asked for. Durable when this returns."""

    def rented(self, name: str, pod: PodState) -> None:
        """It is there."""

    def refused(self, name: str, why: str) -> None:
        """It was refused: there is none."""

    def ending(self, name: str, why: str) -> None:
        """It is about to be ended, and must be, whatever happens now."""

    def ended(self, name: str) -> None:
        """It was ended."""


@dataclass(frozen=True, slots=True)
class Renter:
    """Rents what one pod file describes.

    Args:
        label: What stands in the pod's name: the run, or the pod file.
        workspace: The folder on the pod in which jobs will run.
        limit_s: How long a host may take to become usable.
    """

    account: RunPod
    spec: RunPodSpec
    book: Book
    label: str
    public_key: str
    say: Callable[[str], None]
    workspace: str = ""
    limit_s: float = LIMIT_S

    def rent(self, candidates: Iterable[Candidate]) -> tuple[str, PodState]:
        """Name and state of a pod that can be connected to.

        Raises:
            NothingToRentError: No candidate could be had.
            NotAllowedError: The key may have none of them.
            ApiError: The request is wrong, the balance is empty, the API does not answer, or a host that
                does not work could not be given back.
        """
        waiting, refused, bad = list(candidates), list[tuple[Candidate, MillhandError]](), 0
        while waiting and bad < BAD_HOSTS:
            candidate = waiting.pop(0)
            self.say(f"Asking for {candidate.shown} at ${candidate.usd_per_hour:.2f} an hour.")
            try:
                name, pod = self._ask(candidate)
            except CandidateRefusedError as error:
                refused.append((candidate, error))
                continue
            try:
                return name, self.bring_up(name, pod)
            except HostUnusableError as error:
                bad += 1
                refused.append((candidate, error))
                waiting = put_last([*waiting, candidate], candidate, error.data_center)
        raise _none_left(refused)

    def bring_up(self, name: str, pod: PodState) -> PodState:
        """Wait until a rented pod is usable; one that never is, or that costs too much, is ended.

        Raises:
            HostUnusableError: It was ended.
            ApiError: It could not be ended; the book has it as ending.
        """
        try:
            self._check_price(pod)
            ready = wait_ready(self.account, pod.id, limit_s=self.limit_s, say=self.say)
            self._check_price(ready)
        except HostUnusableError as error:
            self.say(f"{error.message} The pod is ended.")
            self.book.ending(name, error.message)
            self._end(name, pod)
            raise
        return ready

    def _end(self, name: str, pod: PodState) -> None:
        try:
            self.account.terminate(pod.id)
        except ApiError as error:
            # its container may never have run, and then no keeper holds its lease
            told = f"{name} is billed, and could not be ended: {error.message}"
            mend = f"Repeat the command, which ends it first, or `millhand down {name}`; else {CONSOLE}."
            raise ApiError(told, status=error.status, mend=mend) from error
        self.book.ended(name)

    def _check_price(self, pod: PodState) -> None:
        most = self.spec.max_usd_per_hour * _DEARER
        if pod.cost > most:
            message = f"RunPod bills ${pod.cost:.2f} an hour, above max_usd_per_hour {most / _DEARER:.2f}."
            raise HostUnusableError(message, pod.data_center_id)

    def _ask(self, candidate: Candidate) -> tuple[str, PodState]:
        name = new_name(self.label)
        terms = terms_of(
            self.spec,
            candidate,
            now_s=self.account.server_time_s(),
            api_url=self.account.url,
            workspace=self.workspace,
        )
        body = create_body(self.spec, candidate, name=name, public_key=self.public_key, terms=terms)
        self.book.intend(name, candidate, terms)
        try:
            pod = self._create(name, body)
        except OutcomeUnknownError:
            raise  # it stays written down as intended
        except ApiError as error:
            self.book.refused(name, error.message)
            raise
        self.book.rented(name, pod)
        return name, pod

    def _create(self, name: str, body: dict[str, object]) -> PodState:
        """Ask once; where nobody knows what became of it, look for the name before asking again."""
        for attempt in range(ASKED_AGAIN):
            try:
                pod = self.account.create_pod(body)
            except OutcomeUnknownError as error:
                self.say(f"{error.message} Looking for {name}.")
                found = self._look(name)
                if found is not None:
                    return found
                if attempt + 1 == ASKED_AGAIN:
                    raise
                continue
            return self.only(name, pod) if attempt else pod
        raise AssertionError("not reached")

    def _look(self, name: str) -> PodState | None:
        for wait_s in LOOK_AFTER_S:
            self.account.waits.sleep(wait_s)
            found = self.account.named(name)
            if found:
                return self.only(name, found[0])
        return None

    def only(self, name: str, kept: PodState) -> PodState:
        """End what else bears the name: an earlier request that took effect late."""
        for pod in self.account.named(name):
            if pod.id != kept.id and not pod.over:
                self.account.terminate(pod.id)
        return kept


_MEND = (
    "See `millhand up POD --dry-run`; add GPUs, clouds or data centres to the pod file, or try again later."
)
_NOT_ALLOWED = "Where it has both, the account may not use these GPUs: add others to the pod file."


def _none_left(refused: list[tuple[Candidate, MillhandError]]) -> ApiError:
    if not refused:
        return NothingToRentError("Nothing of what the pod file allows is on offer now.", mend=_MEND)
    reasons = "\n".join(f"  {candidate.shown}: {error.message}" for candidate, error in refused)
    told = f"Nothing could be rented:\n{reasons}"
    if all(isinstance(error, NotAllowedError) for _, error in refused):
        return NotAllowedError(told, status=403, mend=f"{NotAllowedError.mend_with} {_NOT_ALLOWED}")
    return NothingToRentError(told, mend=_MEND)
