"""`longhaul schema` on a workspace that remembers one run: what is told, written, recorded and refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import text_format
from ml_metadata.proto import metadata_store_pb2
from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline import cli
from pipeline.config.loading import load
from pipeline.lineage.runs import RUN_CONTEXT
from pipeline.lineage.store import open_store
from tests.lineage.weeks import cats_document
from tests.place import Outcome
from tests.serving.killed import killed_at
from tests.waiting import cpu_s_of_children

HEAVY = ("tensorflow", "keras", "apache_beam", "tfx", "google.cloud", "kfp", "tensorflow_data_validation")
RUN = "20260101-000000-000"
SCHEMA = """\
# What our cats look like.
feature {
  name: "purrs"  # the label
  type: INT
  presence { min_fraction: 1.0 min_count: 1 }
}
# As the breeders' book has them.
feature {
  name: "breed"
  type: BYTES
  string_domain { value: ["Birman", "Manx"] }
}
feature {
  name: "weight_kg"
  type: FLOAT
  float_domain { min: 0.0 max: 12.0 }
}
"""
INFERRED = """
feature { name: "purrs" type: INT presence { min_fraction: 1 } }
feature { name: "breed" type: BYTES }
feature { name: "weight_kg" type: FLOAT }
feature { name: "indoors" type: INT presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } } }
"""
STATISTICS = """
datasets {
  num_examples: 200
  features {
    path { step: "purrs" } type: INT
    num_stats { common_stats { num_non_missing: 200 min_num_values: 1 max_num_values: 1 } max: 1 }
  }
  features {
    path { step: "breed" } type: STRING
    string_stats {
      common_stats { num_non_missing: 200 min_num_values: 1 max_num_values: 1 } unique: 3
      rank_histogram {
        buckets { label: "Manx" sample_count: 150 }
        buckets { label: "Korat" sample_count: 40 }
        buckets { label: "Birman" sample_count: 10 }
      }
    }
  }
  features {
    path { step: "weight_kg" } type: FLOAT
    num_stats { common_stats { num_non_missing: 200 min_num_values: 1 max_num_values: 1 } min: 2 max: 12.5 }
  }
  features {
    path { step: "indoors" } type: INT
    num_stats { common_stats { num_non_missing: 200 min_num_values: 1 max_num_values: 1 } max: 1 }
  }
}
"""


class Place:
    """A folder with a schema, a configuration and, once `remember` was called, a workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.schema, self.config = folder, folder / "cats.pbtxt", folder / "cats.yaml"
        self.schema.write_text(SCHEMA)
        evaluation = {"thresholds": {"auc": {"at_least": 0.6}}, "slices": [["breed"]]}
        self.config.write_text(yaml.safe_dump(cats_document(folder / "workspace", evaluation=evaluation)))

    def begin(self, run_id: str, status: str) -> int:
        """What a run leaves behind that has made nothing."""
        (self.folder / "workspace").mkdir(exist_ok=True)
        store = open_store(load(self.config))
        kind = store.put_context_type(metadata_store_pb2.ContextType(name=RUN_CONTEXT))
        context = metadata_store_pb2.Context(type_id=kind, name=run_id)
        context.custom_properties["pipeline"].string_value = "cats"
        context.custom_properties["status"].string_value = status
        (run,) = store.put_contexts([context])
        return int(run)

    def remember(self, run_id: str = RUN, statistics: str = STATISTICS) -> None:
        """What a run up to InferredSchema leaves behind."""
        root = self.folder / "workspace" / run_id
        (root / "statistics" / "Split-train").mkdir(parents=True)
        proto = text_format.Parse(statistics, statistics_pb2.DatasetFeatureStatisticsList())
        (root / "statistics" / "Split-train" / "FeatureStats.pb").write_bytes(proto.SerializeToString())
        (root / "examples").mkdir()
        (root / "examples" / "ingestion.json").write_text(json.dumps({"rows": {}, "columns": {"indoors": "bool"}}))
        (root / "schema").mkdir()
        (root / "schema" / "schema.pbtxt").write_text(INFERRED)
        run = self.begin(run_id, "complete")
        store = open_store(load(self.config))
        for node, artifact_type, folder in (
            ("TableExampleGen", "Examples", "examples"),
            ("StatisticsGen", "ExampleStatistics", "statistics"),
            ("InferredSchema", "Schema", "schema"),
        ):
            execution = metadata_store_pb2.Execution(
                type_id=store.put_execution_type(metadata_store_pb2.ExecutionType(name=node)),
                last_known_state=metadata_store_pb2.Execution.COMPLETE,
            )
            execution.custom_properties["node"].string_value = node
            (step,) = store.put_executions([execution])
            (made,) = store.put_artifacts(
                [
                    metadata_store_pb2.Artifact(
                        type_id=store.put_artifact_type(metadata_store_pb2.ArtifactType(name=artifact_type)),
                        uri=str(root / folder),
                    )
                ]
            )
            store.put_attributions_and_associations(
                [], [metadata_store_pb2.Association(context_id=run, execution_id=step)]
            )
            output = metadata_store_pb2.Event.OUTPUT
            store.put_events([metadata_store_pb2.Event(execution_id=step, artifact_id=made, type=output)])

    def call(self, *arguments: str) -> Outcome:
        """In this process; what a process of its own loads is tried in the last test."""
        with (
            redirect_stdout(StringIO()) as out,
            redirect_stderr(StringIO()) as err,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "argv", ["longhaul", "schema", *arguments, "--config", str(self.config)])
            with pytest.raises(SystemExit) as ended:
                cli.main()
        return Outcome(int(ended.value.code or 0), out.getvalue(), err.getvalue())

    def done(self, *arguments: str) -> str:
        done = self.call(*arguments)
        assert done.code == 0, done.errors
        return done.text

    def refused(self, *arguments: str) -> str:
        done = self.call(*arguments)
        assert (done.code, done.text) == (2, "")
        return done.errors

    def approve(self, *arguments: str) -> tuple[str, ...]:
        return ("approve", "--reviewer", "Ann Lee", "--note", "two new breeds [sic]", *arguments)

    def history(self) -> list[dict[str, Any]]:
        return json.loads(self.done("history", "--json"))


