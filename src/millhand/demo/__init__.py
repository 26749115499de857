"""The demonstration's data: Korean questions about bicycles with answers, and some asked in other words."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent

# Five of the trained questions, to show a trained model with.
QUESTIONS: tuple[str, ...] = (
    "타이어 공기압은 어디에 적혀 있나요?",
    "체인은 얼마나 자주 닦아야 하나요?",
    "앞 브레이크만 세게 잡으면 왜 위험한가요?",
    "안장 높이는 어떻게 맞추나요?",
    "술을 마시고 자전거를 타면 어떻게 되나요?",
)


def spreadsheet() -> Path:
    """The shipped spreadsheet of questions and answers that `make run` trains on."""
    return _FOLDER / "bicycle.xlsx"


def held_out() -> Path:
    """The shipped CSV of trained questions in other words, each with the trained answer."""
    return _FOLDER / "heldout.csv"
