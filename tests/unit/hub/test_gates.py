"""What keeps a model or a dataset from being published, and what opens a gate."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millhand.errors import Finding, UsageError
from millhand.hub.facts import Base, Override
from millhand.hub.gates import check_gates, parse_override
from millhand.hub.licences import LICENCES, hub_identifier, licence_of
from tests.unit.hub.made import DATA, MODEL, ROWS, replaced

TOKEN = "hf_" + "aB3dE" * 8
RESIDENT = "900101-1234568"


def errors(*given: Any, **options: Any) -> list[Finding]:
    return [finding for finding in check_gates(*given, **options) if finding.severity == "error"]


def file_of(folder: Path, name: str, text: str | bytes) -> dict[str, Path]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return {name: path}


def test_what_is_in_order_passes() -> None:
    assert errors(MODEL, {}) == []
    assert errors(ROWS, {}) == []


@pytest.mark.parametrize(
    "licence",
    [
        "",
        "unknown",
        "proprietary",
        "CC-BY-NC-4.0",
        "CC BY-ND 4.0",
        "cc-by-nc-nd-4.0",
        "공공누리 제2유형",
        "KOGL Type 3",
    ],
)
def test_a_licence_that_forbids_it_or_is_not_known_keeps_it_here(licence: str) -> None:
    rows = errors(replaced(ROWS, licence=licence), {})
    assert [(finding.id, finding.file) for finding in rows] == [("hub.licence", "qa")]
    model = errors(replaced(MODEL, data=(replaced(DATA, licence=licence),)), {})
    assert [(finding.id, finding.file) for finding in model] == [("hub.licence", "qa")]
    assert "--override 'licence:qa=" in rows[0].mend
    base = errors(replaced(MODEL, base=Base(name="org/base", repository="org/base", licence=licence)), {})
    assert [(finding.id, finding.file) for finding in base] == [("hub.licence", "org/base")]


@pytest.mark.parametrize(
    "licence", ["CC-BY-4.0", "Apache 2.0", "mit", "CC0", "공공누리 1유형", "odbl", "CC BY-SA"]
)
def test_a_licence_that_allows_it_passes(licence: str) -> None:
    assert errors(replaced(ROWS, licence=licence), {}) == []


def test_a_dataset_of_the_hub_is_looked_up_there() -> None:
    (finding,) = errors(
        replaced(MODEL, data=(replaced(DATA, licence="", origins=(), repository="org/qa"),)), {}
    )
    assert "https://huggingface.co/datasets/org/qa" in finding.mend


def test_one_source_that_forbids_it_is_enough() -> None:
    nd = replaced(DATA.origins[0], licence="CC-BY-ND-4.0")
    (finding,) = errors(replaced(ROWS, origins=(nd,)), {})
    assert "qa.xlsx" in finding.message
    (finding,) = errors(replaced(MODEL, data=(replaced(DATA, origins=(nd,)),)), {})
    assert "qa.xlsx" in finding.message


def test_a_gate_is_opened_for_its_own_subject_alone() -> None:
    facts = replaced(ROWS, licence="")
    opened = [parse_override("licence:qa=the author agreed = by letter")]
    assert opened == [Override("licence", "qa", "the author agreed = by letter")]
    assert errors(facts, {}, overrides=opened) == []
    (note,) = check_gates(facts, {}, overrides=opened)
    assert (note.severity, note.mend) == ("note", "Published all the same: the author agreed = by letter")
    assert errors(replaced(facts, overrides=tuple(opened)), {}) == []
    assert len(errors(facts, {}, overrides=[Override("licence", "other", "x")])) == 1


@pytest.mark.parametrize(
    "text",
    ["", "licence:qa", "licence:qa=", "licence=x", "licence:=x", "speech:qa=x", "qa=x", "licence: =  "],
)
def test_an_override_says_gate_subject_and_reason(text: str) -> None:
    with pytest.raises(UsageError, match="opens no gate"):
        parse_override(text)


def test_a_base_that_millhand_drew_needs_no_licence_and_one_without_a_card_does() -> None:
    assert errors(replaced(MODEL, base=Base(name="models/tiny", made_here=True)), {}) == []
    (finding,) = errors(replaced(MODEL, base=Base(name="org/base", repository="org/base")), {})
    assert "README.md" in finding.mend


def test_a_merged_model_that_nobody_saw_speak_stays_here_whatever_is_overridden() -> None:
    (finding,) = errors(replaced(MODEL, spoke=False), {}, overrides=[Override("licence", "qa-2", "x")])
    assert finding.id == "hub.not-spoken"
    assert errors(replaced(MODEL, spoke=False, kind="adapter"), {}) == []


def test_the_bases_licence_has_a_word_in_the_name() -> None:
    (finding,) = check_gates(replaced(MODEL, repository="kim/qa"), {})
    assert (finding.id, finding.severity) == ("hub.name", "warning")
    assert "kim/Llama-3-qa" in finding.mend
    assert check_gates(MODEL, {}) == []


@pytest.mark.parametrize("name", ["pytorch_model.bin", "optimizer.pt", "x/weights.PKL", "a.ckpt"])
def test_a_pickle_stays_here(tmp_path: Path, name: str) -> None:
    (finding,) = errors(MODEL, {name: next(iter(file_of(tmp_path, "f", b"\x80\x04").values()))})
    assert (finding.id, finding.file) == ("hub.pickle", name)


def test_a_key_or_a_persons_number_is_found_by_file_and_row_and_never_repeated(tmp_path: Path) -> None:
    rows = [{"instruction": "q", "output": "a"}] * 4
    rows[1] = {"instruction": f"내 번호는 {RESIDENT}", "output": "a"}
    rows[3] = {"instruction": "q", "output": f"token\n{TOKEN}"}
    files = file_of(
        tmp_path, "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows)
    )  # \uXXXX and \n escaped
    found = errors(ROWS, files)
    assert sorted((f.id, f.file, f.row) for f in found) == [
        ("hub.personal-data", "rows.jsonl", 2),
        ("hub.secrets", "rows.jsonl", 4),
    ]
    assert TOKEN not in str(found)
    assert RESIDENT not in str(found)
    opened = [
        parse_override("personal-data:rows.jsonl=made up"),
        parse_override("secrets:rows.jsonl=revoked"),
    ]
    assert errors(ROWS, files, overrides=opened) == []


def test_many_rows_of_one_kind_are_counted(tmp_path: Path) -> None:
    files = file_of(tmp_path, "rows.jsonl", f'{{"output": "{RESIDENT}"}}\n' * 40)
    found = errors(ROWS, files)
    assert [finding.row for finding in found] == [1, 2, 3]
    assert "and in 37 more" in found[2].message


def test_a_config_and_a_parquet_file_are_looked_through_too(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"n": [1, 2], "text": ["a", f"kim@naver.com {TOKEN}"]}), tmp_path / "x.parquet")
    files = {
        "x.parquet": tmp_path / "x.parquet",
        **file_of(tmp_path, "c.yaml", f"a: 1\nhub_token: {TOKEN}\n"),
    }
    found = {(f.id, f.file, f.row, f.line) for f in errors(ROWS, files)}
    assert ("hub.secrets", "x.parquet", 2, None) in found
    assert ("hub.personal-data", "x.parquet", 2, None) in found
    assert ("hub.secrets", "c.yaml", None, 2) in found


def test_weights_pictures_and_vocabularies_are_not_read(tmp_path: Path) -> None:
    text = f"x {TOKEN} {RESIDENT}"
    files: dict[str, Path] = {}
    for name in ("model.safetensors", "a.gguf", "loss.png", "tokenizer.json", "a.WAV"):
        files |= file_of(tmp_path, name, text)
    assert errors(MODEL, files) == []


def leaky(folder: Path, kind: str) -> dict[str, Path]:
    """A file of some kind in whose second row stand a token and an address."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pa.table({"text": ["a", f"kim@naver.com {TOKEN}"]})
    text = f"가\nkim@naver.com {TOKEN}\n"
    if kind == "x.PARQUET":
        pq.write_table(rows, folder / kind)
    elif kind.endswith(".arrow"):
        make = pa.ipc.new_file if kind == "file.arrow" else pa.ipc.new_stream
        with pa.OSFile(str(folder / kind), "wb") as sink, make(sink, rows.schema) as writer:
            writer.write_table(rows)
    else:
        encoding = kind.split(".")[0]
        nul = text.replace("가", "a\0") if encoding == "nul" else text
        (folder / kind).write_bytes(nul.encode("utf-8" if encoding == "nul" else encoding))
    return {kind: folder / kind}


