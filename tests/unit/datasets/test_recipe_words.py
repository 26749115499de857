"""A slip in a word that an option takes is told with the words that it may have been."""

from pathlib import Path

import pytest

from millhand.datasets.recipe import read_recipe
from millhand.errors import Finding, FindingsError

_HEAD = "name: manual\nlicence: CC0-1.0\nsources:\n  - path: a.pdf\nsteps:\n  - "


def _refused(folder: Path, step: str) -> Finding:
    path = folder / "manual" / "dataset.yaml"
    path.parent.mkdir()
    path.write_text(_HEAD + step + "\n", encoding="utf-8")
    with pytest.raises(FindingsError) as caught:
        read_recipe(path)
    (finding,) = caught.value.findings
    return finding


@pytest.mark.parametrize(
    ("step", "mend"),
    [
        ("generate: {generator: modl}", "Did you mean 'model'?"),
        ("generate: {generator: xyz}", "Known are: model, outline."),
        ("generate: {purposes: [qa, sumary]}", "Did you mean 'summary'?"),
        ("generate: {system: {procedur: 답하라}}", "Did you mean 'procedure'?"),
        (
            "generate: {examples: [{passage: a, turns: [{question: a, answer: b}], purpose: multiturn}]}",
            "Did you mean 'multi_turn'?",
        ),
        ("pii: {action: msk}", "Did you mean 'mask'?"),
        ("pii: {action: }", "Known are: drop, mask, report."),
        ("pii: {kinds: [mobil]}", "Did you mean 'mobile'?"),
        ("split: {by: sections}", "Did you mean 'section'?"),
        ("split: {stratify: no}", "Known are: answer, document, generator, heading, kind, none."),
        ("normalise: {dates: korea}", "Did you mean 'korean'?"),
        ("filter: {language: deutsch}", "Known are: ko."),
    ],
)
def test_the_nearest_word_or_all_of_them(tmp_path: Path, step: str, mend: str) -> None:
    assert _refused(tmp_path, step).mend == mend


@pytest.mark.parametrize("step", ["filter: {drop: [3]}", "generate: {system: {qa: 3}}", "limit: {train: x}"])
def test_where_any_text_or_number_may_stand_no_word_is_named(tmp_path: Path, step: str) -> None:
    assert "millhand data steps" in _refused(tmp_path, step).mend


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("filter: {min_hangul: 7}", "min_hangul is a share, from 0 to 1, not 7"),
        ("filter: {max_symbols: -2}", "max_symbols is a share, from 0 to 1, not -2"),
        ("filter: {max_digits: .nan}", "max_digits is a share, from 0 to 1, not nan"),
        ("filter: {min_chars: -5}", "min_chars counts characters, from 0, not -5"),
        ("filter: {max_answer_chars: -1}", "max_answer_chars counts characters, from 0, not -1"),
        ("filter: {min_chars: 30, max_chars: 20}", "max_chars 20 is below min_chars 30: nothing would be"),
        ("filter: {repetition: -1}", "repetition is times a limit, from 0, not -1"),
        ("filter: {min_hangul: 7, min_chars: -5}", "from 0, not -5; min_hangul is a share"),
        ("balance: {level: 0}", "level counts headings from 1"),
        ("balance: {ratio: .nan}", "ratio are no limit where they are 0"),
        ("split: {train: .nan}", "are shares, 0 to 1, and sum up to 1"),
    ],
)
def test_a_limit_out_of_its_range_is_refused_by_name(tmp_path: Path, step: str, told: str) -> None:
    assert told in _refused(tmp_path, step).message
