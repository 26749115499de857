"""The steps that a dataset.yaml names, one file each."""
