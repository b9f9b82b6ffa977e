"""A model whose files were changed behind the store's back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tfx.types import standard_artifacts

from pipeline.components.whole_model import check_whole
from pipeline.errors import WorkspaceError
from pipeline.lineage.artifact_names import MODEL_DIGEST
from trainer.digests import file_digests, model_digest


@pytest.fixture
def model(tmp_path: Path) -> Any:
    """An artifact with a folder of two files."""
    exported = tmp_path / "model" / "Format-Serving"
    (exported / "variables").mkdir(parents=True)
    (exported / "saved_model.pb").write_bytes(b"graph")
    (exported / "variables" / "variables.index").write_bytes(b"index")
    model = standard_artifacts.Model()
    model.id, model.uri = 7, str(exported.parent)
    model.set_string_custom_property(MODEL_DIGEST, model_digest(file_digests(exported)))
    return model


def test_one_that_is_as_it_was_exported(model: Any) -> None:
    check_whole(model, "to be judged", "train it again")


@pytest.mark.parametrize("damage", ["changed", "gone", "added"])
def test_one_that_is_not(model: Any, damage: str) -> None:
    graph = Path(model.uri, "Format-Serving", "saved_model.pb")
    if damage == "gone":
        graph.unlink()
    else:
        (graph if damage == "changed" else graph.with_name("more.pb")).write_bytes(b"else")
    with pytest.raises(WorkspaceError) as caught:
        check_whole(model, "to be judged", "train it again")
    assert caught.value.what == (
        f"Model 7 to be judged is damaged: the files in {graph.parent} are not those that its training exported"
    )
    assert caught.value.remedy == "train it again"


def test_one_of_which_nothing_is_on_record_is_left_to_whoever_loads_it(model: Any) -> None:
    model.set_string_custom_property(MODEL_DIGEST, "")
    Path(model.uri, "Format-Serving", "saved_model.pb").unlink()
    check_whole(model, "to be judged", "train it again")
