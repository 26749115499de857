"""The generator that needs no model: the structure of a section gives the questions, its text the answers.

A heading, a numbered step, a term, a condition, an amount, a table's cell each hold a question in their
form. What is answered is the section's own text; only its style is made formal (``한다.`` -> ``합니다.``).
The same passage gives the same records in every build.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from hashlib import sha256

import msgspec

from millhand.datasets.pieces import Passage, Piece
from millhand.datasets.records import Record
from millhand.datasets.synthesize.ground import Ground
from millhand.datasets.synthesize.judge import faults, question_key
from millhand.datasets.synthesize.options import Options
from millhand.datasets.synthesize.outline_section import section_of
from millhand.datasets.synthesize.outline_sentences import single
from millhand.datasets.synthesize.outline_tables import table_pairs
from millhand.datasets.synthesize.outline_templates import TEMPLATES, number_of
from millhand.datasets.synthesize.outline_whole import Pair, points, steps, whole
from millhand.datasets.synthesize.quota import solid

GENERATOR = "outline 1"
_FILING = re.compile(r"(?:사업|분기|반기|감사)보고서")
_BRACKETS = (("(", ")"), ("[", "]"), ("「", "」"), ("『", "』"), ("<", ">"), ("“", "”"), ("‘", "’"))
_LONGEST, _SHORTEST = 2000, 4  # characters of an answer


def records(piece: Piece, options: Options) -> Iterator[Piece]:
    """The records of a passage's structure, in an order that holds; none where it holds no question.

    At most one for ``chars_per_item`` characters that are no blanks, ``items_at_most`` in all; none of a
    passage shorter than ``min_chars``. Every kind of question has its turn before any has a second one.
    """
    passage = piece.passage
    if passage is None or solid(piece.text) < options.min_chars:
        return
    most = min(options.items_at_most, max(1, -(-solid(passage.text) // options.chars_per_item)))
    source = msgspec.structs.replace(piece.source, generator=GENERATOR, prompt_sha256=prompt_sha256(options))
    for pair in _chosen(_kept(passage, options), most, piece.id):
        record = Record(instruction=pair.question, output=pair.answer, source=source)
        place = f"{pair.kind}-{sha256(pair.question.encode()).hexdigest()[:8]}"
        yield Piece(f"{piece.id}/{place}", source, record=record, split=piece.split, cluster=piece.cluster)


def prompt_sha256(options: Options) -> str:
    """The hash of the wordings and of the options that records depend on."""
    quota = [options.chars_per_item, options.items_at_most, options.min_chars, options.min_overlap]
    told = json.dumps([GENERATOR, TEMPLATES, quota], ensure_ascii=False, sort_keys=True)
    return sha256(told.encode()).hexdigest()


def _pairs(passage: Passage) -> Iterator[Pair]:
    section = section_of(passage)
    if section.role == "front":
        return
    yield from whole(section, passage.headings[-1] if passage.headings else "")
    yield from points(section)
    yield from steps(section)
    yield from table_pairs(section)
    yield from single(section)


def _kept(passage: Passage, options: Options) -> Iterator[Pair]:
    """Pairs with something to say, each question once, each answer grounded in the passage."""
    pairs = list(_pairs(passage))
    ground = Ground("\n".join([passage.title, *passage.headings, passage.text]) if pairs else "")
    seen: set[str] = set()
    for pair in pairs:
        if passage.key or _FILING.search(passage.title):  # every document of the kind has such a section
            pair = pair._replace(question=f"{passage.title}에 따르면 {pair.question}")
        key = question_key(pair.question)
        is_fit = _SHORTEST <= len(pair.answer) <= _LONGEST and question_key(pair.answer) not in key
        is_fit = is_fit and all(pair.question.count(a) == pair.question.count(b) for a, b in _BRACKETS)
        if is_fit and key not in seen and not faults(*pair[1:], ground, min_overlap=options.min_overlap):
            seen.add(key)
            yield pair


def _chosen(pairs: Iterable[Pair], most: int, key: str) -> list[Pair]:
    """``most`` of the pairs in their order: one of each kind in turn, within a kind by a hash."""
    every = list(pairs)
    kinds: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in every:
        kinds[pair.kind].append(pair)
    turns = deque(deque(sorted(kind, key=lambda p: number_of(key, p.question))) for kind in kinds.values())
    chosen: set[Pair] = set()
    while turns and len(chosen) < most:
        kind = turns.popleft()
        chosen.add(kind.popleft())
        if kind:
            turns.append(kind)
    return [pair for pair in every if pair in chosen]
