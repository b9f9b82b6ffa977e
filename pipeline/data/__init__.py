"""A table as Arrow columns, from its source to the examples of a run."""
