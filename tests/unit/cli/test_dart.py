"""``millhand dart``: what it writes and prints, its exit codes, and that the key is shown nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from millhand.dart import api as module
from millhand.dart.api import KEY_NAME, URL_NAME
from millhand.workspace import Workspace
from tests.conftest import Millhand
from tests.dart_fake import KEY, FakeDart
from tests.patience import WITHIN_S
from tests.unit.dart.conftest import fake
from tests.unit.dart.test_build import filing

__all__ = ["fake"]  # the fixture


@pytest.fixture
def online(fake: FakeDart, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> FakeDart:
    """The fake, as the workspace's .env names it; without pauses."""
    monkeypatch.delenv(KEY_NAME, raising=False)
    monkeypatch.delenv(URL_NAME, raising=False)
    (workspace.root / ".env").write_text(f"{KEY_NAME}={KEY}\n{URL_NAME}={fake.url}\n", encoding="utf-8")
    monkeypatch.setattr(module, "PACE_S", 0.0)
    return fake


FETCH = ("dart", "fetch", "--corp", "삼성전자", "--years", "2023", "--reports", "all")


def test_filings_are_fetched_and_built(online: FakeDart, workspace: Workspace, millhand: Millhand) -> None:
    result = millhand(*FETCH)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 4
    assert (
        "20240312000736  삼성전자  [기재정정]사업보고서 (2023.12)  raw/00126380/20240312000736.zip"
        in result.stdout
    )
    assert "4 fetched, 0 there before." in result.stderr
    again = millhand(*FETCH, "--json")
    answer = json.loads(again.stdout)
    assert (answer["fetched"], answer["standing"], answer["due"], answer["stopped"]) == (0, 4, 0, None)
    assert (workspace.root / "dart/catalogue/2023.jsonl").is_file()
    built = millhand("dart", "build", "dart", "--out", "dart", "--workers", "1", "--json")
    assert built.exit_code == 0
    assert len(json.loads(built.stdout)["documents"]) == 4


def test_the_key_is_shown_and_kept_nowhere(
    online: FakeDart, workspace: Workspace, millhand: Millhand
) -> None:
    online.faults = [("document.xml", "html")]
    results = [millhand(*FETCH), millhand(*FETCH, "--json")]
    assert results[0].exit_code == 1
    for result in results:
        assert KEY not in result.output + result.stderr
    for path in workspace.root.rglob("*"):
        if path.is_file() and path.name != ".env":
            assert KEY.encode() not in path.read_bytes()


def test_a_stop_at_the_limit_says_how_to_go_on(online: FakeDart, millhand: Millhand) -> None:
    online.limit = 4
    result = millhand(*FETCH, "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert (answer["stopped"]["status"], answer["fetched"], answer["due"]) == ("020", 2, 2)
    assert "Stopped: 2 fetched, 0 there before, 2 left." in result.stderr
    assert "same command" in result.stderr
    online.limit = 1000
    assert json.loads(millhand(*FETCH, "--json").stdout)["fetched"] == 2


def test_an_unknown_corporation_is_a_finding(online: FakeDart, millhand: Millhand) -> None:
    result = millhand("dart", "fetch", "--corp", "삼성전쟈,SK하이닉스", "--years", "2023")
    assert result.exit_code == 3
    assert "dart.unknown-corporation" in result.stderr
    assert "Did you mean 삼성전자" in result.stderr
    assert "1 fetched" in result.stderr


def test_a_dry_run_fetches_nothing(online: FakeDart, workspace: Workspace, millhand: Millhand) -> None:
    result = millhand(*FETCH, "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.count("  due\n") == 4
    assert "Nothing was fetched" in result.stderr
    assert "document.xml" not in online.paths()


def test_wrong_usage(online: FakeDart, workspace: Workspace, millhand: Millhand) -> None:
    for years, reports, corp in (
        ("2099", "annual", "삼성전자"),
        ("23", "annual", "삼성전자"),
        ("2023", "yearly", "삼성전자"),
        ("2023", "all", ","),
    ):
        result = millhand("dart", "fetch", "--corp", corp, "--years", years, "--reports", reports)
        assert result.exit_code == 2
    assert online.asked == []
    assert millhand("dart", "build", "nothing", "--out", "out").exit_code == 2
    assert millhand("dart", "build", ".", "--out", "out").exit_code == 2
    assert millhand("dart", "build", ".", "--out", "out", "--passage-chars", "10").exit_code == 2


def test_without_a_key_it_says_where_to_get_one(workspace: Workspace, millhand: Millhand) -> None:
    result = millhand(*FETCH)
    assert result.exit_code == 2
    assert "DART_API_KEY is not set" in result.stderr
    assert "https://opendart.fss.or.kr" in result.stderr


def test_a_broken_filing_is_listed(tmp_path: Path, millhand: Millhand) -> None:
    good = filing(tmp_path / "raw")
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04")
    result = millhand(
        "dart", "build", good, tmp_path / "bad.zip", "--out", tmp_path / "out", "--workers", "1"
    )
    assert result.exit_code == 3
    assert "bad.zip" in result.stderr
    assert "2 sections, 3 passages, 2 sentences" in result.stdout


def test_help_imports_nothing_heavy() -> None:
    call = "main(['dart', 'fetch', '--help'])"
    code = f"import sys; from millhand.cli.main import main; {call}; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert {"lxml", "httpx", "pyarrow", "rich", "msgspec", "tenacity"}.isdisjoint(
        name.split(".")[0] for name in shown.splitlines()[-1].split()
    )


def test_a_killed_fetch_goes_on_and_fetches_nothing_twice(
    online: FakeDart, workspace: Workspace, millhand: Millhand
) -> None:
    command = [sys.executable, "-m", "millhand", *FETCH]
    with subprocess.Popen(
        command, cwd=workspace.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as begun:
        until = time.monotonic() + WITHIN_S
        while len(online.fetched()) < 2 and time.monotonic() < until and begun.poll() is None:
            time.sleep(0.01)
        begun.kill()
    before = online.fetched()
    whole = {path.stem for path in (workspace.root / "dart/raw").rglob("*.zip")}
    assert len(before) >= 2
    assert whole
    answer = json.loads(millhand(*FETCH, "--json").stdout)
    assert answer["standing"] == len(whole)
    assert answer["fetched"] == 4 - len(whole)
    assert not whole & set(online.fetched()[len(before) :])
