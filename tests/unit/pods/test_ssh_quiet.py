"""paramiko's own log does not reach the terminal: what it means is said by Millhand's errors."""

from __future__ import annotations

import subprocess
import sys

_SAY = "import millhand.pods.ssh, logging; logging.getLogger('paramiko.transport').error('open FAILED')"


def test_what_paramiko_logs_is_not_printed() -> None:
    done = subprocess.run([sys.executable, "-c", _SAY], capture_output=True, text=True, check=True)
    assert done.stderr == ""
