"""Bases that transformers has no code for: theirs comes with them, or nothing does."""

from __future__ import annotations

import re
from collections.abc import Iterator

from millhand.errors import Finding
from millhand.training.check.base import Base, base_of
from millhand.training.check.subject import Config, FaultyValueError

# Repositories whose model_type is exaone, baichuan, internlm, chatglm, qwen, minicpm, xverse, yuan, telechat:
# transformers 5.6 has none of these.
_OWN_CODE = re.compile(
    r"LGAI-EXAONE/EXAONE-(3\.|Deep)|baichuan-inc/Baichuan|internlm/internlm|(THUDM|zai-org)/chatglm|"
    r"(THUDM|zai-org)/glm-4-9b(?!.*-hf$)|Qwen/Qwen-(\d|VL)|openbmb/MiniCPM[34.]*1?-(\d|V-2|V-4$|V-4_5|o-2)|"
    r"xverse/XVERSE-|IEITYuan/Yuan2-|Tele-AI/TeleChat"
)
_BASE = "model_name_or_path"
_MEND = "Read the code, then write `trust_remote_code: true`; or take a base that transformers knows."


def check_code(config: Config) -> Iterator[Finding]:
    """Find a base that LLaMA-Factory would not load without `trust_remote_code`, or not at all."""
    try:
        base = base_of(config)
        yield from _of_files(config, base) if base else _by_name(config, str(config.model_name_or_path))
    except FaultyValueError:
        return


def _by_name(config: Config, name: str) -> Iterator[Finding]:
    if _OWN_CODE.match(name) and not config.trust_remote_code:
        yield config.finding(
            "model.custom-code", "warning", _BASE, f"{name} comes with code of its own, by its name.",
            "LLaMA-Factory runs none unless told to, and stops: “contains custom code”.", _MEND,
        )  # fmt: skip


def _of_files(config: Config, base: Base) -> Iterator[Finding]:
    kind, known = base.config.get("model_type"), config.knowledge.model_types
    if not base.config or not known or kind in known:
        return
    code = _module(base)
    if not code:
        yield _unknown(config, kind)
    elif not config.trust_remote_code:
        yield config.finding(
            "model.custom-code", "error", _BASE, f"The base comes with code of its own ({code}).",
            "LLaMA-Factory runs none unless told to, and stops: “contains custom code”.", _MEND,
        )  # fmt: skip
    elif base.whole and "--" not in code and not (base.folder / code).is_file():
        yield config.finding(
            "model.no-code", "error", _BASE, f"{code}, which config.json names, is not in the base's folder.",
            "“does not appear to have a file named”: LLaMA-Factory stops.",
            f"Fetch the model anew, or copy {code} from its repository.",
        )  # fmt: skip


def _unknown(config: Config, kind: object) -> Finding:
    # without a kind transformers guesses by the folder's name (models/auto/configuration_auto.py)
    guessed = not kind and any(
        known in str(config.model_name_or_path) for known in config.knowledge.model_types
    )
    return config.finding(
        "model.unknown-type", "warning" if guessed else "error", _BASE,
        f"config.json has the model_type {kind!r}." if kind else "config.json has no model_type.",
        f"Transformers {config.knowledge.transformers} has no code for it, and none comes with it.",
        "Take a base that transformers knows, or a transformers that knows this one.",
    )  # fmt: skip


def _module(base: Base) -> str:
    """The file that ``auto_map`` names for the config, as ``owner/name--file.py`` where it is elsewhere."""
    named = base.config.get("auto_map")
    found = named.get("AutoConfig") if isinstance(named, dict) else None
    return f"{found.rpartition('.')[0]}.py" if isinstance(found, str) and "." in found else ""
