"""The page's figures, as inline SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from millhand.datasets.report.markup import Html, el, join, number, share
from millhand.text.lengths import Bucket

_WIDTH = 720.0


def bar(part: float, whole: float, *, kind: str = "", behind: float | None = None) -> Html:
    """A bar as long as ``part`` is of ``whole``; ``behind`` is a paler one, drawn first."""
    pale = el("rect", class_="pale", width=_length(behind, whole), height=12) if behind else None
    full = el("rect", class_=f"full {kind}".strip(), width=_length(part, whole), height=12)
    return el(
        "svg", pale, full, class_="bar", viewBox="0 0 100 12", preserveAspectRatio="none", aria_hidden="true"
    )


def stacked(parts: Mapping[str, int]) -> Html:
    """One bar of several parts, each in its colour, with a legend below."""
    total, at, drawn = sum(parts.values()), 0.0, []
    for name, count in parts.items():
        width = _WIDTH * count / max(1, total)
        drawn.append(el("rect", x=f"{at:.2f}", width=f"{max(0, width - 2):.2f}", height=26, class_=name))
        at += width
    legend = (
        el("span", el("i", class_=name), f"{name} ", el("b", number(count)), f" · {share(count, total)}")
        for name, count in parts.items()
    )
    label = ", ".join(f"{name} {count}" for name, count in parts.items())
    return join(
        el(
            "svg",
            *drawn,
            class_="stack",
            viewBox=f"0 0 {_WIDTH:g} 26",
            preserveAspectRatio="none",
            role="img",
            aria_label=label,
        ),
        el("p", *legend, class_="legend"),
    )


def histogram(buckets: Sequence[Bucket], *, limit: int | None, unit: str) -> Html:
    """How many rows are how long; what is over ``limit`` in another colour, the limit as a line."""
    if not buckets:
        return el("p", "There are no rows.", class_="quiet")
    width, height, base = _WIDTH, 220.0, 190.0
    end = float(buckets[-1].high + 1)
    if limit and end < limit <= 2 * end:
        end = limit * 1.05
    highest = max(bucket.texts for bucket in buckets)
    bars = [_column(bucket, end, highest, base, limit) for bucket in buckets]
    ticks = [_tick(value, end, base) for value in range(0, int(end) + 1, _round_step(end))]
    axis = el("line", class_="axis", x1=0, x2=width, y1=base, y2=base)
    line = _limit(limit, end, base) if limit and limit <= end else None
    label = f"Histogram of row lengths in {unit}"
    view = f"0 -18 {width:g} {height + 18:g}"
    return el("svg", *bars, axis, *ticks, line, class_="chart", viewBox=view, role="img", aria_label=label)


def _round_step(end: float) -> int:
    """A round distance (1, 2 or 5 and zeros) that gives four to nine ticks."""
    step: int = 10 ** max(0, len(str(int(end))) - 2)
    return max(1, next(step * factor for factor in (1, 2, 5, 10, 20, 50) if end / (step * factor) < 9))


def _column(bucket: Bucket, end: float, highest: int, base: float, limit: int | None) -> Html:
    left, right = _WIDTH * bucket.low / end, _WIDTH * (bucket.high + 1) / end
    tall = max(1.5, 176 * bucket.texts / highest) if bucket.texts else 0.0
    over = limit is not None and bucket.low >= limit
    title = el("title", f"{bucket.low:,}–{bucket.high:,}: {bucket.texts:,} rows")
    return el(
        "g",
        title,
        el(
            "rect",
            x=f"{left + 1:.2f}",
            y=f"{base - tall:.2f}",
            width=f"{max(1, right - left - 2):.2f}",
            height=f"{tall:.2f}",
            rx=2,
            class_="over" if over else "full",
        ),
        _count(bucket, (left + right) / 2, base - tall - 5) if bucket.texts == highest else None,
    )


def _count(bucket: Bucket, x: float, y: float) -> Html:
    return el("text", number(bucket.texts), x=f"{x:.1f}", y=f"{y:.1f}", text_anchor="middle", class_="count")


def _tick(value: int, end: float, base: float) -> Html:
    x = _WIDTH * value / end
    anchor = "start" if x < 20 else "end" if x > _WIDTH - 20 else "middle"
    return el("text", number(value), x=f"{x:.1f}", y=base + 18, text_anchor=anchor, class_="tick")


def _limit(limit: int, end: float, base: float) -> Html:
    x = _WIDTH * limit / end
    right = x > _WIDTH / 2
    words = el(
        "text",
        f"cutoff_len {limit:,}",
        x=f"{x - 6 if right else x + 6:.1f}",
        y=-6,
        text_anchor="end" if right else "start",
        class_="limit",
    )
    return join(el("line", class_="limit", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=-16, y2=base), words)


def _length(part: float, whole: float) -> str:
    return f"{max(0.6, 100 * part / whole) if whole and part else 0:.2f}"
