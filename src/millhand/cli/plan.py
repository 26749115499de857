"""``millhand plan``: what a training needs, how long it takes and what it costs, before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from millhand.cli.output import json_option, print_facts, print_json, print_table, say, stdout
from millhand.wording import counted

if TYPE_CHECKING:
    from rich.text import Text

    from millhand.training.estimate.fit import Fitting
    from millhand.training.estimate.plan import Forecast, Prospect
    from millhand.training.estimate.speed import Range

_EPILOG = """\b
Examples:
  millhand plan qa                    every GPU of the pod files in runpod/, side by side
  millhand plan qa --pod l4 --pod h100
  millhand plan qa --pod a100 --gpus 4
  millhand plan qa --json

Memory "fits" only with its margin; "tight" means that the estimate fits and its margin does not.
Exit codes: 0 it fits a GPU as it is, 3 it fits none."""

# Parts of the peak in the order in which they are drawn, with their colours.
_COLOURS = {
    "weights": "blue",
    "adapters": "cyan",
    "gradients": "magenta",
    "optimiser": "bright_magenta",
    "activations": "green",
    "logits": "yellow",
    "buffers": "bright_black",
    "overhead": "white",
}
_BAR = 48
_VERDICTS = {"fits": ("fits", "green"), "tight": ("tight", "yellow"), "no": ("too small", "red")}


@click.command(epilog=_EPILOG)
@click.argument("config", metavar="CONFIG")
@click.option("--pod", "pods", multiple=True, help="A pod file, or local. Several; default: all that rent.")
@click.option("--gpus", type=click.IntRange(1, 64), help="So many GPUs in place of the pod file's count.")
@click.option("--live", is_flag=True, help="Ask RunPod for prices (needs RUNPOD_API_KEY).")
@click.option("--offline", is_flag=True, help="Never ask the Hub for a model's shape.")
@json_option
@click.pass_context
def plan(
    ctx: click.Context,
    config: str,
    pods: tuple[str, ...],
    gpus: int | None,
    live: bool,
    offline: bool,
    as_json: bool,
) -> None:
    """Estimate memory, tokens, steps, time, price and disk of a training on each GPU, side by side.

    Without torch and without a GPU: from the model's shape, the settings of train.yaml and the datasets.
    """
    from millhand.pods.runpod.client import open_account
    from millhand.runs.forecast import forecast
    from millhand.training.project import open_project
    from millhand.workspace import find_workspace

    workspace = find_workspace()
    account = open_account(workspace) if live else None
    found = forecast(
        workspace,
        open_project(workspace, config),
        pods,
        gpus=gpus,
        offline=offline,
        account=account,
        tell=say,
    )
    if as_json:
        print_json(_plain(found))
    else:
        _show(found)
    ctx.exit(0 if any(prospect.verdict == "fits" for prospect in found.prospects) else 3)


def _show(found: Forecast) -> None:
    work, at_once = found.prospects[0].work, counted(found.setup.batch, "row")
    print_facts(
        {
            "model": f"{found.model}, {found.shape.parameters / 1e9:.2f}B parameters",
            "method": _method(found),
            "rows": _rows(found),
            "longest": f"{work.longest:,} tokens a row at the most, {at_once} at once",
            "disk": _disk(found),
        }
    )
    click.echo()
    _table(found)
    click.echo()
    _bars(found)
    _changes(found)
    click.echo()
    for note in found.notes:
        click.echo(f"Note: {note}")
    click.echo(found.calibration.says)
    click.echo(f"Shape: {found.source}.")


def _method(found: Forecast) -> str:
    setup, trained = found.setup, found.trained
    name = {"lora": "DoRA" if setup.dora else "LoRA"}.get(setup.method, setup.method)
    name = f"Q{name} {setup.bits} bit" if setup.bits and setup.method == "lora" else name
    share = trained.parameters / found.shape.parameters
    kept = "checkpointing" if setup.checkpointing else "no checkpointing"
    how = setup.mixed or ("pure bf16" if setup.pure_bf16 else "no mixed precision")
    return f"{setup.stage}, {name}: {trained.parameters:,} trained ({share:.2%}); {how}, {kept}"


def _rows(found: Forecast) -> str:
    work = found.prospects[0].work
    if not work.known:
        return "not known here"
    about = "" if found.basis == "tokenizer" else "about "
    cut = f", {found.truncated:.0%} of rows cut at {found.setup.length:,}" if found.truncated else ""
    held = f", {work.evaluated:,} to evaluate on" if work.evaluated else ""
    return f"{work.rows:,} to train on{held}; {about}{work.tokens:,.0f} tokens in all rounds{cut}"


def _disk(found: Forecast) -> str:
    disk = found.disk
    parts = f"base {_gb(disk.base)}, {counted(disk.kept, 'checkpoint')} of {_gb(disk.checkpoint)}"
    merged = f", merged {_gb(disk.export)}" if disk.export else ""
    return f"{_gb(disk.total)} at its fullest: {parts}, result {_gb(disk.result)}{merged}"


def _table(found: Forecast) -> None:
    columns = ("pod", "GPU", "peak of GB", "", "steps", "time", "price")
    print_table("", columns, [_row(prospect) for prospect in found.prospects])


def _row(prospect: Prospect) -> list[object]:
    offer, peak, steps = prospect.offer, prospect.peak, prospect.work.steps
    return [
        offer.pod,
        _gpu(prospect),
        f"{peak.total / 1e9:.1f}–{peak.high / 1e9:.1f} of {offer.gpu.memory_gb:g}",
        _VERDICTS[prospect.verdict][0],
        f"{steps:,}" if steps else "?",
        _span(prospect.time_s) if steps else "?",
        f"${prospect.price_usd.low:.2f}–{prospect.price_usd.high:.2f}" if prospect.price_usd else "",
    ]


def _gpu(prospect: Prospect) -> str:
    offer = prospect.offer
    return f"{offer.count}x {offer.gpu.name}" if offer.count > 1 else offer.gpu.name


def _bars(found: Forecast) -> None:
    """A bar for each GPU: its memory is the bar's width, the parts of the peak fill it."""
    from rich.text import Text

    widest = max(len(_gpu(prospect)) for prospect in found.prospects)
    for prospect in found.prospects:
        line = Text(f"{_gpu(prospect):<{widest}} ")
        line.append_text(_bar(prospect))
        stdout().print(line)
    legend = Text(" " * (widest + 1))
    parts = _parts(found.prospects[0])
    for name, colour in _COLOURS.items():
        if parts[name] >= 5e7:
            legend.append("█", style=colour).append(f" {name} {parts[name] / 1e9:.1f}  ")
    stdout().print(legend)


