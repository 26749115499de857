"""A Hugging Face Hub on loopback, for tests: strict, with its state on disk and faults on order.

Written from what huggingface_hub sends and reads. :class:`FakeHub` is the server's state and what the tests
turn; ``with serving(hub) as url`` answers HTTP for the unmodified client (``HF_ENDPOINT``).
``python -m tests.hub_fake FOLDER`` serves one until Ctrl-C.

It speaks the LFS protocol, basic and multipart; the xet protocol it does not (``HF_HUB_DISABLE_XET=1``).
"""

from tests.hub_fake.script import Fault
from tests.hub_fake.server import serving
from tests.hub_fake.state import FakeHub, User
from tests.hub_fake.store import Entry, Repo

__all__ = ["Entry", "FakeHub", "Fault", "Repo", "User", "serving"]
