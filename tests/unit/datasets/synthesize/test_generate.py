"""The step over a fake endpoint: what comes out, what is listed, and that the two add up."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from millhand.datasets.pieces import Piece
from millhand.datasets.records import Record, Source
from millhand.datasets.synthesize.listing import NotMade
from millhand.endpoint.cache import AnswerCache
from millhand.errors import FindingsError, MillhandError, UsageError
from tests.openai_fake import FakeOpenAI, Fault, Order, items, pair, passage_of, refusal, wanted, written
from tests.unit.datasets.synthesize.conftest import Builder, Built, passage, sentences, steps_passage

ALL = ("qa", "procedure", "summary", "multi_turn", "rewrite")


def listed(build: Builder) -> list[NotMade]:
    return [
        msgspec.json.decode(line, type=NotMade)
        for path in build.cache.glob("not-made-*.jsonl")
        for line in path.read_bytes().splitlines()
    ]


def adds_up(built: Built, build: Builder, fake: FakeOpenAI) -> None:
    """Nothing is silently missing: neither questions nor requests."""
    counts, lines = built.counts, listed(build)
    assert counts["asked"] == counts["answered"] + counts["listed"]
    assert counts["answered"] == sum(piece.record is not None for piece in built.pieces)
    assert counts["listed"] == len(lines)
    ids = [piece.id for piece in built.pieces] + [line.id for line in lines]
    assert len(set(ids)) == len(ids) == counts["asked"]
    sent = counts["requests answered"] + counts["requests refused"] + counts["requests lost"]
    assert counts["requests sent"] == sent
    assert counts["requests answered"] <= sum(fake.paid.values())


def test_records_come_with_all_that_they_came_from(build: Builder, fake: FakeOpenAI) -> None:
    built = build([passage(1), steps_passage(2)], purposes=ALL)
    adds_up(built, build, fake)
    first = built.pieces[0]
    assert first.record is not None
    assert (first.id, first.split, first.cluster) == ("abab:page-1/qa/1", "train", "c1")
    assert first.source.generator == "gpt-small"
    source = first.source
    assert (source.document, source.place, source.licence) == ("manual.pdf", "page 2", "CC0-1.0")
    answers = AnswerCache(build.cache)
    assert all(answers.get(piece.source.prompt_sha256) for piece in built.pieces)
    answers.close()
    made = {piece.id.split("/")[1] for piece in built.pieces}
    assert made == set(ALL)


def test_a_conversation_holds_its_earlier_turns(build: Builder) -> None:
    built = build([passage(1)], purposes=("multi_turn",), turns=3)
    (record,) = [piece.record for piece in built.pieces]
    assert record is not None
    assert len(record.history) == 2
    assert record.history[0][1] == f"{sentences(1)[0]}."


def test_a_rewording_has_the_answer_of_its_question(build: Builder) -> None:
    built = build([passage(1)], purposes=("qa", "rewrite"), levels=("beginner", "expert"))
    by_id = {piece.id.split("/", 1)[1]: piece.record for piece in built.pieces}
    for number in range(1, 4):
        original, reworded = by_id[f"qa/{number}"], by_id[f"rewrite/{2 * number}"]
        assert original is not None
        assert reworded is not None
        assert reworded.output == original.output
        assert reworded.instruction == f"{original.instruction} expert"


def test_records_among_the_pieces_go_on_as_they_are(build: Builder) -> None:
    row = Piece("row", Source("qa.csv", "cd" * 32, row=2), record=Record("질문", output="답"))
    built = build([row, passage(1)])
    assert built.pieces[0] is row
    assert built.counts["rows taken as they were"] == 1


def test_a_short_passage_is_not_asked_about_and_counted(build: Builder, fake: FakeOpenAI) -> None:
    built = build([passage(1, text="짧다.")])
    assert built.pieces == []
    assert built.tally.dropped == {"too short to ask about": 1}
    assert fake.orders == []


def test_the_prompt_has_the_passage_the_examples_and_the_form(build: Builder, fake: FakeOpenAI) -> None:
    from millhand.datasets.synthesize.options import Example, Pair

    example = Example("예시 지문", (Pair("예시 질문", "예시 답"),))
    build([passage(1)], examples=(example,), system={"qa": "우리 회사의 말투로 씁니다."})
    messages = fake.orders[0]["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[0]["content"] == "우리 회사의 말투로 씁니다."
    assert json.loads(messages[2]["content"]) == {"items": [{"question": "예시 질문", "answer": "예시 답"}]}
    assert passage_of(fake.orders[0]) == "\n".join(f"{line}." for line in sentences(1))
    assert '{"items": [{"question": "질문", "answer": "답"}]}' in messages[3]["content"]
    assert fake.orders[0]["response_format"]["type"] == "json_schema"


def test_a_server_without_schemas_is_asked_in_words_only(build: Builder, fake: FakeOpenAI) -> None:
    fake.schema = False
    built = build([passage(n) for n in range(4)], concurrency=1)
    assert built.counts["listed"] == 0
    assert built.counts["requests refused"] == 1
    assert all("response_format" not in order for order in fake.orders)


def test_what_fails_the_judge_is_asked_for_again_with_the_reason(build: Builder, fake: FakeOpenAI) -> None:
    def writer(order: Order) -> str:
        if "다시 요청합니다" in order["messages"][-1]["content"]:
            return items([pair(sentences(1)[3])])
        good = json.loads(written(order))["items"]
        return items([*good[:-1], {"question": "벌금은 얼마인가요?", "answer": "벌금은 9,999원입니다."}])

    fake.writer = writer
    built = build([passage(1)])
    assert built.counts["listed"] == 0
    assert built.counts["made at a second try or later"] > 0
    again = fake.orders[1]["messages"][-1]["content"]
    assert "9,999원" in again
    assert wanted(fake.orders[1]) == 1
    assert pair(sentences(1)[0])["question"] in again


def test_what_keeps_failing_is_listed_with_its_reason(build: Builder, fake: FakeOpenAI) -> None:
    fake.writer = lambda _: items([{"question": "벌금은?", "answer": "벌금은 9,999원입니다."}] * 3)
    built = build([passage(n) for n in range(3)], regenerate=2)
    adds_up(built, build, fake)
    assert built.counts["answered"] == 0
    assert built.tally.dropped == {"nothing was made": 3}
    assert len(fake.orders) == 9
    assert {line.code for line in listed(build)} == {"number"}
    (finding,) = built.findings
    assert finding.id == "data.not-made.number"
    assert finding.severity == "warning"
    (path,) = build.cache.glob("not-made-*.jsonl")
    assert not Path(finding.file).is_absolute()
    assert str(path).endswith(finding.file)
    assert "9 of 9" in finding.message


BAD: dict[str, Any] = {
    "unreadable": lambda _: "질문: 언제 여나요? 답: 9시",
    "empty": lambda _: "   ",
    "refusal": lambda _: items([{"question": "언제?", "answer": "죄송합니다. 알 수 없습니다."}] * 3),
    "pointing": lambda order: items([{"question": "위 문서의 내용은?", "answer": f"{sentences(1)[0]}."}] * 3),
    "missing": lambda _: '{"items": []}',
    "duplicate": lambda _: items([pair(sentences(1)[0])] * 3),
}


@pytest.mark.parametrize(("code", "writer"), BAD.items(), ids=BAD.keys())
def test_each_kind_of_bad_answer_has_its_reason(
    build: Builder, fake: FakeOpenAI, code: str, writer: Any
) -> None:
    fake.writer = writer
    built = build([passage(1)], regenerate=1)
    adds_up(built, build, fake)
    assert code in {line.code for line in listed(build)}
    assert built.counts["answered"] == (1 if code == "duplicate" else 0)


def test_the_same_question_in_two_sections_is_kept_once(build: Builder, fake: FakeOpenAI) -> None:
    same = "모든 출입문은 오전 9시에 열고 오후 6시에 닫는다. 순찰은 30분마다 둘이 함께 한다. 일지도 쓴다."
    built = build([passage(1, text=same), passage(2, text=same)], chars_per_item=300, regenerate=1)
    adds_up(built, build, fake)
    assert [piece.id for piece in built.pieces] == ["abab:page-1/qa/1"]
    assert [line.code for line in listed(build)] == ["duplicate"]


FAULTS = {
    "429": refusal(429, "Rate limit reached", Retry_After="0.01"),
    "500": Fault(500, b"boom"),
    "broken": Fault(200, b'{"choices": [{"mess'),
    "cut": Fault(200, b'{"choices": [', act="cut"),
    "reset": Fault(act="reset"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_faults_that_pass_lose_nothing(build: Builder, fake: FakeOpenAI, fault: Fault) -> None:
    calm = build([passage(n) for n in range(6)], purposes=("qa", "summary")).pieces
    build.cache = build.cache.with_name("another")
    fake.faults = [fault, None, fault, fault, None, None, fault]
    built = build([passage(n) for n in range(6)], purposes=("qa", "summary"))
    adds_up(built, build, fake)
    assert built.pieces == calm
    assert built.counts["listed"] == 0


def test_one_that_cannot_be_served_is_listed_and_made_the_next_time(build: Builder, fake: FakeOpenAI) -> None:
    def fault(order: Order) -> Fault | None:
        return Fault(500, b"boom") if "3번 출입문" in passage_of(order) else None

    fake.always = fault
    built = build([passage(n) for n in range(6)], attempts=2)
    adds_up(built, build, fake)
    assert {line.code for line in listed(build)} == {"not served"}
    assert built.findings[0].severity == "error"  # and the build's exit code is 3
    assert built.findings[0].mend.startswith("`millhand data build NAME --fresh`")
    paid = sum(fake.paid.values())
    fake.always = lambda _: None
    again = build([passage(n) for n in range(6)], attempts=2)
    assert again.counts["listed"] == 0
    assert sum(fake.paid.values()) == paid + 1
    assert list(build.cache.glob("not-made-*")) == []


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (refusal(401, "Incorrect API key", "invalid_api_key"), "Mend the key"),
        (refusal(404, "model not found", "model_not_found"), "Mend `url` or `model`"),
        (refusal(429, "no credit", "insufficient_quota"), "Mend the key, or the account"),
    ],
)
def test_a_fatal_error_stops_early_with_one_finding_and_keeps_what_is_there(
    build: Builder, fake: FakeOpenAI, fault: Fault, told: str
) -> None:
    pieces = [passage(n) for n in range(40)]
    fake.faults = [None] * 5
    fake.always = lambda _: fault
    with pytest.raises(FindingsError, match="same command goes on") as caught:
        build(pieces, concurrency=2)
    (finding,) = caught.value.findings
    assert finding.severity == "error"
    assert told in finding.mend
    adds_up(build.last, build, fake)
    assert build.last.counts["listed: not asked"] > 0
    assert len(fake.orders) <= 8
    fake.always = lambda _: None
    built = build(pieces, concurrency=2)
    assert built.counts["listed"] == 0
    assert max(fake.paid.values()) == 1
    assert built.counts["requests cached"] == 5


def test_a_second_build_asks_nothing_and_gives_the_same(build: Builder, fake: FakeOpenAI) -> None:
    pieces = [passage(n) for n in range(5)] + [steps_passage(9)]
    fake.delay_s = 0.01
    first = build(pieces, purposes=ALL, concurrency=8)
    asked = len(fake.orders)
    second = build(pieces, purposes=ALL, concurrency=1)
    assert len(fake.orders) == asked
    assert second.pieces == first.pieces
    assert second.counts["requests sent"] == 0
    assert second.counts["requests cached"] == asked


def test_an_answer_of_one_server_serves_for_another(build: Builder, fake: FakeOpenAI) -> None:
    first = build([passage(1)])
    asked = len(fake.orders)
    build.settings["MILLHAND_ENDPOINT"] = fake.url.replace("127.0.0.1", "localhost")
    assert build([passage(1)]).pieces == first.pieces
    assert len(fake.orders) == asked


def test_a_caller_that_goes_away_leaves_what_was_answered(build: Builder, fake: FakeOpenAI) -> None:
    from millhand.datasets.steps.base import Context, Tally
    from millhand.datasets.steps.generate import generate
    from millhand.datasets.synthesize.options import Options
    from millhand.shell import Secret

    key = build.settings["MILLHAND_ENDPOINT_API_KEY"]
    context = Context(
        parallel=None,  # type: ignore[arg-type]
        cache=build.cache,
        secret=lambda name: Secret(key) if name == "MILLHAND_ENDPOINT_API_KEY" else None,
        setting=lambda name: build.settings.get(name, ""),
    )
    pieces = [passage(n) for n in range(30)]
    records = generate(Options(generator="model", chars_per_item=40), pieces, Tally(), context)
    next(records)
    records.close()  # type: ignore[attr-defined]
    paid = sum(fake.paid.values())
    assert paid < 30
    built = build(pieces)
    assert len(built.pieces) == built.counts["asked"]
    assert sum(fake.paid.values()) <= 30 + 4  # what was under way at that moment


_ELSEWHERE = ("https://api.example.com/v1", "http://127.0.0.1@example.com/v1", "http://0.0.0.0/v1")


@pytest.mark.parametrize("url", _ELSEWHERE)
def test_confidential_documents_go_to_this_machine_only(build: Builder, fake: FakeOpenAI, url: str) -> None:
    with pytest.raises(UsageError, match=r"not on this machine|a user or a password"):
        build([passage(1)], url=url, local_only=True)
    assert build([passage(1)], local_only=True).counts["listed"] == 0
    assert build([passage(1)], local_only=True, url=fake.url.replace("127.0.0.1", "localhost")).pieces


def test_without_an_endpoint_it_is_said_what_to_set(build: Builder) -> None:
    build.settings = {}
    with pytest.raises(UsageError, match="MILLHAND_ENDPOINT"):
        build([passage(1)])


def test_a_key_in_the_place_of_a_name_is_not_repeated(build: Builder) -> None:
    with pytest.raises(UsageError, match="setting's name") as caught:
        build([passage(1)], key="sk-planted-secret")
    assert "sk-planted-secret" not in str(caught.value)
    with pytest.raises(UsageError, match="MY_API_KEY is not set"):
        build([passage(1)], key="MY_API_KEY")
    with pytest.raises(UsageError, match="a user or a password") as caught:
        build([passage(1)], url="https://planted:secret@example.com/v1")
    assert "planted" not in str(caught.value)


def test_the_key_of_serve_goes_to_this_machine_only() -> None:
    from millhand.datasets.synthesize.endpoint import endpoint_of
    from millhand.datasets.synthesize.options import Options
    from millhand.shell import Secret

    def secret(name: str) -> Secret | None:
        return Secret("of-serve") if name == "MILLHAND_API_KEY" else None

    for url, key in (("http://127.0.0.1:8000/v1", "of-serve"), ("https://api.example.com/v1", "")):
        options = Options(generator="model", url=url, model="m")
        assert endpoint_of(options, lambda _: "", secret).key == Secret(key)


@pytest.mark.parametrize(
    "name",
    ["HF_TOKEN", "RUNPOD_API_KEY", "DART_API_KEY", "WANDB_API_KEY", "MILLHAND_API_KEY", "AWS_SECRET", "PATH"],
)
def test_a_recipe_cannot_send_another_secret_away(name: str) -> None:
    from millhand.datasets.synthesize.endpoint import endpoint_of
    from millhand.datasets.synthesize.options import Options
    from millhand.shell import Secret

    options = Options(generator="model", url="https://api.example.com/v1", model="m", key=name)
    with pytest.raises(UsageError, match="ends in _API_KEY") as caught:
        endpoint_of(options, lambda _: "", lambda _: Secret("planted"))
    assert "planted" not in str(caught.value)
    for url, may in (
        (options.url, "OPENAI_API_KEY"),
        (options.url, "MILLHAND_ENDPOINT_API_KEY"),
        ("http://127.0.0.1:8000/v1", "MILLHAND_API_KEY"),
    ):
        allowed = msgspec.structs.replace(options, key=may, url=url)
        assert endpoint_of(allowed, lambda _: "", lambda _: Secret("own")).key == Secret("own")


def test_the_outline_asks_nobody(build: Builder, fake: FakeOpenAI) -> None:
    built = build([steps_passage(1)], generator="outline", chars_per_item=20)
    assert fake.orders == []
    assert built.pieces
    assert all(piece.source.generator for piece in built.pieces)


def test_the_outline_asks_the_same_question_once(build: Builder) -> None:
    piece = steps_passage(1)
    same = msgspec.structs.replace(piece, id="abab:again")
    built = build([piece, same], generator="outline", chars_per_item=20)
    assert len({record.id.split("/")[0] for record in built.pieces}) == 1
    assert built.counts["left out: the same question"] == len(built.pieces)


def test_a_server_that_hangs_costs_time_and_no_question(build: Builder, fake: FakeOpenAI) -> None:
    fake.faults = [None, Fault(act="hang")]
    built = build([passage(n) for n in range(4)], timeout_s=0.5)
    adds_up(built, build, fake)
    assert built.counts["listed"] == 0
    assert built.counts["requests lost"] == 1


def test_a_key_over_http_to_another_machine_is_a_warning(
    build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millhand.endpoint.attempt.is_local", lambda _: False)
    assert [finding.id for finding in build([passage(1)]).findings] == ["data.key-in-the-clear"]


def test_where_an_answer_cannot_be_written_the_build_ends_and_then_goes_on(
    build: Builder, fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, puts = AnswerCache.put, iter(range(100))

    def full(self: AnswerCache, *given: Any) -> None:
        if next(puts) == 3:
            raise self._broken(sqlite3.OperationalError("database or disk is full"))
        put(self, *given)

    monkeypatch.setattr(AnswerCache, "put", full)
    with pytest.raises(MillhandError, match="disk is full"):
        build([passage(n) for n in range(10)], concurrency=2)
    built = build([passage(n) for n in range(10)], concurrency=2)
    adds_up(built, build, fake)
    assert built.counts["listed"] == 0
    assert sum(fake.paid.values()) == 10 + 1  # the answer that could not be kept