def _bar(prospect: Prospect) -> Text:
    from rich.text import Text

    scale, bar, drawn, total = _BAR / prospect.offer.gpu.memory, Text("▕"), 0, 0.0
    for name, size in _parts(prospect).items():
        total += size
        until = min(round(total * scale), _BAR)
        bar.append("█" * (until - drawn), style=_COLOURS[name])
        drawn = max(drawn, until)
    bar.append("░" * (_BAR - drawn) + "▏", style="bright_black")
    word, colour = _VERDICTS[prospect.verdict]
    return bar.append(f" {prospect.peak.total / prospect.offer.gpu.memory:.0%} {word}", style=colour)


def _parts(prospect: Prospect) -> dict[str, float]:
    return {name: float(getattr(prospect.peak.parts, name)) for name in _COLOURS}


def _changes(found: Forecast) -> None:
    said: set[str] = set()
    for prospect in found.prospects:
        if prospect.verdict != "fits":
            text = _fitting(prospect.fitting)
            if text not in said:
                click.echo(f"\nTo fit {_gpu(prospect)}: {text}")
                said.add(text)


def _fitting(fitting: Fitting | None) -> str:
    if fitting is None:
        return "no change of settings is enough; take a larger GPU or a smaller model."
    lines = [
        f"\n  {key}: {_yaml(value)}{'' if index else f'  # costs: {change.costs}'}"
        for change in fitting.changes
        for index, (key, value) in enumerate(change.settings.items())
    ]
    return "".join(lines) + f"\n  then {fitting.peak.total / 1e9:.1f} – {fitting.peak.high / 1e9:.1f} GB."


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"


def _span(time: Range) -> str:
    """Two times in the same unit: ``12–40 min``, ``1.5–6.0 h``."""
    if time.high < 2 * 3600:
        return f"{max(1, round(time.low / 60))}–{max(1, round(time.high / 60))} min"
    return f"{time.low / 3600:.1f}–{time.high / 3600:.1f} h"


def _plain(found: Forecast) -> dict[str, Any]:
    """The forecast for a program: sizes in bytes, times in seconds."""
    import msgspec

    known = found.calibration
    return {
        "project": found.project,
        "model": found.model,
        "parameters": found.shape.parameters,
        "trainable": found.trained.parameters,
        "shape_source": found.source,
        "tokens_from": found.basis,
        "truncated": found.truncated,
        "disk": {**msgspec.structs.asdict(found.disk), "total": found.disk.total},
        "calibration": {
            "measured": known.measured,
            "says": known.says,
            "constants": msgspec.to_builtins(known.constants),
        },
        "notes": list(found.notes),
        "prospects": [_plain_prospect(prospect) for prospect in found.prospects],
    }


def _plain_prospect(prospect: Prospect) -> dict[str, Any]:
    import msgspec

    offer, peak = prospect.offer, prospect.peak
    return {
        "gpu": offer.gpu.id,
        "pod": offer.pod,
        "count": offer.count,
        "memory": offer.gpu.memory,
        "verdict": prospect.verdict,
        "peak": peak.total,
        "peak_with_margin": peak.high,
        "margin": peak.margin,
        "phase": peak.phase,
        "parts": _parts(prospect),
        "room": prospect.room,
        "work": msgspec.to_builtins(prospect.work),
        "time_s": list(prospect.time_s),
        "price_usd": list(prospect.price_usd) if prospect.price_usd else None,
        "price_source": offer.price_source,
        "to_fit": _plain_fitting(prospect.fitting),
    }


def _plain_fitting(fitting: Fitting | None) -> dict[str, Any] | None:
    if fitting is None:
        return None
    settings = {key: value for change in fitting.changes for key, value in change.settings.items()}
    return {"settings": settings, "peak": fitting.peak.total, "peak_with_margin": fitting.peak.high}
