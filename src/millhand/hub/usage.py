"""How to use a model: what its card tells readers to type. Pure."""

from __future__ import annotations

from typing import Any

from packaging.version import InvalidVersion, Version

from millhand.hub.facts import ModelFacts
from millhand.hub.markdown import code, fenced, folded, paragraphs
from millhand.llamafactory.yaml import dump_value

_PLACE = "USER/NAME"
# What a chat must share with training, or the model answers worse, without an error.
_CHAT_KEYS = (
    "template", "default_system", "enable_thinking", "rope_scaling", "trust_remote_code", "finetuning_type"
)  # fmt: skip
_SPEAKING = ("sft", "pt", "dpo", "kto", "ppo")
_NEW_TOKENS = 256


def usage(facts: ModelFacts) -> str:
    """How to use it with transformers, LLaMA-Factory, vLLM and Ollama."""
    if facts.stage not in _SPEAKING:
        return (
            "## How to use it\n\nIt scores answers and writes none: LLaMA-Factory takes it as `reward_model`."
        )
    return paragraphs(
        "## How to use it",
        _transformers(facts),
        _llamafactory(facts),
        _vllm(facts),
        _ollama(facts),
        _chat_template(facts),
    )


def _name(facts: ModelFacts) -> str:
    return facts.repository or _PLACE


def _base(facts: ModelFacts) -> str:
    return facts.base.repository or "PATH/TO/THE/BASE"


def _remote(facts: ModelFacts) -> str:
    return ", trust_remote_code=True" if facts.trust_remote_code else ""


def _messages(facts: ModelFacts) -> str:
    system = f'    {{"role": "system", "content": {_text(facts.system)}}},\n' if facts.system else ""
    return f'messages = [\n{system}    {{"role": "user", "content": "안녕하세요?"}},\n]'


def _text(value: str) -> str:
    """A Python string literal."""
    return repr(value)


def _load(facts: ModelFacts) -> str:
    remote = _remote(facts)
    dtype = _dtype(facts)
    if facts.kind == "model":
        return f'model = AutoModelForCausalLM.from_pretrained(name, {dtype}="auto"{remote})'
    return (
        f'base = AutoModelForCausalLM.from_pretrained({_text(_base(facts))}, {dtype}="auto"{remote})\n'
        "model = PeftModel.from_pretrained(base, name)"
    )


def _dtype(facts: ModelFacts) -> str:
    """The argument's name, which transformers 4.56 made shorter."""
    try:
        old = Version(facts.versions.get("transformers", "5")) < Version("4.56")
    except InvalidVersion:
        old = False
    return "torch_dtype" if old else "dtype"


def _transformers(facts: ModelFacts) -> str:
    peft = "from peft import PeftModel\n" if facts.kind == "adapter" else ""
    script = f"""\
{peft}from transformers import AutoModelForCausalLM, AutoTokenizer

name = {_text(_name(facts))}
tokenizer = AutoTokenizer.from_pretrained(name{_remote(facts)})
{_load(facts)}
{_messages(facts)}
inputs = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
)
inputs.pop("token_type_ids", None)
answer = model.generate(**inputs.to(model.device), max_new_tokens={_NEW_TOKENS})
print(tokenizer.decode(answer[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True))"""
    return paragraphs("### transformers", fenced(script, "python"))


def _llamafactory(facts: ModelFacts) -> str:
    values = "".join(f"{key}: {dump_value(value)}\n" for key, value in chat_values(facts).items())
    return paragraphs(
        "### LLaMA-Factory",
        "`llamafactory-cli chat chat.yaml`, or `llamafactory-cli api chat.yaml`, with this as `chat.yaml`:",
        fenced(values, "yaml"),
    )


def chat_values(facts: ModelFacts) -> dict[str, Any]:
    """The chat.yaml of whoever got the model from the Hub."""
    adapter = facts.kind == "adapter"
    model = {"model_name_or_path": _base(facts) if adapter else _name(facts)}
    model |= {"adapter_name_or_path": _name(facts)} if adapter else {}
    given = {"template": facts.template, **facts.config}
    if given.get("default_system") in (None, ""):  # it came with the rows
        given["default_system"] = facts.system
    kept = {key: given[key] for key in _CHAT_KEYS if given.get(key) not in (None, "")}
    if not adapter:
        kept.pop("finetuning_type", None)
    return {**model, **kept, "infer_backend": "huggingface", "max_new_tokens": _NEW_TOKENS}


def _vllm(facts: ModelFacts) -> str:
    remote = " --trust-remote-code" if facts.trust_remote_code else ""
    command = f"vllm serve {_name(facts)}{remote}"
    if facts.kind == "adapter":
        short = _name(facts).rpartition("/")[2]
        rank = (
            f" --max-lora-rank {facts.config['lora_rank']}"
            if _is_number(facts.config.get("lora_rank"))
            else ""
        )
        command = (
            f"vllm serve {_base(facts)}{remote} --enable-lora{rank} --lora-modules {short}={_name(facts)}"
        )
    return paragraphs("### vLLM", fenced(command, "sh"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _ollama(facts: ModelFacts) -> str:
    if not facts.modelfile:
        return ""
    short = _name(facts).rpartition("/")[2].lower()
    made = (
        f"hf download {_name(facts)} --local-dir {short}\ncd {short}\n"
        f"ollama create {short} -f {facts.modelfile_name}\nollama run {short}"
    )
    files = ", ".join(code(name) for name in facts.quantized)
    return paragraphs(
        "### Ollama",
        f"Quantized for a CPU (GGUF, llama.cpp reads it too): {files}." if files else "",
        fenced(made, "sh"),
        f"{code(facts.modelfile_name)}, with the template that it was trained with:",
        fenced(facts.modelfile, "dockerfile"),
    )


def _chat_template(facts: ModelFacts) -> str:
    if not facts.chat_template:
        return ""
    named = f"It was trained with LLaMA-Factory's template {code(facts.template)}." if facts.template else ""
    whole = folded(
        "The chat template, as the tokenizer holds it (Jinja)", fenced(facts.chat_template, "jinja")
    )
    return paragraphs("### Chat template", named, whole)
