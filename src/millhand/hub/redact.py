"""Takes out of a text what belongs to the machine that it was written on: paths and access keys.

A card and a config that is published name files by their last part only: the folders above hold a user's
name more often than not.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from millhand.hub.leaks import masked
from millhand.shell import MASK

HIDDEN = "…"
Facts = TypeVar("Facts", bound=msgspec.Struct)

_PART = r"[^\s/\\\"'`<>|*?()\[\]{},;:]+"
# Two folders deep, or below a home: an address (`https://…`) and a Hub's name (`org/name`) are none of them.
_PATH = re.compile(
    rf"""(?<![\w.:/\\~-])
    (?: file:/{{2,3}}(?:{_PART}/)*{_PART} | ~[\w.-]*(?:[/\\]{_PART})+ | \.\.(?:[/\\]{_PART})+
      | /(?:{_PART}/)+(?:{_PART})? | \\\\{_PART}(?:\\{_PART})+ ) [/\\]?
    | (?<![A-Za-z]) [A-Za-z]:[/\\]{{1,2}}{_PART}{_PART}(?:[/\\]{{1,2}}{_PART})*[/\\]?""",
    re.X,
)
_WHOLE = re.compile(
    r"(?:(?:file://|~[\w.-]*[/\\]|/[^/\n]+/|\\\\|[A-Za-z]:[/\\]|\.\.[/\\])[^\n]*|~[\w.-]*)\Z", re.A
)
_SECRET_KEY = re.compile(r"(?:_token|api_key|secret|password)$", re.I)
_HOMES = frozenset({"home", "users", "root", "mnt", "media", "volumes"})


def machine_words(*folders: Path) -> tuple[str, ...]:
    """What names this machine's user in a text: the home folder and those given, longest first."""
    found = {str(path) for folder in (Path.home(), *folders) for path in {folder, folder.resolve()}}
    places = {place for place in found if len(Path(place).parts) > 1 and place != "/root"}
    places |= {place.replace("\\", "/") for place in places}
    return tuple(sorted(places, key=len, reverse=True))


def words_pattern(words: Iterable[str]) -> re.Pattern[str] | None:
    """What finds words as a whole, a path also right behind a letter; None for no words."""
    whole = [
        (r"(?<!\w)" if word[0].isalnum() else "") + re.escape(word) + r"(?!\w)" for word in words if word
    ]
    return re.compile("|".join(whole), re.I) if whole else None


def without_machine(text: str, private: Iterable[str] = ()) -> str:
    """The text without paths of a machine, without the words of ``private`` and without access keys."""
    wanted = words_pattern(private)
    text = wanted.sub(HIDDEN, text) if wanted else text
    if _WHOLE.match(text):
        return _last_part(text)
    return masked(_PATH.sub(HIDDEN, text))


def without_machine_in(value: Any, private: Sequence[str] = ()) -> Any:
    """The same for every text in a value of dictionaries, lists and texts, keys included."""
    if isinstance(value, str):
        return without_machine(value, private)
    if isinstance(value, Mapping):
        return {
            without_machine_in(key, private): MASK
            if _is_secret(key, item)
            else without_machine_in(item, private)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_machine_in(item, private) for item in value]
    return value


def clean_facts(facts: Facts, private: Sequence[str] = ()) -> Facts:
    """Facts in which no text names the machine."""
    return msgspec.convert(without_machine_in(msgspec.to_builtins(facts), private), type(facts))


def _is_secret(key: Any, value: Any) -> bool:
    """Whether a text is an access key by the name that it stands under: ``hf_hub_token``, ``api_key``."""
    return isinstance(value, str) and bool(value) and isinstance(key, str) and bool(_SECRET_KEY.search(key))


def _last_part(path: str) -> str:
    """``…/model`` of ``/data/models/model``; only ``…`` where the last part may be a user's name."""
    parts = [part for part in re.split(r"[/\\]+", path) if part not in ("", ".", "..", "file:")]
    above = [part.casefold() for part in parts[:-1]]
    alone = len(parts) < 3 or above[-1] in _HOMES or parts[-1].casefold() == _user()
    return HIDDEN if alone else f"{HIDDEN}/{masked(parts[-1])}"


def _user() -> str:
    try:
        return getpass.getuser().casefold()
    except (OSError, KeyError, ImportError):  # no entry in the list of users: a container's bare number
        return ""