@pytest.mark.parametrize(
    "kind",
    ["x.PARQUET", "file.arrow", "stream.arrow", "utf-16.csv", "utf-16.txt", "utf-16-le.csv", "utf-16-be.csv",
     "utf-32.txt", "nul.jsonl", "cp949.csv", "utf-8-sig.csv"],
)  # fmt: skip
def test_what_is_in_a_file_is_found_however_it_is_written(tmp_path: Path, kind: str) -> None:
    found = errors(ROWS, leaky(tmp_path, kind))
    assert {(f.id, f.row or f.line) for f in found} == {("hub.secrets", 2), ("hub.personal-data", 2)}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.dat", bytes(range(256)) * 9),
        ("rows.jsonl", bytes(range(256)) * 9),
        ("qa.xlsx", b"PK\x03\x04 some"),
        ("rows.jsonl.gz", b"\x1f\x8b\x08 some"),
        ("x.parquet", b"no parquet"),
        ("x.arrow", b"no arrow file at all"),
    ],
)
def test_a_file_that_cannot_be_read_stays_here_unless_a_person_says_why(
    tmp_path: Path, name: str, data: bytes
) -> None:
    files = file_of(tmp_path, name, data)
    (finding,) = errors(ROWS, files, private=[str(tmp_path)])
    assert (finding.id, finding.file) == ("hub.not-looked-through", name)
    opened = [parse_override(f"not-looked-through:{name}=made up")]
    assert errors(ROWS, files, overrides=opened) == []


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    with TemporaryDirectory() as folder:
        assert "hub.not-looked-through" not in {
            f.id for f in errors(ROWS, file_of(Path(folder), "a.txt", text))
        }


