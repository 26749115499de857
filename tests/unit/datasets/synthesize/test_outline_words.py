"""Particles by the last sound of a word, and the endings of sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.datasets.synthesize.outline_verbs import (
    asking,
    condition_end,
    doing,
    done,
    forbidden,
    formal,
    sentences,
)
from millhand.datasets.synthesize.outline_words import Word, with_particle

SYLLABLES = st.characters(min_codepoint=ord("가"), max_codepoint=ord("힣"))


@pytest.mark.parametrize(
    ("word", "topic", "by"),
    [
        ("정전", "정전은", "정전으로"),
        ("화재", "화재는", "화재로"),
        ("비상 전화벨", "비상 전화벨은", "비상 전화벨로"),
        ("119", "119는", "119로"),
        ("1", "1은", "1로"),
        ("3", "3은", "3으로"),
        ("10", "10은", "10으로"),
        ("1,000", "1,000은", "1,000으로"),
        ("50,000,000,000", "50,000,000,000은", "50,000,000,000으로"),
        ("0", "0은", "0으로"),
        ("4.0", "4.0은", "4.0으로"),
        ("0.5", "0.5는", "0.5로"),
        ("CCTV", "CCTV는", "CCTV로"),
        ("PM", "PM은", "PM으로"),
        ("URL", "URL은", "URL로"),
        ("server", "server는", "server로"),
        ("file", "file은", "file로"),
        ("5m", "5m는", "5m로"),
        ("30kg", "30kg은", "30kg으로"),
        ("0.17MPa", "0.17MPa은", "0.17MPa로"),
        ("40%", "40%는", "40%로"),
        ("38℃", "38℃는", "38℃로"),
        ("비상 열쇠(봉인)", "비상 열쇠(봉인)는", "비상 열쇠(봉인)로"),
        ("화물용 승강기(2대) (지하)", "화물용 승강기(2대) (지하)는", "화물용 승강기(2대) (지하)로"),
        ("'안전거리'", "'안전거리'는", "'안전거리'로"),
        ("「보안 지침」", "「보안 지침」은", "「보안 지침」으로"),
        ("??", "??은(는)", "??으로(로)"),
        ("", "은(는)", "으로(로)"),
        ("²", "²은(는)", "²으로(로)"),
    ],
)
def test_particles(word: str, topic: str, by: str) -> None:
    assert with_particle(word, "은는") == topic
    assert with_particle(word, "으로") == by


def test_a_template_asks_for_the_particle() -> None:
    word = Word("소화기")
    assert (
        f"{word:을를} {word:이가} {word:과와} {word:이란} {word}"
        == "소화기를 소화기가 소화기와 소화기란 소화기"
    )


@given(st.text(st.one_of(SYLLABLES, st.sampled_from("A9l.)(%℃ '」")), max_size=8))
def test_a_word_of_any_signs_takes_a_particle(word: str) -> None:
    assert with_particle(word, "을를").startswith(word)


@pytest.mark.parametrize(
    ("plain", "polite", "question", "adnominal", "past"),
    [
        ("문을 잠근다.", "문을 잠급니다.", "문을 잠급니까?", "문을 잠그는", "문을 잠근"),
        ("문을 연다.", "문을 엽니다.", "문을 엽니까?", "문을 여는", "문을 연"),
        ("이름을 묻는다.", "이름을 묻습니다.", "이름을 묻습니까?", "이름을 묻는", "이름을 물은"),
        ("일지를 읽는다.", "일지를 읽습니다.", "일지를 읽습니까?", "일지를 읽는", "일지를 읽은"),
        ("사람을 돕는다.", "사람을 돕습니다.", "사람을 돕습니까?", "사람을 돕는", "사람을 도운"),
        ("확인합니다.", "확인합니다.", "확인합니까?", "확인하는", "확인한"),
        ("집결지는 광장이다.", "집결지는 광장입니다.", "집결지는 광장입니까?", None, None),
        ("로비에 있다.", "로비에 있습니다.", "로비에 있습니까?", None, None),
        ("승인이 필요하다.", "승인이 필요합니다.", "승인이 필요합니까?", None, None),
        ("문을 닫았다.", "문을 닫았습니다.", "문을 닫았습니까?", None, None),
        ("들어가지 않는다.", "들어가지 않습니다.", "들어가지 않습니까?", "들어가지 않는", None),
        ("알려야 한다.", "알려야 합니다.", "알려야 합니까?", "알려야 하는", None),
        ("문을 잠그십시오.", "문을 잠그십시오.", None, None, None),
        ("문단속", "문단속", None, None, None),
        ("다.", "다.", None, None, None),
    ],
)
def test_endings(
    plain: str, polite: str, question: str | None, adnominal: str | None, past: str | None
) -> None:
    assert formal(plain) == polite
    assert asking(plain) == question
    assert doing(plain) == adnominal
    assert done(plain) == past


def test_each_sentence_and_line_is_made_formal_and_nothing_else_changes() -> None:
    text = "1. 규모 4.0 이상이면 대피한다. (즉시) 알린다.\n- 7일간 보관한다."
    assert formal(text) == "1. 규모 4.0 이상이면 대피합니다. (즉시) 알립니다.\n- 7일간 보관합니다."
    assert sentences("문을 닫는다. 3.5m 떨어진다. 끝") == ["문을 닫는다.", "3.5m 떨어진다.", "끝"]


@given(st.text(st.one_of(SYLLABLES, st.sampled_from(" 다.는니한1\n")), max_size=30))
def test_any_text_is_made_formal_twice_as_once(text: str) -> None:
    once = formal(text)
    assert formal(once) == once
    for sentence in sentences(text):
        asking(sentence), doing(sentence), done(sentence), forbidden(sentence)


def test_what_is_forbidden() -> None:
    assert forbidden("물을 쓰지 않는다.") == "물을 쓰는"
    assert forbidden("문을 열지 말아야 한다.") == "문을 여는"
    assert forbidden("문을 닫는다.") is None


@pytest.mark.parametrize(
    ("sentence", "condition"),
    [
        ("불이 나면 알린다.", "불이 나면"),
        ("출입을 거부할 때에는 이유를 말한다.", "출입을 거부할 때에는"),
        ("사고가 난 경우, 119에 알린다.", "사고가 난 경우"),
        ("화면 앞에 앉는다.", ""),
        ("보안요원은 화면을 보고 평면 지도를 편다.", ""),
        ("문을 닫는다.", ""),
    ],
)
def test_conditions(sentence: str, condition: str) -> None:
    assert sentence[: condition_end(sentence)] == condition
