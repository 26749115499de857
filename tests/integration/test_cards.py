"""What a card tells its readers to do, done; and GGUF with the real llama.cpp, where it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from millhand.hub.card import model_card
from millhand.hub.facts import ModelFacts
from millhand.hub.gguf_header import read_header
from millhand.hub.usage import chat_values
from millhand.runs.finished import open_ledger
from millhand.runs.published import model_facts, model_folder
from millhand.workspace import Workspace
from tests.integration.conftest import Bench

pytestmark = pytest.mark.real
READS_CHAT = """
import sys, yaml
from llamafactory.hparams import get_infer_args
model, data, finetuning, generating = get_infer_args(yaml.safe_load(sys.stdin.read()))
print(data.template, generating.max_new_tokens, model.adapter_name_or_path)
"""


def python(root: Path, code: str, given: str = "") -> str:
    """What a script prints in the workspace, without a network."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=env,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def facts_of(bench: Bench, *, merged: bool) -> tuple[ModelFacts, Path]:
    workspace = Workspace(bench.root)
    run = open_ledger(workspace).runs()[-1]
    facts = model_facts(workspace, run, merged=merged, repository="kim/qa")
    return facts, model_folder(workspace, run, merged=merged)


def here(value: Any, folder: Path) -> Any:
    """A card's words with the folder in place of the repository, and the base where it lies."""
    return str(value).replace("kim/qa", str(folder)).replace("PATH/TO/THE/BASE", "models/tiny")


def test_what_the_card_says_to_type_works(bench: Bench) -> None:
    bench.call("train", "qa")
    bench.call("export", "qa")
    for merged in (True, False):
        facts, folder = facts_of(bench, merged=merged)
        assert facts.spoke is merged
        card = model_card(facts)
        (script,) = re.findall(r"```python\n(.*?)```", card, re.S)
        assert (
            python(bench.root, here(script, folder).replace("max_new_tokens=256", "max_new_tokens=4")) != ""
        )
        chat = {
            key: here(value, folder) if isinstance(value, str) else value
            for key, value in chat_values(facts).items()
        }
        assert python(bench.root, READS_CHAT, yaml.safe_dump(chat)).startswith("chatml 256")
        (given,) = re.findall(r"train\.yaml\)</summary>\n\n```yaml\n(.*?)```", card, re.S)
        kept = yaml.safe_load((bench.root / ".millhand/runs/qa/train.yaml").read_text())
        assert yaml.safe_load(given) == kept


@pytest.mark.skipif("LLAMA_CPP" not in os.environ, reason="LLAMA_CPP names no folder of llama.cpp")
def test_the_real_llama_cpp_writes_whole_files(bench: Bench) -> None:
    bench.call(
        "model",
        "init",
        "models/sp",
        "--architecture",
        "llama",
        "--tokenizer",
        "sentencepiece",
        "--from",
        "bicycle",
    )
    for path in (bench.root / "llamafactory_configs/qa").iterdir():
        path.write_text(path.read_text().replace("models/tiny", "models/sp"))
    bench.call("train", "qa")
    bench.call("export", "qa")
    made = bench.answer("gguf", "qa", "--type", "q8_0", "--type", "q4_k_m")["files"]
    for item in made:
        header = read_header(bench.root / item["file"])
        assert header.facts["general.architecture"] == "llama"
        assert header.size == item["bytes"]
    assert [item["again"] for item in bench.answer("gguf", "qa", "--type", "q8_0")["files"]] == [True]


@pytest.mark.skipif("LLAMA_CPP" not in os.environ, reason="LLAMA_CPP names no folder of llama.cpp")
def test_a_tokenizer_that_the_real_llama_cpp_does_not_know_is_said_plainly(bench: Bench) -> None:
    bench.call("train", "qa")
    bench.call("export", "qa")
    _, err = bench.call("gguf", "qa", "--type", "q8_0", code=1)
    assert "--tokenizer sentencepiece" in err
