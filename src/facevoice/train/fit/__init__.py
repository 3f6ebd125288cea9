"""A recipe and prepared data -> a run folder: the visible training loop."""
