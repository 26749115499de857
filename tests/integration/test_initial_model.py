"""The initial model with the real libraries: the same files twice, and the same text as LLaMA-Factory's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from millhand.training.initial_model import make_initial_model, recipe_for
from millhand.training.tokenizer import TokenizerKind

pytestmark = pytest.mark.real
TEXTS = [
    "자전거 체인은 얼마나 자주 닦아야 하나요?",
    "비를 맞은 뒤와 200km마다 닦고 기름을 바르세요.",
    "타이어 공기압은 어디에 적혀 있나요?\n옆면을 보세요.",
] * 20
ODD = ["  두 칸  띄움", "漢字 🚲 tab\there", "줄\n바꿈\n\n끝 ", "<b>not a token</b>", "ᄒᆞᆫ글", "\u200b"]
BUILD = """
import sys
from pathlib import Path
from tests.integration.test_initial_model import Source, TEXTS
from millhand.training.initial_model import make_initial_model, recipe_for
sources = [Source("qa", "0" * 64, TEXTS)]
recipe = recipe_for(sources, size="tiny", architecture=sys.argv[2], tokenizer=sys.argv[3], vocab_size=500)
make_initial_model(Path(sys.argv[1]), recipe, sources)
"""


@dataclass(frozen=True)
class Source:
    name: str
    sha256: str
    lines: list[str]

    def texts(self) -> Iterator[str]:
        return iter(self.lines)


def build(folder: Path, architecture: str, tokenizer: str, **env: str) -> dict[str, bytes]:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", BUILD, str(folder), architecture, tokenizer]
    subprocess.run(command, cwd=root, env={**os.environ, **env}, check=True, capture_output=True)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(("architecture", "tokenizer"), [("qwen3", "bpe"), ("llama", "sentencepiece")])
def test_two_processes_make_the_same_files(tmp_path: Path, architecture: str, tokenizer: str) -> None:
    one = build(tmp_path / "one", architecture, tokenizer, PYTHONHASHSEED="1", RAYON_NUM_THREADS="1")
    two = build(tmp_path / "two", architecture, tokenizer, PYTHONHASHSEED="2", RAYON_NUM_THREADS="4")
    assert one == two
    assert {"model.safetensors", "tokenizer.json", "config.json", "chat_template.jinja"} < set(one)
    assert json.loads(one["millhand_model.json"])["parameters"] < 1_000_000


@pytest.fixture(params=["bpe", "sentencepiece"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    pytest.importorskip("torch")
    kind: TokenizerKind = request.param
    sources = [Source("qa", "0" * 64, TEXTS)]
    recipe = recipe_for(sources, size="tiny", tokenizer=kind, vocab_size=500)
    make_initial_model(tmp_path / "tiny", recipe, sources)
    return tmp_path / "tiny"


def test_any_text_comes_back_as_it_was(made: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(made)
    for text in [*TEXTS[:3], *ODD]:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert [tokenizer.convert_ids_to_tokens(n) for n in (0, 1, 2)] == [
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
    ]
    assert (tokenizer.pad_token, tokenizer.eos_token, tokenizer.bos_token) == (
        "<|endoftext|>",
        "<|im_end|>",
        None,
    )
    assert len(tokenizer.encode("<|im_start|>user")) == 2, "the words of the chat template are tokens"


def test_the_chat_template_and_llamafactorys_chatml_are_one_text(made: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LLaMA-Factory's imports warn of old habits
        from llamafactory.data.template import TEMPLATES
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(made)
    tokens = len(tokenizer)
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "질문 하나?"},
        {"role": "assistant", "content": "답 하나."},
        {"role": "user", "content": " 둘? "},
        {"role": "assistant", "content": "답\n둘."},
    ]
    system = {"role": "system", "content": "짧게 답하세요."}
    template = TEMPLATES["chatml"]
    pairs = template.encode_multiturn(tokenizer, messages, system=system["content"])
    trained = [token for prompt, answer in pairs for token in (*prompt, *answer)]
    prompt = trained[: -len(pairs[-1][1])]

    def rendered(turns: list[dict[str, Any]], **options: bool) -> list[int]:
        text = tokenizer.apply_chat_template([system, *turns], tokenize=False, **options)
        return list(tokenizer.encode(text))

    assert rendered(messages) == trained
    assert rendered(messages[:-1], add_generation_prompt=True) == prompt
    # what `export` leaves: LLaMA-Factory's own template in place of ours, and no token added
    template.fix_special_tokens(tokenizer)
    template.fix_jinja_template(tokenizer)
    assert len(tokenizer) == tokens
    assert rendered(messages[:-1], add_generation_prompt=True) == prompt


def test_the_weights_follow_the_seed_and_leave_torchs_own_state_alone(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    sources = [Source("qa", "0" * 64, TEXTS)]
    before = torch.get_rng_state()
    weights = []
    for seed in (0, 1):
        recipe = recipe_for(sources, size="tiny", seed=seed, vocab_size=500)
        make_initial_model(tmp_path / str(seed), recipe, sources)
        weights.append((tmp_path / str(seed) / "model.safetensors").read_bytes())
    assert weights[0] != weights[1]
    assert torch.equal(before, torch.get_rng_state())
