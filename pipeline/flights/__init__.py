"""The reference table and its configuration."""
