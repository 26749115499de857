"""``python -m tests.hub_fake FOLDER [PORT]``: serve a Hub until Ctrl-C; it prints what to set."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.hub_fake import FakeHub, User, serving

TOKEN = "hf_of_the_hub_on_loopback"


def main(folder: Path, port: int) -> None:
    """Serve."""
    hub = FakeHub(folder, users=[User("mill", TOKEN)])
    with serving(hub, port) as url:
        print(f"export HF_ENDPOINT={url} HF_TOKEN={TOKEN} HF_HUB_DISABLE_XET=1", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    except KeyboardInterrupt:
        sys.exit(130)
