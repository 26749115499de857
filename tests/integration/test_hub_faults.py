"""Every fault at every stage of a push, with the real client: in the end all is there, and came once."""

from __future__ import annotations

import traceback

import pytest

from millhand.errors import MillhandError
from millhand.files import sha256_file
from tests.hub_fake import FakeHub
from tests.hub_fake.fixtures import (
    CLIENTS_OWN,
    ID,
    PART,
    Line,
    assert_no_commit_lacks_a_file,
    contents,
    hub,
    line,
    waits,
)

pytestmark = pytest.mark.filterwarnings(CLIENTS_OWN)
__all__ = ["hub", "line", "waits"]

# Every stage, each way to fail, once: the same call goes through it.
STAGES = ("whoami", "info", "create", "refs", "tree", "preupload", "batch", "put", "part", "complete",
          "verify", "validate", "commit", "branch", "tag", "settings", "access")  # fmt: skip
HOWS = ("answer", "answer-after", "cut", "cut-after")


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_fault_that_passes_is_survived_by_the_same_call(
    line: Line, hub: FakeHub, stage: str, how: str
) -> None:
    if stage == "access":
        hub.make(ID)
    fault = hub.order(stage, how=how, status=503)
    line.push(branch="v2", tag="v2.0", public=True)
    repo = hub.repo(ID)
    assert fault.times == 0
    assert contents(repo, "v2") == contents(repo, "v2.0") == line.wanted()
    assert not repo.private
    assert_no_commit_lacks_a_file(repo, set(line.wanted()))
    assert len(repo.commits) == 2
    again = (
        PART if (stage, how) in (("part", "answer"), ("part", "answer-after"), ("part", "cut-after")) else 0
    )
    assert_received(line, hub, again)


REFUSED = {"how": "answer", "status": 403, "message": "Forbidden: you must use a write token"}
# What takes effect though its answer is always lost is found to be there: the call ends well.
EFFECTS = ("create", "put", "complete", "verify", "commit", "branch", "tag", "settings")


# For good: the call ends with an error, and the same call later goes on.
@pytest.mark.parametrize("how", [*HOWS, "refuse"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_fault_that_stays_ends_the_call_and_the_next_one_goes_on(
    line: Line, hub: FakeHub, stage: str, how: str
) -> None:
    if stage in ("access", "info"):
        hub.make(ID)
    given = REFUSED if how == "refuse" else {"how": how, "status": 500}
    fault = hub.order(stage, times=1000, **given)
    shown = failed(line)
    assert shown or stage == "verify" or (stage in EFFECTS and how.endswith("-after")), "nothing went wrong"
    assert len(hub.repo(ID).commits) <= 2 if hub.find("model", ID) else True
    fault.times = 0
    goes_on(line, hub, shown)
    # What is never completed, the server does not have; of parts it cannot be asked.
    assert_received(line, hub, 10 * PART if stage in ("part", "verify", "complete") else 0)


@pytest.mark.parametrize(("stage", "after_bytes"), [("put", 70_000), ("part", 0), ("part", PART // 2)])
def test_an_upload_that_is_cut_in_the_middle_goes_on_with_the_files_that_have_not_arrived(
    line: Line, hub: FakeHub, stage: str, after_bytes: int
) -> None:
    fault = hub.order(stage, how="cut-midway", after_bytes=after_bytes, times=1000, skip=stage == "part")
    shown = failed(line)
    assert shown
    fault.times = 0
    whole = {p.name for p in hub.folder("model", ID).glob("objects/*") if len(p.name) == 64}
    before = {oid: hub.received[oid] for oid in whole}
    assert whole, "the other file should have arrived"
    goes_on(line, hub, shown)
    assert all(hub.received[oid] == count for oid, count in before.items())


def failed(line: Line) -> list[str]:
    """What a person and a traceback would be shown of a push that fails; nothing where it goes well."""
    try:
        line.push(branch="v2", tag="v2.0", public=True)
    except MillhandError as error:
        return [str(error), repr(error), repr(error.__cause__), "".join(traceback.format_exception(error))]
    return []


def goes_on(line: Line, hub: FakeHub, shown: list[str]) -> None:
    """The same push, with nothing in its way."""
    line.push(branch="v2", tag="v2.0", public=True)
    repo = hub.repo(ID)
    assert contents(repo, "v2") == contents(repo, "v2.0") == line.wanted()
    assert_no_commit_lacks_a_file(repo, set(line.wanted()))
    assert (len(repo.commits), repo.private) == (2, False)
    told = "".join([*shown, *line.said])
    assert hub.token not in told
    assert "Signature" not in told


def assert_received(line: Line, hub: FakeHub, again: int) -> None:
    """Each large file's bytes came once; at most ``again`` of a part, of which nobody can be asked, twice."""
    large = {sha256_file(path): path.stat().st_size for path in line.folder.glob("*.safetensors")}
    for oid, size in large.items():
        assert size <= hub.received[oid] <= size + again
