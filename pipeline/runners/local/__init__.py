"""Runs the steps in this process: order, resume, retry, cache."""
