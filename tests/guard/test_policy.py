"""The policy: who wins, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.loading import load
from pipeline.errors import ConfigError
from pipeline.guard.policy import KINDS, Policy, Severity
from pipeline.guard.policy_file import read_policy


def policy(folder: Path, text: str) -> Policy:
    (folder / "p.yaml").write_text(text)
    return read_policy(folder / "p.yaml")


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        policy(folder, text)
    assert caught.value.remedy
    assert caught.value.what.startswith(str(folder / "p.yaml"))
    return caught.value.what.removeprefix(f"{folder / 'p.yaml'}: ")


@pytest.mark.parametrize(
    ("kind", "severity"),
    [
        ("schema_missing_column", "block"),
        ("feature_type_not_present", "block"),
        ("enum_type_unexpected_string_values", "block"),
        ("int_type_big_int", "block"),
        ("unexpected_data_type", "block"),
        ("label_leak", "block"),
        ("not_finite", "block"),
        ("empty_span", "block"),
        ("schema_new_column", "warn"),
        ("comparator_l_infty_high", "warn"),
        ("comparator_jensen_shannon_divergence_high", "warn"),
        ("missing_rate_change", "warn"),
        ("duplicate_rows", "warn"),
        ("constant_column", "warn"),
    ],
)
def test_the_defaults(kind: str, severity: str) -> None:
    assert kind in KINDS
    assert Policy().severity_of(kind, "x") == severity


def test_the_specific_wins_over_the_general(tmp_path: Path) -> None:
    found = policy(
        tmp_path,
        """
        severity: {schema_new_column: block, any: warn}
        features:
          month: {severity: ignore}
          temp: {severity: {int_type_big_int: block}, drift: {jensen_shannon: 0.5}, skew: {missing_rate: 0}}
        """,
    )
    assert found.severity_of("schema_new_column", "other") is Severity.BLOCK
    assert found.severity_of("label_leak", "other") is Severity.WARN
    assert found.severity_of("label_leak", None) is Severity.WARN
    assert found.severity_of("schema_new_column", "month") is Severity.IGNORE
    assert found.severity_of("int_type_big_int", "temp") is Severity.BLOCK
    assert found.severity_of("schema_new_column", "temp") is Severity.BLOCK
    drift, skew, general = found.change("temp", "drift"), found.change("temp", "skew"), found.change("month", "drift")
    assert (drift.jensen_shannon, drift.l_infinity, drift.missing_rate) == (0.5, 0.1, 0.1)
    assert (skew.jensen_shannon, skew.missing_rate) == (0.1, 0.0)
    assert general == Policy().drift


def test_no_file_or_an_empty_one_is_the_defaults(tmp_path: Path) -> None:
    assert read_policy(None) == policy(tmp_path, "# nothing yet\n") == Policy()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("severity: {schema_new_colum: warn}", "severity: 'schema_new_colum' is no kind of finding; "
         "did you mean 'schema_new_column'?"),
        ("severity: {schema_new_column: stop}",
         "severity.schema_new_column: Input should be 'block', 'warn' or 'ignore' (received: 'stop')"),
        ("drifft: {l_infinity: 0.1}", "drifft: unknown key; did you mean 'drift'?"),
        ("drift: {l_infinitey: 0.1}", "drift.l_infinitey: unknown key; did you mean 'l_infinity'?"),
        ("features: {x: {drft: {}}}", "features.x.drft: unknown key; did you mean 'drift'?"),
        ("features: {x: {drift: {jensen_shanon: 1}}}",
         "features.x.drift.jensen_shanon: unknown key; did you mean 'jensen_shannon'?"),
        ("duplicate_rows: 2", "duplicate_rows: Input should be less than or equal to 1 (received: 2)"),
        ("- block", "expected keys such as severity and features"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert refused(tmp_path, text) == message


def test_a_policy_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"schema\.policy: .*none\.yaml does not exist"):
        read_policy(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="line 1, column 2: not valid YAML"):
        policy(tmp_path, "[")


def test_the_flights_have_theirs_beside_the_schema() -> None:
    config = load()
    assert config.policy_file == config.schema_file.parent / "flights.policy.yaml"
    assert read_policy(config.policy_file).severity_of("constant_column", "month") is Severity.IGNORE
