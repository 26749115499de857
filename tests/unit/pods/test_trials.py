"""What is computed to prove an environment, as far as a CPU can tell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from millhand.pods import trials
from millhand.pods.base import Result
from millhand.pods.fake import FakePod
from millhand.runs.doctor import Diagnosis
from millhand.runs.facts import Facts, PythonFacts
from millhand.runs.trials import Trial, check_trials, read_trials, try_out
from millhand.shell import Command

FACTS = Facts(python=PythonFacts(version="3.12.1", executable="/e/bin/python"), packages={"torch": "2.10.0"})


def test_every_trial_ends_with_a_word(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('not the torch that is meant')")
    source = Path(trials.__file__).read_bytes()
    done = subprocess.run([sys.executable, "-"], input=source, cwd=tmp_path, capture_output=True, check=True)
    tried = list(read_trials([msgspec.json.decode(line) for line in done.stdout.splitlines()], 0))
    assert [trial.name for trial in tried] == [name for name, _ in trials.TRIALS]
    assert {trial.state for trial in tried} <= {"ok", "untried", "absent"}


def test_attention_that_computes_wrongly_is_found() -> None:
    torch: Any = pytest.importorskip("torch")
    assert trials._attend(torch, lambda *qkv: trials._attention(torch, *qkv), "cpu") == ""
    with pytest.raises(ArithmeticError, match="off by"):
        trials._attend(torch, lambda q, _k, v: trials._attention(torch, q, q, v), "cpu")


def test_a_product_that_is_wrong_is_found() -> None:
    torch: Any = pytest.importorskip("torch")
    a, b = (torch.randn(128, 128, dtype=torch.bfloat16) for _ in range(2))
    trials._compare(a, b, a @ b)
    with pytest.raises(ArithmeticError, match="off by"):
        trials._compare(a, b, a @ b * 1.1)


@pytest.mark.parametrize(
    ("raised", "state"),
    [(trials.Untried("x"), "untried"), (trials.Absent("x"), "absent"), (RuntimeError("x"), "failed")],
)
def test_what_a_trial_raises_is_its_outcome(raised: Exception, state: str) -> None:
    def trial() -> str:
        raise raised

    assert trials.outcome(trial)[0] == state


def test_a_trial_that_ends_the_process_is_the_one_that_failed() -> None:
    command = Command(("python", "-"))
    said = '{"begin": "bf16 matmul"}\n{"name": "bf16 matmul", "state": "ok", "text": "L4: 90 TFLOP/s"}\n'
    pod = FakePod({command.argv: Result(command, -11, said + '{"begin": "4-bit linear"}\n', "")})
    good, crashed = try_out(pod)
    assert (good.state, crashed.state) == ("ok", "failed")
    assert crashed.text == "it ended the whole process with code -11"
    (finding,) = check_trials((good, crashed), FACTS)
    assert (finding.id, finding.severity) == ("doctor.4-bit-linear.failed", "error")
    rows = Diagnosis(FACTS, (finding,), (good, crashed)).rows()[-2:]
    assert [(row.found, row.state) for row in rows] == [("L4: 90 TFLOP/s", "ok"), ("failed", "error")]


def test_what_was_not_tried_is_said_once() -> None:
    tried = (
        Trial("bf16 matmul", "untried"),
        Trial("unsloth import", "untried"),
        Trial("flash-attn", "absent"),
    )
    (finding,) = check_trials(tried, FACTS)
    assert (finding.severity, finding.id) == ("note", "doctor.trials.untried")
    assert "bf16 matmul, unsloth import." in finding.message
    assert [row.state for row in Diagnosis(FACTS, (finding,), tried).rows()[-3:]] == ["absent"] * 3