@pytest.fixture
def new(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def place(new: Place) -> Place:
    new.remember()
    return new


# Looking


def test_diff_says_in_words_what_would_have_to_change(place: Place) -> None:
    assert place.done("diff") == (
        "cats.pbtxt, not on record: no run or approval has used it\n"
        f"Proposed by the data of run {RUN}:\n"
        "breed: allow 1 more value: 'Korat'\n"
        "    train: 40 rows (20.0%) with a new value: 'Korat' 40\n"
        "weight_kg: allow 0 to 12.5 instead of 0 to 12\n"
        "    train: up to 12.5\n"
        "indoors: add the column: bool, required\n"
        "    train: 200 rows (100.0%) with a value: from 0 to 1\n"
        "\n"
        f"Next      longhaul schema approve --reviewer NAME --note TEXT -c {place.config}\n"
        "          of a few columns only: with --feature COLUMN for each of them\n"
    )


def test_diff_for_a_script(place: Place) -> None:
    found = json.loads(place.done("diff", "--json"))
    assert {key: found[key] for key in ("file", "version", "review", "run")} == {
        "file": str(place.schema),
        "version": None,
        "review": None,
        "run": RUN,
    }
    assert [source["uri"] for source in found["statistics"]] == [str(place.folder / "workspace" / RUN / "statistics")]
    assert [(p["feature"], p["kind"]) for p in found["proposals"]] == [
        ("breed", "new_values"),
        ("weight_kg", "range"),
        ("indoors", "new_column"),
    ]
    assert found["proposals"][0]["evidence"] == [
        {
            "split": "train",
            "found": "with a new value",
            "rows": 40,
            "share": 0.2,
            "examples": ["'Korat' 40"],
            "bound": "",
        }
    ]


def test_diff_goes_by_the_latest_run_that_still_has_statistics(place: Place) -> None:
    place.remember("20260102-000000-000", STATISTICS.replace("Korat", "Sphynx"))
    assert "'Sphynx' 40" in place.done("diff")
    gone = place.folder / "workspace" / "20260102-000000-000" / "statistics"
    gone.rename(gone.with_name("cleared"))
    said = place.done("diff")
    assert said.startswith(
        "Note      the latest run, 20260102-000000-000, has lost its statistics: their files are gone; "
        f"this is about run {RUN}\n"
    )
    assert "'Korat' 40" in said


def test_a_run_that_stopped_at_the_gate_is_judged_by_its_own_data(place: Place) -> None:
    """`longhaul run --to DataGate` makes no InferredSchema: it is inferred from the statistics."""
    as_before = place.done("diff")
    place.remember("20260102-000000-000", STATISTICS.replace("Korat", "Sphynx"))
    (place.folder / "workspace" / "20260102-000000-000" / "schema").rename(place.folder / "elsewhere")
    said = place.done("diff")
    assert said == as_before.replace(RUN, "20260102-000000-000").replace("Korat", "Sphynx")
    assert "based on run 20260102-000000-000" in place.done(*place.approve("--feature", "breed"))


@pytest.mark.parametrize(
    ("status", "became"),
    [
        ("failed", "failed before statistics"),
        ("interrupted", "was interrupted before statistics"),
        ("running", "is at work and has no statistics yet"),
        ("complete", "ended before statistics"),
    ],
)
def test_a_later_run_without_statistics_is_told_of_first(place: Place, status: str, became: str) -> None:
    place.begin("20260102-000000-000", status)
    note = f"the latest run, 20260102-000000-000, {became}; this is about run {RUN}"
    assert place.done("diff").startswith(f"Note      {note}\ncats.pbtxt, ")
    found = json.loads(place.done("diff", "--json"))
    assert (found["run"], found["behind"]) == (RUN, note)
    rehearsed = place.call(*place.approve("--dry-run"))
    assert rehearsed.errors == f"Note      {note}\n"
    assert rehearsed.text.startswith("--- cats.pbtxt")
    approved = place.done(*place.approve())
    assert approved.startswith(f"Note      {note}\n")
    assert approved.endswith(f"based on run {RUN}\n")


def test_no_run_has_statistics(new: Place) -> None:
    new.begin("20260102-000000-000", "failed")
    assert new.refused("diff") == (
        "longhaul: no run of pipeline 'cats' has statistics to hold the schema against: "
        "the latest run, 20260102-000000-000, failed before statistics\n"
        f"  Remedy: `longhaul run -c {new.config}` makes them; `longhaul run --to DataGate -c {new.config}` goes no "
        "further than the gate\n"
    )


def test_show_prints_the_file_alone_on_standard_output(new: Place) -> None:
    before = new.call("show")
    assert (before.code, before.text) == (0, SCHEMA)
    assert before.errors == "cats.pbtxt, not on record: no run or approval has used it\n"
    assert not (new.folder / "workspace").exists()
    new.remember()
    new.done(*new.approve("--as-is"))
    assert new.call("show").errors == "cats.pbtxt, version 2, approved by Ann Lee\n"


# Approving


def test_an_approval_changes_its_lines_and_is_on_record(place: Place) -> None:
    assert place.done(*place.approve("--feature", "breed", "--feature", "indoors")) == (
        "breed: allow 1 more value: 'Korat'\n"
        "    train: 40 rows (20.0%) with a new value: 'Korat' 40\n"
        "indoors: add the column: bool, required\n"
        "    train: 200 rows (100.0%) with a value: from 0 to 1\n"
        "Wrote     cats.pbtxt\n"
        f"Recorded  version 2, approved by Ann Lee, based on run {RUN}\n"
    )
    approved = SCHEMA.replace('["Birman", "Manx"]', '["Birman", "Korat", "Manx"]') + (
        'feature {\n  name: "indoors"\n  type: INT\n  value_count { min: 1 max: 1 }\n'
        "  presence { min_fraction: 1.0 min_count: 1 }\n  bool_domain {}\n}\n"
    )
    assert place.schema.read_text() == approved
    second, first = place.history()
    assert (first["number"], first["reviewer"], first["review"]) == (1, "", "as first seen, not reviewed")
    assert (second["reviewer"], second["note"], second["run_id"]) == ("Ann Lee", "two new breeds [sic]", RUN)
    assert [source["uri"] for source in second["statistics"]] == [str(place.folder / "workspace" / RUN / "statistics")]
    assert "weight_kg" in place.done("diff")
    assert "breed" not in place.done("diff")

    place.schema.unlink()  # what is on record does not need the file
    assert place.done("show", "--version", "1") == SCHEMA
    assert place.done("show", "--version", "2") == approved


def test_without_a_column_all_is_approved_and_then_there_is_nothing_left(place: Place) -> None:
    place.done(*place.approve())
    assert place.done("diff") == (
        f"cats.pbtxt, version 2, approved by Ann Lee\nNothing to propose: the data of run {RUN} hold it.\n"
    )
    for arguments in (place.approve(), place.approve("--as-is")):
        assert place.refused(*arguments) == (
            f"longhaul: nothing to approve: {place.schema} is version 2, approved by Ann Lee\n"
            f"  Remedy: `longhaul schema diff -c {place.config}` shows what is proposed; edit the file for any other "
            "change\n"
        )
    assert len(place.history()) == 2


def test_an_approval_that_was_killed_is_on_record_once(place: Place) -> None:
    before = place.folder.with_name("before")
    shutil.copytree(place.folder, before)
    for moment in range(20):
        shutil.rmtree(place.folder)
        shutil.copytree(before, place.folder)
        was_killed = killed_at(moment, lambda: place.done(*place.approve()), ("store", "os.rename"))
        if was_killed:
            place.done(*place.approve())
        assert [one["reviewer"] for one in place.history()] == ["Ann Lee", ""], moment
        if not was_killed:
            return
    raise AssertionError("it never came to its end")


def test_a_rehearsal_shows_the_difference_and_writes_nothing(place: Place) -> None:
    assert place.done(*place.approve("--feature", "weight_kg", "--dry-run")) == (
        "--- cats.pbtxt\n+++ cats.pbtxt\n@@ -14,4 +14,4 @@\n"
        '   name: "weight_kg"\n   type: FLOAT\n'
        "-  float_domain { min: 0.0 max: 12.0 }\n+  float_domain { min: 0.0 max: 12.5 }\n }\n"
        "Nothing was written (--dry-run)\n"
    )
    assert (place.schema.read_text(), place.history()) == (SCHEMA, [])


def test_an_edit_by_hand_can_be_approved_as_it_is(place: Place) -> None:
    place.done(*place.approve())
    place.schema.write_text(place.schema.read_text() + "# by hand\n")
    assert place.done("diff").startswith("cats.pbtxt, not on record")
    assert place.done(*place.approve()) == f"Recorded  version 4, approved by Ann Lee, based on run {RUN}\n"
    assert [version["review"] for version in place.history()] == [
        "approved by Ann Lee",
        "edited by hand, not approved",
        "approved by Ann Lee",
        "as first seen, not reviewed",
    ]


def test_the_history_as_a_table(place: Place) -> None:
    assert place.done("history") == "no version yet; the first run records one\n"
    place.done(*place.approve())
    header, second, first = place.done("history").splitlines()
    assert header.split() == ["version", "time", "(UTC)", "digest", "review", "run", "note"]
    assert second.rstrip().endswith(f"approved by Ann Lee          {RUN}  two new breeds [sic]")
    assert " as first seen, not reviewed " in first


# Refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--reviewer", "Ann", "--note", "n", "--feature", "bred"),
            "--feature 'bred': nothing is proposed for it\n  Remedy: the nearest names are 'breed'\n",
        ),
        (
            ("--reviewer", "Ann", "--note", "n", "--feature", "purrs"),
            "--feature 'purrs': nothing is proposed for it\n"
            "  Remedy: the columns are 'breed', 'weight_kg', 'indoors'\n",
        ),
        (
            ("--reviewer", " ", "--note", "n"),
            "--reviewer is empty\n  Remedy: say who approves the schema, and why: it is kept for others\n",
        ),
        (
            ("--reviewer", "Ann", "--note", ""),
            "--note is empty\n  Remedy: say who approves the schema, and why: it is kept for others\n",
        ),
        (
            ("--reviewer", "Ann", "--note", "n", "--as-is", "--feature", "breed"),
            "--as-is takes no proposal, and --feature names some\n  Remedy: give one of the two\n",
        ),
    ],
)
def test_what_cannot_be_approved(place: Place, arguments: tuple[str, ...], message: str) -> None:
    assert place.refused("approve", *arguments) == f"longhaul: {message}"
    assert (place.schema.read_text(), place.history()) == (SCHEMA, [])


