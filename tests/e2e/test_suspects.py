"""From suspect labels to the run that applies what people decided about them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from sklearn.datasets import load_breast_cancer

from pipeline.config.loading import load
from pipeline.lineage.diff import compare
from pipeline.lineage.runs import StepState, find_run
from pipeline.lineage.store import open_store
from pipeline.lineage.trends import trends_in
from tests import small

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
pytestmark = [pytest.mark.slow, pytest.mark.long]


def execute(decisions: dict[str, tuple[str, str]]) -> str:
    """Run the whole notebook with what a person has decided in it, and return all that it shows."""
    notebook = nbformat.read(NOTEBOOKS / "label_suspects.ipynb", as_version=nbformat.NO_CONVERT)
    (cell,) = (cell for cell in notebook.cells if cell.id == "decide")
    cell.source = f"decided = {decisions!r}" if decisions else cell.source
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    return str([cell.get("outputs") for cell in notebook.cells])


def test_decisions_are_asked_for_applied_recorded_and_shown(
    tmp_path: Path, longhaul: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = load_breast_cancer(as_frame=True).frame
    table.insert(0, "id", np.arange(len(table)))
    planted = set(range(0, 500, 100))
    for row in planted:
        table.loc[row, "target"] = 1 - table.loc[row, "target"]
    table.to_csv("cancer.csv", index=False)
    assert longhaul("init", "cancer.csv", "--label", "target").code == 0
    document = yaml.safe_load(Path("cancer.yaml").read_text())
    document |= {"trainer": small.TRAINER | {"epochs": 5}, "infra_check": small.INFRA_CHECK}
    document["evaluation"] |= {"explain": small.EVALUATION["explain"]}
    document["split"] = {"by": "hash"}
    file = Path("cancer.yaml")
    file.write_text(yaml.safe_dump(document))
    first = longhaul("run", "--config", file)
    assert first.code == 0, first.text
    for keys in (["--key", "target"], ["--key", "id", "--key", "target"]):
        assert longhaul("suspects", "--config", file, *keys).code == 2
    told = longhaul("suspects", "--config", file, "--key", "id", "--json")
    assert told.code == 0, told.text
    found = json.loads(told.text[told.text.index("{") :])
    first_rows = found["rows"][:12]
    trained = planted & {int(one["values"]["id"]) for one in found["rows"]}
    assert trained <= {int(one["values"]["id"]) for one in first_rows}
    assert {one["file_row"] - 1 for one in first_rows} == {int(one["values"]["id"]) for one in first_rows}
    assert Path(found["page"]).is_file()

    decisions = Path(found["file"])
    lines = list(csv.DictReader(decisions.read_text().splitlines()))
    monkeypatch.setenv("LONGHAUL_CONFIG", str(file.resolve()))
    monkeypatch.setenv("LONGHAUL_WORKSPACE", str(load(file).root))
    untouched = decisions.read_text()
    assert "Nothing is decided yet" in execute({})
    assert decisions.read_text() == untouched
    of_rows = {line["row by id"]: "relabel" if int(line["id"]) in planted else "keep" for line in lines[:12]}
    with pytest.raises(CellExecutionError, match="without a reviewer"):
        execute({row: (decision, "seen") for row, decision in of_rows.items()})
    assert decisions.read_text() == untouched
    monkeypatch.setenv("LONGHAUL_REVIEWER", "A. Meyer")
    assert "12 rows are decided" in execute({row: (decision, "seen") for row, decision in of_rows.items()})
    document["data"]["label_decisions"] = "{workspace}/label_decisions.csv"
    file.write_text(yaml.safe_dump(document))
    second = longhaul("run", "--config", file)
    assert second.code == 0, second.text
    assert f"{len(trained)} changed and 0 rows dropped as people decided (A. Meyer {len(trained)})" in second.text
    config = load(file)
    store = open_store(config)
    before, after = (find_run(store, config.record_name, name) for name in ("previous", "latest"))
    (examples,) = (one for one in after.artifacts["TableExampleGen"] if one.type == "Examples")
    assert json.loads(examples.properties["label_decisions"])["relabelled"] == len(trained)
    assert (examples.folder / "label_decisions.csv").read_text().count("relabel,") == len(trained)
    changes = {one.what: (one.before, one.after) for one in compare(store, before, after).data}
    assert changes["decided labels, relabelled"] == (0, len(trained))
    (trend,) = trends_in(store, config.record_name, after)
    assert [one.name for one in trend.models] == [before.run_id, after.run_id]
    assert trend.rows in (config.root / "reports" / f"{after.run_id}.html").read_text()
    assert "decided labels" in longhaul("lineage", "--config", file, "--up").text
    again = longhaul("run", "--config", file)
    assert again.code == 0, again.text
    run = find_run(store, config.record_name, "latest")
    assert {one.state for one in run.steps if not one.is_resolver} <= {StepState.CACHED}
    asked = json.loads((text := longhaul("suspects", "--config", file, "--json").text)[text.index("{") :])
    assert asked["decided"] == len(lines[:12])
    assert not {one["row"] for one in asked["rows"]} & {line["row by id"] for line in lines[:12]}
    document["data"] |= {"classes": ["1", "0"], "label_decisions": None}  # other than the run's
    file.write_text(yaml.safe_dump(document))
    other = json.loads((text := longhaul("suspects", "-c", file, "-o", "o.csv", "--json").text)[text.index("{") :])
    assert other["classes"] == ["0", "1"]
    assert all(one["given"] != one["suggested"] for one in other["rows"])
