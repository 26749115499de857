"""The rules between the values of a config, as tables: one row a rule, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType

from millhand.training.check.rule import Rule
from millhand.training.check.rules.common import COMMON
from millhand.training.check.rules.infer import EXPORT, INFER
from millhand.training.check.rules.ranges import RANGES
from millhand.training.check.rules.silent import SILENT
from millhand.training.check.rules.trainer import TRAINER
from millhand.training.check.rules.training import TRAINING

BY_PURPOSE: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {
        "train": (*COMMON, *TRAINING, *TRAINER, *RANGES, *SILENT),
        "export": (*COMMON, *INFER, *EXPORT),
        "chat": (*COMMON, *INFER),
    }
)
ALL: Mapping[str, Rule] = MappingProxyType(
    {rule.id: rule for rule in chain.from_iterable(BY_PURPOSE.values())}
)
