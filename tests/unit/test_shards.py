import os
import signal
import time
from functools import partial
from pathlib import Path

from millhand.shards import forget, map_shards
from tests.patience import WITHIN_S


def upper(source: Path, target: Path) -> int:
    text = source.read_text(encoding="utf-8")
    if text == "bad":
        raise ValueError("no such luck")
    if text == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    target.write_text(text.upper(), encoding="utf-8")
    return len(text)


def note(log: Path, source: Path, target: Path) -> None:
    with log.open("a") as file:
        file.write(f"{source.name}\n")
    target.write_text(source.name)


def files(folder: Path, *texts: str) -> list[Path]:
    paths = [folder / f"{number}.txt" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def test_answers_in_the_order_of_the_inputs(tmp_path: Path) -> None:
    shards = map_shards(upper, files(tmp_path, "가a", "b", "ccc"), tmp_path / "out", suffix=".txt", workers=2)
    assert [shard.value for shard in shards] == [2, 1, 3]
    assert [shard.output.read_text(encoding="utf-8") for shard in shards] == ["가A", "B", "CCC"]
    assert shards[2].output.name == "part-00002.txt"


def test_a_second_call_does_only_what_is_due(tmp_path: Path) -> None:
    log, inputs = tmp_path / "log", files(tmp_path, "a", "b", "c")
    work = partial(note, log)
    map_shards(work, inputs[:2], tmp_path / "out", workers=1)
    again = map_shards(work, inputs, tmp_path / "out", workers=1)
    assert log.read_text().split() == ["0.txt", "1.txt", "2.txt"]
    assert [shard.skipped for shard in again] == [True, True, False]


def test_changed_input_or_version_is_made_anew(tmp_path: Path) -> None:
    log, inputs = tmp_path / "log", files(tmp_path, "a", "b")
    work = partial(note, log)
    map_shards(work, inputs, tmp_path / "out", workers=1)
    inputs[1].write_text("longer than before")
    map_shards(work, inputs, tmp_path / "out", workers=1)
    map_shards(work, inputs, tmp_path / "out", workers=1, version="2")
    assert log.read_text().split() == ["0.txt", "1.txt", "1.txt", "0.txt", "1.txt"]


def test_what_fails_is_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    inputs = files(tmp_path, "a", "bad", "kill", "d", "e")
    shards = map_shards(upper, inputs, tmp_path / "out", workers=2)
    assert [bool(shard.error) for shard in shards] == [False, True, True, False, False]
    assert shards[1].error == "ValueError: no such luck"
    assert "died" in shards[2].error
    assert not shards[1].output.exists()
    inputs[1].write_text("mended")
    inputs[2].write_text("too")
    assert not any(shard.error for shard in map_shards(upper, inputs, tmp_path / "out", workers=2))


def test_an_output_without_its_marker_is_not_taken_for_whole(tmp_path: Path) -> None:
    inputs = files(tmp_path, "a")
    out = tmp_path / "out"
    map_shards(upper, inputs, out)
    (out / "part-00000").write_text("half")
    (out / "part-00000.done").write_text("{")
    map_shards(upper, inputs, out)
    assert (out / "part-00000").read_text() == "A"


def test_an_input_that_is_not_there_is_listed(tmp_path: Path) -> None:
    shards = map_shards(upper, [tmp_path / "none.txt"], tmp_path / "out", workers=1)
    assert "FileNotFoundError" in shards[0].error


def rewrite(source: Path, target: Path) -> None:
    target.write_text(source.read_text())
    if source.read_text() == "old":
        source.write_text("a newer text")


def test_an_input_that_changes_meanwhile_is_listed_and_done_again(tmp_path: Path) -> None:
    inputs = files(tmp_path, "old")
    (first,) = map_shards(rewrite, inputs, tmp_path / "out", workers=1)
    assert "changed while" in first.error
    (second,) = map_shards(rewrite, inputs, tmp_path / "out", workers=1)
    assert (second.skipped, second.output.read_text()) == (False, "a newer text")


def test_what_is_forgotten_is_done_again(tmp_path: Path) -> None:
    inputs = files(tmp_path, "a")
    (shard,) = map_shards(upper, inputs, tmp_path / "out")
    forget(shard)
    assert not map_shards(upper, inputs, tmp_path / "out")[0].skipped


def test_each_is_told_when_it_is_done(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    inputs = files(tmp_path, "first", "second")
    work = partial(wait_for, gate)
    map_shards(work, inputs, tmp_path / "out", workers=2, on_done=lambda _: gate.touch())
    assert gate.exists()


def wait_for(gate: Path, source: Path, target: Path) -> None:
    """The second one waits until somebody was told of the first."""
    target.write_text("")
    end = time.monotonic() + WITHIN_S
    while source.name == "1.txt" and not gate.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
