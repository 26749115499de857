"""A model that starts from random weights: tokenizer, chat template and weights, made from a dataset.

The same datasets, shape, seed and versions give the same files, byte for byte. What went in, and the
hashes of what came out, lie beside them in millhand_model.json.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from millhand.errors import Finding, FindingsError, MissingPackageError, UsageError
from millhand.files import sha256_file, write_text
from millhand.training.folders import free_name, whole_folder
from millhand.training.initial_weights import SIZES, Architecture, SizeName, save_weights
from millhand.training.tokenizer import SMALLEST_VOCAB, TokenizerKind, train_tokenizer

NOTE_FILE = "millhand_model.json"


class TextSource(Protocol):
    """What a tokenizer learns from; a dataset is one."""

    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    def texts(self) -> Iterator[str]: ...


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides what comes out, but for the versions of the libraries.

    ``datasets`` maps names to the SHA-256 of their rows; ``vocab_size`` counts the special tokens too.
    """

    size: SizeName
    architecture: Architecture
    tokenizer: TokenizerKind
    vocab_size: int
    seed: int
    datasets: dict[str, str]


class InitialModel(msgspec.Struct, frozen=True, kw_only=True):
    """What millhand_model.json holds: what went in, and what came out.

    ``vocab`` is how many tokens the texts were enough for; ``files`` maps names to SHA-256.
    """

    recipe: Recipe
    versions: dict[str, str]
    parameters: int
    vocab: int
    files: dict[str, str]


Outcome = Literal["made", "unchanged", "replaced"]


def recipe_for(
    sources: Sequence[TextSource],
    *,
    size: SizeName,
    architecture: Architecture = "qwen3",
    tokenizer: TokenizerKind = "bpe",
    vocab_size: int | None = None,
    seed: int = 0,
) -> Recipe:
    """Fill in what was not said.

    Raises:
        UsageError: The vocabulary is too small to hold every byte.
    """
    wanted = vocab_size or SIZES[size].vocab
    if wanted < SMALLEST_VOCAB:
        raise UsageError(
            f"{wanted} tokens are too few: the bytes and special tokens alone take {SMALLEST_VOCAB - 1}.",
            mend=f"Try --vocab-size {SIZES[size].vocab}.",
        )
    return Recipe(
        size=size,
        architecture=architecture,
        tokenizer=tokenizer,
        vocab_size=wanted,
        seed=seed,
        datasets={source.name: source.sha256 for source in sources},
    )


def make_initial_model(
    folder: Path,
    recipe: Recipe,
    sources: Sequence[TextSource],
    *,
    replace: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> tuple[InitialModel, Outcome]:
    """Make the model of ``recipe`` in ``folder``, whole or not at all; nothing is done where it lies there.

    Raises:
        FindingsError: ``folder`` holds something else, or the datasets hold no text.
        MissingPackageError: torch or one of its companions is not installed.
    """
    standing = _standing(folder, recipe, replace=replace)
    if standing is not None:
        return standing, "unchanged"
    _require_packages(recipe)
    existed = folder.is_dir() and any(folder.iterdir())
    with whole_folder(folder) as unfinished:
        made = _make(unfinished, recipe, chain.from_iterable(s.texts() for s in sources), note)
    return made, "replaced" if existed else "made"


def _make(folder: Path, recipe: Recipe, texts: Iterable[str], note: Callable[[str], None]) -> InitialModel:
    size = SIZES[recipe.size]
    note(f"Training a {recipe.tokenizer} tokenizer of up to {recipe.vocab_size} tokens …")
    vocab = train_tokenizer(texts, recipe.tokenizer, recipe.vocab_size, size.context, folder)
    if vocab < recipe.vocab_size:
        note(f"The texts were enough for {vocab} tokens.")
    note(f"Drawing the weights of a {recipe.size} {recipe.architecture} model …")
    parameters = save_weights(folder, recipe.architecture, size, recipe.seed)
    files = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
    made = InitialModel(
        recipe=recipe, versions=_versions(recipe), parameters=parameters, vocab=vocab, files=files
    )
    text = msgspec.json.format(msgspec.json.encode(made, order="deterministic"), indent=2)
    write_text(folder / NOTE_FILE, text.decode("utf-8") + "\n")
    return made


def read_initial_model(folder: Path) -> InitialModel | None:
    """Read what made the model in ``folder``; None where Millhand did not make it."""
    try:
        return msgspec.json.decode((folder / NOTE_FILE).read_bytes(), type=InitialModel)
    except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError):
        return None


def _standing(folder: Path, recipe: Recipe, *, replace: bool) -> InitialModel | None:
    """The model that lies in ``folder`` if it is the one wanted; None if there is room to make it."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    made = read_initial_model(folder)
    if made is None:
        why = "It was not made by `millhand model init`, so it is left as it is."
        raise _occupied(
            folder,
            "something else",
            why,
            f"Choose another folder, for example {os.path.relpath(free_name(folder))}.",
        )
    changed = _differences(made.recipe, recipe) + _changed_files(folder, made)
    if not changed:
        return made
    if replace:
        return None
    what = f"another model ({'; '.join(changed)})"
    free = os.path.relpath(free_name(folder))
    mend = f"Add --replace to make it anew, or choose another folder, for example {free}."
    raise _occupied(folder, what, "Adapters trained on it would no longer fit.", mend)


def _occupied(folder: Path, what: str, why: str, mend: str) -> FindingsError:
    message = f"The folder holds {what}."
    where = os.path.relpath(folder)
    return FindingsError(
        [Finding(id="model.exists", severity="error", message=message, file=where, why=why, mend=mend)]
    )


def _differences(made: Recipe, wanted: Recipe) -> list[str]:
    """In words, how a standing model's recipe differs from the wanted one.

    Newer libraries alone are no difference: whoever updates them does not want the base of trained
    adapters made anew.
    """
    pairs = ((name, getattr(made, name), getattr(wanted, name)) for name in Recipe.__struct_fields__)
    return [
        "the data has changed"
        if name == "datasets" and old.keys() == new.keys()
        else f"{name}: {_shown(old)}, not {_shown(new)}"
        for name, old, new in pairs
        if old != new
    ]


def _shown(value: object) -> str:
    return ",".join(value) if isinstance(value, dict) else str(value)


def _changed_files(folder: Path, made: InitialModel) -> list[str]:
    gone = [name for name in made.files if not (folder / name).is_file()]
    changed = [
        name for name, known in made.files.items() if name not in gone and sha256_file(folder / name) != known
    ]
    return [f"{name} is missing" for name in gone] + [f"{name} was changed" for name in changed]


def _require_packages(recipe: Recipe) -> None:
    needed = ["torch", "transformers", "tokenizers", "safetensors"]
    needed += ["sentencepiece"] if recipe.tokenizer == "sentencepiece" else []
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingPackageError(
            f"Making a model needs {', '.join(missing)}, which this environment does not have.",
            mend="Install what training needs: `millhand install`.",
        )


def _versions(recipe: Recipe) -> dict[str, str]:
    names = ["torch", "transformers", "tokenizers"]
    names += ["sentencepiece"] if recipe.tokenizer == "sentencepiece" else []
    return {name: version(name) for name in names}
