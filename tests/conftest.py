"""Shared fixtures: a clean environment, no way to the network, a workspace."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

from millhand.workspace import Workspace, create_workspace

# Examples that touch files take what time they take on a busy machine: that is no finding.
settings.register_profile("millhand", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("millhand")

# A shell's background job is deaf to SIGINT, and so is all that it starts: tests that press Ctrl-C need ears.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A command keeps the names of its help as it is first called with: called alone it has to get the root's.
HELP_NAMES = ["-h", "--help"]
_CLEARED = ("MILLHAND_", "LLAMAFACTORY_", "LLAMABOARD_", "HF_TOKEN", "OMP_", "API_", "FORCE_TORCHRUN", "USE_")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in os.environ:
        if name.startswith(_CLEARED):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.getbasetemp() / "hf_home"))


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests reach nothing beyond this machine; one that tries fails with the address it tried."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "local"
        if host not in ("127.0.0.1", "::1", "localhost", "local"):
            raise AssertionError(f"a test tried to reach {address!r}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """An empty workspace in a folder whose name has a blank and Hangul, and the current folder."""
    made, _ = create_workspace(tmp_path / "작업 공간")
    monkeypatch.chdir(made.root)
    return made


class Millhand:
    """Calls the command line in this process and returns what it printed and its exit code."""

    def __call__(self, *arguments: str | Path) -> Result:
        import click

        from millhand.cli.main import main

        @click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
        @click.argument("rest", nargs=-1, type=click.UNPROCESSED)
        @click.pass_context
        def whole(ctx: click.Context, rest: tuple[str, ...]) -> None:
            ctx.exit(main(rest))

        return CliRunner().invoke(whole, [str(a) for a in arguments])


@pytest.fixture
def millhand() -> Millhand:
    """``millhand("data", "add", file)`` -> click's Result: exit_code, stdout, stderr."""
    return Millhand()
