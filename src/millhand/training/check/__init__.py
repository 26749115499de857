"""What would make a run fail, do nothing or learn the wrong thing, found before anything starts."""

from millhand.training.check.basics import check_train, dataset_names, looks_local

__all__ = ["check_train", "dataset_names", "looks_local"]
