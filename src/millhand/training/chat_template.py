"""ChatML: the special tokens and the chat template of a model that starts from random weights.

The strings are those of LLaMA-Factory's template ``chatml`` (`data/template.py`), so that what a model is
trained on and what ``apply_chat_template`` renders are the same text. A test holds the two together.
"""

from __future__ import annotations

PAD = "<|endoftext|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"
SPECIAL_TOKENS = (PAD, TURN_START, TURN_END)

# `llamafactory-cli export` with `template: chatml` writes its own template over this one: it opens the
# assistant's turn after every user turn and ignores add_generation_prompt. For a prompt that ends with a
# user turn and add_generation_prompt=True, which is how every server calls it, both render the same text.
CHATML = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
