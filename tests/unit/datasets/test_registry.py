"""The registry: entries of ours and by hand, what LLaMA-Factory makes of them, datasets as records."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from millhand.datasets.definition import read_definition
from millhand.datasets.info import columns_of, tags_of
from millhand.datasets.records import Turn
from millhand.datasets.registry import Registry
from millhand.datasets.remove import remove_dataset
from millhand.errors import FindingsError, UsageError
from tests.unit.datasets.conftest import Adder, alpaca, read_json, snapshot

_BY_HAND = {
    "zeta": {
        "hf_hub_url": "beomi/KoAlpaca-v1.1a",
        "columns": {"response": "output", "prompt": "instruction"},
    },
    "손으로": {"file_name": "hand.csv", "columns": {"prompt": "q", "response": "a"}, "메모": "그대로"},
}


def put(registry: Registry, info: dict[str, Any]) -> None:
    (registry.folder / "dataset_info.json").write_text(json.dumps(info, ensure_ascii=False), encoding="utf-8")


def test_every_member_that_would_be_null_is_written(add: Adder, registry: Registry) -> None:
    """An entry that gives ``columns`` nulls what it does not list: all our rows' columns must be listed."""
    add(alpaca(("가?", "나."), system="s", history=[["a", "b"]]))
    add(
        [{"messages": [{"role": "user", "content": "가?"}, {"role": "assistant", "content": "나."}]}],
        name="chat",
    )
    for name, entry in read_json(registry.folder / "dataset_info.json").items():
        columns = set(registry.dataset(name).definition.columns) - {"source"}
        assert set(filter(None, columns_of(entry).values())) == columns
    assert None not in tags_of(registry.entries()["chat"]).values()
    assert len(registry.entries()["chat"]["tags"]) == 7


def test_entries_by_hand_are_kept_word_for_word_and_first_and_ours_sorted(
    add: Adder, registry: Registry
) -> None:
    put(registry, _BY_HAND)
    for name in ("나", "b", "a"):
        add(alpaca(("가?", "나.")), name=name)
    info = read_json(registry.folder / "dataset_info.json")
    assert list(info) == ["zeta", "손으로", "a", "b", "나"]
    assert json.dumps(info["zeta"]) == json.dumps(_BY_HAND["zeta"])
    assert json.dumps(info["손으로"]) == json.dumps(_BY_HAND["손으로"])


def test_what_a_person_added_to_our_entry_survives(add: Adder, registry: Registry) -> None:
    add(alpaca(("가?", "나.")), name="a")
    info = read_json(registry.folder / "dataset_info.json")
    info["a"] |= {"num_samples": 10, "split": "train", "columns": {"prompt": "output"}}
    put(registry, info)
    add(alpaca(("다?", "라.")), name="b")
    entry = read_json(registry.folder / "dataset_info.json")["a"]
    assert (entry["num_samples"], entry["split"]) == (10, "train")
    assert entry["columns"] == {"prompt": "instruction", "query": "input", "response": "output"}


