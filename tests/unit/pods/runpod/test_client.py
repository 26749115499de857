"""The client: every row of the table of errors, waits, pages, clocks, and a key that nobody sees."""

from __future__ import annotations

import logging
import time
import traceback
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millhand.errors import UsageError
from millhand.pods.runpod import errors
from millhand.pods.runpod.client import RunPod, _quotas
from millhand.pods.runpod.logs import container_log, host_keys, read_host_keys
from millhand.pods.runpod.models import PodState
from millhand.shell import Secret
from tests.runpod_fake import FakeRunPod
from tests.runpod_fake.machines import fingerprint, start_log

BODY = {"name": "a", "image": "x", "gpu": {"id": "NVIDIA L4", "count": 1}, "ports": ["22/tcp"]}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.CandidateRefusedError),
        (401, errors.UnauthorizedError),
        (402, errors.NoBalanceError),
        (403, errors.NotAllowedError),
        (404, errors.NotFoundError),
        (409, errors.NotLegalNowError),
        (413, errors.TooLargeError),
        (422, errors.InvalidRequestError),
        (418, errors.ApiError),
    ],
)
def test_what_is_refused_is_refused_once_with_its_reason(
    fake: FakeRunPod, account: RunPod, status: int, kind: type[errors.ApiError]
) -> None:
    fake.fault("POST", "/pods", status=status, detail="because of it", errors=("$: 'bogus'",), times=5)
    with pytest.raises(kind, match=r"because of it; \$: 'bogus'") as caught:
        account.create_pod(BODY)
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert len(fake.created()) == 1


def test_a_422_names_the_field(fake: FakeRunPod, account: RunPod) -> None:
    with pytest.raises(errors.InvalidRequestError, match="'gpuTypeIds' not allowed"):
        account.create_pod({**BODY, "gpuTypeIds": []})


def test_a_body_that_is_too_large_stops(account: RunPod) -> None:
    with pytest.raises(errors.TooLargeError, match="102400"):
        account.create_pod({**BODY, "env": {"A": "x" * 110_000}})


def test_a_429_waits_as_long_as_it_says_and_is_asked_again(fake: FakeRunPod, account: RunPod) -> None:
    fake.fault("POST", "/pods", status=429, headers={"Retry-After": "37"}, times=2)
    began = fake.clock.now()
    assert account.create_pod(BODY).name == "a"
    assert (len(fake.created()), fake.clock.now() - began) == (3, 74)
    fake.fault("GET", "/pods", status=429, headers={"Retry-After": "3000"})
    with pytest.raises(errors.ApiError, match="3000 s"):
        account.pods()
    fake.fault("GET", "/pods", status=429, times=99)
    with pytest.raises(errors.RateLimitedError, match="429"):
        account.pods()


def test_a_quota_that_is_used_up_is_waited_for_before_asking(fake: FakeRunPod, account: RunPod) -> None:
    fake.quota = 60
    account.pods()
    began, fake.quota = fake.clock.now(), 0
    account.pods()
    assert fake.clock.now() - began == 12


@pytest.mark.parametrize("how", [{"status": 503}, {"how": "cut"}, {"how": "answer-after", "status": 500}])
def test_reading_and_ending_outlive_a_minute_of_failures(
    fake: FakeRunPod, account: RunPod, how: dict[str, Any]
) -> None:
    pod = fake.plant("mine")
    fake.fault("GET", "/pods", **how, times=6)
    assert [found.name for found in account.pods()] == ["mine"]
    fake.fault("DELETE", "/pods/.*", **how, times=2)
    account.terminate(pod.id)
    account.terminate(pod.id)  # repeating it is no error
    assert not fake.pods


