"""Dataset sync: compare a source with a dataset, and make the dataset equal to it."""
