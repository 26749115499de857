"""In which encoding a text file is: found by decoding all of it, never guessed from a sample."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from millhand.errors import Finding, FindingsError, UsageError

_BLOCK = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Korean files say EUC-KR and hold cp949, its superset; Python's own euc_kr refuses the letters that it lacks.
_SUPERSETS = {"euc_kr": "cp949", "johab": "johab", "utf_8_sig": "utf-8", "utf-16": "utf-16-le"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec's name and the bytes of a byte-order mark to leave out at the start."""

    codec: str
    skip_bytes: int = 0


def detect_encoding(path: Path, wanted: str | None = None) -> Encoding:
    """Say how to decode ``path``: ``wanted``, else its byte-order mark's, UTF-8 or cp949.

    All of the file is decoded once, so reading it afterwards cannot fail half-way.

    Raises:
        UsageError: Python knows no encoding called ``wanted``.
        FindingsError: The bytes are not in that encoding, or in none that was tried.
    """
    bom, codec = _byte_order_mark(path)
    if wanted:
        name = _codec(wanted)
        return _checked(path, Encoding(name, len(bom) if codec == name else 0))
    if bom:
        return _checked(path, Encoding(codec, len(bom)))
    error = _first_error(path, Encoding("utf-8"))
    if error is None:
        return Encoding("utf-8")
    if _is_damaged_utf8(path, error) or _first_error(path, Encoding("cp949")) is not None:
        raise _undecodable(path, error, tried=("utf-8", "cp949"))
    return Encoding("cp949")


def _byte_order_mark(path: Path) -> tuple[bytes, str]:
    with path.open("rb") as file:
        head = file.read(4)
    return next(((bom, codec) for bom, codec in _BOMS if head.startswith(bom)), (b"", ""))


def _codec(wanted: str) -> str:
    try:
        name = codecs.lookup(wanted).name.replace("-", "_")
        "".encode(name)
    except LookupError as error:
        raise UsageError(
            f"There is no text encoding called {wanted!r}.",
            mend="Korean files are in utf-8 or cp949: `--encoding cp949`.",
        ) from error
    return _SUPERSETS.get(name, name.replace("_", "-"))


def _checked(path: Path, encoding: Encoding) -> Encoding:
    position = _first_error(path, encoding)
    if position is not None:
        raise _undecodable(path, position, tried=(encoding.codec,))
    return encoding


def _first_error(path: Path, encoding: Encoding) -> int | None:
    """The position, in bytes from the start, of the first byte that does not decode; None if all do."""
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    position = encoding.skip_bytes
    for block in _blocks(path, position):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            return position - pending + error.start
        position += len(block)
    return None


def _blocks(path: Path, start: int) -> Iterator[bytes]:
    """The file's bytes from ``start``, and an empty block at the end: the decoder's cue to finish."""
    with path.open("rb") as file:
        file.seek(start)
        while block := file.read(_BLOCK):
            yield block
    yield b""


def _is_damaged_utf8(path: Path, position: int) -> bool:
    """Whether UTF-8 is right and only some bytes are broken: around them stands Hangul, little else fails."""
    with path.open("rb") as file:
        file.seek(max(0, position - _BLOCK // 32))
        text = file.read(_BLOCK // 16).decode("utf-8", errors="replace")
    hangul = sum("가" <= c <= "힣" for c in text)
    return hangul > 4 * text.count("\ufffd")


def _undecodable(path: Path, position: int, *, tried: tuple[str, ...]) -> FindingsError:
    with path.open("rb") as file:
        head = file.read(position)
        byte = file.read(1)
    shown = f"0x{byte[0]:02x}" if byte else "the end of the file"
    finding = Finding(
        id="data.wrong-encoding",
        severity="error",
        message=f"byte {position:,} ({shown}) is not {' and not '.join(tried)}",
        file=path.name,
        line=head.count(b"\n") + 1,
        why="Read in a wrong encoding, Hangul turns into other signs and the model learns those.",
        mend="Name the encoding (`encoding:` in dataset.yaml, or --encoding; Excel's Korean CSV is cp949), "
        "or save the file as UTF-8.",
    )
    return FindingsError([finding])


class Utf8Stream:
    """A text file's content as UTF-8 without its byte-order mark: lines, or blocks for a parser.

    A context manager. UTF-8 itself goes through untouched.
    """

    def __init__(self, path: Path, encoding: Encoding) -> None:
        self._plain = encoding.codec == "utf-8"
        self._codec = encoding.codec
        self._file = path.open("rb")
        self._file.seek(encoding.skip_bytes)
        self._decoder = codecs.getincrementaldecoder(encoding.codec)()

    def __enter__(self) -> Utf8Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int = -1) -> bytes:
        """The next ``size`` bytes of the file, in UTF-8; nothing at its end."""
        block = self._file.read(size)
        return block if self._plain else self._recode(block)

    def __iter__(self) -> Iterator[bytes]:
        """The lines, each with the line feed that ends it."""
        return iter(self._file) if self._plain else self._recoded_lines()

    def _recode(self, block: bytes) -> bytes:
        text = self._decoder.decode(block, final=not block)
        while block and not text:  # half a letter is no end of the file
            block = self._file.read(1)
            text = self._decoder.decode(block, final=not block)
        return text.encode("utf-8")

    def _recoded_lines(self) -> Iterator[bytes]:
        rest = b""
        while block := self._recode(self._file.read(_BLOCK)):
            *lines, rest = (rest + block).split(b"\n")
            yield from (line + b"\n" for line in lines)
        if rest:
            yield rest
