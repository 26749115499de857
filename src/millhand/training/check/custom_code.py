"""Bases that transformers has no code for: theirs comes with them, or nothing does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

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
# What LLaMA-Factory loads of a text model (model/loader.py).
_PARTS = ("AutoConfig", "AutoModelForCausalLM")
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
    if not base.config or not known:
        return
    files = _files(base)
    if config.trust_remote_code:
        yield from _absent(config, base, files.values())
    if kind in known:
        return
    if "AutoConfig" not in files:
        yield _unknown(config, kind)
    elif not config.trust_remote_code:
        yield config.finding(
            "model.custom-code", "error", _BASE,
            f"The base comes with code of its own ({files['AutoConfig']}).",
            "LLaMA-Factory runs none unless told to, and stops: “contains custom code”.", _MEND,
        )  # fmt: skip


def _absent(config: Config, base: Base, files: Iterable[str]) -> Iterator[Finding]:
    lacking = [f for f in files if base.whole and "--" not in f and not (base.folder / f).is_file()]
    for file in lacking[:1]:
        yield config.finding(
            "model.no-code", "error", _BASE, f"{file}, which config.json names, is not in the base's folder.",
            "“does not appear to have a file named”: LLaMA-Factory stops.",
            f"Copy {file} from the model's repository; where transformers knows the model, take "
            "trust_remote_code out.",
        )  # fmt: skip


def _unknown(config: Config, kind: object) -> Finding:
    return config.finding(
        "model.unknown-type", "error", _BASE,
        f"config.json has the model_type {kind!r}." if kind else "config.json has no model_type.",
        f"Transformers {config.knowledge.transformers} has no code for it, and none comes with it.",
        "Take a base that transformers knows, or a transformers that knows this one.",
    )  # fmt: skip


def _files(base: Base) -> dict[str, str]:
    """The files that ``auto_map`` names by what is in them; ``owner/name--file.py`` is elsewhere."""
    named = base.config.get("auto_map")
    found = named.items() if isinstance(named, dict) else ()
    return {
        part: f"{name.rpartition('.')[0]}.py"
        for part, name in found
        if part in _PARTS and isinstance(name, str) and "." in name
    }
