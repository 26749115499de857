"""YAML as LLaMA-Factory reads it: against the real OmegaConf, and what is said of broken files."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from millhand.errors import FindingsError
from millhand.llamafactory.yaml import dump_value, parse_value, parse_yaml, read_document, read_yaml

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(["no", "3e-4", "1:30", "0x1f", "2024-01-01", "=", "<<", "~", "a # b", "- x", "1_0"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abc나", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


def real(text: str) -> Any:
    omegaconf = pytest.importorskip("omegaconf")
    return omegaconf.OmegaConf.to_container(omegaconf.OmegaConf.load(io.StringIO(text)))


@given(values)
def test_what_is_written_is_read_back_here_and_by_omegaconf(value: Any) -> None:
    text = f"key: {dump_value(value)}  # a note\n"
    assert len(text.splitlines()) == 1
    assert parse_yaml(text, "x.yaml").values == {"key": value}
    if "${" not in text:
        assert real(text) == {"key": value}


@given(st.text("0123456789.eE+-_:abxonyN~ '\"[]{},#", max_size=12))
def test_any_plain_value_is_read_as_omegaconf_reads_it(text: str) -> None:
    line = f"key: {text}"
    try:
        theirs = real(line)
    except (yaml.YAMLError, ValueError, OSError):
        with pytest.raises(FindingsError):
            parse_yaml(line, "x.yaml")
        return
    ours = parse_yaml(line, "x.yaml").values
    assert ours == theirs or (isinstance(ours["key"], float) and math.isnan(ours["key"]))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 3e-4),
        ("1.0e-4", 1e-4),
        ("2024-01-01", "2024-01-01"),
        ("no", False),
        ("017", 15),
        ("08", "08"),
    ],
)
def test_values_that_plain_yaml_reads_otherwise(text: str, value: object) -> None:
    assert parse_value(text, "--set") == value
    assert real(f"a: {text}") == {"a": value}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-4, "1.0e-4"),
        (5e-3, "5.0e-3"),
        (3.5e-05, "3.5e-5"),
        (0.05, "0.05"),
        (3.0, "3.0"),
        ("no", "'no'"),
        ("둘\n", '"둘\\n"'),
    ],
)
def test_values_are_written_in_llamafactorys_style(value: object, text: str) -> None:
    assert dump_value(value) == text


def test_every_key_that_stands_twice_is_named_with_both_lines() -> None:
    with pytest.raises(FindingsError) as caught:
        parse_yaml("a: 1\nb: 2\na: 3\nc: {d: 1, d: 2}\n", "train.yaml")
    assert [(f.id, f.line) for f in caught.value.findings] == [("yaml.twice", 3), ("yaml.twice", 4)]
    assert "on line 1" in caught.value.findings[0].message


@pytest.mark.parametrize(
    ("text", "name", "line", "mend"),
    [
        ("a: 1\nb: [1, 2\n", "yaml.syntax", 3, "quotes"),
        ("a:\n\tb: 1\n", "yaml.syntax", 2, "tabs"),
        ("a: 1\n---\nb: 2\n", "yaml.syntax", 2, "---"),
        ("a: 1\nb: !path x\n", "yaml.tag", 2, "quotes"),
        ("a: 1\nb: !!set {x}\n", "yaml.tag", 2, "quotes"),
        ("- 1\n", "yaml.no-mapping", 1, "learning_rate"),
        ("just text\n", "yaml.no-mapping", 1, "learning_rate"),
        ("1: x\n", "yaml.no-mapping", 1, "learning_rate"),
        ("a: \x07\n", "yaml.syntax", 1, ""),
        ("a: &x [*x]\n", "yaml.too-large", 1, "anchors"),
        ("a: " + "[" * 300 + "]" * 300, "yaml.too-large", 1, "anchors"),
        ("a: 1:99\nb: !!int x\n", "yaml.syntax", 1, ""),
    ],
)
def test_a_broken_file_is_a_finding_with_its_line_and_mend(
    text: str, name: str, line: int, mend: str
) -> None:
    with pytest.raises(FindingsError) as caught:
        parse_yaml(text, "train.yaml")
    finding = caught.value.findings[0]
    assert (finding.id, finding.file, finding.line) == (name, "train.yaml", line)
    assert mend in finding.mend


def test_anchors_that_multiply_are_refused() -> None:
    text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    text += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    with pytest.raises(FindingsError, match="expands without end"):
        parse_yaml(text, "x.yaml")


def test_a_file_in_another_encoding_says_which_line(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_bytes("stage: sft\n# 한국어\n".encode("cp949"))
    with pytest.raises(FindingsError) as caught:
        read_yaml(path)
    assert (caught.value.findings[0].id, caught.value.findings[0].line) == ("yaml.encoding", 2)


def test_an_empty_file_and_a_byte_order_mark_are_read_as_llamafactory_does(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_bytes(b"")
    assert read_yaml(path) == {}
    path.write_bytes("\ufeffstage: sft\n".encode())
    assert read_yaml(path) == {"stage": "sft"}


def test_a_document_knows_the_lines_of_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\nb:\n  c: [1,\n    2]\n  d: 2\n")
    document = read_document(path)
    assert [document.line(*p) for p in (("a",), ("b", "d"), ("b", "c", 1), ("b", "none"), ("none",))] == [
        1,
        5,
        4,
        2,
        None,
    ]
