"""What would make a run fail, do nothing or learn the wrong thing, found before anything starts."""

from millhand.training.check.basics import (
    check_secrets,
    check_train,
    dataset_names,
    eval_datasets,
    looks_local,
    train_datasets,
)

__all__ = [
    "check_secrets",
    "check_train",
    "dataset_names",
    "eval_datasets",
    "looks_local",
    "train_datasets",
]
