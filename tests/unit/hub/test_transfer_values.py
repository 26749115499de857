"""The values around a transfer: names, hashes, what differs, what may be shown, what belongs."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.errors import FindingsError
from millhand.hub.access import refusal
from millhand.hub.errors import UnsureError, clean, translate
from millhand.hub.listing import LocalFile, RemoteFile, changes, compare, git_blob_id, is_same, local_text
from millhand.hub.selection import is_model_file, is_part
from millhand.hub.target import Target, check_repository, check_target

TOKEN = "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH"
NAMES = st.text(st.sampled_from("aB9-._/ 가"), max_size=12)


@given(NAMES)
def test_a_name_that_is_taken_is_one_that_the_client_takes(name: str) -> None:
    from huggingface_hub.utils._validators import HFValidationError, validate_repo_id

    try:
        check_repository(name)
    except FindingsError:
        return
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise AssertionError(name) from error
    assert name.count("/") == 1


@pytest.mark.parametrize("name", ["mill/minwon", "Mill-9/a.b_c", "m/x", "mill/" + "x" * 91])
def test_names_of_the_hub_are_taken(name: str) -> None:
    assert check_repository(name) == name


@pytest.mark.parametrize("branch", ["main", "v1.0", "feature/new", "2026_11"])
def test_branches_are_taken(branch: str) -> None:
    assert check_target(Target("model", "a/b", branch)).branch == branch


@pytest.mark.parametrize("branch", ["", "-x", "a//b", "a/", "x.lock", "a b", "a..b", "a~1", "refs:x"])
def test_what_git_would_refuse_is_no_branch(branch: str) -> None:
    if branch:
        with pytest.raises(FindingsError):
            check_target(Target("model", "a/b", branch))


@given(st.binary(max_size=2000))
def test_a_blob_s_id_is_git_s(data: bytes) -> None:
    from huggingface_hub.utils.sha import git_hash

    assert git_blob_id(data) == git_hash(data)


def test_a_blob_s_id_is_what_git_says(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes("질문\n".encode())
    try:
        done = subprocess.run(["git", "hash-object", str(tmp_path / "x")], capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    assert git_blob_id("질문\n".encode()) == done.stdout.decode().strip()


FILES = st.dictionaries(
    st.sampled_from(["a.json", "b.safetensors", "c.txt", "d.model"]), st.binary(max_size=4), max_size=4
)


def here(files: dict[str, bytes]) -> list[LocalFile]:
    return [LocalFile(p, len(d), hashlib.sha256(d).hexdigest(), d) for p, d in files.items()]


def there(files: dict[str, bytes], *, lfs: bool) -> dict[str, RemoteFile]:
    digest = hashlib.sha256
    return {
        p: RemoteFile(p, len(d), digest(d).hexdigest() if lfs else None, "0" * 40 if lfs else git_blob_id(d))
        for p, d in files.items()
    }


@given(FILES, FILES, st.booleans())
def test_nothing_is_found_exactly_where_the_files_are_equal(
    mine: dict[str, bytes], theirs: dict[str, bytes], lfs: bool
) -> None:
    found = changes(here(mine), there(theirs, lfs=lfs), lambda path: True)
    assert {c.path for c in found if c.state == "same"} == {p for p in mine if theirs.get(p) == mine[p]}
    assert {c.path for c in found if c.state == "removed"} == set(theirs) - set(mine)
    assert {c.path for c in found} == set(mine) | set(theirs)
    assert (list(compare(here(mine), there(theirs, lfs=lfs), lambda path: True)) == []) is (mine == theirs)


def test_a_file_of_the_hub_that_is_no_part_of_ours_is_left_out_of_it() -> None:
    assert changes([], there({"USE.md": b"x"}, lfs=False), lambda path: False) == []


def test_an_object_is_compared_by_its_sha256_and_a_blob_by_git_s_id() -> None:
    mine = local_text("a", "text")
    assert is_same(mine, RemoteFile("a", 4, mine.sha256, "0" * 40))
    assert not is_same(mine, RemoteFile("a", 4, "0" * 64, mine.blob_id))
    assert is_same(mine, RemoteFile("a", 4, None, mine.blob_id))
    assert not is_same(mine, RemoteFile("a", 5, mine.sha256, mine.blob_id))


@given(st.text(max_size=60), st.text(max_size=60))
def test_neither_the_token_nor_a_right_to_write_is_shown(before: str, after: str) -> None:
    url = f"https://bucket.example/x?X-Amz-Signature=beef&token={TOKEN}"
    shown = clean(f"{before} {url} {after} Bearer {TOKEN}", TOKEN)
    assert TOKEN not in shown
    assert "beef" not in shown
    assert "\n" not in shown


@pytest.mark.parametrize(
    "error", [UnsureError("sending to storage.example broke off"), httpx.ReadTimeout("storage.example")]
)
def test_a_host_named_storage_that_is_lost_has_room(error: Exception) -> None:
    assert "was lost" in str(translate(error, "kim/qa", "https://hub.example"))


def test_a_full_storage_has_none() -> None:
    assert "no room" in str(translate(OSError("quota exceeded"), "kim/qa", "https://hub.example"))


def test_another_token_is_not_shown_either() -> None:
    assert "hf_abc" not in clean("Invalid token hf_abcdefgh12345678")


@pytest.mark.parametrize(
    "name",
    ["model-00001-of-00002.safetensors", "config.json", "tokenizer.model", "merges.txt",
     "chat_template.jinja", "Modelfile", "qa-Q4_K_M.gguf", "LICENSE", "millhand_run.json",
     "training_loss.png"],
)  # fmt: skip
def test_what_belongs_to_a_model(name: str) -> None:
    assert is_model_file(name)


@pytest.mark.parametrize(
    "name",
    ["README.md", "training_args.bin", "optimizer.pt", "trainer_state.json", "trainer_log.jsonl", ".env",
     "running_log.txt", "pytorch_model.bin", "checkpoint-5/model.safetensors", "all_results.json",
     ".qa.gguf.partial", "events.out.tfevents.1"],
)  # fmt: skip
def test_what_does_not_belong_to_a_model(name: str) -> None:
    assert not is_model_file(name)


def test_what_would_be_loaded_with_a_model_is_a_part_and_a_person_s_text_is_none() -> None:
    assert is_part("adapter_config.json")
    assert is_part("model-00003-of-00003.safetensors")
    for name in ("README.md", "LICENSE.txt", "requirements.txt", "notes.json", "img/model.safetensors"):
        assert not is_part(name)


def test_what_whoami_leaves_open_the_hub_decides() -> None:
    assert refusal({"name": "mill"}, Target("model", "mill/x")) == ""
    admin = {"name": "kim", "orgs": [{"name": "mill", "roleInOrg": "contributor"}]}
    assert refusal(admin, Target("model", "mill/x")) == ""
    fine = {"role": "fineGrained", "fineGrained": {"scoped": [
        {"entity": {"type": "model", "name": "mill/x"}, "permissions": ["repo.write"]}]}}  # fmt: skip
    who = {"name": "mill", "auth": {"accessToken": fine}}
    assert refusal(who, Target("model", "mill/x")) == ""
    assert "repo.write" in refusal(who, Target("model", "mill/y"))


def test_a_name_that_is_nearly_the_account_s_own_is_asked_about() -> None:
    who = {"name": "mill", "orgs": [{"name": "mill-labs", "roleInOrg": "admin"}]}
    assert "Is mill/x meant?" in refusal(who, Target("model", "Mill/x"))
    assert "Is mill-labs/x meant?" in refusal(who, Target("model", "mil-labs/x"))
    assert "meant" not in refusal(who, Target("model", "someone/x"))


def test_only_what_makes_a_model_is_published() -> None:
    published = (
        "model-00001-of-00002.safetensors", "model.safetensors.index.json", "config.json", "tokenizer.model",
        "tokenizer_config.json", "vocab.txt", "merges.txt", "qwen.tiktoken", "chat_template.jinja",
        "preprocessor_config.json", "modeling_mill.py", "LICENSE", "NOTICE.txt", "Modelfile",
        "training_eval_loss.png", "qa-Q8_0.gguf",
    )  # fmt: skip
    assert [name for name in published if not is_model_file(name)] == []
    kept = ("notes.json", "customers.txt", "eval_results.json", "running_log.txt", "a/config.json", ".env")
    assert [name for name in kept if is_model_file(name)] == []
