"""The Makefile: every target is one command, no file hides it, and ``make help`` tells it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = {
    name for names in re.findall(r"^([a-z][a-z -]*):(?!=)", TEXT, re.MULTILINE) for name in names.split()
}


def test_no_file_of_a_target_s_name_keeps_it_from_running() -> None:
    (phony,) = re.findall(r"^\.PHONY:((?:.*\\\n)*.*)$", TEXT, re.MULTILINE)
    assert {"release-remote", "push", "cost"} <= TARGETS
    assert set(phony.replace("\\\n", " ").split()) == TARGETS


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_help_tells_every_target_in_a_line() -> None:
    argv = ["make", "--no-print-directory", "help"]
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[0] for line in told] == list(dict.fromkeys(line.split()[0] for line in told))
    assert {line.split()[0] for line in told} == TARGETS
    assert all(len(line.split()) > 2 for line in told)


@pytest.mark.parametrize("variable", ["CONFIG", "TO", "DATASET", "POD"])
def test_the_head_names_the_targets_that_take_a_variable(variable: str) -> None:
    """As written, or as the family on ``-remote``."""
    head = TEXT.split("\n\n")[0]
    (users,) = re.findall(rf"^#   {variable}\b(.*(?:\n#    .*)*)", head, re.MULTILINE)
    recipes = re.findall(r"^([a-z][a-z -]*):[^\n]*\n((?:\t.*\n)+)", TEXT, re.MULTILINE)
    for names, recipe in recipes:
        if f"$({variable})" in recipe:
            for name in names.split():
                family = name.endswith("-remote") and "-remote" in users
                assert family or re.search(rf"(?<![\w-]){name}(?![\w-])", users), (variable, name)
