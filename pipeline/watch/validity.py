"""Is it valid: what the gate says of a table, said of the counts of a window, by the schema and the policy."""

from __future__ import annotations

from pipeline.config.number_text import bound_text
from pipeline.guard.findings import Finding, percent
from pipeline.guard.policy import Policy, Severity
from pipeline.watch.profiles import (
    HIGH,
    LOW,
    NOT_FINITE,
    UNKNOWN,
    WRONG_TYPE,
    ColumnSpec,
    Profile,
    Spec,
)

REPEATED = "repeated_requests"
_FEW_DISTINCT = 0.5
_MOST_ERRORS = 0.05


def findings(spec: Spec, counted: Profile, policy: Policy) -> list[Finding]:
    """Return what breaks the schema in a window, what blocks first."""
    found = []
    for k, column in enumerate(spec.columns):
        for kind, rule, expected, text, rows in _of_column(column, counted, k):
            severity = policy.severity_of(kind, column.name)
            if severity is Severity.IGNORE:
                continue
            one = Finding(kind, column.name, "requests", rule, expected, text, severity=severity)
            found.append(one.counted(rows, counted.rows))
    return sorted(found, key=lambda one: (one.severity is not Severity.BLOCK, -(one.share or 0)))


def _of_column(column: ColumnSpec, counted: Profile, k: int) -> list[tuple[str, str, str, str, int]]:
    broken, rows = counted.broken[k], counted.rows
    missing = int(counted.missing[k])
    found = []
    if broken[WRONG_TYPE]:
        found.append(("float_type_string_not_float", "schema: type", "numbers", "text", int(broken[WRONG_TYPE])))
    if column.least is not None and broken[LOW]:
        kind, rule = "float_type_small_float", "schema: min"
        found.append((kind, rule, f"at least {bound_text(column.least)}", "smaller numbers", int(broken[LOW])))
    if column.greatest is not None and broken[HIGH]:
        kind, rule = "float_type_big_float", "schema: max"
        found.append((kind, rule, f"at most {bound_text(column.greatest)}", "greater numbers", int(broken[HIGH])))
    if broken[NOT_FINITE]:
        found.append(("not_finite", "check: not_finite", "finite numbers", "others", int(broken[NOT_FINITE])))
    if broken[UNKNOWN] > column.unlisted * rows:
        kind, rule = "enum_type_unexpected_string_values", "schema: domain"
        found.append((kind, rule, "values that the schema lists", "others", int(broken[UNKNOWN])))
    if rows and missing == rows and column.present > 0:
        found.append(("feature_type_not_present", "schema: presence", "a value in some row", "none", missing))
    elif rows and 1 - missing / rows < column.present:
        expected = f"a value in at least {percent(column.present)} of the rows"
        text = f"{percent(1 - missing / rows)}"
        found.append(("feature_type_low_fraction_present", "schema: presence", expected, text, missing))
    return found


def notes(counted: Profile, reference: Profile) -> list[str]:
    """Return what is odd about the requests themselves, and breaks no rule."""
    said = []
    usual = reference.distinct / max(reference.binned, 1)
    share = counted.distinct / max(counted.binned, 1)
    if counted.binned and share < _FEW_DISTINCT * usual:
        said.append(
            f"only {percent(share)} of the rows are different ones: somebody sends the same rows again and again; "
            "what makes up a fifth of an hour is left out of what moved"
        )
    if counted.errors > _MOST_ERRORS * (counted.rows + counted.errors):
        said.append(f"{counted.errors:,} of {counted.rows + counted.errors:,} rows were not answered")
    if counted.late:
        said.append(
            f"{counted.late:,} rows have a time in the future, or none after 1999: a clock is wrong; "
            "they count with the hour in which the log was written, and labels do not find them"
        )
    return said
