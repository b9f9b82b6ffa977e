"""Metrics, slices, curves, explanation, and the judgement of a model."""
