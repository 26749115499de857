"""Tokenizers trained on a dataset's texts, in transformers' format: byte-level BPE or SentencePiece.

Both give any text back as it was (bytes stand in for characters never seen), number the special tokens
first, and put no blank before the first word: LLaMA-Factory encodes an answer apart from its question, and
a prefix blank would make trained and served tokens differ.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from millhand.errors import Finding, FindingsError
from millhand.training.chat_template import CHATML, PAD, SPECIAL_TOKENS, TURN_END, TURN_START

TokenizerKind = Literal["bpe", "sentencepiece"]

# Qwen2's rule for where words end (transformers' `models/qwen2/tokenization_qwen2.py`). The saved tokenizer
# names that class, which puts this rule in place on loading whatever the file says, so it must be the same.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_BYTES = 256
# SentencePiece insists on a token for the unknown; with bytes to fall back on it is never used.
_UNKNOWN = "<unk>"
# The chat template's words stand in every example, yet in no text: shown this often, each becomes a token.
_ROLES = ("system", "user", "assistant") * 1000
SMALLEST_VOCAB = _BYTES + len(SPECIAL_TOKENS) + 1


def train_tokenizer(
    texts: Iterable[str], kind: TokenizerKind, vocab_size: int, max_tokens: int, folder: Path
) -> int:
    """Train a tokenizer, save it in ``folder`` and return how many tokens it knows.

    That can be fewer than ``vocab_size`` where the texts hold too little to learn from.

    Raises:
        FindingsError: There is no text to learn from.
    """
    with _one_thread():
        lines = _with_roles(_lines(texts))
        if kind == "bpe":
            tokenizer = _train_bpe(lines, vocab_size)
        else:
            tokenizer = _train_sentencepiece(lines, vocab_size, folder)
        tokenizer.chat_template = CHATML
        tokenizer.model_max_length = max_tokens
        tokenizer.save_pretrained(folder)
    return len(tokenizer)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep the trainer to one thread: the order in which threads count must not show in the result."""
    before = os.environ.get("TOKENIZERS_PARALLELISM")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TOKENIZERS_PARALLELISM"]
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = before


def _lines(texts: Iterable[str]) -> Iterator[str]:
    seen = False
    for text in texts:
        for line in text.splitlines():
            if line.strip():
                seen = True
                yield line
    if not seen:
        raise FindingsError(
            [
                Finding(
                    id="model.no-text",
                    severity="error",
                    message="The dataset holds no text to train a tokenizer on.",
                    mend="Look at it with `millhand data show NAME`.",
                )
            ]
        )


def _with_roles(lines: Iterator[str]) -> Iterator[str]:
    yield from lines
    yield from _ROLES


def _train_bpe(lines: Iterator[str], vocab_size: int) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import Qwen2TokenizerFast

    raw = Tokenizer(models.BPE())
    raw.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(_WORDS), "isolated", False)
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    raw.train_from_iterator(lines, trainer)
    return Qwen2TokenizerFast(tokenizer_object=raw, **_special())


def _special() -> dict[str, object]:
    return {
        "bos_token": None,
        "eos_token": TURN_END,
        "pad_token": PAD,
        "unk_token": PAD,
        "additional_special_tokens": [TURN_START, TURN_END],
    }


def _train_sentencepiece(lines: Iterator[str], vocab_size: int, folder: Path) -> Any:
    """Train SentencePiece's BPE; its own ``tokenizer.model`` is kept beside what transformers reads."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaTokenizerFast

    model = _sentencepiece_model(lines, vocab_size)
    (folder / "tokenizer.model").write_bytes(model)
    vocab, merges = _vocab_and_merges(model)
    raw = Tokenizer(models.BPE(vocab=vocab, merges=merges, byte_fallback=True, fuse_unk=True))
    raw.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="never", split=False)
    raw.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    raw.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    special = {**_special(), "unk_token": _UNKNOWN}
    return LlamaTokenizerFast(tokenizer_object=raw, add_prefix_space=False, add_bos_token=False, **special)


def _sentencepiece_model(lines: Iterator[str], vocab_size: int) -> bytes:
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines,
        model_writer=model,
        model_type="bpe",
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        character_coverage=1.0,
        byte_fallback=True,
        add_dummy_prefix=False,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        num_threads=1,
        unk_id=3,
        unk_piece=_UNKNOWN,
        bos_id=-1,
        eos_id=-1,
        pad_id=0,
        pad_piece=PAD,
        control_symbols=[TURN_START, TURN_END],
        minloglevel=2,
    )
    return model.getvalue()


def _vocab_and_merges(model: bytes) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Read the pieces, and the merges in the order in which SentencePiece made them.

    A piece that is made of two known pieces was merged from them; pieces are numbered in that order.
    """
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    vocab = {pieces.id_to_piece(i): i for i in range(pieces.get_piece_size())}
    learned = [
        p for p, i in vocab.items() if not (pieces.is_control(i) or pieces.is_byte(i) or pieces.is_unknown(i))
    ]
    merges: list[tuple[str, str]] = []
    for piece in sorted(learned, key=lambda p: -pieces.get_score(vocab[p])):
        splits = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        known = [(left, right) for left, right in splits if left in vocab and right in vocab]
        merges += sorted(known, key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))
    return vocab, merges