def test_an_end_that_is_not_legal_now_is_asked_for_again(fake: FakeRunPod, account: RunPod) -> None:
    pod, told = fake.plant("mine"), list[str]()
    account.tell = told.append
    fake.fault("DELETE", "/pods/.*", status=409, detail="starting", times=3)
    account.terminate(pod.id)
    assert (fake.pods, len(told)) == ({}, 3)
    stuck, began = fake.plant("stuck"), fake.clock.now()
    fake.fault("DELETE", "/pods/.*", status=409, detail="in a cluster", times=99)
    with pytest.raises(errors.NotLegalNowError, match="in a cluster"):
        account.terminate(stuck.id)
    assert 60 < fake.clock.now() - began < 120


def test_an_end_that_was_refused_because_it_is_over_is_none(fake: FakeRunPod, account: RunPod) -> None:
    pod = fake.plant("mine")
    fake.fault("DELETE", "/pods/.*", how="answer-after", status=409)
    account.terminate(pod.id)
    assert not fake.pods


@pytest.mark.parametrize("how", ["cut", "cut-after", "answer", "answer-after"])
def test_creating_is_asked_once_where_nobody_knows_what_became_of_it(
    fake: FakeRunPod, account: RunPod, how: Any
) -> None:
    fake.fault("POST", "/pods", how=how, status=502)
    with pytest.raises(errors.OutcomeUnknownError):
        account.create_pod(BODY)
    assert len(fake.created()) == 1


def test_an_answer_that_cannot_be_read_is_as_good_as_none(account: RunPod) -> None:
    with pytest.raises(errors.OutcomeUnknownError, match="cannot be read"):
        account._decoded_raw(b'{"id": 3}', PodState, "POST /pods")


def test_a_server_that_is_not_there_is_told(fake: FakeRunPod, account: RunPod) -> None:
    gone = RunPod("http://127.0.0.1:9/v2", Secret(fake.key), account.waits)
    with pytest.raises(errors.OutcomeUnknownError, match="did not answer GET /pods"):
        gone.pods()


@settings(max_examples=20)
@given(size=st.integers(1, 7), count=st.integers(0, 9))
def test_all_pages_of_a_list_are_read(size: int, count: int) -> None:
    from tests.runpod_fake import serving
    from tests.runpod_fake.fixtures import waits

    fake = FakeRunPod()
    fake.page_size = size
    names = [fake.plant(f"pod-{index}").name for index in range(count)]
    with serving(fake) as url:
        account = RunPod(url, Secret(fake.key), waits(fake))
        assert [pod.name for pod in account.pods()] == names
        assert [pod.name for pod in account.named("pod-3")] == names[3:4]


def test_a_pod_is_read_whatever_else_the_answer_holds(fake: FakeRunPod, account: RunPod) -> None:
    pod = fake.plant("mine", ports=["22/tcp"])
    state = account.pod(pod.id)
    assert state is not None
    assert (state.status, state.direct, state.ready) == ("RUNNING", None, False)
    fake.clock.advance(10)
    state = account.pod(pod.id)
    assert state is not None
    assert state.ready
    assert account.pod("nobody") is None


@pytest.mark.parametrize(
    ("runtime", "ready"),
    [(None, False), ({}, False), ({"uptime": 0}, True), ({"ports": []}, False), ({"gpus": [{}]}, True)],
)
def test_a_host_that_reports_nothing_is_not_ready(runtime: Any, ready: bool) -> None:
    direct = {"host": "h", "port": 1, "username": "root"}
    whole = {"id": "a", "name": "n", "status": "RUNNING", "ssh": {"direct": direct}, "runtime": runtime}
    assert msgspec.convert(whole, PodState).ready is ready


def test_the_clock_is_the_servers(fake: FakeRunPod, account: RunPod) -> None:
    account.waits = type(account.waits)(fake.clock.advance, lambda: fake.clock.now() - 1e9)
    assert abs(account.server_time_s() - fake.clock.now()) <= 1


