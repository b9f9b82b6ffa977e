"""What the schema says of the values in a request, beyond TensorFlow Serving's contract: what may be left out, and what
is not allowed.

The rules stand in `assets.extra/signatures.json` of the model (trainer.description). A request with `?strict=1` knows
none of them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from pipeline.config.number_text import as_meant, bound_text
from pipeline.serving.server.json_text import shown
from pipeline.serving.server.refusal import Refusal, invalid
from pipeline.serving.server.tensors import PLAIN, Array, Columns, types_of

_NUMBERS = (float, int)
_FEW = 16
"""Of so many values Python's loop is faster than NumPy."""


@dataclass(slots=True)
class Rule:
    """What a column may hold.

    Attributes:
        optional: a value may be missing.
        values: those that are allowed; any where empty.
        known: those of the domain, also where others are allowed.
        unit: in words, where a number has one.
        least, most: of a number.
        missing: what stands for a missing value in a plain tensor.
    """

    feature: str
    is_text: bool
    optional: bool
    whole: bool
    values: frozenset[Any]
    least: float
    most: float
    missing: Any
    known: frozenset[Any] = frozenset()
    unit: str = ""

    @property
    def range(self) -> str:
        """In words what a number has to be; nothing where anything goes."""
        return "" if (self.least, self.most) == (-math.inf, math.inf) else _range(self.least, self.most)

    def broken_by(self, value: Any) -> str:
        """Return which part of the rule a value breaks; nothing if none."""
        if value == "" or value != value:
            return "" if self.optional else "a value is required"
        if self.values and value not in self.values:
            some = sorted(self.values)[:10]
            return f"it has to be one of {', '.join(map(shown, some))}{', …' if len(self.values) > len(some) else ''}"
        if self.is_text:
            return ""
        if self.whole and value % 1:
            return "it has to be a whole number"
        if not self.least <= value <= self.most:
            return f"it has to be {_range(self.least, self.most)}"
        return ""

    def holds(self, values: Array | Sequence[Any]) -> bool:
        """Return whether no value breaks the rule; of an array of numbers at once."""
        if self.is_text:
            distinct = set(values)
            return ("" not in distinct or self.optional) and (not self.values or distinct - {""} <= self.values)
        if not isinstance(values, np.ndarray):
            return not any(map(self.broken_by, values))
        numbers = values
        if self.values:
            return not any(map(self.broken_by, set(numbers.tolist())))
        good = (numbers >= self.least) & (numbers <= self.most)
        if self.whole:
            good &= numbers == np.rint(numbers)
        if self.optional:
            good |= np.isnan(numbers)
        return bool(good.all())


def _range(least: float, most: float) -> str:
    if most == math.inf:
        return f"at least {bound_text(least)}"
    return f"at most {bound_text(most)}" if least == -math.inf else f"{bound_text(least)} to {bound_text(most)}"


def rules_of(told: Mapping[str, Any]) -> dict[str, Rule]:
    """Return the rule of each input of `serving_tensors`, as `trainer.description` wrote them."""
    return {
        name: Rule(
            feature=one["feature"],
            is_text=one["dtype"] == "string",
            optional=one["may_be_missing"],
            whole=one.get("whole_numbers", False),
            values=frozenset() if one.get("other_values") else frozenset(one.get("values", ())),
            least=min(least := one.get("min", -math.inf), as_meant(least)),  # a schema keeps 0.1 in four bytes
            most=max(most := one.get("max", math.inf), as_meant(most)),
            missing="" if one["dtype"] == "string" else math.nan,
            known=frozenset(one.get("values", ())),
            unit=one.get("unit", ""),
        )
        for name, one in told.items()
    }


def from_rows(instances: Sequence[Any], inputs: Mapping[str, int], rules: Mapping[str, Rule]) -> Columns:
    """Return the values by input of `instances`, where the schema allows with values left out or null.

    Raises:
        Refusal: an instance breaks the schema, or a value is of a wrong type.
    """
    if len(instances) <= _FEW and (found := _if_plain(instances, rules)):
        return found
    if (complete := _if_complete(instances, inputs.keys())) is not None:
        return _all_checked(complete, inputs, rules)
    for place, instance in enumerate(instances):
        if not isinstance(instance, dict):
            raise invalid(
                f"row {place}: {shown(instance)} is no object; each of 'instances' has to be an object of values by "
                f"input: {','.join(sorted(inputs))}"
            )
        if extra := instance.keys() - inputs.keys():
            name = min(extra)
            raise _broken(name, "the model has no such input", instance[name], place)
    return _all_checked({name: [row.get(name) for row in instances] for name in inputs}, inputs, rules)


def _if_complete(instances: Sequence[Any], names: Set[str]) -> dict[str, list[Any]] | None:
    """Return the columns of instances that are objects and have each name, and no other; None of others."""
    try:
        if len(names) < 2 or set(map(len, instances)) != {len(names)} or set(map(type, instances)) != {dict}:
            return None
        first = tuple(instances[0])
        if names == set(first) and all(tuple(row) == first for row in instances):  # in one order, as mostly
            return dict(zip(first, map(list, zip(*map(dict.values, instances), strict=True)), strict=True))
        return dict(zip(names, map(list, zip(*map(itemgetter(*names), instances), strict=True)), strict=True))
    except (KeyError, TypeError):
        return None


