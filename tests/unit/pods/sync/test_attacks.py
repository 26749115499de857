"""No path leaves its root: a pod that lies to the client, and a client that lies to the agent."""

from __future__ import annotations

import hashlib
import io
import os
import queue
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.errors import MillhandError
from millhand.pods import wire
from millhand.pods.sync import names
from millhand.pods.sync.folders import Entry, Root
from millhand.pods.sync.lanes import Lane
from millhand.pods.sync.names import RefusedError, split
from millhand.pods.sync.packing import pack
from millhand.pods.sync.pull import pull
from millhand.pods.sync.store import Store
from millhand.pods.sync.transfer import Choice
from millhand.pods.sync.tree import Arrivals
from tests.unit.pods.sync.pipes import Pipe

CONTENT = b"planted"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Liar:
    """A stream to an agent that answers what it was told to."""

    def __init__(self, answer: Callable[[dict[str, Any]], tuple[dict[str, Any], bytes]]) -> None:
        self._answer, self._in = answer, b""
        self._out: queue.Queue[bytes] = queue.Queue()

    def __call__(self, transport: Literal["shared", "new"]) -> Liar:
        return self

    def write(self, data: bytes) -> None:
        self._in += data
        reader = io.BytesIO(self._in)
        while True:
            try:
                message = wire.receive(reader)
            except wire.WireError:
                return
            self._in = self._in[reader.tell() :]
            reader = io.BytesIO(self._in)
            out = io.BytesIO()
            wire.send(out, *self.answered(*message))
            for byte in (out.getvalue()[:5], out.getvalue()[5:]):
                self._out.put(byte)

    def answered(self, header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        return self._answer(header)

    def read(self, size: int) -> bytes:
        data = self._out.get()
        if len(data) > size:
            data, rest = data[:size], data[size:]
            with self._out.mutex:
                self._out.queue.appendleft(rest)
        return data

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self._out.put(b"")


def offering(entries: list[Entry]) -> Liar:
    """A pod that lists these entries and sends ``CONTENT`` for each."""

    def answer(header: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        if header["do"] == "list":
            return {"more": False, "problems": []}, pack([list(entry) for entry in entries])
        if header["do"] == "fetch":
            rows = [[path, "f", len(CONTENT), 0, False, DIGEST, None] for path in header["paths"]]
            return {"rows": rows}, CONTENT * len(rows)
        return {}, b""

    return Liar(answer)


def planted(path: str, kind: str = "f", link: str | None = None) -> Entry:
    return Entry(
        path, kind, len(CONTENT) if kind == "f" else 0, 0, False, DIGEST if kind == "f" else None, link
    )


PATHS = ["../x", "a/../../x", "/tmp/x", "a//x", "./x", "a/./x", "", "a/", "..", "x\0y", "a/\0", "."]


@pytest.mark.parametrize("path", PATHS)
def test_a_pod_that_offers_a_path_outside_is_refused(tmp_path: Path, path: str) -> None:
    root = tmp_path / "deep" / "root"
    before = set(tmp_path.rglob("*"))
    report = pull(offering([planted(path)]), root, ["."], place="x")
    made = {item for item in tmp_path.rglob("*") if item.is_file() and ".millhand" not in item.parts} - before
    assert not made
    assert report.findings or path == "."


def test_a_pod_that_offers_what_was_not_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MillhandError, match="not asked for"):
        pull(offering([planted("b/x")]), tmp_path / "root", ["a"], place="x")
    assert not (tmp_path / "root" / "b").exists()


@pytest.mark.parametrize("target", ["/etc", "..", "../..", "a/../../x", "C:\\x", "\\\\host\\x", ""])
def test_a_link_that_leads_outside_is_refused_and_not_followed(tmp_path: Path, target: str) -> None:
    entries = [planted("link", "l", target), planted("link/x")]
    report = pull(offering(entries), tmp_path / "root", ["."], place="x")
    assert "link" in {finding.file for finding in report.findings}
    assert not (tmp_path / "root" / "link").is_symlink()


def test_a_link_that_is_there_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "file").symlink_to(tmp_path / "outside" / "file")
    report = pull(offering([planted("link/x"), planted("file")]), tmp_path / "root", ["."], place="x")
    assert not list((tmp_path / "outside").iterdir())
    assert (tmp_path / "root" / "file").read_bytes() == CONTENT
    assert [finding.file for finding in report.findings] == ["link/x"]


@pytest.mark.parametrize(
    "path", [".git/hooks/pre-commit", ".GIT/config", ".env", "a/.git", ".g\u200cit/config", "id_rsa"]
)
def test_what_would_be_run_or_is_secret_is_not_taken(tmp_path: Path, path: str) -> None:
    pull(offering([planted(path)]), tmp_path / "root", ["."], place="x")
    assert not (tmp_path / "root" / path).exists()


