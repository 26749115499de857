"""What licences allow, as a table: may a copy be shared, changed, used commercially. Pure; no legal advice.

Identifiers are the SPDX ones (https://spdx.org/licenses/) in lower case, which is how the Hub writes them
(https://huggingface.co/docs/hub/repositories-licenses); those of models and of Korea's public works are
the Hub's and the KOGL's own. ``source`` is where the terms stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from millhand.text.normal import nearest

UNKNOWN = "unknown"
OTHER = "other"


class Licence(msgspec.Struct, frozen=True, kw_only=True):
    """One licence.

    ``changes``: something made from it may be shared. ``commercial``: others may earn with that.
    ``share_alike``: it must carry the same licence. ``terms`` are what whoever passes it on must do, in the
    licence's own words as far as they are short; ``prefix`` is how the name of what is made from it begins.
    ``on_hub`` says that the Hub knows the identifier.
    """

    id: str
    source: str
    changes: bool = True
    commercial: bool = True
    share_alike: bool = False
    terms: tuple[str, ...] = ()
    prefix: str = ""
    on_hub: bool = True

    @property
    def open(self) -> bool:
        """Whether what is made from it may be published for any use."""
        return self.changes and self.commercial

    @property
    def forbids(self) -> str:
        """What it does not allow, in words; empty where nothing of what is asked here."""
        no = [] if self.changes else ["sharing what is made from it (ND)"]
        no += [] if self.commercial else ["commercial use (NC)"]
        return " and ".join(no)


def licence_of(text: str) -> Licence | None:
    """The licence that a person's words mean; None where they are empty or not understood."""
    return LICENCES.get(_identifier(text))


def nearest_licences(text: str) -> list[str]:
    """Identifiers that look like the words."""
    return nearest(_identifier(text), list(LICENCES), count=3)


def hub_identifier(text: str) -> str:
    """How the Hub's metadata names it: its own identifier, ``other`` or ``unknown``."""
    if not text.strip() or _identifier(text) == UNKNOWN:
        return UNKNOWN
    found = licence_of(text)
    return _ON_HUB_AS.get(found.id, found.id) if found and found.on_hub else OTHER


_FREE = "https://www.gnu.org/licenses"
_CC = "https://creativecommons.org/licenses"
_KOGL = "https://www.kogl.or.kr/info/license.do"
_ATTRIBUTE = "Name the source."


def _open(*ids: str) -> list[Licence]:
    return [Licence(id=name, source=f"https://spdx.org/licenses/#{name}") for name in ids]


def _copyleft(*ids: str) -> list[Licence]:
    return [Licence(id=name, source=f"https://spdx.org/licenses/#{name}", share_alike=True) for name in ids]


def _creative_commons() -> list[Licence]:
    return [
        _by(parts, version)
        for parts in ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")
        for version in ("", "2.0", "2.0-kr", "2.5", "3.0", "4.0")
    ]


# https://huggingface.co/docs/hub/repositories-licenses lists no others of the family
_CC_ON_HUB = frozenset(
    {"cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0",
     "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0",
     "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"}
)  # fmt: skip


def _by(parts: str, version: str) -> Licence:
    """One of the family; without a version where a person gave none: what it allows is the same in all."""
    words, id_ = parts.split("-"), f"cc-{parts}-{version}".rstrip("-")
    return Licence(
        id=id_,
        source=f"{_CC}/{parts}/{(version or '4.0').replace('-', '/')}/",
        changes="nd" not in words,
        commercial="nc" not in words,
        share_alike="sa" in words,
        terms=("Name the maker, link the licence, say what was changed.",),
        on_hub=id_ in _CC_ON_HUB,
    )


def _kogl() -> list[Licence]:
    """Korea Open Government Licence, types 0 to 4."""
    allowed = {
        "0": (True, True),
        "1": (True, True),
        "2": (True, False),
        "3": (False, True),
        "4": (False, False),
    }
    return [
        Licence(
            id=f"kogl-type-{number}",
            source=_KOGL,
            changes=changes,
            commercial=commercial,
            terms=() if number == "0" else (_ATTRIBUTE,),
            on_hub=False,
        )
        for number, (changes, commercial) in allowed.items()
    ]


def _llama(id_: str, name: str, built: str, prefix: str, source: str) -> Licence:
    terms = (
        f"Say “Built with {built}” where people see it.",
        f"Give a copy of the {name} Community License with it, and keep its notice.",
        "Hold to Meta's Acceptable Use Policy.",
        "Above 700 million monthly users, ask Meta for a licence.",
    )
    return Licence(id=id_, source=source, terms=terms, prefix=prefix)


_RAIL = ("Give a copy of the licence with it.", "Pass its use restrictions on.", "Say what was changed.")
_LLAMA = "https://www.llama.com"
_MODELS = [
    _llama("llama3", "Meta Llama 3", "Meta Llama 3", "Llama 3", f"{_LLAMA}/llama3/license/"),
    _llama("llama3.1", "Llama 3.1", "Llama", "Llama", f"{_LLAMA}/llama3_1/license/"),
    _llama("llama3.2", "Llama 3.2", "Llama", "Llama", f"{_LLAMA}/llama3_2/license/"),
    _llama("llama3.3", "Llama 3.3", "Llama", "Llama", f"{_LLAMA}/llama3_3/license/"),
    _llama("llama4", "Llama 4", "Llama", "Llama", f"{_LLAMA}/llama4/license/"),
    Licence(
        id="llama2",
        source="https://ai.meta.com/llama/license/",
        terms=(
            "Give a copy of the Llama 2 Community License with it, and keep its notice.",
            "Hold to Meta's Acceptable Use Policy.",
        ),
    ),
    Licence(
        id="gemma",
        source="https://ai.google.dev/gemma/terms",
        terms=(
            "Give a copy of the Gemma Terms of Use with it.",
            "Say that the files were changed.",
            "Pass the use restrictions of the Gemma Prohibited Use Policy on.",
        ),
    ),
    Licence(id="openrail", source="https://www.licenses.ai/", terms=_RAIL),
    Licence(
        id="bigscience-openrail-m",
        source="https://bigscience.huggingface.co/blog/bigscience-openrail-m",
        terms=_RAIL,
    ),
]

