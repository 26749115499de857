"""What a run will need, said before a GPU is rented for it; where it cannot fit or end in time, none is."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Literal

from millhand.errors import FindingsError, UsageError
from millhand.pods.podfile import PodFile, RunPodSpec, find_pod
from millhand.runs.finished import open_ledger
from millhand.runs.forecast import forecast
from millhand.training.estimate.plan import Forecast, Prospect
from millhand.training.project import Project
from millhand.workspace import Workspace


def foresee(
    workspace: Workspace,
    project: Project,
    pod: str,
    say: Callable[[str], None],
    *,
    run: str = "",
    anyway: bool = False,
) -> float | None:
    """Say what the project's training needs on the first GPU of a pod file, and estimate its price.

    Where nothing can be estimated (a model that is not known here, a stage that is not covered), that is said
    and nothing is refused.

    Args:
        run: The run that it is for. Of one that began less is left than is estimated: no lease refuses it.
        anyway: Refuse nothing.

    Returns:
        Dollars, the middle of the estimate; None without one.

    Raises:
        UsageError: The training does not fit any GPU of the pod file, or outlasts the lease on each.
    """
    try:
        found = forecast(workspace, project, [pod], offline=True)
    except (UsageError, FindingsError) as error:
        say(f"No estimate of memory and price: {str(error).splitlines()[0]}")
        return None
    first, pod_file = found.prospects[0], find_pod(workspace, pod)
    if not anyway and all(prospect.verdict == "no" for prospect in found.prospects):
        raise UsageError(
            f"Nothing is rented: {project.name} does not fit. {_told(first)}{_sure(found)}.",
            mend=f"`millhand plan {project.name} --pod {shlex.quote(pod)}` names what makes it fit; "
            f"{_anyway(project, pod)} rents.",
        )
    begun = any(mark.name == "train" for mark in open_ledger(workspace).steps(run))
    late = _outlasts(pod_file, found)
    if late == "surely" and not (anyway or begun):
        raise _too_long(workspace, project, pod_file, found)
    say(f"{_told(first)}{_sure(found)}{'; what is done already is in it' if begun else ''}.")
    if late:
        say(f"{'It will' if late == 'surely' else 'It may'} outlast its lease: {_limits(pod_file)}.")
    return sum(first.price_usd) / 2 if first.price_usd else None


def _told(prospect: Prospect) -> str:
    gpu, hours = prospect.offer.gpu, [seconds / 3600 for seconds in prospect.time_s]
    needs = f"about {prospect.peak.total / 1e9:.1f} of {gpu.memory_gb:g} GB on {gpu.name}"
    takes = f", {hours[0]:.1f} to {hours[1]:.1f} h" if prospect.work.steps else ""
    costs = prospect.price_usd
    return f"It needs {needs}{takes}" + (f", ${costs[0]:.2f} to ${costs[1]:.2f}" if costs else "")


def _sure(found: Forecast) -> str:
    return "" if found.calibration.measured else " (an estimate that no GPU has calibrated)"


def _anyway(project: Project, pod: str) -> str:
    return f"`millhand train {project.name} --pod {shlex.quote(pod)} --anyway`"


# --- the lease


def _fastest(found: Forecast) -> Prospect:
    """On the GPU that is done first, of those that it fits; the pod's top price is the same for all."""
    usable = [one for one in found.prospects if one.verdict != "no"]
    return min(usable or found.prospects, key=lambda one: one.time_s.low)


def _outlasts(pod_file: PodFile, found: Forecast) -> Literal["", "maybe", "surely"]:
    """Whether the lease is over before the training is.

    Surely: by the least of a wide estimate, on the fastest GPU, of GPUs and rows that are all known.
    """
    spec, best = pod_file.spec, _fastest(found)
    if not isinstance(spec, RunPodSpec) or best.price_usd is None:
        return ""
    hours, usd, price = spec.lease.hours, spec.lease.spend_usd, best.price_usd
    if best.time_s.high <= hours * 3600 and price.high <= usd:
        return ""
    known = best.work.known and len(found.prospects) == len(spec.gpus)
    too_long = best.time_s.low > hours * 3600 or price.low > usd
    return "surely" if known and too_long else "maybe"


def _too_long(workspace: Workspace, project: Project, pod_file: PodFile, found: Forecast) -> UsageError:
    best = _fastest(found)
    usd = best.price_usd.low if best.price_usd else 0.0
    file = workspace.relative(pod_file.path) if pod_file.path else pod_file.name
    least = f"{best.time_s.low / 3600:.1f} h, ${usd:.2f} at the pod's top price"
    then = f"; then `millhand resume {project.name}` goes on" if _keeps(pod_file) else ""
    return UsageError(
        f"Nothing is rented: {project.name} outlasts its lease. On {best.offer.gpu.name} it takes at least "
        f"{least}{_sure(found)}; {_limits(pod_file)}.",
        mend=f"Raise `lease:` in {file}; or rent all the same: {_anyway(project, pod_file.name)}{then}.",
    )


def _limits(pod_file: PodFile) -> str:
    """``the pod ends after 8 h or at $5.00, and what was saved by then is kept``."""
    if not isinstance(pod_file.spec, RunPodSpec):
        return ""
    lease = pod_file.spec.lease
    left = "what was saved by then is kept" if _keeps(pod_file) else "all that was made is lost with it"
    return f"the pod ends after {lease.hours:g} h or at ${lease.spend_usd:.2f}, and {left}"


def _keeps(pod_file: PodFile) -> bool:
    return isinstance(pod_file.spec, RunPodSpec) and not pod_file.spec.allow_loss
