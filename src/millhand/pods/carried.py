"""A program of travelling modules in one environment variable: for where standard input is taken.

A container's command and a detached job have no input of their own to read a program from, and an argument
list is seen by every user of the machine and is short.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache

from millhand.pods.bundle import program


def boot_argv(variable: str, python: str = "python3", *, alone: bool = True) -> tuple[str, ...]:
    """The command that runs the program in ``variable``.

    Args:
        alone: Isolated and without site-packages; else with the interpreter's own libraries.
    """
    code = f"import base64,os,sys,zlib;exec(zlib.decompress(base64.b64decode(os.environ[{variable!r}])))"
    return (python, *(("-I", "-S") if alone else ("-P", "-u")), "-X", "utf8", "-c", code)


@cache
def packed(modules: Sequence[str], entry: str) -> str:
    """The variable's value; the arguments are those of :func:`millhand.pods.bundle.program`."""
    return base64.b64encode(program(modules, entry)).decode("ascii")
