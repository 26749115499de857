"""What LLaMA-Factory knows, read from its source or the snapshot, without importing it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from millhand.errors import UsageError
from millhand.llamafactory.knowledge import SNAPSHOT, installed, shipped
from millhand.llamafactory.models import templates_of
from millhand.llamafactory.snapshot import snapshot_text
from millhand.llamafactory.source import Source, find_source


def test_the_snapshot_is_of_the_version_that_is_pinned_and_says_what_the_reference_counted() -> None:
    known = shipped()
    assert (known.llamafactory, known.transformers) == ("0.9.5", "5.6.0")
    assert len(known.arguments) == len(known.keys("train")) == 346
    assert len(known.keys("infer")) == 346 - 135
    assert (len(known.templates), sum(t.reasoning for t in known.templates.values())) == (121, 25)
    assert (len(known.models), sum(m.speaks for m in known.models.values())) == (628, 461)


def test_the_snapshot_is_written_one_line_an_entry_in_order() -> None:
    assert snapshot_text(shipped()) == SNAPSHOT.read_text(encoding="utf-8")
    assert "Apache-2.0" in SNAPSHOT.read_text(encoding="utf-8").splitlines()[1]
    known = shipped()
    for entries in (known.arguments, known.templates, known.models):
        assert list(entries) == sorted(entries)


def test_the_kinds_of_models_are_those_that_transformers_itself_knows() -> None:
    kinds = shipped().model_types
    assert (len(kinds), "exaone4" in kinds, "exaone" in kinds) == (610, True, False)
    assert list(kinds) == sorted(kinds)
    auto = pytest.importorskip("transformers.models.auto.configuration_auto")
    if version("transformers") == shipped().transformers:
        assert set(kinds) == set(auto.CONFIG_MAPPING_NAMES)


def test_types_defaults_and_choices() -> None:
    known = shipped().arguments
    assert (known["lora_rank"].type, known["lora_rank"].default) == ("int", 8)
    assert known["image_max_pixels"].default == 768 * 768
    assert known["flash_attn"].choices == ("auto", "disabled", "sdpa", "fa2", "fa3")
    assert (known["flash_attn"].default, known["eval_strategy"].default) == ("auto", "no")
    assert known["eval_strategy"].choices == ("no", "steps", "epoch")
    assert (known["optim"].default, known["optim"].computed) == (None, "default_optim")
    assert "model_max_length" not in known  # a field, and none of a config's


def test_templates_know_their_end_and_whether_they_reason() -> None:
    known = shipped().templates
    assert (known["qwen3"].reasoning, known["qwen3_nothink"].reasoning) == (True, False)
    assert (known["chatml"].end, known["chatml"].replace_eos) == ("<|im_end|>\n", True)
    assert (known["default"].end, known["llama2"].end) == ("{eos_token}\n", "{eos_token}")
    assert known["glm4_7"].reasoning  # by a class that is a reasoning template's


@pytest.mark.parametrize(
    ("model", "templates"),
    [
        ("Qwen/Qwen3-4B-Instruct-2507", {"qwen3_nothink"}),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", {"llama3"}),
        ("meta-llama/Llama-3.1-8B-Instruct", {"llama3"}),
        ("unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit", {"llama3"}),
        ("Qwen/Qwen2.5-7B", set()),
        ("owner/unheard-of", set()),
    ],
)
def test_the_templates_of_a_model(model: str, templates: set[str]) -> None:
    assert templates_of(model, shipped().models) == templates


def test_entry_rules_of_dataset_info() -> None:
    entry = shipped().entry
    assert entry.formats == ("alpaca", "openai", "sharegpt")
    assert {"prompt", "query", "kto_tag"} < set(entry.columns)
    assert len(entry.tags) == 7
    assert entry.endings["jsonl"] == "json"
    assert {"file_name", "hf_hub_url", "script_url", "cloud_file_name"} < set(entry.sources)


def test_a_wheel_is_read_as_a_folder_is(tmp_path: Path) -> None:
    wheel = tmp_path / "llamafactory-9.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("llamafactory/extras/env.py", 'VERSION = "9"\n')
    source = Source("llamafactory", wheel)
    assert source.version == "9"
    with pytest.raises(UsageError, match=r"holds no llamafactory/data/template\.py"):
        source.parse("data/template.py")


def test_without_the_packages_the_snapshot_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millhand.llamafactory.knowledge.find_source", lambda package: None)
    installed.cache_clear()
    assert installed() is shipped()
    installed.cache_clear()


def test_another_version_that_is_installed_is_read_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = [find_source("llamafactory"), find_source("transformers")]
    if pair[0] is None or pair[1] is None:
        pytest.skip("the training environment is not installed")
    other = _older_transformers(pair[1], tmp_path)
    monkeypatch.setattr(
        "millhand.llamafactory.knowledge.find_source",
        lambda package: pair[0] if package == "llamafactory" else other,
    )
    installed.cache_clear()
    known = installed()
    installed.cache_clear()
    assert known.transformers == "4.57.1"
    assert "group_by_length" in known.keys("train")
    assert known.keys("train").keys() - shipped().keys("train").keys() == {"group_by_length"}


def _older_transformers(source: Source, folder: Path) -> Source:
    """The installed transformers' files, with another version and one more field."""
    for name in ("training_args_seq2seq.py", "trainer_utils.py"):
        (folder / name).write_bytes((source.root / name).read_bytes())
    text = (source.root / "training_args.py").read_text(encoding="utf-8")
    field = "    group_by_length: bool = field(default=False)\n    output_dir: str | None = field("
    (folder / "training_args.py").write_text(text.replace("    output_dir: str | None = field(", field, 1))
    (folder / "__init__.py").write_text('__version__ = "4.57.1"\n')
    return Source("transformers", folder)


def test_reading_it_imports_neither_torch_nor_llamafactory() -> None:
    code = (
        "import sys; from millhand.llamafactory.knowledge import installed; installed(); print(*sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert {"torch", "transformers", "llamafactory"}.isdisjoint(shown.split())