_TABLE = [
    *_open(
        "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "bsl-1.0", "isc", "zlib", "unlicense", "wtfpl",
        "cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "pddl-1.0", "odc-by-1.0", "etalab-2.0",
        "afl-3.0", "artistic-2.0", "ecl-2.0", "ncsa", "postgresql", "ms-pl", "ofl-1.1",
    ),
    *_copyleft(
        "gpl-2.0", "gpl-3.0", "agpl-3.0", "lgpl-2.1", "lgpl-3.0", "mpl-2.0", "epl-2.0", "eupl-1.2",
        "odbl-1.0", "cdla-sharing-1.0", "osl-3.0",
    ),
    # Families that the Hub names without a version: what is asked here is the same in all of them.
    Licence(id="bsd", source="https://spdx.org/licenses/#bsd-3-clause"),
    Licence(id="gpl", source=f"{_FREE}/gpl-3.0.html", share_alike=True),
    Licence(id="lgpl", source=f"{_FREE}/lgpl-3.0.html", share_alike=True),
    Licence(id="gfdl", source=f"{_FREE}/fdl-1.3.html", share_alike=True),
    *_creative_commons(),
    *_kogl(),
    *_MODELS,
    Licence(id="public-domain", source="https://creativecommons.org/public-domain/", on_hub=False),
]  # fmt: skip
LICENCES: Mapping[str, Licence] = MappingProxyType({licence.id: licence for licence in _TABLE})

# What people and the Hub write for identifiers of the table.
_ALIASES = MappingProxyType(
    {
        "apache": "apache-2.0",
        "apache-2": "apache-2.0",
        "apache-license-2.0": "apache-2.0",
        "apache-licence-2.0": "apache-2.0",
        "apache-license-version-2.0": "apache-2.0",
        "mit-license": "mit",
        "mit-licence": "mit",
        "cc0": "cc0-1.0",
        "cc0-universal": "cc0-1.0",
        "cc-zero": "cc0-1.0",
        "cc-zero-1.0": "cc0-1.0",
        "gnu-gpl": "gpl",
        "gnu-lgpl": "lgpl",
        "gnu-fdl": "gfdl",
        "gnu-free-documentation": "gfdl",
        "gfdl-1.1": "gfdl",
        "gfdl-1.2": "gfdl",
        "gfdl-1.3": "gfdl",
        "openrail-m": "openrail",
        "odbl": "odbl-1.0",
        "odc-by": "odc-by-1.0",
        "pddl": "pddl-1.0",
        "none": UNKNOWN,
        "n-a": UNKNOWN,
        "tbd": UNKNOWN,
    }
)
_ON_HUB_AS = MappingProxyType({"odbl-1.0": "odbl", "odc-by-1.0": "odc-by", "pddl-1.0": "pddl"})
_KOREAN = re.compile(r"공공누리|kogl")
_KOREAN_TYPE = re.compile(r"제?\s*([0-4])\s*유형|type[\s-]*([0-4])|^kogl-?([0-4])$")
# A digit alone: none of a year, a version or a date, nor the 2 of 2차적저작물, a derived work.
_DIGIT = re.compile(r"(?<![\d.])\d(?!\d|\.\d|\s*차)")
_CC_KOREA = re.compile(r"(cc-by[a-z-]*?)-(?:2\.0-(?:kr|korea|south-korea|대한민국)|(?:kr|korea)-2\.0)")
_LLAMA_NAME = re.compile(r"(?:meta-)?llama-?(2|3|3\.[123]|4)(?:-community)?(?:-licen[sc]e-agreement)?")
_SUFFIX = re.compile(r"-(?:only|or-later|international|unported|universal|license|licence)$")


def _identifier(text: str) -> str:
    words = text.strip().casefold()
    if _KOREAN.search(words):
        return _korean(words)
    name = re.sub(r"[\s_/,()]+", "-", words.replace("creative commons", "cc")).strip("-")
    name = re.sub(r"^(cc)-(attribution|by)", r"\1-by", name).replace("noncommercial", "nc")
    name = name.replace("non-commercial", "nc").replace("noderivatives", "nd").replace("sharealike", "sa")
    name = _SUFFIX.sub("", name)
    name = _CC_KOREA.sub(r"\1-2.0-kr", name) if _CC_KOREA.fullmatch(name) else name
    llama = _LLAMA_NAME.fullmatch(name)
    return f"llama{llama[1]}" if llama else _ALIASES.get(name, name)


def _korean(words: str) -> str:
    """The type of the KOGL; unknown where none is named, or any other digit says that it may be another."""
    types = {next(filter(None, found)) for found in _KOREAN_TYPE.findall(words)}
    others = set(_DIGIT.findall(words)) - types
    return UNKNOWN if len(types) != 1 or others else f"kogl-type-{types.pop()}"