def test_a_folder_of_this_machine_in_a_config_is_found_and_in_rows_is_not(tmp_path: Path) -> None:
    place = {"base_model_name_or_path": str(tmp_path / "models" / "x")}
    files = file_of(tmp_path, "adapter_config.json", json.dumps(place))
    (finding,) = errors(MODEL, files, private=[str(tmp_path)])
    assert (finding.id, finding.line) == ("hub.local-path", 1)
    opened = [parse_override("local-path:adapter_config.json=a machine of the lab")]
    assert errors(MODEL, files, private=[str(tmp_path)], overrides=opened) == []
    rows = file_of(tmp_path, "rows.jsonl", json.dumps(place))
    assert errors(ROWS, rows, private=[str(tmp_path)]) == []


@pytest.mark.parametrize(
    ("words", "identifier"),
    [
        ("KOGL v1.0 Type 4", "kogl-type-4"),
        ("공공누리 2024 제4유형", "kogl-type-4"),
        ("공공누리 제 1 유형(출처표시)", "kogl-type-1"),
        ("공공누리 제1유형(출처표시, 변형 등 2차적 저작물 작성 가능)", "kogl-type-1"),
        ("kogl-3", "kogl-type-3"),
        ("KOGL Type-0", "kogl-type-0"),
        ("CC BY 2.0 KR", "cc-by-2.0-kr"),
        ("cc-by-nc-nd-2.0-kr", "cc-by-nc-nd-2.0-kr"),
        ("CC-BY-SA-KR-2.0", "cc-by-sa-2.0-kr"),
        ("CC BY-NC 2.0 대한민국", "cc-by-nc-2.0-kr"),
        ("CC0 1.0 Universal", "cc0-1.0"),
        ("Llama 3.1 Community License", "llama3.1"),
        ("Meta Llama 3 Community License Agreement", "llama3"),
        ("Llama 4 Community License Agreement", "llama4"),
        ("GFDL", "gfdl"),
        ("GFDL-1.3-or-later", "gfdl"),
        ("GPL", "gpl"),
        ("bsd", "bsd"),
        ("bigscience-openrail-m", "bigscience-openrail-m"),
        ("openrail", "openrail"),
    ],
)
def test_what_people_write_for_a_licence_is_understood(words: str, identifier: str) -> None:
    found = licence_of(words)
    assert found is not None
    assert found.id == identifier


