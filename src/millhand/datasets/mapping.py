"""Which column of a table is what: asked for with ``--map``, or proposed from Korean and English names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from millhand.errors import Finding, FindingsError, UsageError
from millhand.text.normal import did_you_mean, match_key

TARGETS = ("instruction", "input", "output", "system", "history", "tools", "chosen", "rejected", "kto_tag")

# What people call a column, likeliest first; compared by match_key: blanks, case and brackets do not count.
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "instruction": "instruction instruct 지시문 지시 명령 prompt 프롬프트 question 질문 질의 문의 물음 "
        "민원 요청 문제 사용자 user human 고객질문 고객문의 민원질문 q 문 query",
        "output": "output response answer 답변 응답 대답 답 회신 정답 출력 결과 모범답안 completion reply "
        "assistant target a 상담사답변 민원답변 처리결과",
        "input": "input context 입력 문맥 맥락 배경 지문 본문 참고 passage 상황 query "
        "민원 질문 문의 question",
        "system": "system systemprompt 시스템 시스템프롬프트",
        "history": "history 대화이력 이전대화 대화기록",
        "chosen": "chosen 선택 선호 선호답변 좋은답변",
        "rejected": "rejected 거절 비선호 비선호답변 나쁜답변",
        "kto_tag": "kto_tag",
        "tools": "tools 도구",
    }
)


def parse_mapping(texts: Sequence[str]) -> dict[str, str]:
    """Read ``--map instruction=질문,output=답변``; a comma inside a column's name needs no quoting.

    Raises:
        UsageError: It has another form, or names a target twice.
        FindingsError: A target is unknown; all of them are listed.
    """
    pairs = [pair for text in texts for pair in re.split(r",(?=\s*[A-Za-z_]+\s*=)", text)]
    mapping: dict[str, str] = {}
    for pair in pairs:
        target, equals, column = (part.strip() for part in pair.partition("="))
        if not equals or not target or not column or target in mapping:
            raise UsageError(
                f"--map {pair!r} is not one target=column for each target.",
                mend="Write it as `--map instruction=질문,output=답변`.",
            )
        mapping[target] = column
    _refuse_unknown(mapping)
    return mapping


def _refuse_unknown(mapping: Mapping[str, str]) -> None:
    findings = [
        Finding(
            id="data.unknown-target",
            severity="error",
            message=f"--map names a target {target!r} that no record has",
            column=mapping[target],
            why=f"A record has {', '.join(TARGETS)}.",
            mend=did_you_mean(target, TARGETS) or "Name one of these.",
        )
        for target in mapping
        if target not in TARGETS
    ]
    if findings:
        raise FindingsError(findings)


def resolve_mapping(file: str, columns: Sequence[str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Find the columns that a mapping names; ``질문 `` or decomposed Hangul finds ``질문`` too.

    Raises:
        FindingsError: A column is not there, one is named twice, or no answer is mapped.
    """
    found = {target: _find(column, columns) for target, column in wanted.items()}
    findings = [
        missing_column(file, wanted[target], columns) for target, column in found.items() if column is None
    ]
    mapping = {target: column for target, column in found.items() if column is not None}
    findings += _twice(file, mapping)
    if not findings:
        findings = _incomplete(file, mapping, columns)
    if findings:
        raise FindingsError(findings)
    return mapping


def _find(wanted: str, columns: Sequence[str]) -> str | None:
    if wanted in columns:
        return wanted
    alike = [column for column in columns if match_key(column) == match_key(wanted)]
    return alike[0] if len(alike) == 1 else None


def missing_column(file: str, wanted: str, columns: Sequence[str]) -> Finding:
    """The finding of a column that is asked for and not there."""
    return Finding(
        id="data.missing-column",
        severity="error",
        message=f"has no column {wanted!r}; it has {', '.join(columns)}",
        file=file,
        column=wanted,
        why="Without it the rows cannot be made.",
        mend=did_you_mean(wanted, columns) or f"Name its columns: {_example(columns)}.",
    )


def _twice(file: str, mapping: Mapping[str, str]) -> list[Finding]:
    targets: dict[str, list[str]] = {}
    for target, column in mapping.items():
        targets.setdefault(column, []).append(target)
    return [
        Finding(
            id="data.column-twice",
            severity="error",
            message=f"the column is mapped to {' and '.join(named)}",
            file=file,
            column=column,
            why="The same text would stand twice in each record.",
            mend="Map each column once.",
        )
        for column, named in targets.items()
        if len(named) > 1
    ]


def _incomplete(file: str, mapping: Mapping[str, str], columns: Sequence[str]) -> list[Finding]:
    """A record needs something asked, and an answer or a chosen and a rejected one."""
    asked = bool({"instruction", "input"} & mapping.keys())
    answered = "output" in mapping or {"chosen", "rejected"} <= mapping.keys()
    lacking = [name for name, there in (("instruction", asked), ("output", answered)) if not there]
    if not lacking:
        return []
    return [
        Finding(
            id="data.missing-column",
            severity="error",
            message=f"no column is known as the {' or the '.join(lacking)}; there are {', '.join(columns)}",
            file=file,
            why="A record needs a question (instruction) and its answer (output).",
            mend=f"Say which is which: {_example(columns)}.",
        )
    ]


def _example(columns: Sequence[str]) -> str:
    first, second = ([*columns, "QUESTION", "ANSWER"] if len(columns) < 2 else list(columns))[:2]
    return f"`--map 'instruction={first},output={second}'`, or the same as `map:` in dataset.yaml"


def propose_mapping(file: str, columns: Sequence[str]) -> dict[str, str]:
    """Propose what each column is, by its name.

    Raises:
        FindingsError: The names do not tell which column is the question, or which the answer.
    """
    left = {match_key(column): column for column in reversed(columns)}
    mapping: dict[str, str] = {}
    for target, names in _NAMES.items():
        key = next((key for key in map(match_key, names.split()) if key in left), None)
        if key is not None:
            mapping[target] = left.pop(key)
    if {"chosen", "rejected"} <= mapping.keys():
        mapping.pop("output", None)
    findings = _incomplete(file, mapping, columns)
    if findings:
        raise FindingsError(findings)
    return {target: mapping[target] for target in TARGETS if target in mapping}
