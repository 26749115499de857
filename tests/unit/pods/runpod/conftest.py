"""The fake RunPod for this room."""

from tests.runpod_fake.fixtures import account, fake, url

__all__ = ["account", "fake", "url"]
