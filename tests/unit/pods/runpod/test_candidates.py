"""Candidates, names and terms: pure values of the pod file and the catalogue; and the workspace's key."""

from __future__ import annotations

import subprocess

from hypothesis import given
from hypothesis import strategies as st

from millhand.pods.runpod.candidates import Candidate, offer, put_last
from millhand.pods.runpod.keys import workspace_key
from millhand.pods.runpod.models import CenterStock, GpuType, MaxCount, Prices
from millhand.pods.runpod.request import new_name, terms_of
from millhand.workspace import Workspace
from tests.unit.pods.runpod.wishes import SPEC, spec


def test_a_bad_hosts_place_goes_to_the_end() -> None:
    made = [Candidate("L4", "SECURE", center, 1.0, "LOW") for center in ("A", "B", None)]
    assert [c.data_center for c in put_last(made, made[0], "A")] == ["B", None, "A"]
    assert [c.data_center for c in put_last(made, made[2], "B")] == ["A", "B", None]


LEVELS = st.sampled_from(["NONE", "LOW", "MEDIUM", "HIGH"])
STOCK = st.dictionaries(st.sampled_from(["A", "B", "C"]), LEVELS)
KINDS = st.lists(
    st.builds(
        lambda name, price, stock: GpuType(
            id=name,
            price=Prices(secure=price, community=price / 2),
            max_count=MaxCount(secure=8, community=8),
            availability=max(stock.values(), key=["NONE", "LOW", "MEDIUM", "HIGH"].index, default="NONE"),
            data_centers=tuple(CenterStock(id=c, availability=level) for c, level in stock.items()),
        ),
        st.sampled_from(SPEC["gpus"]),
        st.floats(0, 2),
        STOCK,
    ),
    max_size=4,
    unique_by=lambda kind: kind.id,
)


@given(KINDS, KINDS, st.lists(st.sampled_from(["A", "B", "C"]), unique=True), st.none() | st.just({"A"}))
def test_whatever_the_catalogue_says_no_candidate_breaks_the_pod_file(
    secure: list[GpuType], community: list[GpuType], wanted: list[str], centers: set[str] | None
) -> None:
    wish = spec(data_centers=wanted)
    found = offer(wish, {"secure": secure, "community": community}, centers, [])
    ranks = []
    for c in found.candidates:
        kind = next(k for k in (secure if c.cloud == "SECURE" else community) if k.id == c.gpu)
        stock = {center.id: center.availability for center in kind.data_centers}
        assert c.usd_per_hour <= wish.max_usd_per_hour
        assert c.stock != "NONE"
        if c.data_center is not None:
            assert stock[c.data_center] == c.stock
            assert not wanted or c.data_center in wanted
            assert centers is None or c.data_center in centers
        ranks.append((wish.gpus.index(c.gpu), ["SECURE", "COMMUNITY"].index(c.cloud)))
    assert ranks == sorted(ranks)
    passed = {note.partition(":")[0] for note in found.passed_over}
    taken = {f"{c.gpu}, {c.cloud.lower()}" for c in found.candidates}
    assert passed | taken == {f"{gpu}, {cloud}" for gpu in wish.gpus for cloud in wish.clouds}
    assert not passed & taken


def test_names_are_plain_and_never_the_same() -> None:
    names = {new_name("민원 QA_1.0 " + "x" * 99) for _ in range(50)}
    assert len(names) == 50
    assert all(len(name) <= 60 and name.isascii() and name.startswith("millhand-qa-1-0-") for name in names)
    assert new_name("민원").count("-") == 1


def test_the_folder_of_jobs_follows_the_workspace_there() -> None:
    candidate = Candidate("NVIDIA L4", "SECURE", None, 0.5, "HIGH")
    terms = terms_of(spec(), candidate, now_s=0, api_url="https://x/v2", workspace="/workspace/qa")
    assert (terms.jobs, terms.volume) == ("/workspace/qa/.millhand/jobs", "/workspace")


def test_a_workspace_has_one_key_that_its_owner_alone_reads(workspace: Workspace) -> None:
    first, again = workspace_key(workspace), workspace_key(workspace)
    assert first == again
    assert first.public.startswith("ssh-ed25519 AAAA")
    assert first.private.stat().st_mode & 0o777 == 0o600
    told = subprocess.run(["ssh-keygen", "-yf", first.private], capture_output=True, text=True, check=True)
    assert told.stdout.split()[:2] == first.public.split()[:2]
