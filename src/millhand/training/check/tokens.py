"""What the tokenizer of the base says of a training: its words, and how many tokens the rows have."""

from __future__ import annotations

from collections.abc import Iterator

from millhand.errors import Finding
from millhand.llamafactory.templates import Slots, Template
from millhand.training.check.base import Base, base_of
from millhand.training.check.lengths import Cuts, Lengths
from millhand.training.check.subject import Config, FaultyValueError

_STEP = 64  # cutoff_len is proposed in multiples of it


def check_tokens(config: Config) -> Iterator[Finding]:
    """Find what the tokenizer of a base on this machine says against the template."""
    base = base_of(config)
    if base is None or base.tokenizer_file is None or base.rows is None:
        return
    try:
        template = config.knowledge.templates.get(str(config.template))
        if template is not None:
            yield from _processor(config, base, template)
            yield from _vocabulary(config, base, template)
            yield from _end(config, base, template)
    except FaultyValueError:
        return


def _processor(config: Config, base: Base, template: Template) -> Iterator[Finding]:
    """A template for pictures or sound on a model of text (data/mm_plugin.py: _validate_input)."""
    if template.media and base.whole and not base.has_processor and config.stage != "pt":
        yield config.finding(
            "template.needs-processor", "error", ("template", "model_name_or_path"),
            f"The template {config.template} is one for {' and '.join(template.media)}, the model for text.",
            "LLaMA-Factory stops: “Processor was not found, please check and update your model file”.",
            "Take the model's own template; the name of one for text has no _vl, say.",
        )  # fmt: skip


def _vocabulary(config: Config, base: Base, template: Template) -> Iterator[Finding]:
    beyond = [token for token, row in _new(config, base, template).items() if row >= (base.rows or 0)]
    used = [token for token in beyond if _is_used(token, config, base, template)]
    if used and not config.resize_vocab:
        shown = ", ".join(used)
        yield config.finding(
            "template.vocabulary", "error", ("template", "model_name_or_path"),
            f"The vocabulary of {config.model_name_or_path} ({base.rows:,} tokens) has no room for {shown}.",
            "LLaMA-Factory adds the template's tokens beyond the embedding: “index out of range in self”.",
            "Take the model's own template, or add `resize_vocab: true` here and in export.yaml.",
        )  # fmt: skip


def _new(config: Config, base: Base, template: Template) -> dict[str, int]:
    """The tokens that are added to the tokenizer, in order, and the number of each."""
    wanted = [*config.names("add_tokens"), *config.names("add_special_tokens"), *_own(base, template)]
    new = [token for token in dict.fromkeys(wanted) if not base.knows(token)]
    return {token: base.tokens + number for number, token in enumerate(new)} if new else {}


def _own(base: Base, template: Template) -> tuple[str, ...]:
    """What ``fix_special_tokens`` sees to (data/template.py)."""
    end = () if template.replace_eos or base.token("eos_token") else ("<|endoftext|>",)
    return (*end, *template.stop_words)


def end_token(base: Base, template: Template) -> str:
    """The tokenizer's end token once the template has been at it."""
    if template.replace_eos and template.stop_words:
        return template.stop_words[0]
    return base.token("eos_token") or "<|endoftext|>"


def _is_used(token: str, config: Config, base: Base, template: Template) -> bool:
    """Whether rows will hold a token: in the text around them, as the end, or to fill a batch."""
    is_end = token == end_token(base, template)
    if config.stage == "pt":
        return is_end and config.template != "llama3"
    slots = [*template.prefix, *template.slots("user"), *template.slots("assistant")]
    spelled = "".join(slot if isinstance(slot, str) else slot[-1] for slot in slots)
    return token in spelled or (is_end and (template.efficient_eos or _has_end(tuple(slots))))


def _has_end(slots: Slots) -> bool:
    return any(not isinstance(slot, str) and "eos_token" in slot for slot in slots)


def _end(config: Config, base: Base, template: Template) -> Iterator[Finding]:
    """A LoRA on a base that was never taught the template's end token."""
    own, end = base.token("eos_token"), end_token(base, template)
    taught = own in ("", end) or end in base.chat_template
    learns = config.finetuning_type != "lora" or config.names("additional_target") or config.resize_vocab
    if not taught and not learns:
        yield config.finding(
            "template.end-token", "warning", ("template",),
            f"The model ends with {own}, and this template with {end}.",
            "A LoRA leaves the embeddings as they are, so the model may never learn to stop.",
            "Add `additional_target: embed_tokens,lm_head`, or take the model's own template.",
        )  # fmt: skip