def test_regenerating_changes_no_byte_and_brings_back_what_was_lost(add: Adder, registry: Registry) -> None:
    add(alpaca(("가?", "나.")), name="a")
    before = snapshot(registry.folder)
    registry.write()
    assert snapshot(registry.folder) == before
    (registry.folder / "dataset_info.json").unlink()
    registry.write()
    assert snapshot(registry.folder) == before


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": {"columns": []}}', "\ufeff{"])
def test_a_broken_registry_is_told_and_left_as_it_is(add: Adder, registry: Registry, content: str) -> None:
    path = registry.folder / "dataset_info.json"
    path.write_text(content, encoding="utf-8")
    (finding,) = add.faults(alpaca(("가?", "나.")))
    assert (finding.id, finding.file) == ("data.broken-registry", "dataset_registry/dataset_info.json")
    assert path.read_text(encoding="utf-8") == content


def test_an_unknown_key_of_a_definition_is_named_with_the_nearest(add: Adder, registry: Registry) -> None:
    add(alpaca(("가?", "나.")))
    path = registry.folder / "qa" / "dataset.yaml"
    text = path.read_text(encoding="utf-8")
    for wrong, mend in (("license: MIT\n", "licence"), ("descripton: x\n", "description")):
        path.write_text(text + wrong, encoding="utf-8")
        with pytest.raises(FindingsError) as caught:
            read_definition(path)
        assert caught.value.findings[0].mend == f"Did you mean {mend!r}?"
        assert caught.value.findings[0].file == "dataset_registry/qa/dataset.yaml"


@pytest.mark.parametrize("text", ["a: [", "- a", "name: 7", "\x00"])
def test_a_broken_definition_is_a_finding(add: Adder, registry: Registry, text: str) -> None:
    add(alpaca(("가?", "나.")))
    (registry.folder / "qa" / "dataset.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(FindingsError) as caught:
        registry.names()
    assert caught.value.findings[0].id == "data.broken-definition"


def test_a_definition_may_be_edited_by_hand_and_is_kept(add: Adder, registry: Registry) -> None:
    add(alpaca(("가?", "나.")))
    path = registry.folder / "qa" / "dataset.yaml"
    path.write_text(
        path.read_text(encoding="utf-8") + "licence: MIT\ndescription: |\n  두\n  줄\n", encoding="utf-8"
    )
    assert add(alpaca(("가?", "나."))).status == "unchanged"
    again = add(alpaca(("다?", "라.")), replace=True).definition
    assert (again.licence, again.description) == ("MIT", "두\n줄\n")


def test_a_dataset_by_hand_is_read_as_llamafactory_reads_it(registry: Registry) -> None:
    put(registry, _BY_HAND)
    (registry.folder / "hand.csv").write_text("q,a,input\n가?,나.,사라짐\n", encoding="utf-8")
    dataset = registry.dataset("손으로")
    assert dataset.definition is None
    assert not dataset.ours
    assert list(dataset.turns()) == [Turn("", (), "가?", "나.")]  # columns lists no query: it is null
    assert list(dataset.texts()) == ["가?", "나."]
    assert len(dataset.sha256) == 64


def test_conversations_by_hand_follow_their_tags_and_lose_what_is_out_of_order(registry: Registry) -> None:
    tags = {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "bot",
        "system_tag": "sys",
    }
    entry = {"file_name": "c.json", "formatting": "sharegpt", "columns": {"messages": "chat"}, "tags": tags}
    put(registry, {"c": entry})

    def row(*said: tuple[str, str]) -> dict[str, Any]:
        return {"chat": [{"role": role, "content": text} for role, text in said]}

    rows = [
        row(("sys", "s"), ("user", "1"), ("bot", "2"), ("user", "3"), ("bot", "4")),
        row(("bot", "2"), ("user", "1")),
        row(("user", "1")),
        row(("human", "1"), ("gpt", "2")),
    ]
    (registry.folder / "c.json").write_bytes(orjson.dumps(rows))
    dataset = registry.dataset("c")
    assert list(dataset.turns()) == [Turn("s", (("1", "2"),), "3", "4")]
    assert list(dataset.texts()) == ["s", "1", "2", "3", "4"]
    assert len(list(dataset.rows())) == 4


def test_records_carry_what_was_written(add: Adder, registry: Registry) -> None:
    add([{"instruction": "가", "input": "나", "output": "다", "history": [["앞", "뒤"]]}], system="s")
    (record,) = registry.dataset("qa").records()
    assert record.turn == Turn("s", (("앞", "뒤"),), "가\n나", "다")
    assert list(record.texts()) == ["s", "앞", "뒤", "가\n나", "다"]
    assert record.source is not None
    assert record.source.row == 1


def test_an_unknown_name_comes_with_the_nearest(add: Adder, registry: Registry) -> None:
    add(alpaca(("가?", "나.")), name="minwon")
    with pytest.raises(UsageError, match="Did you mean minwon"):
        registry.dataset("minwom")
    with pytest.raises(UsageError, match="There are: minwon"):
        registry.dataset("zzz")


def test_what_is_not_on_this_machine_is_told(registry: Registry) -> None:
    put(registry, _BY_HAND)
    with pytest.raises(UsageError, match="hf_hub_url: beomi/KoAlpaca"):
        registry.dataset("zeta")
    with pytest.raises(UsageError, match="hand"):
        registry.dataset("손으로")


def test_removing_takes_the_entry_and_the_folder_and_nothing_else(add: Adder, registry: Registry) -> None:
    put(registry, _BY_HAND)
    before = registry.names()
    add(alpaca(("가?", "나.")), name="a")
    assert remove_dataset(registry, "a") == []
    assert registry.names() == before
    assert not (registry.folder / "a").exists()


def test_a_persons_files_in_the_folder_stay(add: Adder, registry: Registry) -> None:
    add(alpaca(("가?", "나.")), name="a")
    (registry.folder / "a" / "notes.md").write_text("x")
    assert remove_dataset(registry, "a") == ["notes.md"]
    assert snapshot(registry.folder / "a") == {"notes.md": b"x"}


def test_what_is_not_ours_is_not_removed(registry: Registry) -> None:
    put(registry, _BY_HAND)
    with pytest.raises(UsageError, match="entered by hand"):
        remove_dataset(registry, "zeta")
    with pytest.raises(UsageError, match="no dataset 'nope'"):
        remove_dataset(registry, "nope")