def _if_plain(instances: Sequence[Any], rules: Mapping[str, Rule]) -> dict[str, list[Any]] | None:
    """Return the same, fast, of instances in which nothing is odd; None of others."""
    found: dict[str, list[Any]] = {name: [] for name in rules}
    for row in instances:
        if type(row) is not dict or not row.keys() <= found.keys():
            return None
        for name, rule in rules.items():
            value = row.get(name)
            if value is None:
                if not rule.optional:
                    return None
                value = rule.missing
            elif rule.is_text:
                if type(value) is not str or (value not in rule.values if rule.values else not value):
                    return None
            elif type(value) not in _NUMBERS or (
                (rule.values or rule.whole or not rule.least <= value <= rule.most) and rule.broken_by(value)
            ):
                return None
            found[name].append(value)
    return found


def from_columns(given: Any, inputs: Mapping[str, int], rules: Mapping[str, Rule]) -> Columns:
    """Return the same of `inputs`, lists of one length; a column that is left out is missing in each row."""
    columns = {name: given[name] for name in inputs if name in given} if isinstance(given, dict) else {}
    if not columns:
        raise invalid(f"'inputs' has to be an object of lists by input: {','.join(sorted(inputs))}")
    for name, values in columns.items():
        if not isinstance(values, list | np.ndarray):
            raise invalid(f"column {name}: {shown(values)} is no list")
    rows = len(next(iter(columns.values())))
    for name, values in columns.items():
        if len(values) != rows:
            raise invalid(f"column {name} has {len(values)} values, {next(iter(columns))} has {rows}")
    if rows == 1 and (found := _if_plain([{name: values[0] for name, values in columns.items()}], rules)):
        return found
    return _all_checked({name: columns.get(name, [None] * rows) for name in inputs}, inputs, rules)


def _all_checked(columns: Mapping[str, Any], inputs: Mapping[str, int], rules: Mapping[str, Rule]) -> Columns:
    """Return the values of all columns, if the rules hold."""
    good = _numbers_that_hold(columns, rules)
    return {
        name: good[name] if name in good else _checked(name, columns[name], dtype, rules[name])
        for name, dtype in inputs.items()
    }


def _numbers_that_hold(columns: Mapping[str, Any], rules: Mapping[str, Rule]) -> dict[str, Array]:
    """Return those columns of many numbers that hold their rule, looked at in one matrix: NumPy takes as long to begin
    with a column as for its values."""
    found = {
        name: floats
        for name, values in columns.items()
        if len(values) > _FEW and not rules[name].is_text and not rules[name].values
        if (floats := _as_floats(values)) is not None
    }
    if not found:
        return {}
    block = np.array(list(found.values()))
    told = [rules[name] for name in found]
    least, most, whole, optional = (
        np.array(each)[:, np.newaxis]
        for each in zip(*((rule.least, rule.most, rule.whole, rule.optional) for rule in told), strict=True)
    )
    good = (block >= least) & (block <= most) & ((block == np.rint(block)) | ~whole) | (np.isnan(block) & optional)
    may_be_truths = ((block == 0) | (block == 1)).any(axis=1).tolist()
    return {
        name: line
        for name, line, holds, unsure in zip(found, block, good.all(axis=1).tolist(), may_be_truths, strict=True)
        if holds and not (unsure and bool in types_of(columns[name]))
    }


def _as_floats(values: list[Any] | Array) -> Array | None:
    """Return numbers and truth values as an array, NaN where one is missing; None if something else is among them."""
    if isinstance(values, np.ndarray):
        return values.astype(np.float64) if values.dtype.kind in "iuf" else None
    try:
        return np.frombuffer(struct.pack(f"{len(values)}d", *values))  # in a third of the time that NumPy takes
    except struct.error:
        if None not in values:
            return None
        return _as_floats([math.nan if value is None else value for value in values])


def _checked(name: str, values: list[Any] | Array, dtype: int, rule: Rule) -> Array | list[Any]:
    """Return the values, if the rule holds; many numbers as an array."""
    types = types_of(values)
    if type(None) in types:
        values = [rule.missing if value is None else value for value in values]
        types = types - {type(None)} | {type(rule.missing)}
    if not types <= PLAIN[dtype]:
        odd, what = _odd(rule)
        place, value = next((place, value) for place, value in enumerate(_plain(values)) if odd(value))
        raise _broken(name, f"it has to be {what}", value, place)
    column = values if rule.is_text or len(values) <= _FEW else np.array(values, np.float64)
    if not rule.holds(column):
        for place, value in enumerate(_plain(values)):
            if problem := rule.broken_by(value):
                raise _broken(name, problem, value, place)
    return column


def _plain(values: list[Any] | Array) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _odd(rule: Rule) -> tuple[Callable[[Any], bool], str]:
    if rule.is_text:
        return lambda value: type(value) is not str, "text"
    return lambda value: type(value) not in (int, float), "a number"


def _broken(column: str, problem: str, value: Any, row: int) -> Refusal:
    nothing = value == "" or value != value
    found = "it is missing" if nothing and problem == "a value is required" else f"it is {shown(value)}"
    return invalid(f"column {column}, row {row}: {problem}; {found}")
