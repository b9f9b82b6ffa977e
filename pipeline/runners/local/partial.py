"""Which part of the pipeline runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """The whole pipeline, unless something else is said.

    Attributes:
        from_node, to_node: first and last step; what comes before is taken from the latest run.
        use_cache: reuse the outputs of steps whose inputs, parameters and code are unchanged.
        resumes: the run that this one goes on with, "" if none; what comes before `from_node` is then taken from it.
    """

    from_node: str | None = None
    to_node: str | None = None
    use_cache: bool = True
    resumes: str = ""
