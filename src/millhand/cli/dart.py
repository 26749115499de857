"""``millhand dart``: fetch, build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from millhand.cli.group import Group
from millhand.cli.output import json_option, print_json, say, show_findings
from millhand.wording import counted

if TYPE_CHECKING:
    from millhand.dart.build import Result
    from millhand.dart.fetch import Fetched

_FAILED, _FINDINGS = 1, 3  # exit codes
_OUT = "dart"


@click.group(
    cls=Group,
    epilog="""\b
Examples:
  millhand dart fetch --corp 삼성전자 --years 2023 --reports annual
  millhand dart build dart --out dart""",
)
def dart() -> None:
    """Fetch DART filings; make Markdown, sentences and chunks of them."""


_FETCH_EPILOG = """\b
Examples:
  millhand dart fetch --corp 삼성전자 --corp 000660 --years 2021-2023
  millhand dart fetch --corp 00126380 --years 2023 --reports annual,half,q1,q3 --dry-run
  millhand dart fetch --corp 삼성전자,SK하이닉스 --years 2023 --out raw --json

The key (40 letters and digits from https://opendart.fss.or.kr) is read from DART_API_KEY, in the
environment or .env. Stopped anywhere, by you or by the API's daily limit, the same command goes on."""


@dart.command(epilog=_FETCH_EPILOG)
@click.option(
    "--corp",
    "corporations",
    required=True,
    multiple=True,
    metavar="NAME|CODE|STOCK",
    help="A name, a corp_code (8 digits) or a stock code (6). Again, or with commas, for more.",
)
@click.option(
    "--years", required=True, metavar="YEAR[-YEAR]", help="Years in which the reports' periods end."
)
@click.option(
    "--reports", default="annual", show_default=True, metavar="LIST", help="Of annual,half,q1,q3; or all."
)
@click.option(
    "--out",
    default=_OUT,
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where ZIPs and catalogue go.",
)
@click.option("--every-version", is_flag=True, help="Also reports that a later one corrects.")
@click.option("--dry-run", is_flag=True, help="Look the filings up; fetch none.")
@json_option
def fetch(
    corporations: tuple[str, ...],
    years: str,
    reports: str,
    out: Path,
    every_version: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Fetch filings from DART's open API: raw ZIPs, and a catalogue a year.

    A filing is fetched once. Requests are at least 0.2 s apart.
    """
    from datetime import date

    from millhand.cli.output import stderr
    from millhand.dart.api import open_dart
    from millhand.dart.fetch import Order, fetch
    from millhand.dart.reports import parse_reports, parse_years

    names = tuple(name.strip() for text in corporations for name in text.split(",") if name.strip())
    order = Order(names, parse_years(years), parse_reports(reports), date.today(), not every_version, dry_run)
    if not names:
        raise click.UsageError("--corp names no corporation.")
    if order.years.start > order.today.year:
        raise click.UsageError(f"{order.years.start} has not begun.")
    with stderr().status("Asking DART …") as status, open_dart(say) as api:
        done = fetch(
            api,
            order,
            out,
            progress=lambda what, number, of: status.update(_progress(what, number, of)),
        )
    show_findings(done.findings)
    return _told(done, out, dry_run=dry_run, as_json=as_json)


def _progress(what: str, done: int, of: int) -> str:
    from rich.markup import escape

    return f"DART: {escape(what)} ({done:,} of {of:,})"


def _told(done: Fetched, out: Path, *, dry_run: bool, as_json: bool) -> int:
    if as_json:
        print_json(_answer(done))
    else:
        for filing in done.filings:
            click.echo(
                f"{filing.rcept_no}  {filing.corp_name}  {filing.report_nm}  {filing.file or filing.state}"
            )
    if done.stopped is not None:
        say(f"millhand: {done.stopped.message}")
        unlisted = f", {counted(done.unlisted, 'corporation')} not looked up yet" if done.unlisted else ""
        say(f"Stopped: {done.fetched} fetched, {done.standing} there before, {done.due} left{unlisted}.")
        say(done.stopped.mend)
        return _FAILED
    if dry_run:
        say(f"{counted(len(done.filings), 'filing')}, {done.standing} there already. Nothing was fetched.")
    else:
        say(f"{done.fetched} fetched, {done.standing} there before.")
        say(f"Next: millhand dart build {out} --out {out}")
    return _FINDINGS if any(finding.severity == "error" for finding in done.findings) else 0


def _answer(done: Fetched) -> dict[str, object]:
    import msgspec

    stopped = done.stopped
    return {
        "filings": [msgspec.to_builtins(filing) for filing in done.filings],
        "fetched": done.fetched,
        "standing": done.standing,
        "due": done.due,
        "unlisted": done.unlisted,
        "stopped": {"status": stopped.status, "message": stopped.message, "mend": stopped.mend}
        if stopped
        else None,
        "findings": done.findings,
    }


_BUILD_EPILOG = """\b
Examples:
  millhand dart build dart --out dart
  millhand dart build 20240312000736.zip --out filings --passage-chars 800 --json

Makes docs/ (Markdown), facts/ (sentences, JSONL) and chunks/ (parquet) below DIR. A broken filing is
listed; the others go on. What is unchanged since the last call is not made again."""


@dart.command(epilog=_BUILD_EPILOG)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Where all of it goes."
)
@click.option(
    "--passage-chars",
    "budget",
    default=1000,
    show_default=True,
    type=click.IntRange(min=200),
    metavar="N",
    help="The most characters of a passage.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes at once; else one a core."
)
@json_option
def build(paths: tuple[Path, ...], out: Path, budget: int, workers: int | None, as_json: bool) -> int:
    """Make Markdown, Korean sentences and two-level chunks of filings.

    FILE is the ZIP of a filing, or a folder with ZIPs named by their receipt numbers.
    """
    from millhand.cli.output import stderr
    from millhand.dart.build import build

    with stderr().status("Building …") as status:
        result = build(
            paths,
            out,
            budget=budget,
            workers=workers,
            on_done=lambda done, of, _: status.update(f"Building: {done:,} of {of:,} filings"),
        )
    show_findings(result.findings)
    _print_built(result, as_json=as_json)
    return _FINDINGS if any(finding.severity == "error" for finding in result.findings) else 0


def _print_built(result: Result, *, as_json: bool) -> None:
    import msgspec

    if as_json:
        print_json({**msgspec.to_builtins(result), "findings": result.findings})
        return
    for made in result.documents:
        click.echo(
            f"{made.file}: {made.sections:,} sections, {made.passages:,} passages, {made.facts:,} sentences"
        )
    left = ", ".join(f"{reason} {count:,}" for reason, count in sorted(result.left_out.items()))
    read = counted(len(result.documents), "document")
    say(f"{counted(result.files, 'file')}, {result.unchanged} unchanged; {read}.")
    if left:
        say(f"Left out of the sentences, as it was not sure: {left}.")