def test_a_column_that_is_sliced_by_is_not_retired(new: Place) -> None:
    new.schema.write_text(SCHEMA.replace('name: "breed"', 'name: "breed"\n  presence { min_count: 1 }'))
    new.remember(statistics=STATISTICS.replace('step: "breed"', 'step: "race"'))
    assert "breed: retire the column" in new.done("diff")
    assert new.refused(*new.approve()) == (
        f"longhaul: evaluation.slices: the schema {new.schema} retires the column 'breed' (lifecycle_stage)\n"
        "  Remedy: take it out of evaluation.slices, or do not retire it\n"
    )
    assert new.history() == []


def test_before_any_run(new: Place) -> None:
    nothing = f"longhaul: nothing has run in workspace {new.folder / 'workspace'} yet\n"
    for arguments in (("diff",), new.approve(), ("history",), ("show", "--version", "1")):
        assert new.refused(*arguments).startswith(nothing)


def test_a_run_whose_statistics_are_gone(new: Place) -> None:
    new.remember()
    (new.folder / "workspace" / RUN / "statistics").rename(new.folder / "elsewhere")
    assert new.refused("diff") == (
        "longhaul: no run of pipeline 'cats' has statistics to hold the schema against: "
        f"the latest run, {RUN}, has lost its statistics: their files are gone\n"
        f"  Remedy: `longhaul run -c {new.config}` makes them; `longhaul run --to DataGate -c {new.config}` goes no "
        "further than the gate\n"
    )


