"""Tokens and steps: cut, packed and counted as LLaMA-Factory does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from millhand.datasets.records import Message, Record
from millhand.llamafactory.knowledge import shipped
from millhand.training.estimate.steps import plan_work
from millhand.training.estimate.tokens import (
    Lengths,
    Speaker,
    by_characters,
    load_count,
    measure,
    packed,
)
from tests.unit.training.estimate.given import given, setup


def speaker(template: str = "chatml", limit: int = 1000, **values: Any) -> Speaker:
    """One token a character, so that lengths can be read off."""
    return Speaker(lambda text: float(len(text)), shipped().templates[template], limit=limit, **values)


def lengths(rows: int = 100, each: float = 50.0, **values: Any) -> Lengths:
    base: dict[str, Any] = {
        "rows": rows,
        "sample": (each,) * rows,
        "longest": each,
        "truncated": 0.0,
        "basis": "tokenizer",
    }
    return Lengths(**{**base, **values})


def test_a_template_stands_around_question_and_answer() -> None:
    record = Record(instruction="가나", output="다라마")
    around = len("<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n") + len("<|im_end|>\n")
    assert speaker().length(record).tokens == around + 5


def test_system_history_and_thought_are_counted() -> None:
    base = speaker("qwen3").length(Record(instruction="q", output="a")).tokens
    system = speaker("qwen3").length(Record(instruction="q", output="a", system="s")).tokens
    assert system - base == len("<|im_start|>system\ns<|im_end|>\n")
    thought = speaker("qwen3").length(Record(instruction="q", output="<think>\nx\n</think>\n\na")).tokens
    assert thought - base == len("x")
    more = speaker("qwen3_nothink").length(Record(instruction="q", output="a", history=(("q", "a"),))).tokens
    assert more == 2 * speaker("qwen3_nothink").length(Record(instruction="q", output="a")).tokens


def test_messages_are_counted_as_history_is() -> None:
    said = (Message("human", "하나"), Message("gpt", "둘"), Message("human", "셋"), Message("gpt", "넷"))
    spoken = speaker().length(Record(messages=said, output="넷"))
    assert spoken == speaker().length(Record(instruction="셋", output="넷", history=(("하나", "둘"),)))


def test_the_longer_of_two_answers_counts() -> None:
    short = speaker().length(Record(instruction="q", chosen="a", rejected="a")).tokens
    assert speaker().length(Record(instruction="q", chosen="a", rejected="aaaa")).tokens == short + 3


@forall(st.integers(0, 400), st.integers(1, 400), st.integers(64, 300))
def test_a_cut_row_keeps_within_the_limit(question: int, answer: int, limit: int) -> None:
    record = Record(instruction="q" * question, output="a" * answer)
    found = speaker(limit=limit).length(record)
    assert found.tokens == min(found.uncut, limit)
    assert found.uncut == speaker(limit=10_000).length(record).tokens


@forall(st.lists(st.integers(1, 100), max_size=80), st.integers(50, 120))
def test_packing_loses_no_row_that_fits_and_fills_no_row_twice(sizes: list[int], capacity: int) -> None:
    rows, kept = packed(sizes, capacity), [size for size in sizes if size <= capacity]
    assert sum(kept) <= rows * capacity
    assert rows <= len(kept)
    # no two packed rows could be one: greedy fills at least half of all but one
    assert rows <= 2 * sum(kept) / capacity + 1


def test_characters_stand_in_where_no_tokenizer_is() -> None:
    count, basis = load_count(None)
    assert (count, basis) == (by_characters, "characters")
    assert by_characters("한국어") > by_characters("abc")


def test_a_long_dataset_is_sampled_evenly_and_its_longest_row_is_found() -> None:
    rows = [Record(instruction="q" * (900 if number == 7777 else 10), output="a") for number in range(9000)]
    found = measure(rows, speaker(limit=5000), "tokenizer", sample=100)
    assert found.rows == 9000
    assert 100 <= len(found.sample) <= 200
    assert found.longest > 900 > found.mean


def test_rows_that_are_cut_are_counted_and_estimated_ones_are_not_taken_for_them() -> None:
    rows = [Record(instruction="가" * size, output="나") for size in (10, 20, 400)]
    by_letters = measure(rows, speaker(limit=300), "tokenizer")
    assert by_letters.truncated == pytest.approx(1 / 3)
    guessed = Speaker(by_characters, shipped().templates["chatml"], limit=10_000)
    assert measure(rows, guessed, "characters").truncated == 0


# Steps


def work(rows: int = 100, gpus: int = 1, **values: Any) -> Any:
    values = {"dataset": "a", **values}
    return plan_work(given(**values), setup(**values), {"a": lengths(rows)}, gpus)


@pytest.mark.parametrize(
    ("values", "gpus", "steps"),
    [
        ({"per_device_train_batch_size": 1, "gradient_accumulation_steps": 1, "num_train_epochs": 1}, 1, 100),
        ({"per_device_train_batch_size": 8, "gradient_accumulation_steps": 1, "num_train_epochs": 3}, 1, 39),
        ({"per_device_train_batch_size": 8, "gradient_accumulation_steps": 4, "num_train_epochs": 3}, 1, 12),
        ({"per_device_train_batch_size": 8, "gradient_accumulation_steps": 4, "num_train_epochs": 3}, 4, 3),
        ({"per_device_train_batch_size": 1, "num_train_epochs": 0.5}, 1, 50),
        ({"max_steps": 7}, 1, 7),
    ],
)
def test_steps_follow_from_rows_batches_and_rounds(values: dict[str, Any], gpus: int, steps: int) -> None:
    assert work(gpus=gpus, **values).steps == steps


@pytest.mark.parametrize(
    ("size", "trained", "held"), [(0.1, 90, 10), (0.005, 99, 1), (5, 95, 5), (1, 99, 1), (0, 100, 0)]
)
def test_rows_are_held_back_for_evaluation(size: float, trained: int, held: int) -> None:
    found = work(val_size=size, eval_strategy="steps", eval_steps=10, max_steps=50)
    assert (found.rows, found.evaluated) == (trained, held)
    assert found.evaluations == (5 if held else 0)


def test_a_dataset_of_its_own_is_evaluated_on() -> None:
    values: dict[str, Any] = {"eval_strategy": "steps", "eval_steps": 10, "max_steps": 50, "max_samples": 80}
    made = given(dataset="a", eval_dataset="long", **values)
    long = {"long": lengths(200, 900.0)}
    found = plan_work(made, setup(cutoff_len=512, **values), {"a": lengths(100)}, 1, long)
    assert (found.rows, found.evaluated, found.evaluations) == (80, 80, 5)
    assert (found.longest, found.longest_evaluated) == (56, 512)
    assert found.evaluated_padded > 80 * 512
    unread = plan_work(made, setup(cutoff_len=512, **values), {"a": lengths(100)}, 1, {"long": None})
    assert (unread.longest_evaluated, unread.evaluations) == (512, 0)
    assert "long" in unread.notes[-1]


def test_packed_rows_are_fewer_and_as_long_as_the_limit() -> None:
    plain, tight = work(num_train_epochs=1), work(num_train_epochs=1, packing=True, cutoff_len=512)
    assert tight.sequences == 10  # ten rows of 50 in 511
    assert (plain.longest, tight.longest) == (56, 512)
    assert tight.steps < plain.steps


def test_without_the_rows_memory_is_estimated_at_the_limit() -> None:
    found = plan_work(given(dataset="a"), setup(cutoff_len=1000), {"a": None}, 1)
    assert (found.known, found.steps, found.longest) == (False, 0, 1000)
    assert "cutoff_len" in found.notes[0]


def test_datasets_are_mixed() -> None:
    both = {"a": lengths(100), "b": lengths(40)}
    rows = {
        strategy: plan_work(given(mix_strategy=strategy), setup(), both, 1).rows
        for strategy in ("concat", "interleave_under", "interleave_over")
    }
    assert rows == {"concat": 140, "interleave_under": 80, "interleave_over": 200}
    assert plan_work(given(max_samples=50), setup(), both, 1).rows == 90


def test_a_tokenizer_file_is_used_where_it_can_be(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    count, basis = load_count(tmp_path / "tokenizer.json")
    assert (count("a b c"), basis) == (3.0, "tokenizer")
