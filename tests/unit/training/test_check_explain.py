"""Every finding that the package can print can be explained."""

from __future__ import annotations

import pytest

from millhand.training.check.explain import explain, names
from millhand.training.check.faults import ROW_FAULTS
from millhand.training.check.other_ids import OTHER_IDS
from millhand.training.check.rules import ALL
from tests.finding_ids import finding_ids

# Ids that only a run puts together: where, and what they then are. None: said again under its own id,
# or a row of a table that is asked below.
PUT_TOGETHER: dict[str, tuple[str, ...] | None] = {
    "datasets/faults.py f'data.{self.id}'": None,
    "datasets/faults.py id_": None,
    "datasets/synthesize/listing.py f\"data.not-made.{code.replace(' ', '-')}\"": ("data.not-made.refused",),
    "documents/pdf.py kind": ("pdf.scanned", "pdf.no-letters", "pdf.broken-page", "pdf.no-tables"),
    "hub/gates.py _LICENCE": ("hub.licence",),
    "hub/scan.py hub.group": ("hub.secrets", "hub.personal-data"),
    "pods/sync/transfer.py f'sync.{kind}'": ("sync.told", "sync.gone"),
    "runs/stack_checks.py doctor.f'{name}.missing'": ("doctor.flash-attn.missing",),
    "runs/stack_checks.py doctor.f'{name}.version'": ("doctor.transformers.version",),
    "runs/stack_checks.py doctor.f'{name}.import'": ("doctor.peft.import",),
    "runs/trials.py doctor.f'{slug(trial)}.failed'": ("doctor.bitsandbytes.failed",),
    "training/check/keys.py name": (
        "config.unknown-key", "config.renamed-key", "config.removed-key", "config.other-command",
    ),
    "training/check/preflight.py finding.id": None,
    "training/check/rule.py self.id": None,
    "training/check/rules/ranges.py f\"train.{limits.key.replace('_', '-')}\"": None,
    "training/check/rules/trainer.py f\"train.whole-{key.replace('_', '-')}\"": None,
    "training/check/rules/trainer.py f\"train.{key.replace('_', '-')}\"": None,
    "training/check/rules/training.py f'deepspeed.zero3-{name}'": None,
    "training/check/weights.py f\"method.{key.replace('_', '-')}\"": (
        "method.lora-target", "method.freeze-trainable-modules", "method.freeze-extra-modules",
    ),
}  # fmt: skip


def test_every_id_in_the_source_is_explained() -> None:
    ids, unread = finding_ids()
    assert len(ids) > 300
    assert {name: where for name, where in ids.items() if len(explain(name)) < 20} == {}
    made = {f"{where.partition(':')[0]} {name}" for name, where in unread.items()}
    assert made - PUT_TOGETHER.keys() == set()
    assert [n for named in PUT_TOGETHER.values() for n in named or () if not explain(n)] == []


def test_every_row_of_a_table_is_explained() -> None:
    assert [name for name in (*ALL, *ROW_FAULTS) if len(explain(name)) < 20] == []
    assert set(names()) >= {*ALL, *ROW_FAULTS, *OTHER_IDS}


def test_what_another_command_finds_is_said_once_and_still_found() -> None:
    ids, unread = finding_ids()
    told = {name for named in PUT_TOGETHER.values() for name in named or ()}
    assert OTHER_IDS.keys() - ids.keys() - told == set()
    assert unread


@pytest.mark.parametrize("name", ["no.such", "hub", "hub.", "data.not-mad", ""])
def test_what_is_no_id_is_not_explained(name: str) -> None:
    assert explain(name) == ""
