"""What a run will need, said before a GPU is rented for it; one that cannot fit is not rented for."""

from __future__ import annotations

from collections.abc import Callable

from millhand.errors import FindingsError, UsageError
from millhand.runs.forecast import forecast
from millhand.training.estimate.plan import Prospect
from millhand.training.project import Project
from millhand.workspace import Workspace


def foresee(
    workspace: Workspace, project: Project, pod: str, say: Callable[[str], None], *, anyway: bool = False
) -> float | None:
    """Say what the project's training needs on the first GPU of a pod file, and estimate its price.

    Where nothing can be estimated (a model that is not known here, a stage that is not covered), that is said
    and nothing is refused.

    Returns:
        Dollars, the middle of the estimate; None without one.

    Raises:
        UsageError: The training does not fit any GPU of the pod file, and ``anyway`` is not said.
    """
    try:
        found = forecast(workspace, project, [pod], offline=True)
    except (UsageError, FindingsError) as error:
        say(f"No estimate of memory and price: {str(error).splitlines()[0]}")
        return None
    first = found.prospects[0]
    sure = "" if found.calibration.measured else " (an estimate that no GPU has calibrated)"
    if not anyway and all(prospect.verdict == "no" for prospect in found.prospects):
        raise UsageError(
            f"Nothing is rented: {project.name} does not fit. {_told(first)}{sure}.",
            mend=f"`millhand plan {project.name} --pod {pod}` names what makes it fit; `--anyway` rents.",
        )
    say(f"{_told(first)}{sure}.")
    return sum(first.price_usd) / 2 if first.price_usd else None


def _told(prospect: Prospect) -> str:
    gpu, hours = prospect.offer.gpu, [seconds / 3600 for seconds in prospect.time_s]
    needs = f"about {prospect.peak.total / 1e9:.1f} of {gpu.memory_gb:g} GB on {gpu.name}"
    takes = f"{hours[0]:.1f} to {hours[1]:.1f} h"
    costs = prospect.price_usd
    return f"It needs {needs}, {takes}" + (f", ${costs[0]:.2f} to ${costs[1]:.2f}" if costs else "")
