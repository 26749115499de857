"""How long `millhand --help` takes, beside `python -c pass` in the same run: medians, interleaved.

    python -m benchmarks.start_up [ROUNDS]

Goal: at most 5 times bare Python. The peers are what a user could type instead.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

MILLHAND = str(Path(sys.executable).with_name("millhand"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import click'": [sys.executable, "-c", "import click"],
    "millhand --help": [MILLHAND, "--help"],
    "millhand data add --help": [MILLHAND, "data", "add", "--help"],
    "pip --help": [sys.executable, "-m", "pip", "--help"],
}


def seconds(argv: list[str]) -> float:
    """The wall time of one call."""
    began = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main(rounds: int) -> None:
    """Measure and print a Markdown table."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, argv in COMMANDS.items():
            times[name].append(seconds(argv))
    medians = {name: statistics.median(values) for name, values in times.items()}
    bare = medians["python -c pass"]
    print(f"| command | median of {rounds} | python -c pass = 1 |\n| --- | ---: | ---: |")
    for name, median in medians.items():
        print(f"| `{name}` | {median * 1000:.0f} ms | {median / bare:.1f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 21)
