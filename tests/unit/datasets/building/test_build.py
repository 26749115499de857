import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import openpyxl
import pytest

from millhand.datasets.add import AddOptions, add_dataset
from millhand.datasets.building import reading, running
from millhand.datasets.building.build import BuildOptions, build_dataset, draft_dataset
from millhand.datasets.built import for_others
from millhand.datasets.registry import Registry
from millhand.datasets.remove import remove_dataset
from millhand.datasets.steps.base import Step
from millhand.errors import FindingsError, MissingPackageError, UsageError
from millhand.workspace import Workspace
from tests.unit.datasets.building import steps
from tests.unit.datasets.building.conftest import write_recipe

ONE = BuildOptions(workers=1)


def rows(space: Workspace, name: str) -> list[dict[str, Any]]:
    return list(Registry(space.registry).dataset(name).rows())


@pytest.mark.usefixtures("manual")
def test_a_manual_becomes_rows_that_know_where_they_are_from(space: Workspace) -> None:
    outcome = build_dataset(space, "manual", ONE)
    assert outcome.status == "built"
    assert [made.name for made in outcome.built.datasets] == ["manual", "manual_test"]
    train, test = rows(space, "manual"), rows(space, "manual_test")
    assert [row["instruction"] for row in train + test] == ["문? 0", "문? 1", "등? 0", "등? 1"]
    source = train[0]["source"]
    assert source["document"].startswith("manual-")
    assert source["sha256"] == outcome.built.sources[0].file.sha256
    assert source["place"] == "line 5"
    assert source["section"] == "설비 안내 > 문"
    assert (source["licence"], source["generator"], source["prompt_sha256"]) == (
        "CC0-1.0",
        "test 1",
        "0" * 64,
    )


@pytest.mark.usefixtures("manual")
def test_the_funnel_says_what_every_step_did(space: Workspace) -> None:
    normalise, filtered, _, generate = build_dataset(space, "manual", ONE).built.steps
    assert (normalise.tally.came, normalise.tally.went) == (3, 3)
    assert filtered.tally.dropped == {"held the word": 1}
    assert filtered.options == {"word": "버림"}
    assert "창" in filtered.tally.samples[0].before
    assert (generate.tally.came, generate.tally.went) == (2, 4)


