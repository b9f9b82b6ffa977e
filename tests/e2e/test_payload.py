"""The switch to tf.Examples: other files, the same pipeline and the same model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from sklearn.datasets import load_breast_cancer

from pipeline.config.loading import load
from pipeline.lineage.runs import Run, find_run
from pipeline.lineage.store import open_store
from tests import small

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, longhaul: Callable[..., Any]) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("payload")
    table = load_breast_cancer(as_frame=True).frame
    table["site"] = ["ab"[row % 3 == 0] for row in range(len(table))]
    table.loc[::7, "mean area"] = None
    table.to_csv(folder / "cancer.csv", index=False)
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert longhaul("init", "cancer.csv", "--label", "target").code == 0
        document = yaml.safe_load(Path("cancer.yaml").read_text())
        document["trainer"]["epochs"] = 3
        document["infra_check"] = small.INFRA_CHECK
        document["evaluation"]["slices"] = [["site"]]
        for payload in ("parquet", "tf_example"):
            document["data"]["payload"] = payload
            file = folder / f"{payload}.yaml"
            file.write_text(yaml.safe_dump(document))
            outcome = longhaul("run", "--config", file, "--workspace", folder / payload)
            assert outcome.code == 0, outcome.text
            config = load(file, workspace=str(folder / payload))
            found[payload] = find_run(open_store(config), config.name, "latest")
    return found


def test_examples_lie_in_the_files_that_were_asked_for(runs: dict[str, Run]) -> None:
    for payload, ending in (("parquet", ".parquet"), ("tf_example", ".gz")):
        (examples,) = runs[payload].artifacts["TableExampleGen"]
        assert [file.suffix for file in Path(examples.uri).glob("Split-*/*")] == [ending, ending]


def test_the_model_is_the_same_to_the_last_digit(runs: dict[str, Run]) -> None:
    parquet, tf_example = (runs[payload].verdict for payload in ("parquet", "tf_example"))
    assert parquet is not None
    assert tf_example is not None
    assert len(parquet["slices"]) == 2
    assert parquet["metrics"] == pytest.approx(tf_example["metrics"], abs=1e-9)
    for one, other in zip(parquet["slices"], tf_example["slices"], strict=True):
        assert one["slice"] == other["slice"]
        assert one["metrics"] == pytest.approx(other["metrics"], abs=1e-9)
