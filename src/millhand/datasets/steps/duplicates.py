"""What becomes of pieces that are like earlier ones: the first stays; what is kept and alike is one group."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from millhand.text.shingles import Relation

Reason = Literal["exact", "near"]


class Same(NamedTuple):
    """The earlier piece, by its number, that a piece is the same as, and in what way."""

    kept: int
    reason: Reason


class Verdicts:
    """Which pieces are dropped for which, and which belong together; pieces go by their number in order.

    Groups are joined by union-find, always under the earliest of them, so their names do not depend on
    the order in which pairs are looked at.
    """

    def __init__(self) -> None:
        self.same: dict[int, Same] = {}
        self._parents: dict[int, int] = {}

    def drop(self, number: int, kept: int, reason: Reason) -> None:
        """Piece ``number`` goes, as ``kept`` is there."""
        self.same[number] = Same(kept, reason)
        self.join(number, kept)

    def stands_for(self, number: int) -> int:
        """The piece that is kept for ``number``: itself, if it is."""
        return self.same[number].kept if number in self.same else number

    def join(self, one: int, other: int) -> None:
        """The two belong together."""
        first, second = sorted((self._root(one), self._root(other)))
        if first != second:
            self._parents[second] = first

    def clusters(self) -> dict[int, int]:
        """Each kept piece that hangs together with another kept one, and the first of its group."""
        kept = {n: self._root(n) for n in {*self._parents, *self._parents.values()} if n not in self.same}
        sizes = Counter(kept.values())
        firsts: dict[int, int] = {}
        for number in sorted(kept):
            firsts.setdefault(kept[number], number)
        return {number: firsts[root] for number, root in kept.items() if sizes[root] > 1}

    def _root(self, number: int) -> int:
        path = []
        while (parent := self._parents.get(number, number)) != number:
            path.append(number)
            number = parent
        for passed in path:
            self._parents[passed] = number
        return number


class Text(NamedTuple):
    """What of a piece is compared, and its label: texts of different labels are never the same."""

    text: str
    label: bool | None = None


class Looking:
    """Looks at pairs that may be alike; a text is held for as long as a later one may be like it.

    Args:
        relation: Says what two texts are to each other.
        partners: For a piece the earlier ones that it may be like, likeliest first.
    """

    def __init__(
        self,
        relation: Callable[[Text, Text], Relation],
        verdicts: Verdicts,
        partners: Mapping[int, Sequence[int]],
    ) -> None:
        self._relation, self._verdicts, self._partners = relation, verdicts, partners
        self._last = {one: later for later in sorted(partners) for one in partners[later]}
        self._held: dict[int, Text] = {}
        self._due: defaultdict[int, list[int]] = defaultdict(list)

    def through(self, texts: Iterable[Callable[[], Text]]) -> None:
        """Go through the texts of all pieces, in their order; only those that are needed are made."""
        for number, text in enumerate(texts):
            if number in self._partners or number in self._last:
                self._held[number] = text()
                self._look(number)
                self._due[max(number, self._last.get(number, 0))].append(number)
            self._let_go(number)

    def _look(self, number: int) -> None:
        for one in self._partners.get(number, ()):
            for other in dict.fromkeys((one, self._verdicts.stands_for(one))):
                found = (
                    self._relation(self._held[other], self._held[number]) if other in self._held else "other"
                )
                if found == "same" and other not in self._verdicts.same:
                    self._drop(number, other)
                    return
                if found != "other":
                    self._verdicts.join(other, number)

    def _drop(self, number: int, kept: int) -> None:
        """Who may be like the one that goes may be like the one that stays."""
        self._verdicts.drop(number, kept, "near")
        self._last[kept] = max(self._last.get(kept, 0), self._last.get(number, 0))

    def _let_go(self, number: int) -> None:
        for one in self._due.pop(number, ()):
            last = self._last.get(one, 0)
            if last > number:
                self._due[last].append(one)
            else:
                del self._held[one]
