"""Publishing to a Hub on loopback with the real client: one commit, nothing twice, seen to be there."""

from __future__ import annotations

import pytest

from millhand.errors import FindingsError
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
