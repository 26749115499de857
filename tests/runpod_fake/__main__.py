"""Serve a fake RunPod until Ctrl-C: ``python -m tests.runpod_fake [--port 8472] [--speed 1]``."""

from __future__ import annotations

import argparse
import time

from tests.runpod_fake import Clock, FakeRunPod, serving


def main() -> None:
    """Serve, and say how to point millhand at it."""
    parser = argparse.ArgumentParser(description="A RunPod API v2 on 127.0.0.1 behind which nothing runs.")
    parser.add_argument("--port", type=int, default=8472)
    parser.add_argument("--speed", type=float, default=1.0, help="its seconds to each real one")
    parser.add_argument("--boot-s", type=float, default=5.0, help="how long a pod takes to start")
    asked = parser.parse_args()
    clock = Clock(time.time(), asked.speed)
    fake = FakeRunPod(clock, provision_s=asked.boot_s / 2, start_s=asked.boot_s / 2, direct_null_s=1.0)
    with serving(fake, asked.port) as url:
        print(f"export RUNPOD_API_URL={url} RUNPOD_API_KEY={fake.key}", flush=True)
        try:
            while True:
                fake.settle()
                time.sleep(0.2)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
