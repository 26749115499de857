"""``millhand hosts``: what is trusted is listed, and forgotten by the name that was typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from millhand.errors import MillhandError
from millhand.pods.ssh.hostkeys import FILE_NAME, KnownHosts, host_key, kept_keys
from millhand.workspace import Workspace
from tests.conftest import Millhand

ONE, TWO = host_key("ssh-ed25519", b"one"), host_key("ssh-ed25519", b"two")


@pytest.fixture
def known(workspace: Workspace) -> Path:
    """A box of runpod/, a machine by its URL and a rented pod were met."""
    (workspace.root / "runpod/box.yaml").write_text("kind: ssh\nhost: gpu.lab\n")
    path = workspace.state / FILE_NAME
    for name in ("box", "gpu.lab-2222", "millhand-qa-0011aabb"):
        KnownHosts(path, name, lambda _: None).check(ONE, "host")
    return path


def test_kept_keys_are_listed(millhand: Millhand, known: Path) -> None:
    rows = json.loads(millhand("hosts", "list", "--json").stdout)
    assert [row["pod"] for row in rows] == ["box", "gpu.lab-2222", "millhand-qa-0011aabb"]
    assert rows[0]["fingerprint"] == ONE.fingerprint
    assert ONE.fingerprint in millhand("hosts", "list").stdout


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("box", "box"),
        ("runpod/box.yaml", "box"),
        ("gpu.lab-2222", "gpu.lab-2222"),
        ("ssh://kim@gpu.lab:2222/data", "gpu.lab-2222"),
        ("millhand-qa-0011aabb", "millhand-qa-0011aabb"),
    ],
)
def test_a_changed_machine_is_taken_after_the_command_that_the_error_names(
    millhand: Millhand, known: Path, typed: str, name: str
) -> None:
    hosts = KnownHosts(known, name, lambda _: None)
    with pytest.raises(MillhandError) as caught:
        hosts.check(TWO, "host")
    assert f"`millhand hosts forget {name}`" in caught.value.mend
    result = millhand("hosts", "forget", typed, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"forgotten": name})
    hosts.check(TWO, "host")
    assert len(kept_keys(known)) == 3


def test_what_was_never_met_is_named_with_its_nearest(millhand: Millhand, known: Path) -> None:
    result = millhand("hosts", "forget", "bix")
    assert result.exit_code == 2
    assert "'box'" in result.stderr


def test_without_any_the_list_is_empty(millhand: Millhand, workspace: Workspace) -> None:
    assert json.loads(millhand("hosts", "list", "--json").stdout) == []
    assert "No host key" in millhand("hosts", "list").stderr
    assert "Kept are: none" in millhand("hosts", "forget", "box").stderr
