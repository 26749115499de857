"""`millhand gguf` with stand-ins for llama.cpp's tools that take their command lines exactly."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from millhand.errors import MillhandError, UsageError
from millhand.hub.gguf_header import read_header
from millhand.pods.local import LocalPod
from millhand.runs.finished import EXPORTED, open_ledger
from millhand.runs.gguf import Quantized, Quantizing
from millhand.runs.ledger import Run
from millhand.workspace import Workspace
from tests.unit.hub.gguf_made import gguf_bytes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are scripts with a first line")
RUN = Run("qa-2", "qa", "", "f", "local", "outputs/qa-2", 1.0, {"config": {}, "data": {}, "model": {}})
WHOLE = gguf_bytes({"general.architecture": "llama"}, {"a": (64,)})
CONVERTER = """\
import pathlib, sys
model, outfile, out, outtype, kind = sys.argv[1:]
assert (outfile, outtype) == ("--outfile", "--outtype") and kind in ("f16", "bf16", "q8_0"), sys.argv
assert (pathlib.Path(model) / "config.json").is_file()
with open({log!r}, "a") as log:
    log.write(kind + "\\n")
pathlib.Path(out).write_bytes({whole!r})
"""
QUANTIZER = """\
#!{python}
import pathlib, sys
whole, out, kind = sys.argv[1:]
assert kind in ("Q4_K_M", "Q5_K_M", "Q6_K"), kind
with open({log!r}, "a") as log:
    log.write(kind + "\\n")
pathlib.Path(out).write_bytes(pathlib.Path(whole).read_bytes()[: {kept!r}])
"""


class Tools:
    """A folder like a llama.cpp checkout, and what was called of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        self.write()

    def write(self, converter: str = CONVERTER, kept: int | None = None) -> None:
        (self.folder / "build/bin").mkdir(parents=True, exist_ok=True)
        log = str(self.log)
        (self.folder / "convert_hf_to_gguf.py").write_text(converter.format(log=log, whole=WHOLE))
        quantizer = self.folder / "build/bin/llama-quantize"
        quantizer.write_text(QUANTIZER.format(python=sys.executable, log=log, kept=kept))
        quantizer.chmod(0o755)

    @property
    def called(self) -> list[str]:
        return self.log.read_text().split() if self.log.is_file() else []


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    made = Tools(tmp_path / "llama.cpp")
    monkeypatch.setenv("LLAMA_CPP", str(made.folder))
    return made


@pytest.fixture
def folder(workspace: Workspace) -> Path:
    """A merged model of a run, as `millhand export` leaves it."""
    ledger = open_ledger(workspace)
    ledger.add(RUN)
    ledger.begin(RUN.name, f"{EXPORTED}outputs/qa-2-merged")
    ledger.finish(RUN.name, f"{EXPORTED}outputs/qa-2-merged", {"folder": "outputs/qa-2-merged"})
    merged = workspace.outputs / "qa-2-merged"
    merged.mkdir(parents=True)
    (merged / "config.json").write_text(json.dumps({"dtype": "float32", "max_position_embeddings": 1024}))
    (merged / "model.safetensors").write_bytes(bytes(400))
    (merged / "Modelfile").write_text('FROM .\n\nTEMPLATE """x"""\n\nPARAMETER num_ctx 4096\n')
    return merged


def quantize(workspace: Workspace, *types: str) -> list[Quantized]:
    return Quantizing(workspace, LocalPod(workspace.root), RUN, lambda _: None).write(types)


def test_the_types_lie_beside_the_weights_each_with_its_modelfile(
    workspace: Workspace, tools: Tools, folder: Path
) -> None:
    made = quantize(workspace, "q8_0", "q4_k_m", "q6_k")
    assert tools.called == ["q8_0", "f16", "Q4_K_M", "Q6_K"]
    assert [item.path.name for item in made] == [
        "qa-2-merged-Q8_0.gguf", "qa-2-merged-Q4_K_M.gguf", "qa-2-merged-Q6_K.gguf",
    ]  # fmt: skip
    assert read_header(made[1].path).facts["general.architecture"] == "llama"
    text = made[1].modelfile.read_text()
    assert text.startswith("FROM ./qa-2-merged-Q4_K_M.gguf\n")
    assert "num_ctx 1024" in text
    assert not list(folder.glob(".*"))


def test_what_is_there_is_not_made_again_and_what_is_gone_or_other_is(
    workspace: Workspace, tools: Tools, folder: Path
) -> None:
    quantize(workspace, "q8_0")
    (again,) = quantize(workspace, "q8_0")
    assert again.again
    assert tools.called == ["q8_0"]
    again.path.write_bytes(b"short")
    assert not quantize(workspace, "q8_0")[0].again
    again.modelfile.unlink()
    assert not quantize(workspace, "q8_0")[0].again


def test_a_file_that_is_cut_off_takes_no_name(workspace: Workspace, tools: Tools, folder: Path) -> None:
    tools.write(kept=len(WHOLE) - 1)
    with pytest.raises(MillhandError, match="cut off"):
        quantize(workspace, "q4_k_m")
    assert not list(folder.glob("*.gguf"))
    assert not list(folder.glob(".*"))


def test_a_tokenizer_that_llama_cpp_does_not_know_is_said_plainly(
    workspace: Workspace, tools: Tools, folder: Path
) -> None:
    tools.write(
        "raise NotImplementedError('BPE pre-tokenizer was not recognized - update get_vocab_base_pre()')"
    )
    with pytest.raises(MillhandError, match="exit code 1") as caught:
        quantize(workspace, "q8_0")
    assert "--tokenizer sentencepiece" in caught.value.mend


def test_a_run_that_was_not_exported_is_told_how(workspace: Workspace, tools: Tools) -> None:
    open_ledger(workspace).add(RUN)
    with pytest.raises(UsageError, match="no merged model") as caught:
        quantize(workspace, "q8_0")
    assert "millhand export qa --run qa-2" in caught.value.mend


def test_a_full_disk_is_said_before_anything_is_written(
    workspace: Workspace, tools: Tools, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millhand.runs.gguf.shutil.disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(UsageError, match="GB are free"):
        quantize(workspace, "q4_k_m")
    assert tools.called == []
