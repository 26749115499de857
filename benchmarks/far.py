"""A second host on this machine, as far away as one likes: a network namespace behind a delayed line.

Needs root. The line is two TUN devices and a process between them that hands each packet on after half the
round trip: what a kernel's netem does, for kernels without it. TCP's own windows and slow start are real.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

HOST = "10.213.77.2"
_HERE = "10.213.77.1"
_SPACE = f"millhand-far-{os.getpid()}"
_MTU = 65535  # few large packets: handing them on must not be what is measured
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


class UnavailableError(Exception):
    """No second host can be made here."""


@contextmanager
def far_host(trip_s: float) -> Iterator[list[str]]:
    """Yield what starts a program on the host :data:`HOST`.

    Raises:
        UnavailableError: Not root, or no TUN devices.
    """
    ends = [_tun("mh-here"), _tun("mh-there")]
    process = None
    try:
        _ip("netns", "add", _SPACE)
        _ip("link", "set", "mh-there", "netns", _SPACE)
        _up([], "mh-here", _HERE, HOST)
        inside = ["ip", "netns", "exec", _SPACE]
        _up(inside, "mh-there", HOST, _HERE)
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        relay = [sys.executable, "-m", "benchmarks.far", str(ends[0]), str(ends[1]), str(trip_s / 2)]
        process = subprocess.Popen(relay, pass_fds=ends)
        yield inside
    except (OSError, subprocess.CalledProcessError) as error:
        raise UnavailableError(str(error)) from error
    finally:
        if process is not None:
            process.terminate()
            process.wait()
        for end in ends:
            os.close(end)
        subprocess.run(["ip", "netns", "del", _SPACE], stderr=subprocess.DEVNULL, check=False)


def _tun(name: str) -> int:
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError as error:
        raise UnavailableError(f"no TUN device: {error}") from error
    return fd


def _up(inside: list[str], name: str, own: str, peer: str) -> None:
    for command in (
        ["addr", "add", own, "peer", peer, "dev", name],
        ["link", "set", name, "mtu", str(_MTU), "up"],
    ):
        subprocess.run([*inside, "ip", *command], check=True, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def relay(one: int, other: int, delay_s: float) -> None:
    """Hand packets on, each after the delay."""
    lines = {one: other, other: one}
    waiting: deque[tuple[float, int, bytes]] = deque()
    while True:
        wait_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select(list(lines), [], [], wait_s)
        now = time.monotonic()
        waiting.extend((now + delay_s, lines[end], os.read(end, _MTU)) for end in ready)
        while waiting and waiting[0][0] <= now:
            _, end, packet = waiting.popleft()
            with contextlib.suppress(OSError):
                os.write(end, packet)


if __name__ == "__main__":
    relay(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
