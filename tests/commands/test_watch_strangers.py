"""Versions in the log of which nobody knows what they promised: named with the reason, and judged by no other's."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline.commands import promised
from pipeline.commands.watch import watch_once
from pipeline.config.pipeline import PipelineConfig
from pipeline.errors import WorkspaceError
from pipeline.lineage.store import open_store
from pipeline.lineage.watching import WINDOW
from pipeline.terminal.watched import print_watched
from pipeline.watch.reference import Reference, read_reference, write_reference
from tests.commands.test_watch_once import at, with_settings
from tests.serving.test_rollback import base, config, push  # noqa: F401
from tests.watch.test_watching import World, reference  # noqa: F401


class Workplace:
    """A workspace with a served version, `serves`, whose promise is known, and its log."""

    def __init__(self, config: PipelineConfig, reference: Reference) -> None:  # noqa: F811
        self.removed = push(config, "removed")
        self.kept = push(config, "kept")
        self.serves = push(config, "serves")
        store = open_store(config)
        context = metadata_store_pb2.Context(
            type_id=store.put_context_type(metadata_store_pb2.ContextType(name="pipeline")), name=config.record_name
        )
        (context_id,) = store.put_contexts([context])
        of_pipeline = [
            metadata_store_pb2.Attribution(artifact_id=one.id, context_id=context_id)
            for one in store.get_artifacts_by_type("PushedModel")
        ]
        store.put_attributions_and_associations(of_pipeline, [])
        shutil.rmtree(base(config) / str(self.removed))
        shutil.rmtree(base(config) / str(self.kept))
        config.watch_folder.mkdir(parents=True)
        for version in (self.kept, self.serves):
            known = replace(reference, version=str(version), run_id="run-of-it")
            write_reference(known, config.watch_folder / f"reference-{version}.parquet")
        self.world = World(config.root, reference)
        self.config = with_settings(config, log=str(config.root / "log"), labels=str(config.root / "labels"))

    def answered_by(
        self, week: int, versions: list[str], route: str = "stable", *, outputs: int = 1, count: int = 900
    ) -> None:
        """A week's rows, each answered by the next of these versions; what they say comes true seldom."""
        self.world.week(week, flipped=0.9, count=count)
        file = self.world.folder / "log" / f"{week}.parquet"
        table = pq.read_table(file)
        names = pa.array(np.resize(versions, table.num_rows))
        table = table.set_column(3, "version", names).set_column(4, "route", pa.array([route] * table.num_rows))
        if outputs > 1:
            lists = [[float(one)] * outputs for (one,) in table.column("scores").to_pylist()]
            table = table.set_column(table.schema.get_field_index("scores"), "scores", pa.array(lists))
        pq.write_table(table, file)

    def look(self, weeks: float) -> tuple[dict[str, str], list[str]]:
        """Return why each version is unknown, and the keys of open alarms."""
        self.seen = watch_once(self.config, at(weeks))
        return {one.version: one.why for one in self.seen.strangers}, [
            one.key for one in self.seen.alarms if not one.closed
        ]


@pytest.fixture
def place(config: PipelineConfig, reference: Reference) -> Workplace:  # noqa: F811
    return Workplace(config, reference)