def test_a_file_that_cannot_be_written_leaves_no_version_behind(place: Place) -> None:
    long = place.schema.with_name("c" * 250)  # there is no room in a name for a file beside it; root may do all else
    place.schema.rename(long)
    place.config.write_text(place.config.read_text().replace("cats.pbtxt", long.name))
    assert place.refused(*place.approve()) == (
        f"longhaul: schema.file: {long} cannot be written: File name too long\n"
        "  Remedy: correct its permissions or make room; the file is as it was\n"
    )
    assert (long.read_text(), place.history()) == (SCHEMA, [])


def test_a_version_that_is_not_there(place: Place) -> None:
    place.done(*place.approve())
    assert place.refused("show", "--version", "3") == (
        "longhaul: pipeline 'cats' has no schema version 3\n"
        f"  Remedy: there are versions 1 to 2; `longhaul schema history -c {place.config}` lists them\n"
    )


# Speed


@pytest.mark.parametrize(
    "arguments", [("show",), ("diff",), ("history",), ("approve", "--reviewer", "A", "--note", "n")], ids=lambda a: a[0]
)
def test_every_command_answers_at_once_and_loads_nothing_heavy(place: Place, arguments: tuple[str, ...]) -> None:
    code = f"""
import atexit, json, sys
loaded = lambda: [name for name in {HEAVY!r} if any(module.startswith(name + ".") for module in sys.modules)]
atexit.register(lambda: print("\\n" + json.dumps(loaded())))
from pipeline.cli import main; main()"""
    began = cpu_s_of_children()
    command = [sys.executable, "-c", code, "schema", *arguments, "--config", str(place.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []
    assert cpu_s_of_children() - began < 5
