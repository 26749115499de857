"""`millhand data build` against a fake endpoint: killed in the middle, it goes on; refused, it says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from millhand.endpoint.cache import AnswerCache
from millhand.workspace import Workspace
from tests.conftest import Millhand
from tests.openai_fake import KEY, MODEL, FakeOpenAI, refusal
from tests.unit.datasets.synthesize.conftest import sentences

SECTIONS, AT_ONCE = 40, 4
RECIPE = f"""\
name: manual
licence: CC0-1.0
sources:
  - path: manual.md
steps:
  - split
  - generate:
      generator: model
      local_only: true
      model: {MODEL}
      chars_per_item: 40
      concurrency: {AT_ONCE}
      purposes: [qa, summary]
"""


@pytest.fixture
def manual(workspace: Workspace, fake: FakeOpenAI) -> Workspace:
    """A workspace with a manual, a recipe, and an endpoint in .env."""
    text = "\n\n".join(f"## {n}장 구역 {n}\n\n" + ". ".join(sentences(n)) + "." for n in range(SECTIONS))
    (workspace.root / "manual.md").write_text(f"# 경비 매뉴얼\n\n{text}\n", encoding="utf-8")
    folder = workspace.registry / "manual"
    folder.mkdir()
    (folder / "dataset.yaml").write_text(RECIPE, encoding="utf-8")
    lines = [f"MILLHAND_ENDPOINT={fake.url}", f"MILLHAND_ENDPOINT_API_KEY={KEY}"]
    (workspace.root / ".env").write_text("\n".join(lines), encoding="utf-8")
    return workspace


def start(workspace: Workspace) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "millhand", "data", "build", "manual", "--json"]
    return subprocess.Popen(
        command, cwd=workspace.root, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def rows(workspace: Workspace) -> list[dict[str, object]]:
    folder = workspace.registry / "manual"
    paths = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]


def answers_in(workspace: Workspace) -> AnswerCache:
    (folder,) = Path(workspace.state).glob("builds/manual/cache")
    return AnswerCache(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle_it_goes_on_without_paying_twice(
    manual: Workspace, fake: FakeOpenAI, how: signal.Signals
) -> None:
    fake.delay_s = 0.02
    asked = 2 * SECTIONS
    for stop_at in (asked // 4, asked // 2):
        process = start(manual)
        while sum(fake.paid.values()) < stop_at and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(how)
        process.communicate()
        assert process.returncode != 0
    assert rows(manual) == []
    process = start(manual)
    out, err = process.communicate()
    assert process.returncode == 0, err.decode()
    assert len(fake.paid) == asked
    twice = [key for key, count in fake.paid.items() if count > 1]
    assert max(fake.paid.values()) <= 3
    assert len(twice) <= 2 * AT_ONCE  # only those whose answer was on the way at one of the two kills
    answers = answers_in(manual)
    totals = answers.totals()
    answers.close()
    assert totals.sent == totals.answered + totals.refused + totals.lost
    assert totals.answered == asked
    assert totals.lost >= sum(fake.paid.values()) - totals.answered
    (step,) = [step for step in json.loads(out)["steps"] if step["name"] == "generate"]
    counts = step["tally"]["counts"]
    assert counts["asked"] == counts["answered"] + counts["listed"]
    assert counts["answered"] == len(rows(manual))


def test_a_killed_build_and_one_that_was_not_give_the_same_rows(
    manual: Workspace, fake: FakeOpenAI, millhand: Millhand
) -> None:
    process = start(manual)
    while sum(fake.paid.values()) < SECTIONS and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert millhand("data", "build", "manual").exit_code == 0
    after_a_kill = rows(manual)
    assert millhand("data", "build", "manual", "--fresh").exit_code == 0
    assert rows(manual) == after_a_kill
    assert len(after_a_kill) > SECTIONS


def test_a_refusing_endpoint_is_one_finding_and_nothing_is_written(
    manual: Workspace, fake: FakeOpenAI, millhand: Millhand
) -> None:
    fake.faults = [None] * 10
    fake.always = lambda _: refusal(401, "Incorrect API key provided", "invalid_api_key")
    result = millhand("data", "build", "manual")
    assert result.exit_code == 3
    assert result.stderr.count("Incorrect API key") == 1
    assert KEY not in result.output
    assert rows(manual) == []
    fake.always = lambda _: None
    assert millhand("data", "build", "manual").exit_code == 0
    assert max(fake.paid.values()) == 1
    assert millhand("data", "build", "manual").exit_code == 0
    assert sum(fake.paid.values()) == 2 * SECTIONS


def test_a_dry_run_says_the_price_and_asks_nobody(
    manual: Workspace, fake: FakeOpenAI, millhand: Millhand
) -> None:
    result = millhand("data", "build", "manual", "--dry-run", "--json")
    assert result.exit_code == 0, result.stderr
    priced = json.loads(result.stdout)["price"]
    assert priced["requests"] == 2 * SECTIONS
    assert fake.orders == []
