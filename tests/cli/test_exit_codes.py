"""Exit codes: one table, which every error, the documents and `longhaul help exit-codes` keep to."""

from __future__ import annotations

import ast
import importlib
import json
import re
from pathlib import Path

import pytest
from google.api_core import exceptions
from typer.testing import CliRunner

from pipeline import errors
from pipeline.cli import app
from pipeline.data.sources.bigquery_address import Address
from pipeline.data.sources.bigquery_client import translated
from pipeline.errors import CALL, EXIT_CODES, LATER, PipelineError
from pipeline.lineage.store import translated_errors
from pipeline.runners.vertex.refusals import refusals
from pipeline.serving.gcs import cloud_errors

ROOT = Path(__file__).parents[2]
TABLE = {code.code: code for code in EXIT_CODES}


def classes() -> set[type[PipelineError]]:
    """All classes of errors that a person may see: modules that define an error are imported first."""
    for file in (ROOT / "pipeline").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.ClassDef) and node.name.endswith("Error") for node in ast.walk(tree)):
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    found, new = set[type[PipelineError]](), {PipelineError}
    while new:
        found |= new
        new = {below for one in new for below in one.__subclasses__()} - found
    return found


def test_each_error_ends_with_a_code_of_the_table() -> None:
    found = classes()
    assert len(found) > 10
    assert {one.__name__: one.exit_code for one in found if one.exit_code not in TABLE} == {}
    assert {one.exit_code for one in found} == {2, 66, 69, 74, 75, 124}


def test_each_code_is_in_the_table_once_and_says_what_to_do() -> None:
    codes = sorted({0, *(value for name, value in vars(errors).items() if re.fullmatch(r"EXIT_(?!CODES)\w+", name))})
    assert [code.code for code in EXIT_CODES] == codes
    assert {code.code for code in EXIT_CODES if code.then == LATER} == {66, 69, 75, 124, 143}
    assert {code.code for code in EXIT_CODES if code.then == CALL} == {1, 2, 70, 74}


def test_the_documents_have_the_same_table() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| .+ \|$", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE)
    assert [(int(code), means, then) for code, means, then in rows] == list(EXIT_CODES)
    short = re.findall(r"^\| ([\d, ]+) \| .+ \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(int(code) for cell in short for code in cell.split(",")) == sorted(TABLE)
    assert set(map(int, re.findall(r"\d+", app.info.epilog or ""))) == set(TABLE)


def test_the_table_is_printed() -> None:
    printed = CliRunner().invoke(app, ["help", "exit-codes"])
    assert printed.exit_code == 0
    assert all(code.means in printed.output for code in EXIT_CODES)
    as_json = CliRunner().invoke(app, ["help", "exit-codes", "--json"])
    assert [tuple(one.values()) for one in json.loads(as_json.output)] == list(EXIT_CODES)
    assert "Write what is proposed into the schema" in CliRunner().invoke(app, ["help", "schema", "approve"]).output
    assert CliRunner().invoke(app, ["help", "nothing"]).exit_code == 2


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (exceptions.ServiceUnavailable("away"), 69),
        (exceptions.TooManyRequests("a quota"), 69),
        (exceptions.InternalServerError("broken"), 69),
        (exceptions.Forbidden("no"), 2),
        (exceptions.NotFound("gone"), 2),
    ],
)
def test_a_service_of_google_that_is_away_is_told_from_one_that_refuses(raised: Exception, code: int) -> None:
    address = Address("bigquery://project.dataset.other", "project", "dataset", None, None)
    for translation in (lambda: translated(address), lambda: cloud_errors("push"), lambda: refusals("job")):
        with pytest.raises(PipelineError) as caught, translation():
            raise raised
        assert caught.value.exit_code == code


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("PostgreSQL: could not connect to server: Connection refused", 69),
        ("Error when executing query: database is locked query: INSERT", 75),
        ("deadlock detected", 75),
        ("database or disk is full", 74),
        ("no such table", 2),
    ],
)
def test_a_failing_metadata_store_says_whether_it_may_pass(said: str, code: int, tmp_path: Path) -> None:
    from ml_metadata.errors import InternalError

    with pytest.raises(PipelineError) as caught, translated_errors(tmp_path):
        raise InternalError(said)
    assert caught.value.exit_code == code
