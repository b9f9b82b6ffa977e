"""Defines what a section of a configuration is."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

Share = Annotated[float, Field(gt=0, lt=1)]
"""A part of a whole, without none and all of it."""


class Section(BaseModel):
    """A frozen part of a configuration that refuses what it does not know.

    The docstrings of a section and of its fields are what docs/configuration.md and the JSON schema say of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _says_what_it_means(cls, given: Any) -> Any:
        """Refuse what Python or pydantic would take for something else."""
        if not isinstance(given, dict):
            return given
        wrong: list[InitErrorDetails] = []
        for name, field in cls.model_fields.items():
            key = name if name in given else str(field.alias)
            problem = _problem(given.get(key), _plain_kinds(cls, name), may_be_empty=field.default == "")
            if problem:
                wrong.append({"type": PydanticCustomError("value_error", problem), "loc": (key,), "input": given[key]})
        if wrong:
            raise ValidationError.from_exception_data(cls.__name__, wrong)
        return given


def _problem(value: Any, kinds: frozenset[Any], *, may_be_empty: bool) -> Any:
    """Say what is wrong with a value: True is 1 to Python, and a path without letters the folder itself."""
    if value == "" and str in kinds and not may_be_empty:
        return "must not be empty; leave the setting out if it is not meant"
    if not kinds & {int, float} or kinds & {bool, str}:
        return None
    for item in value if isinstance(value, list | tuple) else [value]:
        if isinstance(item, bool):
            return f"must be a number, not {str(item).lower()}"
        if isinstance(item, int) and abs(item) >= 1 << 63:
            return "must be a number of at most 18 digits"
    return None


@cache
def _plain_kinds(section: type[Section], field: str) -> frozenset[Any]:
    """Return the plain types that a field may hold, itself or in a list."""

    def within(annotation: Any) -> set[Any]:
        inner: set[Any] = set().union(*map(within, get_args(annotation)))
        return inner | {annotation} if annotation in (str, int, float, bool) else inner

    return frozenset(within(section.model_fields[field].annotation))
