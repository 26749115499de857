"""Peak memory of real trainings, measured on the GPU that is there, and the constants that follow from it.

Run: ``python -m benchmarks.vram [--quick]`` on a machine with a GPU and the training environment. Cells that
were measured are kept in ``benchmarks/vram.json``: a run that was broken off goes on. At the end the
constants of ``millhand plan`` are fitted on half of the cells and judged on the other half, and written with
a dated table. Where there is no GPU it says so and ends.

``--count`` needs no GPU: it counts what the same code allocates, with tensors that have no contents, and
compares the estimate with that.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks.vram_cells import (
    NO_MARGIN,
    Cell,
    Measured,
    Store,
    calibrate,
    cells,
    generated,
    judge,
    markdown,
    predicted,
)
from millhand.files import write_text
from millhand.training.estimate import calibration

HERE = Path(__file__).parent
MEASURED, COUNTED = HERE / "vram.json", HERE / "vram_counted.json"
PAGE = HERE.parent / "docs" / "vram.md"
Measurer = Callable[[Cell], Measured]


def run(wanted: Sequence[Cell], store: Store, measure: Measurer) -> None:
    """Measure what is left of the cells, each kept as soon as it is there."""
    left = store.left(wanted)
    print(f"{len(wanted) - len(left)} of {len(wanted)} cells are there.")
    for number, cell in enumerate(left, start=1):
        one = measure(cell)
        store.keep(one)
        shown = "out of memory" if one.out_of_memory else f"{(one.total or one.allocated) / 1e9:.2f} GB"
        print(f"{number}/{len(left)} {cell.name}: {shown}", flush=True)


def write_calibration(store: Store, file: Path, page: Path) -> None:
    """Fit, judge and write: the constants that ship, and the table."""
    measured = list(store.measured.values())
    found = calibrate(measured, store.gpu, store.date)
    verdict = judge(measured, found.constants)
    write_text(file, msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
    head = f"# Measured peaks: {store.gpu}, {store.date}\n\n{found.says}\n\n"
    broken = ", ".join(verdict.false_fits) or "none"
    write_text(page, f"{head}Said to fit and did not: {broken}.\n\n{markdown(measured, found.constants)}")
    print(found.says, f"Said to fit and did not: {broken}.", sep="\n")


def write_counted(store: Store, page: Path) -> None:
    """Compare the estimate, its constants set to nothing, with what was counted."""
    every = list(store.measured.values())
    real = [one for one in every if not one.cell.config]
    made_up = [one for one in every if one.cell.config]
    says = f"{store.date}. Real models: {_errors(real)}\n\nMade-up models: {_errors(made_up)}"
    rows = [
        f"| {one.cell.name} | {one.allocated / 1e9:.2f} | {_bare(one) / 1e9:.2f} | {_apart(one):+.1%} |\n"
        for one in real
    ]
    table = "| training | counted GB | estimated GB | |\n| --- | --- | --- | --- |\n" + "".join(rows)
    write_text(page, f"{_COUNTED_HEAD}{says}\n\n{table}")
    print(says)


def _bare(one: Measured) -> float:
    return predicted(one.cell, NO_MARGIN).total


def _apart(one: Measured) -> float:
    return _bare(one) / one.allocated - 1


def _errors(measured: Sequence[Measured]) -> str:
    """How far off the estimate is, in a sentence."""
    errors = [_apart(one) for one in measured]
    if not errors:
        return "none."
    middle = statistics.median(map(abs, errors))
    return (
        f"{len(errors)} trainings, median error {middle:.1%}, from {min(errors):+.1%} to {max(errors):+.1%}."
    )


_COUNTED_HEAD = """\
# Counted peaks

What the code of transformers and peft allocates in a training step, set up by LLaMA-Factory's own functions.
It is counted tensor by tensor with torch's fake tensors (`python -m benchmarks.vram --count`, no GPU): what
`torch.cuda.max_memory_allocated` would show, less the workspace of CUDA's kernels. CUDA's context, the
allocator's reserve and bitsandbytes are not in it. **No GPU has measured these figures**; `python -m
benchmarks.vram` does where one is, and replaces this page.

"""


def main() -> None:
    """Measure or count, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the smallest model alone")
    parser.add_argument("--count", action="store_true", help="count what the code allocates, without a GPU")
    given = parser.parse_args()
    wanted, today = cells(quick=given.quick), datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    if given.count:
        from benchmarks.vram_count import count

        store = Store(COUNTED)
        store.date = store.date or today
        able = [cell for cell in wanted if "qlora" not in cell.method]
        run([*able, *generated(0 if given.quick else 60)], store, count)
        write_counted(store, PAGE)
        return
    _on_gpu(wanted, today)


def _on_gpu(wanted: Sequence[Cell], today: str) -> None:
    from benchmarks.vram_gpu import GpuMeasurer, gpu_name

    name = gpu_name()
    if not name:
        print(
            "There is no GPU here that torch can use: nothing is measured, the estimate stays uncalibrated."
        )
        print("`python -m benchmarks.vram --count` compares it with what the code allocates.")
        return
    store = Store(MEASURED)
    if store.gpu and store.gpu != name:
        raise SystemExit(f"{MEASURED} was measured on {store.gpu}, not on {name}: move it away first.")
    store.gpu, store.date = name, store.date or today
    with tempfile.TemporaryDirectory() as scratch:
        run(wanted, store, GpuMeasurer(Path(scratch) / "cells"))
    write_calibration(store, calibration.FILE, PAGE)


if __name__ == "__main__":
    main()
