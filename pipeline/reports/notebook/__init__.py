"""Tables and figures for notebooks."""
