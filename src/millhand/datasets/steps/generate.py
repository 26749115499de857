"""The step ``generate``: passages in, questions and answers out.

The one that needs no model, ``outline``, is the default; ``generator: model`` asks an endpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, closing
from hashlib import sha256
from pathlib import Path

import msgspec

from millhand.datasets.pieces import Piece
from millhand.datasets.steps.base import TAKEN, Context, Pieces, Step, Tally
from millhand.datasets.synthesize.endpoint import endpoint_of
from millhand.datasets.synthesize.judge import question_key
from millhand.datasets.synthesize.listing import Listing, shown
from millhand.datasets.synthesize.making import Made, Maker
from millhand.datasets.synthesize.options import Options
from millhand.datasets.synthesize.pricing import Price, price
from millhand.endpoint.asking import Asker, Limits
from millhand.endpoint.cache import AnswerCache
from millhand.errors import Finding, FindingsError
from millhand.files import atomic_writer, locked

_MENDS = {
    "refused": "Mend the key, or the account behind it.",
    "absent": "Mend `url` or `model`, or start the server.",
    "busy": "Wait as long as the server asks to.",
    "rejected": "Read what the server says of the requests.",
}
_GOES_ON = "Then the same command goes on: what was answered is kept, and is not paid for again."


def generate(options: Options, pieces: Pieces, tally: Tally, context: Context) -> Iterator[Piece]:
    """Make records of all passages; records go on as they are.

    Raises:
        UsageError: No endpoint is named, or it may not be asked.
        FindingsError: The endpoint refuses everything: nothing more was asked, what was answered is kept.
    """
    if options.generator == "model":
        yield from _by_model(options, pieces, tally, context)
    else:
        yield from _by_outline(options, pieces, tally)


def _by_outline(options: Options, pieces: Pieces, tally: Tally) -> Iterator[Piece]:
    from millhand.datasets.synthesize import outline

    asked: set[str] = set()
    for piece in pieces:
        made = [piece] if piece.passage is None else list(outline.records(piece, options))
        if piece.passage is None:
            tally.count(TAKEN)
        if not made:
            tally.drop(piece, "nothing to ask")
        for record in made:
            if _repeats(record, asked) and piece.passage is not None:
                tally.count("left out: the same question")
            else:
                yield record


def _repeats(piece: Piece, asked: set[str]) -> bool:
    """Whether a question was asked before, and note it: another answer to it would teach nothing."""
    key = question_key(piece.record.question if piece.record else "")
    known = key in asked
    asked.add(key)
    return known


def _by_model(options: Options, pieces: Pieces, tally: Tally, context: Context) -> Iterator[Piece]:
    endpoint = endpoint_of(options, context.setting, context.secret)
    if endpoint.url.startswith("http://") and not _silent(endpoint.url, endpoint.key.reveal()):
        context.find(_in_the_clear(endpoint.url))
    listed = context.cache / f"not-made-{sha256(msgspec.json.encode(options)).hexdigest()[:8]}.jsonl"
    with locked(context.cache / ".lock"), closing(AnswerCache(context.cache)) as answers:
        asker = Asker(endpoint, answers, _limits(options))
        with atomic_writer(listed) as file:
            listing = Listing(file)
            context.tell("generate", 0, len(pieces))
            for done, made in enumerate(_run(_made(asker, options, pieces)), 1):
                yield from _records(made, endpoint.model, listing, tally)
                context.tell("generate", done, len(pieces))
        _count(tally, listing, asker)
        _report(listing, listed, context)
        if asker.stopped is not None:
            raise _stopped(asker, listing, listed)


def _silent(url: str, key: str) -> bool:
    from millhand.endpoint.attempt import is_local

    return not key or is_local(url)


async def _made(asker: Asker, options: Options, pieces: Pieces) -> AsyncGenerator[Made, None]:
    async with asker, aclosing(Maker(asker, options).make(pieces)) as all_made:
        async for made in all_made:
            yield made


def _run(made: AsyncGenerator[Made, None]) -> Iterator[Made]:
    """Go through what comes of an event loop in a plain loop; the loop rests while the caller works."""

    async def next_one() -> Made | None:
        return await anext(made, None)

    with asyncio.Runner() as runner:
        try:
            while (one := runner.run(next_one())) is not None:
                yield one
        finally:
            runner.run(made.aclose())


def _records(made: Made, model: str, listing: Listing, tally: Tally) -> Iterator[Piece]:
    if made.piece.passage is None:
        tally.count(TAKEN)
        yield made.piece
        return
    records = [record for work in made.works for record in work.pieces(model)]
    for work in made.works:
        listing.add(work)
        tally.count(f"asked: {work.ask.purpose}", len(work.slots))
    if not records:
        tally.drop(made.piece, "nothing was made" if made.works else "too short to ask about")
    yield from records


def _count(tally: Tally, listing: Listing, asker: Asker) -> None:
    tally.count("asked", listing.asked)
    tally.count("answered", listing.answered)
    tally.count("listed", listing.listed)
    tally.count("made at a second try or later", listing.again)
    for code, count in listing.codes.items():
        tally.count(f"listed: {code}", count)
    for name in ("sent", "answered", "refused", "lost", "cached"):
        tally.count(f"requests {name}", asker.counts[name])


def _report(listing: Listing, path: Path, context: Context) -> None:
    for finding in listing.findings(path):
        context.find(finding)
    if not listing.listed:
        path.unlink(missing_ok=True)


def _limits(options: Options) -> Limits:
    return Limits(
        at_once=options.concurrency,
        requests_per_minute=options.requests_per_minute,
        tokens_per_minute=options.tokens_per_minute,
        attempts=options.attempts,
    )


def _stopped(asker: Asker, listing: Listing, path: Path) -> FindingsError:
    why, told = (asker.stopped.why, asker.stopped.told) if asker.stopped else ("busy", "")
    finding = Finding(
        id="data.endpoint-refuses",
        severity="error",
        message=told,
        why="It would say the same to every further request, so no more were sent.",
        mend=f"{_MENDS.get(why, _MENDS['busy'])} {_GOES_ON}",
    )
    counts = f"{listing.answered:,} of {listing.asked:,} questions are made and kept"
    return FindingsError([finding], message=f"{counts}; the others are listed in {shown(path)}.")


def _in_the_clear(url: str) -> Finding:
    return Finding(
        id="data.key-in-the-clear",
        severity="warning",
        message=f"{url} is asked over http: the key and the documents travel unencrypted",
        why="Whoever is on the way can read both.",
        mend="Name it by https, or reach it through a tunnel on 127.0.0.1.",
    )


def _price(options: Options, pieces: Pieces, context: Context) -> Price:
    return price(options, pieces, cache=context.cache, model=context.setting("MILLHAND_MODEL"))


def _reads(options: Options) -> tuple[str, ...]:
    return ("MILLHAND_MODEL",) if options.generator == "model" and not options.model else ()


STEP = Step("generate", Options, whole=generate, revision=3, makes=True, price=_price, reads=_reads)
