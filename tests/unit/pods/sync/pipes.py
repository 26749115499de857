"""An agent in a bare Python at the other end of two pipes, and pipes that break."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Literal

from millhand.pods.bundle import boot_argv
from millhand.pods.sync.lanes import agent
from tests.patience import WITHIN_S


class Pipe:
    """A stream to an agent of its own."""

    def __init__(self, python: str = sys.executable) -> None:
        self.process = subprocess.Popen(
            boot_argv(python), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env={}
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in, self._out = self.process.stdin, self.process.stdout
        self.write(agent())

    def read(self, size: int) -> bytes:
        return self._out.read(size) or b""

    def write(self, data: bytes | bytearray) -> None:
        view = memoryview(data)
        while view:
            view = view[self._in.write(view) :]

    def flush(self) -> None:
        pass

    def close(self) -> None:
        if not self._in.closed:
            self._in.close()
        self.process.wait(WITHIN_S)
        self._out.close()


class Opener:
    """Starts agents; counts them and what goes over the pipes."""

    def __init__(self, python: str = sys.executable) -> None:
        self.python, self.opened = python, 0
        self.pipes: list[Pipe] = []

    def __call__(self, transport: Literal["shared", "new"]) -> Pipe:
        self.opened += 1
        self.pipes.append(Pipe(self.python))
        return self.pipes[-1]


class _Cut(Pipe):
    """Breaks after so many bytes; what was written before arrives."""

    def __init__(self, written: int | None, read: int | None) -> None:
        self._left: int | None = None
        super().__init__()
        self._left, self._readable = written, read
        self._lock = threading.Lock()

    def write(self, data: bytes | bytearray) -> None:
        if self._left is not None:
            data, over = data[: self._left], len(data) > self._left
            self._left -= len(data)
            super().write(data)
            if over:
                self.break_off()
                raise ConnectionResetError("cut")
        else:
            super().write(data)

    def read(self, size: int) -> bytes:
        if self._readable is not None:
            if self._readable == 0:
                self.break_off()
                self._out.close()
                raise ConnectionResetError("cut")
            size = min(size, self._readable)
        data = super().read(size)
        if self._readable is not None:
            self._readable -= len(data)
        return data

    def break_off(self) -> None:
        with self._lock:
            if not self._in.closed:
                self._in.close()


class CutOpener(Opener):
    """Starts agents whose pipe breaks after so many bytes, of one direction or of both."""

    def __init__(self, written: int | None = None, read: int | None = None) -> None:
        super().__init__()
        self._written, self._read = written, read

    def __call__(self, transport: Literal["shared", "new"]) -> Pipe:
        self.opened += 1
        self.pipes.append(_Cut(self._written, self._read))
        return self.pipes[-1]
