"""Korean texts of no meaning, and copies of them with planted edits: the same for the same seed."""

from __future__ import annotations

import random

_LETTERS = [chr(code) for code in range(0xAC00, 0xAC00 + 11172, 19)]


class Writer:
    """Writes texts of words from a vocabulary of its own."""

    def __init__(self, seed: int, words: int = 5000) -> None:
        self.random = random.Random(seed)
        self.words = [
            "".join(self.random.choices(_LETTERS, k=self.random.randint(1, 5))) for _ in range(words)
        ]

    def text(self, length: int = 300) -> str:
        """About ``length`` characters."""
        made: list[str] = []
        while sum(map(len, made)) + len(made) < length:
            made.append(self.random.choice(self.words))
        return " ".join(made)

    def characters_edited(self, text: str, share: float = 0.05) -> str:
        """Single characters put in, taken out or replaced, anywhere."""
        letters = list(text)
        for _ in range(round(len(text) * share)):
            at, how = self.random.randrange(len(letters)), self.random.randrange(3)
            letters[at : at + (how > 0)] = [] if how == 1 else [self.random.choice(_LETTERS)]
        return "".join(letters)

    def words_edited(self, text: str, share: float = 0.05) -> str:
        """Words replaced by others."""
        words = text.split()
        for at in self.random.sample(range(len(words)), round(len(words) * share)):
            words[at] = self.random.choice(self.words)
        return " ".join(words)
