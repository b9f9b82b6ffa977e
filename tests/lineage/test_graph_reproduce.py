"""How to make a run again, and what of it is not what it was."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from pipeline.data.decisions_text import decisions_digest
from pipeline.lineage.artifact_names import SUMMARY_FILE
from pipeline.lineage.records import Artifact
from pipeline.lineage.reproduce import Ingredient, Present, recipe, size
from pipeline.lineage.runs import Run
from pipeline.lineage.source_files import ReadFile, from_property, to_property

CONFIG = {"name": "cats", "workspace": "/w", "trainer": {"epochs": 8, "dropout": 0.4}}
PROPERTIES = {
    "code_digest": "c0de" * 16,
    "git_commit": "abcdef0123456789" * 2 + "01234567",
    "package_versions": json.dumps({"python": "3.11.7", "tfx": "1.21.0"}),
    "config": json.dumps(CONFIG),
    "config_digest": "c0f1" * 16,
    "config_file": "/here/my cats.yaml",
    "schema_version": "3",
    "schema_digest": "5c4e" * 16,
}
RUN = Run("r1", "cats", "complete", "", 1.0, "", PROPERTIES)
PRESENT = Present(
    code_digest="c0de" * 16,
    code_files={"trainer/model.py": "aaaaaaaa", "trainer/train.py": "bbbbbbbb"},
    package_versions={"python": "3.11.7", "tfx": "1.21.0", "numpy": "1.26"},
    schema_digest="5c4e" * 16,
    config_digest="c0f1" * 16,
    config=CONFIG,
)


def a_file(folder: Path, content: str = "12345") -> ReadFile:
    file = folder / "cats.csv"
    file.write_text(content)
    return ReadFile(str(folder), "cats.csv", file.stat().st_size, file.stat().st_mtime_ns)


def ingredient(what: str, properties: dict[str, str], present: Present = PRESENT) -> Ingredient:
    found = recipe(replace(RUN, properties=properties), [], present)
    return next(one for one in found.ingredients if one.what == what)


def test_all_is_as_it_was(tmp_path: Path) -> None:
    found = recipe(RUN, [a_file(tmp_path)], PRESENT)
    assert found.is_exact
    assert found.command == "longhaul run -c '/here/my cats.yaml' -w /w --no-cache"
    assert [(one.what, one.recorded, one.is_same, one.remedy) for one in found.ingredients] == [
        ("code", "commit abcdef012345, digest c0dec0dec0de", True, ""),
        ("packages", "2 versions", True, ""),
        ("config", "/here/my cats.yaml, digest c0f1c0f1c0f1", True, ""),
        ("schema", "version 3, digest 5c4e5c4e5c4e", True, ""),
        ("data", "1 file, 5 bytes", True, ""),
    ]


def test_the_reference_needs_no_file() -> None:
    assert recipe(RUN, [], replace(PRESENT, is_reference=True)).command == "longhaul run -w /w --no-cache"


def test_code_that_has_changed_says_how_to_get_it_back() -> None:
    now = replace(PRESENT, code_digest="beef" * 16)
    files = json.dumps(PRESENT.code_files | {"trainer/model.py": "cccccccc", "trainer/gone.py": "dddddddd"})
    assert ingredient("code", PROPERTIES | {"code_files": files}, now).remedy == (
        "it has changed since in trainer/gone.py, trainer/model.py; `git checkout abcdef012345` brings it back"
    )
    dirty = PROPERTIES | {"git_commit": PROPERTIES["git_commit"] + "+changes"}
    assert ingredient("code", dirty, now) == Ingredient(
        "code",
        "commit abcdef012345 and changes, digest c0dec0dec0de",
        False,
        "it has changed since; `git checkout abcdef012345` comes near, but there were changes not committed",
    )
    assert "is not on record" in ingredient("code", PROPERTIES | {"git_commit": ""}, now).remedy
    assert ingredient("code", dirty).is_same  # the same text, whatever git says


def test_settings_that_have_changed_are_named() -> None:
    now = {"name": "cats", "workspace": "/w", "trainer": {"epochs": 3, "dropout": 0.4}, "card": None}
    found = ingredient("config", PROPERTIES, replace(PRESENT, config_digest="0" * 64, config=now))
    assert (found.is_same, found.remedy) == (False, "trainer.epochs was 8, is 3")
    newer = replace(PRESENT, config_digest="0" * 64, config=CONFIG | {"card": None})
    assert ingredient("config", PROPERTIES, newer).is_same  # Longhaul has learned of a section that nobody has set
    gone = replace(PRESENT, config_digest=None, config=None, why="/here/my cats.yaml: no such configuration file")
    assert ingredient("config", PROPERTIES, gone).remedy == "/here/my cats.yaml: no such configuration file"
    without = {key: value for key, value in PROPERTIES.items() if key != "config"}
    assert ingredient("config", without, replace(PRESENT, config_digest="0" * 64)).remedy.endswith("is not on record")


def test_packages_and_schema_that_have_changed() -> None:
    now = replace(PRESENT, package_versions={"python": "3.11.9"}, schema_digest=None)
    assert ingredient("packages", PROPERTIES, now).remedy == "python 3.11.7 (now 3.11.9), tfx 1.21.0 (now not there)"
    assert ingredient("schema", PROPERTIES, now).remedy == (
        "the file is gone; `longhaul schema show --version 3` prints it as it was"
    )


def test_data_that_has_changed_or_gone(tmp_path: Path) -> None:
    file = a_file(tmp_path)
    Path(file.path).write_text("123456")
    assert recipe(RUN, [file], PRESENT).ingredients[-1] == Ingredient(
        "data", "1 file, 5 bytes", False, "cats.csv changed"
    )
    Path(file.path).unlink()
    many = [replace(file, name=f"{number}.csv") for number in range(5)]
    assert recipe(RUN, many, PRESENT).ingredients[-1].remedy == "0.csv gone, 1.csv gone, 2.csv gone, 2 more"


def test_what_is_not_on_record_is_not_called_the_same() -> None:
    found = recipe(replace(RUN, properties={}), [], PRESENT)
    assert [(one.what, one.is_same) for one in found.ingredients] == [
        ("code", None), ("packages", None), ("config", None), ("schema", None), ("data", None),
    ]  # fmt: skip
    assert not found.is_exact


def test_files_keep_their_size_and_time(tmp_path: Path) -> None:
    file = a_file(tmp_path)
    value = to_property([(file.path, file.bytes, file.modified_ns)])
    assert from_property(value) == [file]
    assert from_property("") == []
    assert file.now == "as it was"
    os.utime(file.path, ns=(0, 0))
    assert file.now == "changed"  # the same size, written again


def test_a_file_by_its_path_its_end_or_a_folder_below_the_table() -> None:
    file = ReadFile("/data/flights", "span-03/flights.parquet", 1, 1)
    for meant in ("span-03/flights.parquet", "flights.parquet", "span-03", "/data/flights/span-03", "/data/flights"):
        assert file.is_meant_by(meant), meant
    for other in ("flights", "span-3", "span-03/flights", "light.parquet", "/data/flights/span-0", "/elsewhere"):
        assert not file.is_meant_by(other), other


def test_sizes() -> None:
    assert [size(n) for n in (0, 999, 1000, 5_362_029, 442_000, 2e12)] == [
        "0 bytes", "999 bytes", "1.0 kB", "5.4 MB", "442 kB", "2.0 TB",
    ]  # fmt: skip


def test_labels_that_people_decided_are_an_ingredient_where_there_are_any(tmp_path: Path) -> None:
    told = {"keys": [], "rows": [["0" * 16, "no", "drop", "", "A. Meyer", "seen"]]}
    (tmp_path / SUMMARY_FILE).write_text(json.dumps({"label_decisions": {"digest": decisions_digest(told)}}))
    examples = Artifact("Examples", str(tmp_path), {})
    run = replace(RUN, artifacts={"TableExampleGen": [examples]})
    for now, is_same in ((decisions_digest(told), True), (decisions_digest({}), False), (None, False)):
        found = recipe(run, [a_file(tmp_path)], replace(PRESENT, decisions_digest=now))
        (one,) = (one for one in found.ingredients if one.what == "labels")
        assert (one.is_same, bool(one.remedy), found.is_exact) == (is_same, not is_same, is_same)
    (tmp_path / SUMMARY_FILE).write_text("{}")
    assert recipe(run, [a_file(tmp_path)], PRESENT).is_exact
    assert not recipe(run, [a_file(tmp_path)], replace(PRESENT, decisions_digest="d1" * 8)).is_exact