@pytest.mark.parametrize(
    "words",
    ["공공누리(1~4유형)", "공공누리 1~4유형", "제1유형, 제2유형 공공누리", "공공누리", "공공누리 2024",
     "공공누리 1유형, 4", "KOGL Type 1-4", "KOGL v1.0", "공공누리 5유형", "Llama 5 Community License"],
)  # fmt: skip
def test_a_licence_that_may_be_several_is_none(words: str) -> None:
    assert licence_of(words) is None
    assert errors(replaced(ROWS, licence=words), {})


def test_a_dataset_under_less_than_its_share_alike_source_asks_for_is_warned_of() -> None:
    alike = replaced(ROWS, origins=(replaced(DATA.origins[0], licence="CC-BY-SA-4.0"),))
    (finding,) = check_gates(alike, {})
    assert (finding.id, finding.severity, finding.file) == ("hub.licence", "warning", "qa")
    assert "cc-by-sa-4.0" in finding.mend
    assert check_gates(replaced(alike, licence="CC-BY-SA-4.0"), {}) == []
    assert check_gates(replaced(alike, licence="CC BY-SA 3.0"), {}) == []


def test_a_licence_that_the_hub_does_not_know_is_told_by_its_own_name() -> None:
    base = Base(name="o/b", repository="o/b", licence="other", licence_name="exaone", licence_link="LICENSE")
    (finding,) = errors(replaced(MODEL, base=base), {})
    assert "'other' (exaone, LICENSE)" in finding.message


def test_the_hub_knows_every_licence_that_it_is_told() -> None:
    hub_fake = pytest.importorskip("tests.hub_fake.commits")
    told = {hub_identifier(name) for name in (*LICENCES, "", "unknown", "proprietary")}
    assert told <= hub_fake.LICENCES
    assert {"llama3", "cc-by-4.0", "odbl", "other", "unknown"} <= told


def test_every_licence_says_where_its_terms_stand_and_what_the_hub_calls_it() -> None:
    for name, licence in LICENCES.items():
        assert licence.source.startswith("https://")
        assert licence_of(name) is licence, name
        assert hub_identifier(name) != "unknown"
    assert hub_identifier("KOGL Type 1") == "other"
    assert hub_identifier("") == "unknown"
    assert hub_identifier("CC BY-NC-SA 4.0 International") == "cc-by-nc-sa-4.0"


def test_where_nothing_says_how_rows_were_made_adding_them_is_the_way() -> None:
    (rows,) = errors(replaced(ROWS, licence="", millhand=""), {})
    (model,) = errors(replaced(MODEL, data=(replaced(DATA, licence="", described=False),)), {})
    for finding in (rows, model):
        assert "millhand data add FILE --name qa --licence ID" in finding.mend
        assert "dataset.yaml" not in finding.mend
    (described,) = errors(replaced(MODEL, data=(replaced(DATA, licence=""),)), {})
    assert "dataset_registry/qa/dataset.yaml" in described.mend