@pytest.mark.usefixtures("manual")
def test_the_same_again_changes_nothing_and_does_no_step_again(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_dataset(space, "manual", ONE)
    folder = space.registry / "manual"
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    monkeypatch.setattr(running, "_each", None)
    monkeypatch.setattr(running, "_whole", None)
    assert build_dataset(space, "manual", ONE).status == "unchanged"
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before


def test_another_machine_makes_the_same_bytes(space: Workspace, manual: Path, tmp_path: Path) -> None:
    first = build_dataset(space, "manual", ONE).built
    other = Workspace(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    for name in ("dataset_registry", "llamafactory_configs", "docs"):
        (space.root / name).rename(other.root / name)
    for path in (other.registry / "manual").glob("*.json*"):
        path.unlink()
    assert build_dataset(other, "manual", ONE).built == first


def test_a_changed_source_is_built_anew_and_old_stages_go(space: Workspace, manual: Path) -> None:
    build_dataset(space, "manual", ONE)
    stages = {path.name for path in (space.state / "builds" / "manual").glob("0*")}
    manual.write_text(manual.read_text(encoding="utf-8").replace("밤", "새벽"), encoding="utf-8")
    assert build_dataset(space, "manual", ONE).status == "rebuilt"
    assert "새벽" in rows(space, "manual_test")[0]["output"]
    assert stages.isdisjoint(path.name for path in (space.state / "builds" / "manual").glob("0*"))


def test_a_later_option_leaves_earlier_stages_as_they_are(
    space: Workspace, manual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_dataset(space, "manual", ONE)
    recipe = space.registry / "manual" / "dataset.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("  - split\n", ""), encoding="utf-8")
    monkeypatch.setattr(running, "_each", None)
    outcome = build_dataset(space, "manual", ONE)
    assert [made.name for made in outcome.built.datasets] == ["manual"]
    assert Registry(space.registry).names() == ["manual"]
    assert not (space.registry / "manual" / "test.jsonl").exists()


@pytest.mark.usefixtures("manual")
def test_rows_that_a_person_changed_are_made_anew(space: Workspace) -> None:
    build_dataset(space, "manual", ONE)
    path = space.registry / "manual" / "rows.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert build_dataset(space, "manual", ONE).status == "rebuilt"
    assert path.read_bytes() == whole


@pytest.mark.usefixtures("manual")
def test_fresh_makes_rows_anew_though_nothing_that_is_kept_changed(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_dataset(space, "manual", ONE)
    fresh = BuildOptions(workers=1, fresh=True)
    assert build_dataset(space, "manual", fresh).status == "unchanged"
    other = Step("normalise", steps.Nothing, each=steps.whisper)
    monkeypatch.setitem(steps.STEPS, "normalise", other)
    assert build_dataset(space, "manual", ONE).status == "unchanged"
    assert build_dataset(space, "manual", fresh).status == "rebuilt"
    assert rows(space, "manual")[0]["output"].endswith("…")


def test_a_step_is_done_again_when_a_setting_that_it_reads_changes(
    space: Workspace, manual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = replace(steps.STEPS["generate"], reads=lambda _: ("MILLHAND_MODEL",))
    monkeypatch.setitem(steps.STEPS, "generate", reading)
    build_dataset(space, "manual", ONE)
    monkeypatch.setenv("MILLHAND_MODEL", "another")
    assert build_dataset(space, "manual", ONE).status == "rebuilt"
    assert build_dataset(space, "manual", ONE).status == "unchanged"


def test_a_bad_source_is_listed_and_the_rest_goes_on(space: Workspace, manual: Path) -> None:
    manual.with_name("broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    recipe = space.registry / "manual" / "dataset.yaml"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("docs/manual.md", "docs"), encoding="utf-8")
    built = build_dataset(space, "manual", ONE).built
    assert [source.pieces for source in built.sources] == [0, 3]
    assert [finding.file for finding in built.findings] == ["broken.pdf"]
    assert len(rows(space, "manual")) == 2


def test_a_file_that_could_not_be_read_is_tried_again(
    space: Workspace, manual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (manual.parent / "more.html").write_text("<h1>전화</h1><p>전화는 받는다.</p>", encoding="utf-8")
    recipe = space.registry / "manual" / "dataset.yaml"
    recipe.write_text(recipe.read_text("utf-8").replace("docs/manual.md", "docs"), "utf-8")

    def missing(*_: object, **__: object) -> None:
        raise MissingPackageError("Reading .md files needs markdown_it.", mend="pip install it")

    with monkeypatch.context() as without:
        without.setattr("millhand.documents.markdown.read_markdown", missing)
        (finding,) = build_dataset(space, "manual", ONE).built.findings
    assert (finding.file, finding.mend) == ("manual.md", "pip install it")
    again = build_dataset(space, "manual", ONE)
    assert again.status == "rebuilt"
    assert again.built.findings == ()


def test_a_file_without_rights_is_listed_and_the_rest_goes_on(
    space: Workspace, manual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (manual.parent / "locked.md").write_text("# 잠김", encoding="utf-8")
    recipe = space.registry / "manual" / "dataset.yaml"
    recipe.write_text(recipe.read_text("utf-8").replace("docs/manual.md", "docs"), "utf-8")
    real = reading.sha256_file

    def refusing(path: Path) -> str:
        if path.name == "locked.md":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(reading, "sha256_file", refusing)
    built = build_dataset(space, "manual", ONE).built
    assert [(f.file, f.message) for f in built.findings] == [
        ("locked.md", "cannot be opened: Permission denied")
    ]
    assert [source.pieces for source in built.sources] == [0, 3]


def test_a_renamed_source_is_another(space: Workspace, manual: Path) -> None:
    build_dataset(space, "manual", ONE)
    manual.rename(manual.with_name("renamed.md"))
    recipe = space.registry / "manual" / "dataset.yaml"
    recipe.write_text(recipe.read_text("utf-8").replace("docs/manual.md", "docs/*.md"), "utf-8")
    assert build_dataset(space, "manual", ONE).status == "rebuilt"
    assert rows(space, "manual")[0]["source"]["document"].startswith("renamed-")


def test_without_its_stages_an_unchanged_dataset_asks_no_step_again(
    space: Workspace, manual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_dataset(space, "manual", ONE)
    shutil.rmtree(space.state)
    monkeypatch.setattr(running, "_whole", None)
    monkeypatch.setattr(running, "_each", None)
    assert build_dataset(space, "manual", ONE).status == "unchanged"


def test_a_part_takes_no_other_dataset_s_name(space: Workspace, manual: Path) -> None:
    table = space.root / "manual_test.csv"
    table.write_text("instruction,output\na,b\n")
    add_dataset(Registry(space.registry), table, AddOptions())
    with pytest.raises(FindingsError, match="'manual_test'"):
        build_dataset(space, "manual", ONE)


@pytest.mark.usefixtures("manual")
def test_no_dataset_takes_the_name_of_a_part(space: Workspace) -> None:
    build_dataset(space, "manual", ONE)
    write_recipe(space, "name: manual_test\nlicence: x\nsources: [{path: docs}]\nsteps: []\n", "manual_test")
    with pytest.raises(FindingsError, match="manual_test"):
        build_dataset(space, "manual_test", ONE)


def test_personal_data_in_a_finding_is_starred_out(space: Workspace) -> None:
    lines = [
        '{"instruction": "a", "output": {"tel": "010-7777-6666"}}',
        '{"instruction": "a", "output": "b"}',
    ]
    (space.root / "q.jsonl").write_text("\n".join(lines), encoding="utf-8")
    write_recipe(space, "name: q\nlicence: x\nsources: [{path: q.jsonl}]\nsteps: []\n", "q")
    built = build_dataset(space, "q", ONE).built
    assert len(built.findings) == 1
    assert "7777" not in (space.registry / "q" / "build.json").read_text("utf-8")


def test_a_sheet_that_was_not_asked_for_is_not_read(space: Workspace) -> None:
    book = openpyxl.Workbook()
    for name in ("공개", "내부"):
        book.create_sheet(name).append([f"{name} 자료", "값"])
    book.remove(book["Sheet"])
    book.save(space.root / "two.xlsx")
    text = "name: sheets\nlicence: x\nsources: [{path: two.xlsx, sheet: %s}]\nsteps: [generate]\n"
    write_recipe(space, text % "공개", "sheets")
    build_dataset(space, "sheets", ONE)
    assert "내부" not in (space.registry / "sheets" / "rows.jsonl").read_text("utf-8")
    write_recipe(space, text % "공게", "sheets")
    with pytest.raises(FindingsError, match="Did you mean '공개'"):
        build_dataset(space, "sheets", ONE)


def test_a_word_that_changes_nothing_is_told(space: Workspace, manual: Path) -> None:
    recipe = space.registry / "manual" / "dataset.yaml"
    recipe.write_text(
        recipe.read_text("utf-8").replace("manual.md\n", "manual.md\n    system: 너는\n"), "utf-8"
    )
    assert [f.id for f in build_dataset(space, "manual", ONE).built.findings] == ["data.idle-word"]


def test_a_table_goes_through_the_steps_as_records(space: Workspace) -> None:
    (space.root / "qa.csv").write_text("질문,답변\n무엇?,버림\n언제?,내일\n", encoding="utf-8")
    write_recipe(
        space,
        "name: qa\nlicence: CC0-1.0\nsources:\n  - path: qa.csv\n    map: {instruction: 질문, output: 답변}\n"
        "steps:\n  - filter: {word: 버림}\n",
        "qa",
    )
    build_dataset(space, "qa", ONE)
    (row,) = rows(space, "qa")
    assert (row["instruction"], row["output"]) == ("언제?", "내일")
    assert (row["source"]["row"], row["source"]["document"], row["source"]["place"]) == (3, "qa.csv", "")


def test_conversations_keep_their_shape(space: Workspace) -> None:
    talk = {"messages": [{"role": "user", "content": "안녕"}, {"role": "assistant", "content": "네"}]}
    (space.root / "talk.jsonl").write_text(json.dumps(talk, ensure_ascii=False) + "\n", encoding="utf-8")
    write_recipe(space, "name: talk\nlicence: x\nsources: [{path: talk.jsonl}]\nsteps: []\n", "talk")
    build_dataset(space, "talk", ONE)
    (record,) = Registry(space.registry).dataset("talk").records()
    assert (record.question, record.answer) == ("안녕", "네")
    assert record.source
    assert record.source.row == 1


def test_places_that_a_step_noted_lie_in_a_file_of_their_own(space: Workspace, manual: Path) -> None:
    recipe = space.registry / "manual" / "dataset.yaml"
    recipe.write_text(recipe.read_text("utf-8").replace("  - split\n", "  - pii\n  - split\n"), "utf-8")
    built = build_dataset(space, "manual", ONE).built
    assert [step.tally.marks for step in built.steps] == [[], [], [], [], []]
    lines = (recipe.parent / "marks.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == ["pii", "pii"]
    recipe.write_text(recipe.read_text("utf-8").replace("  - pii\n", ""), "utf-8")
    build_dataset(space, "manual", ONE)
    assert not (recipe.parent / "marks.jsonl").exists()


@pytest.mark.usefixtures("manual")
def test_others_see_what_was_done_and_no_text_that_was_dropped(space: Workspace) -> None:
    built = build_dataset(space, "manual", ONE).built
    shown = msgspec.json.encode(for_others(built)).decode()
    assert "창은 아침에" in msgspec.json.encode(built).decode()
    assert "창은 아침에" not in shown
    assert for_others(built).steps[1].tally.dropped == {"held the word": 1}


def test_a_step_that_loses_pieces_unseen_is_a_fault(space: Workspace, manual: Path) -> None:
    recipe = space.registry / "manual" / "dataset.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8") + "  - limit\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="lost pieces"):
        build_dataset(space, "manual", ONE)


def test_passages_are_no_rows(space: Workspace, manual: Path) -> None:
    recipe = space.registry / "manual" / "dataset.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("  - generate\n", ""), encoding="utf-8")
    with pytest.raises(FindingsError, match="generate"):
        build_dataset(space, "manual", ONE)
    assert sorted(path.name for path in recipe.parent.iterdir()) == ["dataset.yaml"]


def test_when_nothing_is_left_it_says_so(space: Workspace, manual: Path) -> None:
    recipe = space.registry / "manual" / "dataset.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("버림", "다"), encoding="utf-8")
    with pytest.raises(FindingsError, match=r"normalise 3 → 3, filter 3 → 0 \(3 held the word\)"):
        build_dataset(space, "manual", ONE)


def test_work_of_a_step_that_needs_all_is_shared_out(space: Workspace, manual: Path) -> None:
    recipe = space.registry / "manual" / "dataset.yaml"
    recipe.write_text(
        recipe.read_text(encoding="utf-8").replace("  - split\n", "  - dedup\n  - split\n"), encoding="utf-8"
    )
    dedup = build_dataset(space, "manual", ONE).built.steps[2]
    assert dedup.tally.counts["longest"] > 10


@pytest.mark.usefixtures("manual")
def test_a_draft_stops_before_a_model_is_asked(space: Workspace) -> None:
    draught = draft_dataset(space, "manual", ONE)
    assert [report.name for report in draught.reports] == ["normalise", "filter", "split"]
    assert draught.price() == steps.Price(2)
    assert not (space.registry / "manual" / "rows.jsonl").exists()


@pytest.mark.usefixtures("manual")
def test_remove_takes_what_was_built_and_leaves_the_recipe(space: Workspace) -> None:
    build_dataset(space, "manual", ONE)
    registry = Registry(space.registry)
    with pytest.raises(UsageError, match="part of dataset 'manual'"):
        remove_dataset(registry, "manual_test")
    assert remove_dataset(registry, "manual") == ["dataset.yaml"]
    assert registry.names() == []


@pytest.mark.usefixtures("manual")
def test_a_recipe_is_not_overwritten_by_a_table_of_its_name(space: Workspace) -> None:
    table = space.root / "manual.csv"
    table.write_text("instruction,output\na,b\n")
    with pytest.raises(FindingsError, match="recipe"):
        add_dataset(Registry(space.registry), table, AddOptions(replace=True))


def test_only_a_recipe_is_built(space: Workspace) -> None:
    table = space.root / "qa.csv"
    table.write_text("instruction,output\na,b\n")
    add_dataset(Registry(space.registry), table, AddOptions())
    with pytest.raises(UsageError, match="added from a table"):
        build_dataset(space, "qa", ONE)
    with pytest.raises(UsageError, match="no recipe"):
        build_dataset(space, "none", ONE)
