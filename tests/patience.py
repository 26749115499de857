"""How long a test waits for what must happen."""

from __future__ import annotations

# Long, since a machine that runs the tests may do other things, too; nothing is waited for once it is there.
WITHIN_S = 300.0
