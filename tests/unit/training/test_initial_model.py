"""The initial model's folder: what is made anew, what stands, what is refused. No torch is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from millhand.errors import FindingsError, MissingPackageError, UsageError
from millhand.training import initial_model, tokenizer
from millhand.training.initial_model import make_initial_model, read_initial_model, recipe_for


@dataclass(frozen=True)
class Source:
    name: str = "qa"
    sha256: str = "1" * 64

    def texts(self) -> Iterator[str]:
        return iter(["질문", "답"])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand-ins for what needs torch; they write a file each and note that they were called."""
    made: list[str] = []

    def fake(name: str, result: int) -> Callable[..., int]:
        def write(*arguments: object) -> int:
            folder = next(a for a in arguments if isinstance(a, Path))
            (folder / name).write_text(name)
            made.append(name)
            return result

        return write

    monkeypatch.setattr(initial_model, "train_tokenizer", fake("tokenizer.json", 300))
    monkeypatch.setattr(initial_model, "save_weights", fake("model.safetensors", 900))
    monkeypatch.setattr(initial_model, "_require_packages", lambda recipe: None)
    monkeypatch.setattr(initial_model, "_versions", lambda recipe: {"torch": "2"})
    return made


def test_it_is_made_once_and_stands(tmp_path: Path, calls: list[str]) -> None:
    folder, recipe = tmp_path / "models" / "tiny", recipe_for([Source()], size="tiny")
    made, outcome = make_initial_model(folder, recipe, [Source()])
    assert (outcome, made.parameters, made.vocab) == ("made", 900, 300)
    assert make_initial_model(folder, recipe, [Source()]) == (made, "unchanged")
    assert calls == ["tokenizer.json", "model.safetensors"]
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_newer_libraries_alone_are_no_reason_to_make_it_anew(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_for([Source()], size="tiny")
    make_initial_model(tmp_path / "tiny", recipe, [Source()])
    monkeypatch.setattr(initial_model, "_versions", lambda recipe: {"torch": "3"})
    assert make_initial_model(tmp_path / "tiny", recipe, [Source()])[1] == "unchanged"


@pytest.mark.parametrize(
    ("source", "seed", "says"),
    [
        (Source(), 7, "seed: 0, not 7"),
        (Source(sha256="2" * 64), 0, "the data has changed"),
        (Source(name="other"), 0, "datasets: qa, not other"),
    ],
)
def test_another_model_is_refused_and_replaced_on_request(
    tmp_path: Path, calls: list[str], source: Source, seed: int, says: str
) -> None:
    folder = tmp_path / "tiny"
    make_initial_model(folder, recipe_for([Source()], size="tiny"), [Source()])
    other = recipe_for([source], size="tiny", seed=seed)
    with pytest.raises(FindingsError, match=says) as caught:
        make_initial_model(folder, other, [source])
    assert "--replace" in str(caught.value)
    assert "tiny-2" in str(caught.value)
    assert make_initial_model(folder, other, [source], replace=True)[1] == "replaced"
    made = read_initial_model(folder)
    assert made is not None
    assert made.recipe == other


def test_a_changed_or_missing_file_is_noticed(tmp_path: Path, calls: list[str]) -> None:
    recipe = recipe_for([Source()], size="tiny")
    make_initial_model(tmp_path / "tiny", recipe, [Source()])
    (tmp_path / "tiny" / "model.safetensors").write_text("trained further")
    (tmp_path / "tiny" / "tokenizer.json").unlink()
    with pytest.raises(FindingsError, match=r"tokenizer\.json is missing; model\.safetensors was"):
        make_initial_model(tmp_path / "tiny", recipe, [Source()])


@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_of_somebody_elses_is_never_touched(tmp_path: Path, calls: list[str], replace: bool) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text("{}")
    with pytest.raises(FindingsError, match="something else"):
        make_initial_model(
            tmp_path / "tiny", recipe_for([Source()], size="tiny"), [Source()], replace=replace
        )
    assert os.listdir(tmp_path / "tiny") == ["config.json"]


def test_a_failure_leaves_the_folder_as_it_was(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_for([Source()], size="tiny")
    make_initial_model(tmp_path / "tiny", recipe, [Source()])

    def fail(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(initial_model, "save_weights", fail)
    other = recipe_for([Source()], size="tiny", seed=1)
    with pytest.raises(KeyboardInterrupt):
        make_initial_model(tmp_path / "tiny", other, [Source()], replace=True)
    assert os.listdir(tmp_path) == ["tiny"]
    assert (
        make_initial_model(tmp_path / "tiny", recipe_for([Source()], size="tiny"), [Source()])[1]
        == "unchanged"
    )


def test_without_torch_the_mend_is_millhand_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="millhand install") as caught:
        make_initial_model(tmp_path / "tiny", recipe_for([Source()], size="tiny"), [Source()])
    assert "torch" in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_vocabulary_too_small_for_every_byte_is_refused() -> None:
    with pytest.raises(UsageError, match="--vocab-size 1024"):
        recipe_for([Source()], size="tiny", vocab_size=100)


def test_a_dataset_without_text_is_a_finding() -> None:
    with pytest.raises(FindingsError, match="no text"):
        list(tokenizer._lines(["", " \n"]))
