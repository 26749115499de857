"""What is said of a run whose job its pod's lease has had end."""

from __future__ import annotations

from millhand.errors import MillhandError, StoppedError
from millhand.pods.podfile import RunPodSpec, find_pod
from millhand.runs.ledger import Run
from millhand.runs.places import again
from millhand.workspace import Workspace

# The keeper's word for the limit -> what is said of it, and the field of the pod file's lease that moves it.
_LIMITS = {
    "deadline": ("its time was over", "hours"),
    "spend": ("what it may cost was spent", "spend_usd"),
}


def ended_by_lease(workspace: Workspace, run: Run, limit: str, kept: str) -> MillhandError:
    """The error of a run that was ended by its pod's lease.

    Args:
        workspace: The client's.
        run: The run.
        limit: The keeper's word for why: deadline, spend or order.
        kept: What of the run is kept, in words.
    """
    left = _left(workspace, run.pod, kept)
    if limit not in _LIMITS:
        return StoppedError(
            f"Run {run.name} was stopped, since its pod was to end; {left}.",
            mend=f"Go on with `{again(run)}`.",
        )
    why, field = _LIMITS[limit]
    file = run.pod if "/" in run.pod else f"runpod/{run.pod}.yaml"
    return MillhandError(
        f"The lease of its pod ended run {run.name}: {why}; {left}.",
        mend=f"Go on with `{again(run)}`: that has a lease of its own. If it is too short for what is left, "
        f"raise `{field}` in {file} first.",
    )


def _left(workspace: Workspace, pod: str, kept: str) -> str:
    try:
        spec = find_pod(workspace, pod).spec
    except MillhandError:  # its file is gone
        return kept
    loses = isinstance(spec, RunPodSpec) and not (spec.volume or spec.persistent_gb)
    return "what it had made is lost with the pod" if loses else kept
