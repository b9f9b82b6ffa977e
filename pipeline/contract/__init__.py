"""The schema as text that people review."""
