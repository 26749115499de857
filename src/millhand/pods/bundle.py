"""What is sent to a pod's Python to make an agent of it: nothing is installed there.

The command is fixed, ``python3 -I -S -X utf8 -c BOOT``; the agent's source follows over standard input, first
its length in a line. Files of Millhand that travel (standard library only) keep their names there, so one may
import another: ``from millhand.pods import wire`` works on both sides.
"""

from __future__ import annotations

import importlib.util
import json
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

# Reads one line with a length, then so much compressed source, and runs it; the rest is the agent's input.
BOOT = (
    "import sys,zlib;b=sys.stdin.buffer;"
    "exec(compile(zlib.decompress(b.read(int(b.readline()))),'millhand-agent','exec'))"
)
_INSTALL = """\
import sys, types
def place(name):
    if name not in sys.modules:
        module = sys.modules[name] = types.ModuleType(name)
        module.__path__ = []
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(place(parent), last, module)
    return sys.modules[name]
for name, source in SOURCES:
    module = place(name)
    module.__source__ = source
    exec(compile(source, name, "exec"), module.__dict__)
"""


def boot_argv(python: str = "python3") -> tuple[str, ...]:
    """The command that becomes an agent: isolated, without site-packages, names in UTF-8 in any locale."""
    return (python, "-I", "-S", "-X", "utf8", "-c", BOOT)


@cache
def bundle(modules: Sequence[str], entry: str) -> bytes:
    """The bytes to send first; the arguments are those of :func:`program`."""
    packed = program(modules, entry)
    return b"%d\n%s" % (len(packed), packed)


@cache
def program(modules: Sequence[str], entry: str) -> bytes:
    """The modules and a call as one Python program, compressed with zlib.

    Args:
        modules: Full names of travelling modules (a tuple), in the order in which they import each other,
            as ``millhand.pods.wire``.
        entry: The statement that starts the agent, as ``millhand.pods.agent.main()``.
    """
    sources = [(name, _source(name)) for name in modules]
    imports = "".join(f"import {name}\n" for name in modules)
    text = f"SOURCES = {json.dumps(sources)}\n{_INSTALL}{imports}{entry}\n"
    return zlib.compress(text.encode("utf-8"), 9)


def _source(name: str) -> str:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ValueError(f"no such module: {name}")
    return Path(spec.origin).read_text(encoding="utf-8")
