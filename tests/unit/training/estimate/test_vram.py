"""The benchmark of peak memory without a GPU: which cells, what is fitted and judged, what is written."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from benchmarks import vram
from benchmarks.vram_cells import NO_MARGIN, Cell, Measured, Store, calibrate, cells, fit, judge, predicted

from millhand.training.estimate.calibration import Calibration, calibration
from millhand.training.estimate.memory import Constants

# What a GPU would be like: constants that the fit has to find again.
TRUE = Constants(context=0.55e9, reserve=0.04, work=1.2, margin=0.0)


def made_up(cell: Cell, *, noise: float = 0.0, memory: float = 141e9) -> Measured:
    """A measured cell as a GPU with the true constants would give it."""
    shaken = random.Random(cell.name).uniform(1 - noise, 1 + noise)
    work = msgspec.structs.replace(NO_MARGIN, work=TRUE.work)
    allocated = predicted(cell, work).total * shaken
    reserved = allocated * (1 + TRUE.reserve)
    full = reserved + TRUE.context > memory
    return Measured(
        cell=cell, allocated=min(allocated, memory), reserved=min(reserved, memory), context=TRUE.context,
        out_of_memory=full, memory=memory,
    )  # fmt: skip


def test_cells_cover_models_methods_and_both_halves() -> None:
    every = cells()
    assert len({cell.name for cell in every}) == len(every) >= 60
    assert {"lora", "qlora", "full", "freeze"} <= {cell.method for cell in every}
    halves = [cell.fitted for cell in every]
    assert 0.35 < sum(halves) / len(halves) < 0.65
    assert {cell.model for cell in cells(quick=True)} == {every[0].model}


def test_the_fit_finds_the_constants_that_the_cells_were_made_with() -> None:
    found = fit([made_up(cell) for cell in cells()])
    assert found.work == pytest.approx(TRUE.work, rel=0.01)
    assert found.reserve == pytest.approx(TRUE.reserve, rel=0.01)
    assert found.context == TRUE.context
    assert found.margin == pytest.approx(0.03)


def test_on_noisy_cells_the_other_half_is_judged_and_no_promise_is_broken() -> None:
    measured = [made_up(cell, noise=0.08) for cell in cells()]
    verdict = judge(measured, fit(measured))
    assert verdict.cells == sum(not one.cell.fitted for one in measured)
    assert 0 < verdict.median < 0.10
    assert verdict.worst < 0.20
    assert verdict.false_fits == ()


def test_an_estimate_that_is_too_low_is_found_out() -> None:
    """The judge must be able to fail: with less than half of the activations, cells are promised."""
    measured = [made_up(cell) for cell in cells()]
    verdict = judge(measured, msgspec.structs.replace(TRUE, work=0.4))
    assert verdict.too_low > 0.2
    assert verdict.false_fits


def test_a_cell_out_of_memory_is_kept_and_counts_as_a_promise() -> None:
    large = max(cells(), key=lambda cell: predicted(cell, NO_MARGIN).total)
    full = made_up(large, memory=24e9)
    assert full.out_of_memory
    assert judge([full], TRUE).false_fits == ()
    assert judge([full], msgspec.structs.replace(NO_MARGIN, work=0.0, context=-60e9)).false_fits


def test_a_broken_off_run_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted, asked = cells(quick=True), []

    def measure(cell: Cell) -> Measured:
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(cell)
        return made_up(cell)

    store = Store(tmp_path / "vram.json")
    store.gpu, store.date = "Made Up 24", "2026-01-02"
    with pytest.raises(KeyboardInterrupt):
        vram.run(wanted, store, measure)
    again = Store(tmp_path / "vram.json")
    assert (again.gpu, again.date, len(again.measured)) == ("Made Up 24", "2026-01-02", 3)
    vram.run(wanted, again, made_up)
    assert again.left(wanted) == []
    assert f"3 of {len(wanted)} cells are there." in capsys.readouterr().out


def test_the_calibration_that_is_written_is_the_one_that_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "vram.json")
    store.gpu, store.date = "Made Up 24", "2026-01-02"
    vram.run(cells(), store, made_up)
    vram.write_calibration(store, tmp_path / "calibration.json", tmp_path / "vram.md")
    read = calibration(tmp_path / "calibration.json")
    assert read == calibrate(list(store.measured.values()), "Made Up 24", "2026-01-02")
    assert read.measured
    assert "Calibrated on" in read.says
    assert "Made Up 24, 2026-01-02" in read.says
    page = (tmp_path / "vram.md").read_text()
    assert all(cell.name in page for cell in cells())


def test_without_a_calibration_it_says_so(tmp_path: Path) -> None:
    assumed = calibration(tmp_path / "none.json")
    assert assumed == Calibration(constants=Constants())
    assert assumed.says.startswith("Not calibrated")
    assert assumed.constants.margin >= 0.10


def test_without_a_gpu_it_says_so_and_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import vram_gpu

    monkeypatch.setattr(vram_gpu, "gpu_name", lambda: "")
    monkeypatch.setattr("sys.argv", ["vram"])
    vram.main()
    assert "no GPU" in capsys.readouterr().out
