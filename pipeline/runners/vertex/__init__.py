"""Compiles, submits and emulates jobs of Vertex AI Pipelines."""
