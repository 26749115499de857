"""Publishing to a Hub on loopback with the real client: one commit, nothing twice, seen to be there."""

from __future__ import annotations

import httpx
import pytest

from millhand.errors import FindingsError, MillhandError
from millhand.hub import client
from tests.hub_fake import FakeHub
from tests.hub_fake.fixtures import CLIENTS_OWN, ID, Line, contents, hub, line, waits

pytestmark = pytest.mark.filterwarnings(CLIENTS_OWN)
__all__ = ["hub", "line", "waits"]


def test_all_files_come_with_one_commit_into_a_private_repository(line: Line, hub: FakeHub) -> None:
    published = line.push()
    repo = hub.repo(ID)
    assert contents(repo) == line.wanted()
    assert repo.private
    assert (published.commit, published.again) == (repo.branches["main"], False)
    assert len(repo.commits) == 2
    assert hub.stages()["part"] == 3
    assert not [name for name in contents(repo) if "training_args" in name or "checkpoint" in name]


def test_a_second_push_sends_nothing_and_commits_nothing(line: Line, hub: FakeHub) -> None:
    first = line.push()
    asked = hub.stages()
    second = line.push()
    assert second.again
    assert second.commit == first.commit
    after = hub.stages() - asked
    assert not {"preupload", "batch", "put", "part", "commit", "create"} & set(after)


def test_a_changed_model_takes_away_what_would_be_loaded_with_it_and_leaves_what_a_person_put_there(
    line: Line, hub: FakeHub
) -> None:
    line.push()
    hub.put(
        ID,
        {"adapter_config.json": b"{}", "USE.md": b"mine", "requirements.txt": b"x", "img/a.svg": b"<svg/>"},
    )
    (line.folder / "model-00002-of-00002.safetensors").unlink()
    publisher = line.publisher()
    states = {c.path: c.state for c in publisher.changes(publisher.look(), line.files())}
    assert states["adapter_config.json"] == states["model-00002-of-00002.safetensors"] == "removed"
    assert states["model-00001-of-00002.safetensors"] == "same"
    line.push()
    assert set(contents(hub.repo(ID))) == {*line.wanted(), "USE.md", "requirements.txt", "img/a.svg"}


def test_a_dry_look_says_what_an_earlier_push_left_in_the_storage(line: Line, hub: FakeHub) -> None:
    hub.order("commit", status=403, message="Forbidden")
    with pytest.raises(FindingsError):
        line.push()
    publisher = line.publisher()
    standing = publisher.look()
    found = publisher.changes(standing, line.files())
    assert {change.state for change in found} == {"new"}
    large = {f"model-0000{n}-of-00002.safetensors" for n in (1, 2)}
    assert publisher.stored(standing, found) == large
    assert len(hub.repo(ID).commits) == 1


def test_somebody_else_s_commit_in_between_is_kept(line: Line, hub: FakeHub) -> None:
    hub.on["commit"] = lambda: hub.put(ID, {"USE.md": b"theirs"})
    line.push()
    assert contents(hub.repo(ID)) == {**line.wanted(), "USE.md": b"theirs"}
    assert hub.stages()["put"] == 1


def test_a_file_that_changes_while_it_is_sent_is_not_published(line: Line, hub: FakeHub) -> None:
    hub.on["put"] = lambda: (line.folder / "config.json").write_text("{}")
    with pytest.raises(MillhandError, match=r"Changed while they were sent: config\.json"):
        line.push()
    assert len(hub.repo(ID).commits) == 1
    line.push()
    assert contents(hub.repo(ID)) == line.wanted()


def test_the_repository_s_gitignore_leaves_nothing_out(line: Line, hub: FakeHub) -> None:
    hub.make(ID)
    hub.put(ID, {".gitignore": b"*.safetensors\nREADME.md\n"})
    line.push()
    assert {**contents(hub.repo(ID)), ".gitignore": b""} == {**line.wanted(), ".gitignore": b""}


def test_a_listing_that_is_not_what_was_sent_is_no_delivery(line: Line, hub: FakeHub) -> None:
    def spoil() -> None:
        repo = hub.repo(ID)
        repo.head().files["config.json"] = repo.keep_blob(b"other")
        repo.save()

    # The listing that is read after the commit is the second of this push.
    hub.on["commit"] = lambda: hub.on.update(tree=spoil)
    with pytest.raises(FindingsError, match="not delivered") as caught:
        line.push(tag="v1")
    assert [finding.id for finding in caught.value.findings] == ["hub.different"]
    assert hub.repo(ID).tags == {}
    line.push(tag="v1")
    assert contents(hub.repo(ID), "v1") == line.wanted()


def test_a_hub_that_says_nothing_is_not_waited_for_for_ever(
    line: Line, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TIMEOUT", httpx.Timeout(0.5))
    for stage in ("whoami", "put", "part", "commit"):
        hub.order(stage, how="stall", hold_s=2.0)
    line.push()
    assert contents(hub.repo(ID)) == line.wanted()


def test_a_card_that_the_hub_refuses_is_refused_before_the_weights_go(line: Line, hub: FakeHub) -> None:
    line.card = "---\nlicense: my-own\n---\n"
    with pytest.raises(FindingsError, match="refuses the card"):
        line.push()
    assert hub.find("model", ID) is None
    assert not hub.received


def test_large_text_files_go_as_objects_and_come_back_equal(line: Line, hub: FakeHub) -> None:
    (line.folder / "tokenizer.json").write_bytes(b"{" + b" " * (11 << 20) + b"}")
    line.push()
    repo = hub.repo(ID)
    assert repo.head().files["tokenizer.json"].kind == "lfs"
    assert "tokenizer.json" in repo.read(".gitattributes").decode()
    assert line.push().again
