"""A RunPod API v2 on loopback, for tests: strict, with a state, a clock of its own and faults on order.

Written from the API's OpenAPI document. :class:`FakeRunPod` is the account and what the tests turn;
``with serving(fake) as url`` answers HTTP. ``python -m tests.runpod_fake`` serves one until Ctrl-C.
"""

from tests.runpod_fake.catalog import Gpu
from tests.runpod_fake.clock import Clock
from tests.runpod_fake.machines import Machines, NullMachines
from tests.runpod_fake.script import Fault
from tests.runpod_fake.server import serving
from tests.runpod_fake.state import KEY, FakePod, FakeRunPod

__all__ = ["KEY", "Clock", "FakePod", "FakeRunPod", "Fault", "Gpu", "Machines", "NullMachines", "serving"]
