"""What a dataset holds: counts, lengths, some rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from millhand.datasets.records import Record
from millhand.datasets.registry import Dataset
from millhand.errors import MissingPackageError, UsageError
from millhand.files import sha256_file
from millhand.text.lengths import Lengths

Measure: TypeAlias = Callable[[list[str]], list[int]]
_BATCH = 1000


@dataclass
class Contents:
    """What going through a dataset once tells. Lengths are in ``unit``.

    ``trained`` counts the records that LLaMA-Factory trains on, ``rows`` all that are in the file;
    ``edited`` says that the file of a dataset of ours is no longer what was written.
    """

    unit: str
    rows: int = 0
    trained: int = 0
    columns: tuple[str, ...] = ()
    edited: bool = False
    question: Lengths = field(default_factory=Lengths)
    answer: Lengths = field(default_factory=Lengths)
    whole: Lengths = field(default_factory=Lengths)
    examples: list[dict[str, Any]] = field(default_factory=list)


def look_into(dataset: Dataset, *, examples: int = 3, tokenizer: Path | None = None) -> Contents:
    """Go through a dataset's rows once; lengths count tokens where a ``tokenizer``'s folder is given.

    Raises:
        UsageError: There is no tokenizer.json in that folder.
        MissingPackageError: Tokens are to be counted and ``tokenizers`` is not installed.
        FindingsError: The rows cannot be read.
    """
    measure = token_counter(tokenizer) if tokenizer else _characters
    contents = Contents(unit="tokens" if tokenizer else "characters")
    contents.examples = list(islice(dataset.rows(), examples))
    contents.columns = tuple(dict.fromkeys(key for row in contents.examples for key in row))
    if dataset.definition:
        contents.columns = dataset.definition.columns
        contents.edited = sha256_file(dataset.rows_path) != dataset.definition.sha256
    contents.rows = sum(1 for _ in dataset.rows())
    records = dataset.records()
    while batch := list(islice(records, _BATCH)):
        _measure(contents, batch, measure)
    return contents


def _measure(contents: Contents, batch: list[Record], measure: Measure) -> None:
    contents.trained += len(batch)
    for lengths, texts in (
        (contents.question, [record.question for record in batch]),
        (contents.answer, [record.answer for record in batch]),
        (contents.whole, ["\n".join(record.texts()) for record in batch]),
    ):
        for length in measure(texts):
            lengths.add(length)


def _characters(texts: list[str]) -> list[int]:
    return [len(text) for text in texts]


def token_counter(folder: Path) -> Measure:
    """A function that counts the tokens of texts by the ``tokenizer.json`` in ``folder``.

    Raises:
        UsageError: There is none, or it cannot be read.
        MissingPackageError: ``tokenizers`` is not installed.
    """
    path = folder / "tokenizer.json" if folder.is_dir() else folder
    if not path.is_file():
        raise UsageError(
            f"There is no tokenizer.json in {folder}.",
            mend="Name a model's folder: `--tokenizer models/NAME`.",
        )
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingPackageError(
            "Counting tokens needs the package tokenizers.", mend="pip install tokenizers"
        ) from error
    tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    return lambda texts: [len(encoded.ids) for encoded in tokenizer.encode_batch_fast(texts)]