def test_other_bytes_than_the_digest_says_are_refused(tmp_path: Path) -> None:
    def answer(header: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        if header["do"] == "fetch":
            return {"rows": [["a", "f", 5, 0, False, DIGEST, None]]}, b"other"
        return offering([planted("a")])._answer(header)

    report = pull(Liar(answer), tmp_path / "root", ["."], place="x")
    assert [finding.id for finding in report.findings] == ["sync.mismatch"]
    assert not (tmp_path / "root" / "a").exists()


@given(st.binary(max_size=200))
def test_noise_is_an_error_and_not_a_crash(noise: bytes) -> None:
    def answer(header: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        return ({"more": False}, noise) if header["do"] == "list" else ({}, b"")

    with pytest.raises(MillhandError):
        pull(Liar(answer), Path("/nonexistent-root"), ["a"], place="x", choice=Choice(dry_run=True))


@pytest.fixture
def lane(tmp_path: Path) -> Any:
    pipe = Pipe()
    lane = Lane(pipe)
    (tmp_path / "root").mkdir()
    lane.ask(
        {"do": "hello", "root": str(tmp_path / "root"), "session": "0" * 8, "make": True, "durable": False}
    ).result()
    yield lane
    lane.close()


@pytest.mark.parametrize("path", [path for path in PATHS if path != "."])
def test_the_agent_keeps_to_its_root(tmp_path: Path, lane: Lane, path: str) -> None:
    (tmp_path / "x").write_bytes(b"mine")
    row = list(planted(path))
    answer, _ = lane.ask({"do": "small", "rows": [row]}, CONTENT).result()
    assert answer["faults"]
    for do in (
        {"do": "read", "path": path, "size": 4, "mtime_ns": 0, "ranges": [[0, 4]], "squeeze": False},
        {"do": "blocks", "path": path, "first": 0, "digests": [DIGEST]},
        {"do": "finish", "row": row},
        {"do": "list", "path": path},
    ):
        with pytest.raises(Exception, match=r".+"):
            lane.ask(do, CONTENT).result()
    lane.ask({"do": "apply"}, pack([["delete", path], ["link", path, "a"], ["folder", path]])).result()
    assert (tmp_path / "x").read_bytes() == b"mine"
    assert not list((tmp_path / "root").iterdir())


def test_a_folder_exchanged_for_a_link_meanwhile_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "root" / "a").mkdir(parents=True)
    store = Store(Root(str(tmp_path / "root")), "0" * 8)
    store.write_small(planted("a/first"), CONTENT)
    (tmp_path / "root" / "a").rename(tmp_path / "root" / "b")
    (tmp_path / "root" / "a").symlink_to(tmp_path / "outside")
    store.write_small(planted("a/second"), CONTENT)
    assert not list((tmp_path / "outside").iterdir())
    store.close()


@given(st.text(max_size=30))
def test_a_path_that_is_taken_stays_below(path: str) -> None:
    try:
        found = split(path, windows=False)
    except RefusedError:
        return
    assert not os.path.isabs(path)
    assert ".." not in found
    assert os.path.normpath(os.path.join("/root", path)).startswith("/root")


@pytest.mark.parametrize(
    "name",
    [
        "a:b",
        "C:",
        "a\\b",
        "nul",
        "NUL.txt",
        "com1",
        "COM¹",
        "lpt9.log",
        "con ",
        "a.",
        "a ",
        "a?",
        "a\n",
        "\udcff",
        "aux.",
    ],
)
def test_a_name_that_windows_cannot_hold_is_a_finding_there(name: str) -> None:
    findings: list[Any] = []
    assert not Arrivals(findings, windows=True, folds=True).take(planted(name))
    assert len(findings) == 1
    assert Arrivals([], windows=False, folds=False).take(planted(name))


@pytest.mark.parametrize("name", ["console", "com", "nullable.txt", "한글", "a b", "com10", ".hidden"])
def test_a_name_that_windows_can_hold_is_taken(name: str) -> None:
    assert names.windows_fault(name) is None


def test_names_that_a_client_cannot_tell_apart_are_findings(tmp_path: Path) -> None:
    findings: list[Any] = []
    arrivals = Arrivals(findings, windows=False, folds=True)
    assert arrivals.take(planted("README"))
    assert not arrivals.take(planted("readme"))
    assert arrivals.take(planted("한글"))
    assert not arrivals.take(planted(unicodedata.normalize("NFD", "한글")))
    assert arrivals.take(planted("README"))
    assert [finding.id for finding in findings] == ["sync.case"] * 2


def test_secrets_are_known_however_they_are_written() -> None:
    secret = [
        ".git",
        "a/.git/config",
        ".ENV",
        ".env.local",
        "id_ed25519",
        "x.PEM",
        ".ssh/config",
        ".millhand/ledger.db-wal",
    ]
    secret += [".millhand/sync/hashes.sqlite", ".gi\u200dt", ".git.", "GIT~1"]
    secret += [".envrc", ".pypirc", ".aws/credentials", ".huggingface/token", "a/Credentials.json"]
    secret += ["client_secret_1.apps.json", "service-account-key.json", ".streamlit/secrets.toml", ".npmrc"]
    open_ = [
        "service_accounts_qa.json",
        "aws/credentials",
        "tokenizer.json",
        ".gitignore",
        ".env.example",
        "id_ed25519.pub",
        "a.env",
        "env",
        ".millhand/runs/x",
        "keys",
        "git",
    ]
    assert all(map(names.is_secret, secret))
    assert not any(map(names.is_secret, open_))


@pytest.mark.parametrize("name", ["keys/runpod_ed25519", "known_hosts.json", "id", "ledger.sqlite", "sync/x"])
def test_millhands_own_secrets_and_notes_never_travel(name: str) -> None:
    assert names.is_secret(f".millhand/{name}")
    assert names.is_secret(f"sub/.MILLHAND/{name}")
    assert not names.is_secret(".millhand/runs/qa/train.yaml")
