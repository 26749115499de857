"""Hosts with an sshd for :mod:`benchmarks.sync`, near and far, and the tools that bring files there."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.sshd import Sshd

from benchmarks.far import HOST, UnavailableError, far_host
from millhand.pods.ssh.address import Address
from millhand.pods.ssh.connection import Connection
from millhand.pods.ssh.hostkeys import Pinned
from millhand.pods.sync.lanes import Opener, agent
from millhand.pods.sync.push import push
from millhand.pods.sync.report import Report


@dataclass(frozen=True)
class Place:
    """A host with an sshd, and folders here and there."""

    address: Address
    fingerprint: str
    key: Path
    folder: Path
    distance_ms: int

    @property
    def here(self) -> Path:
        """The client's files."""
        return self.folder / "here"

    @property
    def there(self) -> Path:
        """The pod's files: the same disk, reached over the line."""
        return self.folder / "there"

    def connection(self) -> Connection:
        """A connection that is dialled when it is used."""
        pinned = Pinned((self.fingerprint,))
        return Connection("pod", lambda: self.address, lambda _: pinned, python=sys.executable)

    def ssh(self) -> list[str]:
        """The options of ssh and scp."""
        known = self.folder / "known_hosts"
        options = [
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "StrictHostKeyChecking=no",
        ]
        return [*options, "-o", f"UserKnownHostsFile={known}", "-i", str(self.key)]

    def rsync(self, source: str, target: str) -> int:
        """Run rsync; the bytes both ways."""
        shell = " ".join(["ssh", *self.ssh(), "-p", str(self.address.port)])
        done = subprocess.run(
            ["rsync", "-a", "--stats", "--no-human-readable", "-e", shell, source, target],
            check=True,
            capture_output=True,
            text=True,
        )
        return sum(int(found) for found in re.findall(r"Total bytes (?:sent|received): (\d+)", done.stdout))

    def scp(self, source: str, target: str) -> None:
        """Run scp."""
        command = ["scp", "-q", "-r", "-p", *self.ssh(), "-P", str(self.address.port), source, target]
        subprocess.run(command, check=True)

    def at(self, path: Path) -> str:
        """A path as rsync and scp name it."""
        return f"{self.address.host}:{path}"

    def millhand(self, act: Callable[..., Report], name: str, live: Opener | None = None) -> int:
        """Push or pull a folder; over a connection of its own, if none is given."""
        line = self.connection()
        try:
            report = act(
                live or opener(line),
                self.here / name if act is push else self.folder / "back" / name,
                ["."],
                place=str(self.there / "millhand" / name if act is push else self.here / name),
            )
        finally:
            line.close()
        return report.check().sent + report.received


def opener(connection: Connection) -> Opener:
    """What starts agents over a connection."""
    return lambda transport: connection.open_agent(agent(), transport=transport)


@contextmanager
def near(folder: Path) -> Iterator[Place]:
    """An sshd on loopback."""
    sshd = Sshd(folder / "sshd", "Subsystem sftp internal-sftp")
    sshd.start()
    try:
        yield Place(sshd.address, sshd.fingerprint, sshd.folder / "client_key", folder, 0)
    finally:
        sshd.cut()
        sshd.stop()


@contextmanager
def far(folder: Path, distance_ms: int) -> Iterator[Place]:
    """An sshd on a host so far away."""
    with far_host(distance_ms / 1000) as inside:
        sshd = Sshd(folder / "sshd-far")
        command = [
            *inside,
            shutil.which("sshd", path="/usr/sbin:/usr/bin") or "sshd",
            "-D",
            "-e",
            "-f",
            "/dev/null",
        ]
        for option in (
            f"Port={sshd.port}",
            f"ListenAddress={HOST}",
            f"HostKey={sshd.folder / 'host_key'}",
            f"AuthorizedKeysFile={sshd.folder / 'authorized_keys'}",
            f"PidFile={sshd.folder / 'pid'}",
            "StrictModes=no",
            "UsePAM=no",
            "UseDNS=no",
            "MaxStartups=100",
            "Subsystem=sftp internal-sftp",
            "SetEnv=SHLVL=2",  # as near: bash does not read what the user has in ~/.bashrc
        ):
            command += ["-o", option]
        with (sshd.folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stderr=log)
        try:
            _wait_for(HOST, sshd.port)
            address = replace(sshd.address, host=HOST)
            yield Place(address, sshd.fingerprint, sshd.folder / "client_key", folder, distance_ms)
        finally:
            process.terminate()
            process.wait()


def _wait_for(host: str, port: int) -> None:
    for _ in range(100):
        with suppress(OSError), socket.create_connection((host, port), timeout=1):
            return
        time.sleep(0.1)
    raise UnavailableError("the far sshd does not answer")
