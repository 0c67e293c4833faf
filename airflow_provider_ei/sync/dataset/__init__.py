"""Many data items: a source compared with a dataset, and the dataset made equal to it."""
