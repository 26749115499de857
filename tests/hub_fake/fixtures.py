"""Fixtures around the Hub: import those that a test needs."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from millhand.files import sha256_file
from millhand.hub.client import open_hub
from millhand.hub.listing import CARD, LocalFile, local_file, local_text
from millhand.hub.publish import Published, Publisher
from millhand.hub.selection import is_part, model_paths
from millhand.hub.target import Target
from tests.hub_fake.server import serving
from tests.hub_fake.state import FakeHub
from tests.hub_fake.store import Repo

# What the pinned client itself does, and httpx has against it.
CLIENTS_OWN = "ignore:Use 'content=:DeprecationWarning"
PART = 1 << 20
TEXT = "---\nlicense: mit\n---\n# 민원 모델\n"
ID = "mill/minwon"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were to be waited; nobody does."""
    import huggingface_hub.file_download
    import huggingface_hub.utils._http

    import millhand.hub.client

    waited: list[float] = []
    for module in (huggingface_hub.utils._http, huggingface_hub.file_download, millhand.hub.client):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> Iterator[FakeHub]:
    """A Hub with one account, to which this process is signed in; it heard nothing that it does not know."""
    from huggingface_hub import constants

    made = FakeHub(tmp_path / "hub", part_bytes=PART, page=3)
    for name, value in (("OFFLINE", False), ("DISABLE_XET", True), ("DISABLE_TELEMETRY", True)):
        monkeypatch.setattr(constants, f"HF_HUB_{name}", value)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    for name in ("HF_HUB_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(made) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("HF_TOKEN", made.token)
        yield made
        close_line()
    assert made.violations == []


def close_line() -> None:
    """Let go of the library's connections, which outlive a test."""
    from huggingface_hub.utils import close_session

    close_session()


def environment(hub: FakeHub) -> dict[str, str]:
    """What a process of its own is to be told of a Hub."""
    told = {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HUB_OFFLINE": "0"}
    return {**told, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def write_model(folder: Path, seed: int = 1) -> Path:
    """What a merged model's folder has: a shard in one piece, one of three parts, small files, leftovers."""
    noise = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model-00001-of-00002.safetensors").write_bytes(noise.randbytes(200_000))
    (folder / "model-00002-of-00002.safetensors").write_bytes(noise.randbytes(2 * PART + 12_345))
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    (folder / "config.json").write_text(f'{{"model_type": "llama", "seed": {seed}}}')
    (folder / "tokenizer.json").write_text('{"가": 1}', encoding="utf-8")
    for left in ("training_args.bin", "optimizer.pt", "trainer_state.json", "README.md"):
        (folder / left).write_text("left by a trainer")
    (folder / "checkpoint-5").mkdir(exist_ok=True)
    (folder / "checkpoint-5" / "model.safetensors").write_bytes(b"old")
    return folder


@pytest.fixture
def line(hub: FakeHub, tmp_path: Path) -> Line:
    """A model's folder, and a line to the Hub."""
    return Line(hub, write_model(tmp_path / "merged"))


class Line:
    """Pushes the model in ``folder``; ``said`` is what a person is told meanwhile."""

    def __init__(self, hub: FakeHub, folder: Path) -> None:
        self.hub, self.folder, self.said, self.card = hub, folder, list[str](), TEXT

    def publisher(self, **target: object) -> Publisher:
        settings = {"HF_ENDPOINT": self.hub.url, "HF_TOKEN": self.hub.token}
        line = open_hub(settings, self.said.append)
        return Publisher(line, Target(**{"kind": "model", "id": ID, **target}), is_part)  # type: ignore[arg-type]

    def files(self) -> list[LocalFile]:
        found = [local_file(path.name, path, sha256_file) for path in model_paths(self.folder)]
        return [*found, local_text(CARD, self.card)]

    def push(self, **target: object) -> Published:
        publisher = self.publisher(**target)
        return publisher.publish(publisher.look(), self.files())

    def wanted(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in model_paths(self.folder)} | {
            CARD: self.card.encode()
        }


def contents(repo: Repo, revision: str = "main") -> dict[str, bytes]:
    """All files of a revision but .gitattributes, which the Hub writes itself."""
    files = repo.commits[repo.resolve(revision)].files
    return {path: repo.read(path, revision) for path in files if path != ".gitattributes"}


def assert_no_commit_lacks_a_file(repo: Repo, wanted: set[str]) -> None:
    """Each commit after the first has all files, and every object that it names is there."""
    for commit in repo.commits.values():
        assert commit.parent == "" or wanted <= set(commit.files), commit.title
        for entry in commit.files.values():
            data = repo.where(entry).read_bytes()
            assert len(data) == entry.size
            assert entry.kind == "regular" or hashlib.sha256(data).hexdigest() == entry.oid
