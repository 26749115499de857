"""Load a model folder and let it say a few tokens: one file that runs alone in the training environment.

::

    MILLHAND_QUESTION=... python - MODEL_FOLDER NEW_TOKENS [--trust-remote-code] < speak.py

It prints one JSON document: the answer, how many tokens it has, the model's parameters and dtype. It ends
with code 1 and a traceback when the folder does not load, or when the model says nothing or computes
numbers that are none. Needs torch and transformers, and nothing of Millhand.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def prompt_ids(tokenizer: Any, question: str) -> Any:
    """The question as the model's chat template has it, as token ids of shape [1, tokens]."""
    if not tokenizer.chat_template:
        return tokenizer(question, return_tensors="pt")
    messages = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )


def speak(folder: str, question: str, new_tokens: int, *, trust_remote_code: bool) -> dict[str, Any]:
    """Load the model and generate greedily.

    Raises:
        RuntimeError: Its logits are not finite, or it said nothing.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    remote = {"trust_remote_code": trust_remote_code}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(folder, **remote)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto", **remote).to(device).eval()
    inputs = {
        name: ids.to(device)
        for name, ids in prompt_ids(tokenizer, question).items()
        if name != "token_type_ids"
    }
    with torch.no_grad():
        if not torch.isfinite(model(**inputs).logits).all():
            raise RuntimeError("the model's logits are not finite")
        ids = model.generate(**inputs, max_new_tokens=new_tokens, do_sample=False)[0][
            inputs["input_ids"].shape[1] :
        ]
    if len(ids) == 0:
        raise RuntimeError("the model said nothing")
    return {
        "answer": tokenizer.decode(ids, skip_special_tokens=True),
        "tokens": len(ids),
        "parameters": model.num_parameters(),
        "dtype": str(model.dtype).removeprefix("torch."),
    }


def main(arguments: list[str]) -> int:
    """Speak, and print what was said as the last line."""
    folder, new_tokens, *flags = arguments
    question = os.environ["MILLHAND_QUESTION"]
    print(
        json.dumps(speak(folder, question, int(new_tokens), trust_remote_code="--trust-remote-code" in flags))
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
