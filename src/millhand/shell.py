"""Commands as values: argv, environment, secrets. Nothing here runs anything.

Builders all over Millhand return a :class:`Command`; only a pod runs one.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

MASK = "••••"


class Secret:
    """A string that does not show itself: not in ``repr``, a log, a traceback or JSON.

    ``reveal`` is the one way to it, called where the value leaves for its destination.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret is not pickled")


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: arguments as they are, never a shell's string.

    ``env`` is added to the environment of whoever runs it; ``cwd`` is relative to the workspace on
    the machine where it runs. Secrets go in ``env`` only.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str | Secret] = field(default_factory=lambda: MappingProxyType({}))
    cwd: str = "."

    def __post_init__(self) -> None:
        if not self.argv:
            raise ValueError("a command needs a program")
        for argument in self.argv:
            if not isinstance(argument, str) or "\0" in argument:
                raise ValueError(f"not an argument of a program: {argument!r}")

    def revealed_env(self) -> dict[str, str]:
        """All of ``env`` in the clear, for the moment of starting the program."""
        return {n: v.reveal() if isinstance(v, Secret) else v for n, v in self.env.items()}

    def shown(self) -> str:
        """The command as a person would type it in a POSIX shell, secrets masked."""
        env = [f"{n}={MASK if isinstance(v, Secret) else shlex.quote(v)}" for n, v in self.env.items()]
        return " ".join([*env, shlex.join(self.argv)])
