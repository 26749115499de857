"""Faults of the training stack: what is missing, at a wrong version, or does not import.

A machine without the stack is a healthy one: it prepares data and rents a GPU. So nothing here is an
error before LLaMA-Factory itself is installed; from then on whatever would break a run is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from packaging.specifiers import SpecifierSet

from millhand.errors import Finding, Severity
from millhand.llamafactory import pins
from millhand.runs.facts import Facts
from millhand.runs.machine_checks import fault, obstacles

INSTALL = "millhand install"
SERVING = ("fastapi", "uvicorn", "sse-starlette", "pydantic")
FOR_A_GPU = {
    "bitsandbytes": "4- and 8-bit training (QLoRA) needs it",
    "unsloth": "configurations with `use_unsloth: true` need it",
    "xformers": "unsloth's attention is faster with it",
}


def check_stack(facts: Facts) -> Iterator[Finding]:
    """Every fault of the training stack."""
    yield from _missing(facts) if facts.has_stack else _absent(facts)
    yield from _release(facts)
    yield from _versions(facts)
    yield from _imports(facts)
    yield from _start(facts)
    yield from _optional(facts)


def asked_pins(facts: Facts) -> dict[str, Mapping[str, SpecifierSet]]:
    """Who asks for which versions: LLaMA-Factory as installed or as shipped, unsloth where it is there."""
    lines = {"LLaMA-Factory": facts.requires.get("llamafactory") or pins.REQUIRES}
    lines |= {name: asked for name, asked in facts.requires.items() if name != "llamafactory"}
    return {who: pins.read_pins(asked) for who, asked in lines.items()}


def _hurts(facts: Facts) -> Severity:
    return "error" if facts.has_stack else "note"


def _absent(facts: Facts) -> Iterator[Finding]:
    on = f" on its {facts.gpus[0].name}" if facts.gpus else ""
    yield fault(
        "llamafactory.missing",
        "warning" if facts.gpus else "note",
        "LLaMA-Factory is not installed: this machine can prepare data, check configurations, rent a GPU.",
        f"To train here{on}: {INSTALL}",
    )
    # What would stop that command is worth knowing before typing it.
    yield from (replace(f, severity="warning") for f in obstacles(facts) if f.id != "doctor.python.old")


def _missing(facts: Facts) -> Iterator[Finding]:
    for name in (*pins.NEEDED, *SERVING):
        if name not in facts.packages:
            serves = name in SERVING
            why = "`millhand serve` needs it." if serves else "LLaMA-Factory imports it at its start."
            severity: Severity = "warning" if serves else "error"
            yield fault(f"{name}.missing", severity, f"{name} is not installed.", INSTALL, why)


def _release(facts: Facts) -> Iterator[Finding]:
    version = facts.packages.get("llamafactory", pins.VERSION)
    if version != pins.VERSION:
        yield fault(
            "llamafactory.version",
            "warning",
            f"LLaMA-Factory is {version}; Millhand knows {pins.VERSION}.",
            INSTALL,
            "Its arguments and files may be other ones.",
        )


def _versions(facts: Facts) -> Iterator[Finding]:
    asked = asked_pins(facts)
    for name, version in sorted(facts.packages.items()):
        against = [who for who in asked if not pins.check_version(name, version, asked[who])]
        if against:
            yield _pin(facts, name, against, asked)


def _pin(
    facts: Facts, name: str, against: list[str], asked: Mapping[str, Mapping[str, SpecifierSet]]
) -> Finding:
    version, wanted = facts.packages[name], SpecifierSet()
    for specifiers in asked.values():
        wanted &= specifiers.get(name, SpecifierSet())
    fatal = not pins.check_version(name, version, pins.read_pins(pins.STARTS_WITH))
    says = " and ".join(f"{who} wants {pins.wanted_text(name, asked[who])}" for who in against)
    return fault(
        f"{name}.version",
        _hurts(facts) if fatal or not facts.has_stack else "warning",
        f"{name} is {version}; {says}.",
        facts.pip("install", f"{name}{pins.wanted_text(name, {name: wanted})}"),
        "LLaMA-Factory refuses to start." if fatal else "They were not released to work together.",
    )


def _imports(facts: Facts) -> Iterator[Finding]:
    torch = facts.torch.error if facts.torch else ""
    if facts.crash:
        message = f"importing torch and what stands beside it ended Python with {facts.crash}"
        yield fault("torch.crash", _hurts(facts), message, _again(facts, "torch"))
    if torch:
        message = f"torch cannot be imported: {torch}"
        yield fault("torch.import", _hurts(facts), message, _again(facts, "torch"))
    for name, error in sorted((facts.imports or {}).items()):
        if error:
            yield _broken(facts, name, error)


def _broken(facts: Facts, name: str, error: str) -> Finding:
    why = {
        "torchaudio": "LLaMA-Factory imports it whatever the model.",
        "torchvision": "transformers imports it where it is installed; text models do without it.",
    }
    return fault(
        f"{name}.import",
        _hurts(facts),
        f"{name} cannot be imported beside torch {facts.packages.get('torch', '')}: {error}",
        INSTALL if facts.cuda is None else _again(facts, name),
        f"It was built for another torch. {why.get(name, '')}",
    )


def _again(facts: Facts, name: str) -> str:
    version = facts.packages.get("torch", "").partition("+")[0]
    torch = f"torch=={version}" if version else "torch"
    return facts.pip(
        "install", "--force-reinstall", *dict.fromkeys((torch, name if name != "torch" else torch))
    )


def _start(facts: Facts) -> Iterator[Finding]:
    ran = facts.llamafactory_cli
    if ran and ran.code != 0:
        message = f"`llamafactory-cli version` ended with code {ran.code}:\n{ran.tail}"
        yield fault("llamafactory.start", "error", message, INSTALL)


def _optional(facts: Facts) -> Iterator[Finding]:
    if not facts.gpus or not facts.has_stack:
        return
    for name, why in FOR_A_GPU.items():
        if name not in facts.packages:
            message = f"{name} is not installed: {why}."
            yield fault(f"{name}.missing", "note", message, facts.pip("install", name))
