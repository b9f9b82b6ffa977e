"""The folder that a pipeline writes to."""
