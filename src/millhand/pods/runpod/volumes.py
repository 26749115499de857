"""Network volumes: found by the pod file's name, or made where the person agreed to its price."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from millhand.pods.podfile import Volume
from millhand.pods.runpod.candidates import VOLUME_USD_GB_MONTH, Candidate
from millhand.pods.runpod.client import RunPod
from millhand.pods.runpod.errors import ApiError, CandidateRefusedError, NotAllowedError, OutcomeUnknownError
from millhand.pods.runpod.models import NetworkVolume

_LOOK_AFTER_S = (2.0, 5.0, 10.0)


def found_volumes(account: RunPod, volume: Volume) -> list[NetworkVolume]:
    """The account's volumes of that name; names need not be unique."""
    return [there for there in account.volumes() if there.name == volume.name]


def monthly_usd(size_gb: int) -> float:
    """What a network volume costs a month, rented or not."""
    return size_gb * VOLUME_USD_GB_MONTH


def make_volume(
    account: RunPod, volume: Volume, candidates: Iterable[Candidate], say: Callable[[str], None]
) -> NetworkVolume:
    """Make the volume in the data centre of the best candidate that has room for it.

    Raises:
        NotAllowedError: The key may make none.
        ApiError: None has, or the API refuses.
    """
    refused: ApiError | None = None
    reason = "no data centre with network volumes has a GPU of the pod file free"
    for center in dict.fromkeys(c.data_center for c in candidates if c.data_center):
        say(f"Making the network volume {volume.name}, {volume.size_gb} GB, in {center}.")
        try:
            return _create(account, volume, center)
        except CandidateRefusedError as error:
            refused, reason = error, error.message
    if isinstance(refused, NotAllowedError):
        raise refused
    mend = "Set data_centers in the pod file, or wait; `millhand up POD --dry-run` shows what is free."
    raise ApiError(f"The network volume {volume.name} cannot be made: {reason}", mend=mend)


def _create(account: RunPod, volume: Volume, center: str) -> NetworkVolume:
    try:
        return account.create_volume(volume.name, volume.size_gb, center)
    except OutcomeUnknownError:
        for wait_s in _LOOK_AFTER_S:
            account.waits.sleep(wait_s)
            found = [v for v in found_volumes(account, volume) if v.data_center == center]
            if found:
                return found[0]
        raise
