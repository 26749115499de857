"""``millhand data build``: sources -> pieces -> the steps of dataset.yaml -> rows."""
