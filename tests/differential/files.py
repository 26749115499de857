"""Seeded files of rows as people save them: CSV, dates, keys that stand twice, types that no one expects."""

from __future__ import annotations

import copy
import csv
import io
import json
from random import Random
from typing import Any

Case = dict[str, Any]

_ROW = {"instruction": "한국의 수도는?", "input": "", "output": "서울입니다."}
_TALK = [{"role": "user", "content": "안녕?"}, {"role": "assistant", "content": "네."}]
_TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
_ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
_CELLS = (
    *("서울", "서울, 부산", '"서울"', "두\n줄", " 서울 ", "", "N/A", "null", "nan", "-", "True", "false"),
    *("TRUE", "5", "007", " 8 ", "1.5", "1e3", "inf", "1,000", "5%", "1_000", "+3", "2024-01-01", "9" * 20),
)  # fmt: skip
_DATES = (
    *(
        "2024-01-01",
        "2024-01-01 10:00:00",
        "2024-01-01T10:00",
        "2024-01-01T10:00:00Z",
        "2024-01-01 10:00+0900",
    ),
    *("2024-02-30", "2024/01/01", "2024-01-01T10:00:00.5", "20240101", "2024-01", "10:30", "1월 1일", ""),
)
_ODD: tuple[Any, ...] = (None, 5, True, "글", ["글"], {"a": 1}, [{"a": 1}], [])


def file_case(random: Random) -> Case:
    """A dataset with a file of its own: each name is used once, for datasets keeps a cache."""
    make = random.choice(
        (_csv_case, _csv_case, _date_case, _twice_case, _type_case, _entry_case, _spread_case)
    )
    return {"stage": "sft", **make(random, f"{make.__name__.strip('_')}{random.getrandbits(48):x}")}


def _csv_case(random: Random, name: str) -> Case:
    header = random.choice(
        (list(_ROW), list(_ROW), list(_ROW), ["instruction", " input", "output"], [*_ROW, "메모"])
    )
    pool = random.sample(_CELLS, random.randint(1, 4))
    rows = [["질문", *(random.choice(pool) for _ in header[1:])] for _ in range(random.randint(1, 5))]
    if random.random() < 0.15:
        random.choice(rows).append("하나 더")
    if random.random() < 0.1:
        random.choice(rows).pop()
    text = io.StringIO()
    delimiter = random.choice((*",,,,,,", ";", "\t"))
    csv.writer(text, delimiter=delimiter, lineterminator=random.choice(("\n", "\r\n"))).writerows(
        [header, *rows]
    )
    broken = random.choice(("", "", "", "", "", '"', "\n", "   \n"))
    encoding = random.choice(("utf-8", "utf-8", "utf-8", "utf-8", "utf-8-sig", "cp949", "utf-16"))
    return _case(f"{name}.csv", text.getvalue() + broken, {}, encoding)


def _date_case(random: Random, name: str) -> Case:
    column = random.choice(("instruction", "input", "output", "date", "created_at"))
    pool = random.sample(_DATES, random.choice((1, 1, 1, 2)))
    rows: list[Any] = [{**_ROW, column: random.choice(pool)} for _ in range(random.randint(1, 4))]
    answer = column if column not in _ROW else "output"
    entry = {"columns": {**_ALPACA, "response": answer}}
    if random.random() < 0.3:
        return _case(f"{name}.json", json.dumps(rows, ensure_ascii=False), entry)
    return _case(f"{name}.jsonl", _lines(rows), entry)


def _twice_case(random: Random, name: str) -> Case:
    rows = [_ROW] * random.randint(1, 4)
    lines = _lines(rows).splitlines()
    at, key = random.randrange(len(lines)), random.choice((*_ROW, "메모"))
    lines[at] = lines[at][:-1] + f', "{key}": "다른 글"}}'
    ending = random.choice((".jsonl", ".jsonl", ".json"))
    text = "\n".join(lines) if ending == ".jsonl" else f"[{','.join(lines)}]"
    return _case(f"{name}{ending}", text, {})


def _type_case(random: Random, name: str) -> Case:
    talk = copy.deepcopy(_TALK)
    member = random.choice(("role", "content", "tool_calls"))
    odd = random.choice(_ODD)
    for message in random.choice((talk, talk[:1], talk[1:])):
        message[member] = odd
    form = random.choice(("sharegpt", "openai"))
    tags = random.choice(({"tags": _TAGS}, {"tags": _TAGS}, {}))
    entry = {"formatting": form, "columns": {"messages": "messages"}, **tags}
    return _case(f"{name}.jsonl", _lines([{"messages": talk}] * 2), entry)


def _entry_case(random: Random, name: str) -> Case:
    odd = random.choice(_ODD)
    entry: dict[str, Any] = {"columns": dict(_ALPACA)}
    kind = random.choice(("column", "columns", "formatting", "ranking", "num_samples", "tag", "file_name"))
    rows: list[Any] = [_ROW] * 3
    if kind == "column":
        entry["columns"][random.choice(list(_ALPACA))] = odd
    elif kind == "tag":
        tags = {**_TAGS, random.choice(list(_TAGS)): odd}
        entry = {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}
        rows = [{"messages": _TALK}] * 3
    elif kind != "file_name" or not isinstance(odd, str):
        entry[kind] = odd
    return _case(f"{name}.jsonl", _lines(rows), entry)


def _spread_case(random: Random, name: str) -> Case:
    rows = [
        {**_ROW, "output": random.choice(("서울", "서울", "서울", "", None))}
        for _ in range(random.randint(1, 4))
    ]
    indent = random.choice((None, 1))
    between = random.choice(("\n", "\n", "", " ", ",\n", "\n\n"))
    text = between.join(json.dumps(row, ensure_ascii=False, indent=indent) for row in rows)
    return _case(f"{name}.json", text + random.choice(("", "", "", "\n", "}", "\nnull")), {})


def _lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _case(name: str, text: str, entry: dict[str, Any], encoding: str = "utf-8") -> Case:
    return {"entry": {"file_name": name, **entry}, "files": {name: text}, "encoding": encoding}
