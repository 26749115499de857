"""Host keys: pins, the first meeting, and a key that has changed."""

from __future__ import annotations

import base64
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.pods.ssh.faults import HostKeyError
from millhand.pods.ssh.hostkeys import HostKey, KnownHosts, Pinned, forget, host_key, kept_keys, take_over

ONE, TWO = host_key("ssh-ed25519", b"one"), host_key("ssh-ed25519", b"two")


def test_the_fingerprint_is_ssh_keygen_s(tmp_path: Path) -> None:
    path = tmp_path / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    shown = subprocess.run(["ssh-keygen", "-lf", path], check=True, capture_output=True, text=True).stdout
    blob = base64.b64decode(Path(f"{path}.pub").read_text().split()[1])
    assert host_key("ssh-ed25519", blob).fingerprint == shown.split()[1]


@given(st.binary(), st.lists(st.binary(), max_size=3))
def test_a_pin_takes_what_is_pinned_and_nothing_else(blob: bytes, pinned: list[bytes]) -> None:
    pins = Pinned(tuple(host_key("", other).fingerprint for other in pinned))
    if blob in pinned:
        pins.check(host_key("ssh-rsa", blob), "host:22")
    else:
        with pytest.raises(HostKeyError, match="nothing was sent"):
            pins.check(host_key("ssh-rsa", blob), "host:22")


def test_the_first_key_is_kept_told_once_and_no_other_is_taken(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "known_hosts.json"
    hosts = KnownHosts(path, "gpu", told.append)
    for _ in range(3):
        hosts.check(ONE, "host:22")
    assert len(told) == 1
    assert ONE.fingerprint in told[0]
    assert hosts.known_type() == "ssh-ed25519"
    with pytest.raises(HostKeyError, match="has changed") as caught:
        hosts.check(TWO, "host:2222")
    assert "`millhand hosts forget gpu`" in caught.value.mend
    hosts.check(ONE, "other:22")  # the pod's address may change
    KnownHosts(path, "other", told.append).check(TWO, "host:22")  # a pod, a key
    assert len(told) == 2


def test_a_pod_that_was_renamed_is_held_to_the_key_that_it_had(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts.json"
    take_over(path, "box", "pods/box")
    assert kept_keys(path) == {}
    KnownHosts(path, "box", lambda _: None).check(ONE, "host:22")
    take_over(path, "box", "pods/box")
    with pytest.raises(HostKeyError, match="has changed"):
        KnownHosts(path, "pods/box", lambda _: None).check(TWO, "host:22")
    forget(path, "pods/box")
    KnownHosts(path, "pods/box", lambda _: None).check(TWO, "host:22")
    take_over(path, "box", "pods/box")
    assert kept_keys(path) == {"box": ONE, "pods/box": TWO}


def test_a_key_that_is_forgotten_makes_the_next_meeting_a_first_one(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts.json"
    hosts = KnownHosts(path, "gpu", lambda _: None)
    hosts.check(ONE, "host:22")
    assert kept_keys(path) == {"gpu": ONE}
    assert forget(path, "gpu")
    assert not forget(path, "gpu")
    assert hosts.known_type() is None
    hosts.check(TWO, "host:22")
    with pytest.raises(HostKeyError, match="has changed"):
        hosts.check(ONE, "host:22")


def test_a_broken_file_trusts_nobody(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts.json"
    path.write_text("{")
    with pytest.raises(HostKeyError, match="cannot be read"):
        KnownHosts(path, "gpu", print).check(ONE, "host:22")


def test_pods_that_are_met_at_once_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts.json"
    keys = {f"pod{n}": HostKey("ssh-ed25519", f"SHA256:{n}") for n in range(20)}
    threads = [
        threading.Thread(target=KnownHosts(path, pod, lambda _: None).check, args=(key, "host:22"))
        for pod, key in keys.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pod, key in keys.items():
        KnownHosts(path, pod, lambda text: pytest.fail(text)).check(key, "host:22")
