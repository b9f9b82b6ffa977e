"""A package, so that no dependency that installs a top-level `tests` can stand in its place."""
