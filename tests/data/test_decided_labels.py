"""Labels that people decided: what a file may hold, and what becomes of the rows that train."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config.data import Data
from pipeline.config.split import TimeSplit
from pipeline.data.columns import ColumnType
from pipeline.data.decided_labels import (
    ApplyDecisions,
    Decisions,
    applied,
    read_decisions,
    row_hashes,
    row_header,
)
from pipeline.data.decisions_text import decisions_text
from pipeline.data.sources.source import plan_fragments
from pipeline.data.sources.table_files import find_files
from pipeline.data.split_shards import WriteSplitShards
from pipeline.errors import ConfigError, DataError

CLASSES = ("no", "yes")
TABLE = pa.table({"id": [1, 2, 3, 4], "amount": [0.5, 1.5, None, 0.5], "label": ["no", "yes", "no", "yes"]})
(BATCH,) = TABLE.to_batches()


def name(row: int, keys: tuple[str, ...] = ()) -> str:
    return f"{row_hashes(BATCH, 'label', keys)[row]:016x}"


def written(folder: Path, *lines: dict[str, str], keys: tuple[str, ...] = ()) -> Path:
    """A file of decisions; each line says what is not as usual."""
    usual = {"given": "no", "suggested": "yes", "decision": "relabel", "reviewer": "A. Meyer", "reason": "checked"}
    text = io.StringIO()
    writer = csv.DictWriter(text, [row_header(keys), *usual, "why"])
    writer.writeheader()
    for line in lines:
        row = {row_header(keys): line.get("row", name(0, keys))}
        writer.writerow(row | usual | {one: value for one, value in line.items() if one != "row"})
    file = folder / "decisions.csv"
    file.write_text(text.getvalue())
    return file


def apply(decisions: Decisions, table: pa.Table = TABLE) -> tuple[dict[Any, str], dict[str, Any]]:
    """Labels by id, and what was counted."""
    decide, found = ApplyDecisions(decisions.told(), "label"), Counter[str]()
    rows = [row for batch in table.to_batches(max_chunksize=2) for row in decide(batch, found).to_pylist()]
    return {row["id"]: row["label"] for row in rows}, applied(decisions.told(), [found])[0]


@pytest.mark.parametrize("keys", [(), ("id",), ("id", "amount")])
def test_rows_are_changed_dropped_and_kept_as_decided(tmp_path: Path, keys: tuple[str, ...]) -> None:
    file = written(
        tmp_path,
        {"row": name(0, keys)},
        {"row": name(1, keys), "given": "yes", "decision": "drop", "reviewer": "B. Kaya"},
        {"row": name(2, keys), "decision": "keep"},
        {"row": name(3, keys), "given": "yes", "suggested": "no", "decision": "", "reviewer": "", "reason": ""},
        keys=keys,
    )
    decisions = read_decisions(file, CLASSES)
    assert decisions.keys == keys
    labels, told = apply(decisions)
    assert labels == {1: "yes", 3: "no", 4: "yes"}
    assert (told["relabelled"], told["dropped"], told["not_found"]) == (1, 1, 0)
    assert decisions_text(told) == "1 changed and 1 row dropped as people decided (A. Meyer 1, B. Kaya 1)"
    again, _ = apply(decisions, TABLE.take([3, 2, 1, 0]).select(["label", "amount", "id"]))
    assert again == labels, "rows are found in another order, in columns of another order"


def test_a_label_that_its_source_has_corrected_is_let_alone(tmp_path: Path) -> None:
    corrected = TABLE.set_column(2, "label", pa.array(["yes", "yes", "no", "yes"]))
    labels, told = apply(read_decisions(written(tmp_path, {"suggested": "yes"}), CLASSES), corrected)
    assert labels[1] == "yes"
    assert (told["relabelled"], told["not_found"]) == (0, 1)
    assert decisions_text(told).endswith("; 1 decision found no training row")


def test_numbers_are_changed_to_numbers(tmp_path: Path) -> None:
    table = TABLE.set_column(2, "label", pa.array([0, 1, 0, 1], pa.int64()))
    decide = ApplyDecisions(
        read_decisions(written(tmp_path, {"given": "0", "suggested": "1"}), ("0", "1")).told(), "label"
    )
    (batch,) = table.to_batches()
    changed = decide(batch, Counter())
    assert changed.schema == batch.schema
    assert changed.column("label").to_pylist() == [1, 1, 0, 1]


def test_what_changes_no_row_changes_nothing_that_ingestion_is_told(tmp_path: Path) -> None:
    lines = [{"row": name(0)}, {"row": name(1), "given": "yes", "decision": "drop"}]
    told = read_decisions(written(tmp_path, *lines), CLASSES).told()
    kept = {"row": name(2), "decision": "keep"}
    assert read_decisions(written(tmp_path, kept, *reversed(lines)), CLASSES).told() == told
    assert read_decisions(written(tmp_path, kept), CLASSES).told() == {}


def test_rows_that_judge_stay_as_they_are(tmp_path: Path) -> None:
    text = "id,when,label\n" + "".join(f"{row},{100 + row},{'no' if row % 2 else 'yes'}\n" for row in range(8))
    (tmp_path / "t.csv").write_text(text)
    kinds = {"id": ColumnType.INT, "when": ColumnType.INT, "label": ColumnType.STRING}
    table = pa.table({"id": list(range(8)), "label": ["yes", "no"] * 4})
    (batch,) = table.to_batches()
    rows = [[f"{one:016x}", "no", "drop", "yes", "A", "b"] for one in row_hashes(batch, "label", ["id"]).tolist()]
    data = Data.model_validate({"path": str(tmp_path / "t.csv"), "label": "label", "task": "binary",
                                "classes": ["no", "yes"]})  # fmt: skip
    split = TimeSplit(by="time", column="when", eval_from="1970-01-01T00:01:44")
    folders = {one: str(tmp_path / one) for one in ("train", "eval")}
    write = WriteSplitShards(kinds, data, split, folders, {"keys": ["id"], "rows": rows})
    (outcome,) = [write(one) for one in enumerate(plan_fragments(find_files(str(tmp_path / "t.csv")), columns=kinds))]
    assert outcome["rows"] == {"train": 2, "eval": 4}
    assert sum(outcome["decided"].values()) == 2
    (shard,) = (tmp_path / "eval").iterdir()
    assert pq.read_table(shard).column("id").to_pylist() == [4, 5, 6, 7]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"decision": "flip"}, r"line 2: decision 'flip' is none of keep, relabel, drop.*leave it empty"),
        ({"reviewer": " "}, r"line 2: 'relabel' without a reviewer"),
        ({"decision": "keep", "reason": ""}, r"line 2: 'keep' without a reason"),
        ({"suggested": "maybe"}, r"relabel from 'no' to 'maybe'; the label's values are no, yes"),
        ({"suggested": "no"}, r"relabel from 'no' to 'no'"),
        ({"row": "17"}, r"'17' is no row: 16 hexadecimal digits"),
    ],
)
def test_a_line_that_breaks_a_rule_is_named(tmp_path: Path, line: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as found:
        read_decisions(written(tmp_path, line), CLASSES)
    assert found.match(r"(?s)" + said)


def test_a_row_is_decided_once(tmp_path: Path) -> None:
    file = written(tmp_path, {}, {"decision": "keep"})
    with pytest.raises(ConfigError, match=f"line 3: row {name(0)} is decided twice, relabel and keep"):
        read_decisions(file, CLASSES)
    assert len(read_decisions(written(tmp_path, {}, {"reason": "checked by two"}), CLASSES).rows) == 1


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    with pytest.raises(ConfigError, match=r"data.label_decisions: .*other.csv cannot be read"):
        read_decisions(file, CLASSES)
    file.write_text("id,label\n1,no\n")
    with pytest.raises(ConfigError, match="lacks the column 'given'; it has id, label"):
        read_decisions(file, CLASSES)


def test_a_key_that_the_table_lacks_is_told(tmp_path: Path) -> None:
    decisions = read_decisions(written(tmp_path, {}, keys=("id",)), CLASSES)
    with pytest.raises(DataError, match=r"no column 'id', by which data\.label_decisions tells rows apart"):
        apply(decisions, TABLE.drop_columns(["id"]))


def test_a_regression_has_none() -> None:
    with pytest.raises(ValueError, match="label_decisions: is for a classification"):
        Data.model_validate({"path": "t.csv", "label": "l", "task": "regression", "label_decisions": "d.csv"})