def lengths_of(config: Config, stage: str) -> Lengths | None:
    """What decides how long a row is; None where nothing is cut, or nothing is known of it."""
    try:
        return _lengths(config, stage)
    except FaultyValueError:
        return None


def _lengths(config: Config, stage: str) -> Lengths | None:
    template = config.knowledge.templates.get(str(config.template))
    joined = stage == "pt" and config.packing is not False
    if template is None or joined or not isinstance(config.cutoff_len, int):
        return None
    base = base_of(config)
    path = base.tokenizer_file if base else None
    packs = config.packing or config.neat_packing
    tools = _text(config, "tool_format") or template.tools
    return Lengths(
        template=template,
        cutoff_len=config.cutoff_len - bool(packs),  # hparams/data_args.py: __post_init__
        tokenizer=path,
        bos=bool(base and base.token("bos_token")),
        added=_added(config, base, template) if base and path else (),
        default_system=_text(config, "default_system"),
        # what is neither true nor false counts as false, yet no thought is taken away for it
        thinks=False if config.enable_thinking is False else bool(config.enable_thinking) or None,
        keeps_thought=bool(config.preserve_thinking),
        mask_history=bool(config.mask_history),
        tool_prompt=config.knowledge.tool_prompts.get(tools, "{tool_text}"),
        tool_format=tools,
    )


def _text(config: Config, key: str) -> str | None:
    value = getattr(config, key)
    return value if isinstance(value, str) else None


def _added(config: Config, base: Base, template: Template) -> tuple[str, ...]:
    wanted = (*config.names("add_tokens"), *config.names("add_special_tokens"), *_own(base, template))
    return tuple(dict.fromkeys(wanted))


def check_cuts(config: Config, name: str, key: str, rows: int, cuts: Cuts) -> Iterator[Finding]:
    """Say how many rows of a dataset LLaMA-Factory would cut."""
    if not cuts.long:
        return
    if not cuts.counted:
        yield _unknown(config, (name, key), rows, cuts, seen=base_of(config) is not None)
    elif cuts.answers or cuts.questions:
        yield _cut(config, name, key, rows, cuts)


def _cut(config: Config, name: str, key: str, rows: int, cuts: Cuts) -> Finding:
    said = "" if cuts.counted == cuts.long else f" (estimated from {cuts.counted:,} of {cuts.long:,})"
    losses = ((cuts.answers, "an answer's end and its end token"), (cuts.questions, "a question's end"))
    lost = ", ".join(f"{count:,} lose {what}" for count, what in losses if count)
    limit, number = f"cutoff_len {config.cutoff_len}", cuts.answers + cuts.questions
    return config.finding(
        "data.truncated", "warning", ("cutoff_len", key),
        f"{number:,} of {rows:,} rows of {name!r} are longer than {limit}{said}: {lost}.",
        "LLaMA-Factory cuts them without a word; a model that sees no end token does not learn to stop.",
        f"Write `cutoff_len: {_rounded(cuts.longest)}` (the longest has {cuts.longest:,} tokens), "
        f"or shorten the rows ({_first(cuts)}).",
    )  # fmt: skip


def _first(cuts: Cuts) -> str:
    return f"first: row {', '.join(f'{row:,}' for row in cuts.first)}"


def _rounded(tokens: int) -> int:
    return -(-tokens // _STEP) * _STEP


def _unknown(config: Config, what: tuple[str, str], rows: int, cuts: Cuts, *, seen: bool) -> Finding:
    name, key = what
    likely = f"about {cuts.likely:,} are" if cuts.likely else "probably none is"
    missing = "the package tokenizers is not installed" if seen else "the model is not on this machine"
    return config.finding(
        "data.length-unknown", "note", ("cutoff_len", key),
        f"{cuts.long:,} of {rows:,} rows of {name!r} may be longer than cutoff_len {config.cutoff_len}; "
        f"by their bytes, {likely}.",
        f"Only the model's tokenizer tells, and it was not looked at: {missing}.",
        "Nothing need be done; with model and tokenizer at hand, `millhand check` counts exactly.",
    )  # fmt: skip
