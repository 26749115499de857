"""``python -m millhand`` and the ``millhand`` command."""

from __future__ import annotations

import io
import sys


def run() -> None:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a model may say what the console's encoding cannot show
    try:
        from millhand.cli.main import main

        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # while still importing
        sys.exit(130)


if __name__ == "__main__":
    run()