def test_without_a_date_the_clock_is_this_computers(account: RunPod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.runpod_fake.server.http_date", lambda _: "yesterday")
    assert abs(account.server_time_s() - time.time()) < 60


def test_whoever_waits_is_told_why(fake: FakeRunPod, account: RunPod) -> None:
    told: list[str] = []
    account.tell = told.append
    fake.fault("GET", "/pods", status=503, times=2)
    fake.fault("GET", "/pods", status=429, headers={"Retry-After": "37"})
    account.pods()
    assert [line.rpartition(" again in ")[2] for line in told] == ["1 s.", "2 s.", "37 s."]
    assert fake.key not in "".join(told)


def test_the_fingerprints_of_the_newest_start_are_read_from_the_log(
    fake: FakeRunPod, account: RunPod
) -> None:
    pod = fake.plant("mine")
    keys = host_keys(container_log(account, pod.id, limit_s=0.2))
    assert keys == (fingerprint(f"{pod.id}/1/ed25519"), fingerprint(f"{pod.id}/1/rsa"))
    both = [*start_log("p", 1), "256 SHA256:short x (ED25519)", *start_log("p", 2)]
    assert host_keys(iter(both[:-1])) == (fingerprint("p/2/ed25519"), fingerprint("p/2/rsa"))
    assert host_keys(iter(["nothing of the kind"])) == ()
    with pytest.raises(errors.NotFoundError):
        list(container_log(account, "nobody"))


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"status": 429, "headers": {"Retry-After": "30"}}, {"how": "cut"}]
)
def test_a_log_that_does_not_answer_now_is_asked_again(
    fake: FakeRunPod, account: RunPod, fault: dict[str, Any]
) -> None:
    pod = fake.plant("mine")
    fake.fault("GET", "/pods/.*/logs", **fault, times=2)
    began = fake.clock.now()
    assert read_host_keys(account, pod.id) == (
        fingerprint(f"{pod.id}/1/ed25519"),
        fingerprint(f"{pod.id}/1/rsa"),
    )
    assert fake.clock.now() - began >= (60 if fault.get("status") == 429 else 3)
    fake.fault("GET", "/pods/.*/logs", **fault, times=99)
    with pytest.raises(errors.ApiError):
        read_host_keys(account, pod.id)
    assert fake.clock.now() - began > 80


@given(st.text(alphabet='";=,rt0123456789 ', max_size=60))
def test_any_ratelimit_header_can_be_read(header: str) -> None:
    assert all(left >= 0 and wait >= 0 for left, wait in _quotas(header))


def test_the_ratelimit_header_of_the_document_is_understood() -> None:
    assert _quotas('"minute";r=0;t=12, "hour";r=2800;t=1812') == [(0, 12), (2800, 1812)]


@pytest.mark.parametrize("url", ["http://api.runpod.io/v2", "ftp://127.0.0.2", "http://127.0.0.1.evil.org"])
def test_the_key_does_not_travel_in_the_clear(url: str) -> None:
    with pytest.raises(UsageError, match="not https"):
        RunPod(url, Secret("key"))


@pytest.mark.parametrize("key", ["two words", "키", "line\nbreak"])
def test_what_can_be_no_key_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        RunPod("https://api.runpod.io/v2", Secret(key))
    assert key not in str(caught.value)


def test_nobody_sees_the_key(
    fake: FakeRunPod, account: RunPod, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = [repr(account), str(account)]
    fake.fault("POST", "/pods", status=400, detail=f"who sends {fake.key}?", errors=(fake.key,))
    fake.fault("GET", "/pods", how="cut", times=99)
    broken = RunPod("http://127.0.0.1:9/v2", Secret(fake.key), account.waits)
    for call in (
        lambda: account.create_pod(BODY),
        account.pods,
        broken.volumes,
        lambda: list(container_log(account, "nobody")),
        RunPod(url, Secret("rpa_other"), account.waits).pods,
    ):
        with pytest.raises(errors.ApiError) as caught:
            call()
        shown += ["".join(traceback.format_exception(caught.value)), str(caught.value), repr(caught.value)]
    assert fake.key not in "\n".join([*shown, caplog.text])
    assert "••••" in shown[2]
