"""A run on a second host, 40 ms away: a network namespace behind a delayed line, where one can be made."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.far import UnavailableError
from benchmarks.places import Place, far

from tests.integration.conftest import Bench

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="a namespace takes root"),
]


@pytest.fixture(scope="module")
def second_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Made before the guard that keeps a test's own process on loopback."""
    try:
        with far(tmp_path_factory.mktemp("far"), 40) as place:
            yield place
    except UnavailableError as error:
        pytest.skip(f"no second host can be made here: {error}")


def test_a_run_on_a_second_host_comes_home(bench: Bench, second_host: Place, tmp_path: Path) -> None:
    there = tmp_path / "there"
    address = second_host.address
    text = f"kind: ssh\nhost: {address.host}\nport: {address.port}\nuser: {address.user}\n"
    text += f"key: {second_host.key}\nworkspace: {there}\npython: {sys.executable}\n"
    text += f"host_keys: ['{second_host.fingerprint}']\n"
    (bench.root / "runpod/far.yaml").write_text(text)
    out, err = bench.call("train", "qa", "--pod", "far", "--export")
    assert "12 of 12" in out
    assert "trust" not in err, "a pinned key is not trusted anew"
    home, made = (root / "outputs/qa/adapter_model.safetensors" for root in (bench.root, there))
    assert hashlib.sha256(home.read_bytes()).digest() == hashlib.sha256(made.read_bytes()).digest()
    assert (bench.root / "outputs/qa-merged/model.safetensors").is_file()
    again = bench.answer("train", "qa", "--pod", "far")
    assert again["again"]
