"""The job that publishes a folder from the pod where it lies: the publisher, in the training environment.

It travels with the modules of :data:`MODULES`, which need httpx and huggingface_hub beside the standard
library, and nothing else of Millhand. What is to go was decided on the client; ``PLAN`` is a JSON file::

    {"target": {"kind", "id", "branch", "tag", "public"}, "stale": [PATH, ...], "card": SHA1,
     "files": [{"path", "size", "sha256", and "source" with "mtime_ns", or "data" in base64}, ...]}

The token comes in HF_TOKEN. The last line that is printed is a JSON object: what was published, or ``error``.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from millhand.errors import FindingsError, MillhandError
from millhand.hub.client import open_hub
from millhand.hub.listing import LocalFile
from millhand.hub.publish import Published, Publisher
from millhand.hub.target import Target

# In the order in which they import each other.
MODULES = (
    "millhand", "millhand.wording", "millhand.errors", "millhand.shell", "millhand.hub.target",
    "millhand.hub.errors", "millhand.hub.stopping", "millhand.hub.client", "millhand.hub.listing",
    "millhand.hub.access", "millhand.hub.publish", "millhand.hub.sending",
)  # fmt: skip
ENTRY = "import sys; sys.exit(millhand.hub.sending.main(sys.argv[1:]))"


def main(arguments: list[str]) -> int:
    """Publish what the plan names, and print what came of it as the last line."""
    plan = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    try:
        published = _publish(plan)
    except MillhandError as error:
        print(json.dumps(told(error)), flush=True)
        return error.exit_code
    facts = {"commit": published.commit, "sent": published.sent, "again": published.again}
    facts["removed"] = published.removed
    print(json.dumps(facts), flush=True)
    return 0


def _publish(plan: dict[str, Any]) -> Published:
    hub = open_hub(os.environ, lambda text: print(text, flush=True))
    publisher = Publisher(hub, Target(**plan["target"]), frozenset(plan["stale"]).__contains__)
    files = [_file(item) for item in plan["files"]]
    return publisher.publish(publisher.look(), files, card=plan["card"])


def _file(item: dict[str, Any]) -> LocalFile:
    source = Path(item["source"]) if "source" in item else base64.b64decode(item["data"])
    return LocalFile(item["path"], item["size"], item["sha256"], source, item.get("mtime_ns", 0))


def told(error: MillhandError) -> dict[str, Any]:
    """An error as JSON has it."""
    findings = [asdict(finding) for finding in error.findings] if isinstance(error, FindingsError) else []
    return {"error": error.message, "mend": error.mend, "findings": findings}