def test_each_is_named_with_the_reason_and_no_other_promise_is_held_against_it(
    place: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    place.answered_by(0, [str(place.serves), str(place.kept), str(place.removed)])
    place.answered_by(1, ["9", "12"], route="canary", outputs=3)
    place.answered_by(2, [str(place.serves)], count=50)
    by_hand = base(place.config) / "9"
    by_hand.mkdir()
    (by_hand / "saved_model.pb").touch()
    unknown, alarms = place.look(3)
    assert unknown == {
        str(place.removed): "a run pushed it, and it was removed before `longhaul watch` had looked at it",
        "9": f"{by_hand} has no manifest, so no run of Longhaul pushed it",
        "12": f"there is no {base(place.config)}/12, and no run on record pushed it",
    }
    assert [one.rows for one in place.seen.strangers] == [450, 450, 300]
    harmed = {one["version"]: (one["harmful"], bool(one["promise"]), one["run_id"]) for one in place.seen.verdicts}
    assert harmed[str(place.serves)][:2] == harmed[str(place.kept)][:2] == (True, True)  # removed, its promise is kept
    assert harmed[str(place.removed)] == (False, False, "")
    tickets = sorted(f"unknown_version:{version}" for version in unknown)
    assert sorted(key for key in alarms if "unknown" in key) == tickets

    print_watched(place.seen, as_json=True)
    plain = json.loads(capsys.readouterr().out)["unknown_versions"]
    assert {one["version"] for one in plain} == set(unknown)
    print_watched(place.seen, as_json=False)
    told = " ".join(capsys.readouterr().out.split())
    assert "version 9 answered 450 rows from 2026-01-12 00:00" in told
    page = (place.config.root / "reports" / "production.html").read_text()
    assert "Version 9 answered 450 rows" in page
    assert "not tested" in page
    recorded = open_store(place.config).get_artifacts_by_type(WINDOW)
    assert {
        one.custom_properties["version"].string_value: one.custom_properties["unknown"].string_value
        for one in recorded
        if "unknown" in one.custom_properties
    } == {str(place.removed): unknown[str(place.removed)]}

    (of_kept,) = [
        one
        for one in open_store(place.config).get_artifacts_by_type("PushedModel")
        if one.custom_properties["pushed_destination"].string_value.endswith(f"/{place.kept}")
    ]
    assert open_store(place.config).get_events_by_artifact_ids([of_kept.id])  # though its folder is gone

    for week in (3, 4, 5):
        place.answered_by(week, [str(place.serves)], count=50)
    now_unknown, alarms = place.look(6)
    assert (now_unknown, [key for key in alarms if "unknown" in key]) == (unknown, [])  # none answered lately


def test_where_nothing_serves_any_more_what_is_known_is_judged(place: Workplace) -> None:
    place.answered_by(0, [str(place.serves), "9"])
    shutil.rmtree(base(place.config) / str(place.serves))
    unknown, _ = place.look(1)
    assert list(unknown) == ["9"]
    assert {one["version"] for one in place.seen.verdicts if one["harmful"]} == {str(place.serves)}


@pytest.mark.parametrize("is_known", [True, False])
def test_a_model_put_there_by_hand_that_serves_is_a_ticket_and_no_end_of_the_look(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    """Also where the promise of no version has been kept yet: another one's is made then."""
    number = str(place.serves + 1)
    by_hand = base(place.config) / number
    by_hand.mkdir()
    (by_hand / "saved_model.pb").touch()
    made: list[str] = []
    if not is_known:
        kept = {file: file.rename(file.with_suffix(".away")) for file in place.config.watch_folder.glob("reference-*")}

        def made_again(_: object, version: str, like: object) -> Reference:
            made.append(version)
            if version == number:
                raise WorkspaceError(f"{by_hand} has no manifest", "")
            found = read_reference(kept[place.config.watch_folder / f"reference-{version}.parquet"])
            assert found
            return found

        monkeypatch.setattr(promised, "_made", made_again)
    place.answered_by(0, [number, str(place.serves)] if is_known else [number])
    unknown, alarms = place.look(1)
    assert list(unknown) == [number]
    assert f"unknown_version:{number}" in alarms
    harmful = {number: False} | ({str(place.serves): True} if is_known else {})
    assert {one["version"]: one["harmful"] for one in place.seen.verdicts} == harmful
    assert is_known or made == [number, str(place.serves)]


def test_where_no_promise_is_known_at_all_it_says_so(place: Workplace) -> None:
    place.answered_by(0, ["9"])
    shutil.rmtree(base(place.config) / str(place.serves))
    for file in Path(place.config.watch_folder).glob("reference-*"):
        file.unlink()
    with pytest.raises(WorkspaceError, match="no run on record pushed it"):
        place.look(1)


@pytest.mark.parametrize("version", ["../../beside", "x/{served}", "..", "x" * 300, ":a:"])
def test_what_is_no_number_names_no_place(place: Workplace, version: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Seen failing: the verdict lay beside the folder of watching, the log named a model by its place, a long name
    stopped the look, and :a: was printed as a picture."""
    version = version.format(served=f"{base(place.config).name}/{place.serves}")
    place.answered_by(0, [str(place.serves), version])
    unknown, _ = place.look(1)
    assert unknown == {version: "a version is the number of its folder, and this is none"}
    print_watched(place.seen, as_json=False)
    assert f"version {version} answered" in " ".join(capsys.readouterr().out.split())
    assert len([*(place.config.watch_folder / "windows").iterdir()]) == 2
    store = open_store(place.config)
    mine = [
        one for one in store.get_artifacts_by_type(WINDOW) if one.custom_properties["version"].string_value == version
    ]
    (event,) = store.get_events_by_artifact_ids([one.id for one in mine])
    assert len(store.get_events_by_execution_ids([event.execution_id])) == 1  # no model is its input


@pytest.mark.parametrize("form", [pa.float64(), pa.string()])
def test_a_version_with_a_fraction_of_nothing_is_its_number(place: Workplace, form: pa.DataType) -> None:
    """Seen failing: of versions that a tool kept as 7.0 no label was found, so no harm; as a text, nobody knew 7.0."""
    for week in (0, 1):
        place.answered_by(week, [f"{place.serves}.0"])
    file = place.world.folder / "log" / "0.parquet"
    table = pq.read_table(file)
    kept = table.column("version").cast(pa.float64()).cast(form) if form != pa.string() else table.column("version")
    pq.write_table(table.set_column(3, "version", kept), file)
    unknown, _ = place.look(2)
    assert (unknown, [(one["realized"]["rows"], one["harmful"]) for one in place.seen.verdicts]) == (
        {},
        [(900, True)] * 2,
    )
