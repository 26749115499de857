"""A real OpenSSH sshd on 127.0.0.1, for root and for anybody else: own port, keys and configuration."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from millhand.pods.ssh.address import Address
from tests.patience import WITHIN_S

_SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/sshd.pid
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
MaxStartups 100
LogLevel VERBOSE
{extra}
"""
# bash reads ~/.bashrc for a command over SSH unless it is started by another shell: a test is to be the same
# whatever the user that runs it has there. Of several SetEnv lines sshd takes the first.
_ENV = "SetEnv SHLVL=2"


class Sshd:
    """One sshd in a folder. ``extra`` is added to its configuration."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.folder, self.extra = folder, extra
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        make_key(folder / "host_key")
        make_key(folder / "client_key")
        shutil.copy(folder / "client_key.pub", folder / "authorized_keys")

    @property
    def address(self) -> Address:
        """Where it is now, with the key that it takes; no ~/.ssh/config has a say."""
        key = self.folder / "client_key"
        config = self.folder / "no-config"
        return Address("127.0.0.1", self.port, getpass.getuser(), (key,), config_path=config)

    @property
    def fingerprint(self) -> str:
        """The host key's, as ssh-keygen prints it."""
        shown = subprocess.run(
            ["ssh-keygen", "-lf", self.folder / "host_key.pub"], check=True, capture_output=True, text=True
        )
        return shown.stdout.split()[1]

    @property
    def log(self) -> str:
        """What sshd said."""
        return (self.folder / "sshd.log").read_text(errors="replace")

    def ssh(self, *options: str) -> list[str]:
        """The system's ssh, connecting to this one."""
        known = ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={self.folder}/known_hosts"]
        quiet = ["-F", "none", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]
        to = ["-i", str(self.folder / "client_key"), "-p", str(self.port), *options, "127.0.0.1"]
        return ["ssh", *quiet, *known, *to]

    def start(self) -> None:
        """Start it and wait until it listens."""
        assert _SSHD, "there is no sshd: apt-get install openssh-server"
        extra = self.extra.replace("SetEnv", _ENV, 1) if "SetEnv" in self.extra else f"{_ENV}\n{self.extra}"
        config = _CONFIG.format(port=self.port, folder=self.folder, extra=extra)
        (self.folder / "sshd_config").write_text(config)
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's empty folder for its helpers
        command = [_SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        with (self.folder / "sshd.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        wait_for_port(self.port, lambda: f"sshd did not come up:\n{self.log}")

    def stop(self) -> None:
        """End the listener; connections that stand go on, as after a real restart."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(WITHIN_S)
            self._process = None

    def restart(self, *, new_port: bool = False, new_host_key: bool = False) -> None:
        """Cut everything and come up again, as a pod does that was restarted."""
        self.cut()
        self.stop()
        if new_port:
            self.port = free_port()
        if new_host_key:
            make_key(self.folder / "host_key")
        self.start()

    def cut(self) -> int:
        """Kill the processes of all connections, not what runs in them; how many."""
        return self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop answering on all connections, though they stand."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on where :meth:`freeze` stopped."""
        self._signal(signal.SIGCONT)

    def sessions(self) -> list[int]:
        """The processes of its connections."""
        if self._process is None:
            return []
        parents = {pid: parent for pid, (parent, name) in _processes().items() if name.startswith("sshd")}
        found, front = [], [self._process.pid]
        while front:
            head = front.pop()
            children = [pid for pid, parent in parents.items() if parent == head]
            found += children
            front += children
        return found

    def _signal(self, number: int) -> int:
        sessions = self.sessions()
        for pid in sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return len(sessions)


@contextmanager
def running_sshd(folder: Path, extra: str = "") -> Iterator[Sshd]:
    """An sshd as long as the block lasts."""
    sshd = Sshd(folder, extra)
    sshd.start()
    try:
        yield sshd
    finally:
        sshd.thaw()
        sshd.cut()
        sshd.stop()


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def make_key(path: Path, passphrase: str = "") -> None:
    """A new Ed25519 key and its .pub."""
    path.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def wait_for_port(port: int, why: object, within_s: float = WITHIN_S) -> None:
    """Wait until something listens on a port of 127.0.0.1."""
    deadline = time.monotonic() + within_s
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert time.monotonic() < deadline, why() if callable(why) else why
        time.sleep(0.02)


def _processes() -> dict[int, tuple[int, str]]:
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = path.read_text()
            name = text[text.index("(") + 1 : text.rindex(")")]
            found[int(path.parent.name)] = (int(text[text.rindex(")") + 1 :].split()[1]), name)
    return found
