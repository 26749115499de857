"""Serve a fake RunPod until Ctrl-C: ``python -m tests.runpod_fake [--port 8472] [--machines DIR]``.

With ``--machines`` each pod is real: its command runs on this computer, with an sshd on loopback. The pod
file's volume must then name a folder that can be written, as ``path: /tmp/volume``.
"""

from __future__ import annotations

import argparse
import getpass
import time
from pathlib import Path

from tests.runpod_fake import Clock, FakeRunPod, Machines, NullMachines, serving
from tests.runpod_fake.processes import SshdMachines


def main() -> None:
    """Serve, and say how to point millhand at it."""
    parser = argparse.ArgumentParser(description="A RunPod API v2 on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8472)
    parser.add_argument("--speed", type=float, default=1.0, help="its seconds to each real one")
    parser.add_argument("--boot-s", type=float, default=5.0, help="how long a pod takes to start")
    parser.add_argument("--machines", type=Path, help="run pods as processes with an sshd; their folder")
    asked = parser.parse_args()
    machines: Machines = SshdMachines(asked.machines.absolute()) if asked.machines else NullMachines()
    clock, half = Clock(time.time(), asked.speed), asked.boot_s / 2
    fake = FakeRunPod(clock, machines, provision_s=half, start_s=half, direct_null_s=1.0)
    fake.username = getpass.getuser() if asked.machines else "root"
    with serving(fake, asked.port) as url:
        print(f"export RUNPOD_API_URL={url} RUNPOD_API_KEY={fake.key}", flush=True)
        try:
            while True:
                fake.settle()
                time.sleep(0.2)
        except KeyboardInterrupt:
            pass
        finally:
            if isinstance(machines, SshdMachines):
                machines.close()


if __name__ == "__main__":
    main()
