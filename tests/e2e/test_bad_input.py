"""Bad input: one message that names the remedy, exit code 2, nothing half-written, and the workspace usable after."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.push import Push
from pipeline.data.convert import REMEDY
from pipeline.data.sources.table_files import KNOWN
from pipeline.lineage.runs import StepState
from pipeline.serving.publish import publish
from tests import small
from tests.faults.place import SCHEMA
from tests.place import Command, Outcome, Place
from tests.serving.models import a_manifest, a_model

ROOT = Path(__file__).parents[2]
ROWS = 200
INGESTION = "TableExampleGen"
DONE, FAILED, CACHED = StepState.DONE, StepState.FAILED, StepState.CACHED


def row(i: int) -> str:
    """Data row i, which stands on line i + 2."""
    return f"2024-01-{1 + i % 28:02},{('red', 'green', 'blue')[i % 3]},{i / 10},{('no', 'yes')[i % 2]}\n"


TABLE = "day,color,size,answer\n" + "".join(map(row, range(ROWS)))

CONFIG: dict[str, Any] = {
    "name": "toy",
    "data": {"path": "table.csv", "label": "answer", "task": "binary", "classes": ["no", "yes"]},
    "split": {"by": "hash"},
    "schema": {"file": "toy.pbtxt"},
    "trainer": small.TRAINER,
    "evaluation": small.EVALUATION,
    "infra_check": small.INFRA_CHECK,
}


class Desk(Place):
    """A good table with its schema and configuration, to be damaged, and a workspace."""

    def __init__(self, folder: Path, longhaul: Command, workspace: Path) -> None:
        super().__init__(folder, longhaul, CONFIG, workspace=workspace)
        self.table, self.schema = self.folder / "table.csv", self.folder / "toy.pbtxt"
        self.table.write_text(TABLE)
        self.schema.write_text(SCHEMA)

    def set(self, section: str, key: str, value: Any) -> None:
        self.write(**{section: {key: value}})

    def replace(self, file: Path, old: str, new: str, encoding: str = "utf-8") -> None:
        text = file.read_text()
        assert old in text
        file.write_bytes(text.replace(old, new).encode(encoding))

    def arguments(self, *flags: str) -> tuple[str, ...]:
        flags = flags or ("--to", INGESTION)
        return ("run", "--config", str(self.file), "--workspace", str(self.workspace), *flags)

    def ingest(self, *flags: str) -> Outcome:
        return self.longhaul(*self.arguments(*flags))

    def refused(self, code: int = 2, *flags: str) -> str:
        """The one message of a run that must fail, and leave no output behind."""
        before = self.outputs()
        outcome = self.ingest(*flags)
        assert outcome.code == code, outcome.text
        assert "Traceback" not in outcome.text
        assert self.outputs() == before
        return only_message(outcome.text)

    def outputs(self) -> list[Path]:
        """Folders of step outputs, and whatever a model server would see."""
        return sorted([*self.workspace.glob("artifacts/*/*/*"), *self.workspace.glob("serving/*/*")])

    def ended(self) -> tuple[str, dict[str, StepState]]:
        """How the latest run ended, in all and step by step."""
        run = self.latest()
        return run.status, {step.node: step.state for step in run.steps}


def only_message(text: str) -> str:
    """What follows 'longhaul: ', which stands there once."""
    _, message = text.split("longhaul: ")
    return message.removesuffix("\n")


@pytest.fixture(scope="module")
def wounded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace that sees all these failures."""
    return tmp_path_factory.mktemp("wounded") / "workspace"


@pytest.fixture
def place(tmp_path: Path, wounded: Path, longhaul: Command) -> Desk:
    return Desk(tmp_path, longhaul, wounded)


@pytest.fixture
def fresh(tmp_path: Path, longhaul: Command) -> Desk:
    return Desk(tmp_path, longhaul, tmp_path / "workspace")


INIT_WRITES = "`longhaul init TABLE --label COLUMN` writes"
CORRECT = "correct the name, or add the column to the schema"
FIELD = "correct the field; docs/configuration.md lists all of them"


@pytest.mark.parametrize(
    ("damage", "what", "remedy"),
    [
        pytest.param(lambda p: p.table.unlink(), "{table} does not exist", "correct the path", id="missing file"),
        pytest.param(
            lambda p: p.set("data", "path", "tabel.csv"),
            "{folder}/tabel.csv does not exist; near it there is 'table.csv'",
            "correct the path",
            id="misspelt file",
        ),
        pytest.param(
            lambda p: p.table.write_text(""),
            "{table} is empty (0 bytes)",
            "write the file again or remove it",
            id="empty file",
        ),
        pytest.param(
            lambda p: (p.set("data", "path", "."), p.table.rename(p.folder / "table.pdf")),
            "the directory {folder} holds no data file",
            f"correct the path; {KNOWN}",
            id="directory without files",
        ),
        pytest.param(
            lambda p: p.set("data", "label", "anwser"),
            "data.label: the schema {schema} has no column 'anwser'; the nearest names are 'answer'",
            CORRECT,
            id="no such label",
        ),
        pytest.param(
            lambda p: p.set("features", "exclude", ["size", "id"]),
            "features.exclude: the schema {schema} has no column 'id'; "
            "the columns are 'day', 'color', 'size', 'answer'",
            CORRECT,
            id="no such column to exclude",
        ),
        pytest.param(
            lambda p: p.set("evaluation", "slices", [["color", "colour"]]),
            "evaluation.slices: the schema {schema} has no column 'colour'; the nearest names are 'color'",
            CORRECT,
            id="no such column to slice by",
        ),
        pytest.param(
            lambda p: p.set("data", "columns", {"colour": {"kind": "text"}}),
            "data.columns: the schema {schema} has no column 'colour'; the nearest names are 'color'",
            CORRECT,
            id="no such column to read in another way",
        ),
        pytest.param(
            lambda p: p.set("trainer", "epohcs", 3),
            "{config}: trainer.epohcs: unknown key; did you mean 'epochs'?",
            FIELD,
            id="unknown key",
        ),
        pytest.param(
            lambda p: p.set("trainer", "epochs", 0),
            "{config}: trainer.epochs: Input should be greater than or equal to 1 (received: 0)",
            FIELD,
            id="value out of range",
        ),
        pytest.param(
            lambda p: p.file.write_text("- data\n- split\n"),
            "{config}: expected sections (`name:`, `data:`, `split:` and so on), but it is a list",
            f"{INIT_WRITES} a file to start from",
            id="not a mapping",
        ),
        pytest.param(
            lambda p: p.file.write_text("name: toy\ndata:\n  label: answer\n\tpath: table.csv\n"),
            "{config}, line 4, column 1: a tab stands here; write spaces",
            "fix that line",
            id="broken YAML",
        ),
        pytest.param(
            lambda p: p.file.unlink(),
            "{config}: no such configuration file",
            f"{INIT_WRITES} one",
            id="no configuration",
        ),
        pytest.param(
            lambda p: p.schema.unlink(),
            "schema.file: {schema} cannot be read: No such file or directory",
            f"correct the path; {INIT_WRITES} a first schema",
            id="no schema",
        ),
        pytest.param(
            lambda p: p.replace(p.schema, "type: FLOAT", "type: FLAOT"),
            "schema.file: {schema}, line 3: not a TFMD schema in text form: "
            'Enum type "tensorflow.metadata.v0.FeatureType" has no value named FLAOT.',
            "correct that line",
            id="broken schema",
        ),
        pytest.param(
            lambda p: p.schema.write_text(""),
            "schema.file: {schema} describes no column",
            f"{INIT_WRITES} a first schema",
            id="empty schema",
        ),
        pytest.param(
            lambda p: p.set("data", "builder", "tables_of_mine.build"),
            "data.builder: 'tables_of_mine.build' cannot be imported "
            "(ModuleNotFoundError: No module named 'tables_of_mine')",
            "give the dotted path of a function build(folder) in a module that is installed or on PYTHONPATH",
            id="no builder",
        ),
    ],
)
def test_found_before_anything_heavy_is_loaded(
    place: Desk, damage: Callable[[Desk], None], what: str, remedy: str
) -> None:
    damage(place)
    what = what.format(folder=place.folder, table=place.table, schema=place.schema, config=place.file)
    logs = list(place.workspace.glob("logs/*"))
    assert place.refused() == f"{what}\n  Remedy: {remedy}"
    assert list(place.workspace.glob("logs/*")) == logs  # no run was begun


@pytest.mark.slow  # the first one waits for TensorFlow
@pytest.mark.parametrize(
    ("damage", "what", "remedy"),
    [
        pytest.param(
            lambda p: p.table.write_text("day,color,size,answer\n"),
            "{table} has a header but no rows",
            "write the data again; a table needs rows",
            id="no rows",
        ),
        pytest.param(
            lambda p: p.replace(p.table, "answer", "reply"),
            "data.label: {table} has no column 'answer'; the columns are 'day', 'color', 'size', 'reply'",
            "correct the name",
            id="no label column",
        ),
        pytest.param(
            lambda p: p.set("split", "columns", ["colour"]),
            "split.columns: {table} has no column 'colour'; the nearest names are 'color'",
            "correct the name",
            id="no such column to hash",
        ),
        pytest.param(
            lambda p: p.set("split", "column", "colour") or p.replace(p.file, "by: hash", "by: group"),
            "split.column: {table} has no column 'colour'; the nearest names are 'color'",
            "correct the name",
            id="no split column",
        ),
        pytest.param(
            lambda p: p.table.write_text(TABLE.replace(",no\n", ",\n").replace(",yes\n", ",\n")),
            "label 'answer' is missing in 200 of 200 rows (100%)",
            "correct the join or the export that fills it",
            id="no labels",
        ),
        pytest.param(
            lambda p: p.replace(p.table, ",yes\n", ",\n") or p.set("data", "unlabelled_at_most", 0.4),
            "label 'answer' is missing in 100 of 200 rows (50%)",
            "correct the join or the export that fills it",  # the others all say no
            id="half the labels",
        ),
        pytest.param(
            lambda p: p.replace(p.table, ",yes\n", ",no\n"),
            "label 'answer' is constant: 'no' in every row",
            "choose a label that varies",
            id="constant label",
        ),
        pytest.param(
            lambda p: p.replace(p.table, row(5), row(5).replace("no", "perhaps").replace("yes", "perhaps")),
            "label 'answer' holds values that are not among its classes ['no', 'yes']: ['perhaps']",
            "list all values under data.classes, or set data.task: regression if the label is a quantity",
            id="unexpected class",
        ),
        pytest.param(
            # Line 4 holds a line break within quotes, so that rows and lines part.
            lambda p: (
                p.replace(p.table, row(2), row(2).replace("blue", '"pale\nblue"')),
                p.replace(p.table, row(50), row(50).replace("blue", "bl,ue")),
            ),
            "{table}, line 53: 5 fields where 4 are expected: '2024-01-23,bl,ue,5.0,no'",
            "correct the line; a field that holds a comma, a quote or a line break must be quoted; or say what "
            "such rows are worth: data.format: {{ragged: fill}} or {{ragged: leave_out}}",
            id="unparsable line",
        ),
        pytest.param(
            lambda p: p.replace(p.table, row(60), row(60).replace("red", "röd"), encoding="latin1"),
            "{table}, line 62: byte 0xf6 at position 13 of the line is not UTF-8 (after '2024-01-05,r')",
            "name the encoding, for example data.format: {{encoding: latin-1}}, or convert the file: "
            "iconv -f latin-1 -t utf-8 {table}",
            id="wrong encoding",
        ),
        pytest.param(
            lambda p: p.replace(p.table, row(70), row(70).replace("7.0", "large")),
            "{table}, line 72: column 'size' holds 'large' where a number (float32) is expected",
            REMEDY,
            id="a type other than the schema's",
        ),
        pytest.param(
            lambda p: (
                p.replace(p.schema, SCHEMA.splitlines(keepends=True)[2], ""),
                p.replace(p.table, row(70), row(70).replace("7.0", "large")),
            ),
            "{table}, line 72: column 'size' holds 'large' where a number is expected; it is a column with two types: "
            "199 of its 200 values are numbers and 1 is not",
            REMEDY,
            id="two types",
        ),
        pytest.param(
            lambda p: p.replace(p.table, "color", "size"),
            "{table}, line 2: column 'size' holds 'red' where a number (float32) is expected",  # the second is size_2
            REMEDY,
            id="duplicate column",
        ),
        pytest.param(
            lambda p: p.replace(p.file, "by: hash", "{by: time, column: day, eval_from: 2025-01-01}"),
            "split 'eval' is empty (rows: train 200, eval 0)",
            "move the split's bounds or change its weights",
            id="empty split",
        ),
    ],
)
def test_found_by_ingestion(place: Desk, damage: Callable[[Desk], None], what: str, remedy: str) -> None:
    damage(place)
    what, remedy = (text.format(table=place.table) for text in (what, remedy))
    assert place.refused() == f"{what}\n  Remedy: {remedy}"
    run = place.runs()[0]
    assert (run.status, run.reason) == ("failed", f"{what}\n  Remedy: {remedy}")
    assert [(step.node, step.state) for step in run.steps] == [(INGESTION, FAILED)]
    assert f"Error: {what}" in (place.workspace / "logs" / f"{run.run_id}.log").read_text()


@pytest.mark.slow
def test_every_failure_is_one_line_in_the_list_of_runs_and_a_good_table_runs_after_them_all(place: Desk) -> None:
    place.replace(place.table, ",yes\n", ",no\n")
    place.refused()
    good = Desk(place.folder, place.longhaul, place.workspace)
    outcome = good.ingest()
    assert outcome.code == 0, outcome.text
    newest, before, *older = good.runs()
    assert [path.parent.name for path in good.outputs()] == ["examples"]
    assert newest.ingestion
    assert sum(newest.ingestion["rows"].values()) == ROWS

    listing = good.call("runs")
    header, *lines = listing.text.splitlines()
    assert header.split()[:2] + header.split()[-1:] == ["run", "status", "outcome"]
    assert lines[0].split()[:2] == [newest.run_id, "complete"]
    assert lines[1].startswith(before.run_id)
    assert lines[1].rstrip().endswith("label 'answer' is constant: 'no' in every row")
    assert all(" failed " in line and len(line) <= 120 for line in lines[1:])
    assert len(lines) == len(older) + 2  # one line a run
    assert {f"{run.run_id}.log" for run in [newest, before, *older]} == {
        log.name for log in (good.workspace / "logs").glob("*.log")
    }


def test_a_workspace_that_cannot_be_made(fresh: Desk) -> None:
    (fresh.folder / "file").write_text("")
    fresh.workspace = fresh.folder / "file" / "workspace"
    assert fresh.refused() == (
        f"workspace {fresh.workspace} cannot be written: Not a directory\n"
        "  Remedy: choose another with --workspace, or fix its permissions"
    )
    assert (fresh.folder / "file").read_text() == ""


@pytest.fixture
def disk(small_disk: Callable[[Path, str], Path], tmp_path: Path) -> Path:
    return small_disk(tmp_path / "disk", "4m")


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """A file that takes all the room but `leave` bytes."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free - leave))
    return ballast


def disk_is_full(desk: Desk) -> str:
    return (
        f"the disk that holds the workspace {desk.workspace} is full\n  Remedy: free some space there "
        f"(`longhaul gc --apply -c {desk.file} -w {desk.workspace}` does) and run again; finished steps are kept"
    )


def test_a_read_only_workspace(fresh: Desk, disk: Path) -> None:
    fresh.workspace = disk / "workspace"
    remount(disk, "ro")
    expected = (
        f"workspace {fresh.workspace} cannot be written: Read-only file system\n"
        "  Remedy: choose another with --workspace, or fix its permissions"
    )
    assert fresh.refused() == expected
    remount(disk, "rw")
    for folder in ("artifacts", "serving", "reports", "logs"):  # as if it had been used before
        (fresh.workspace / folder).mkdir(parents=True)
    remount(disk, "ro")
    assert fresh.refused() == expected


def test_a_disk_without_room_for_metadata(fresh: Desk, disk: Path) -> None:
    fresh.workspace = disk / "workspace"
    fill(disk, leave=64 << 10)
    assert fresh.refused(74) == disk_is_full(fresh)


@pytest.mark.long
@pytest.mark.slow
def test_a_disk_that_fills_up_while_rows_are_written(fresh: Desk, disk: Path) -> None:
    fresh.workspace = disk / "workspace"
    assert fresh.ingest().code == 0
    ballast = fill(disk, leave=256 << 10)
    # No two rows alike, or they would fit.
    fresh.table.write_text("day,color,size,answer\n" + "".join(row(i * 7919 % 1_000_003) for i in range(200_000)))
    assert fresh.refused(74) == disk_is_full(fresh)
    assert fresh.ended() == ("failed", {INGESTION: FAILED})
    ballast.unlink()
    assert fresh.ingest().code == 0


@pytest.mark.slow
def test_a_push_that_fills_the_disk_leaves_nothing_to_serve(disk: Path, tmp_path: Path) -> None:
    model = a_model(tmp_path / "model", bytes(5 << 20))
    with pytest.raises(OSError, match="No space left on device"):
        publish(model, disk / "serving", a_manifest(model), Push())
    assert list((disk / "serving").iterdir()) == []
    assert shutil.disk_usage(disk).free > 3 << 20


def test_a_metadata_store_that_is_not_one(fresh: Desk) -> None:
    store = fresh.workspace / "metadata.db"
    store.parent.mkdir()
    store.write_text("these are not the records you are looking for\n" * 100)
    expected = (
        f"ML Metadata at {store} cannot be opened: file is not a database\n  Remedy: "
        "check the file's permissions and the disk; move a damaged file away, and the folder `artifacts` with it, "
        "to start lineage anew"
    )
    assert fresh.refused() == expected
    runs = fresh.call("runs")
    assert (runs.code, only_message(runs.text)) == (2, expected)
    store.rename(fresh.folder / "damaged.db")  # the remedy
    assert fresh.runs() == []


# Real processes: what a shell sees


def in_a_process(*arguments: str) -> subprocess.Popen[str]:
    """`longhaul` with those arguments; in a group of its own, so that Ctrl-C does not reach the tests."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Whoever tests in the background of a shell has been told to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_a_shell_sees_code_2_and_one_message(fresh: Desk) -> None:
    fresh.table.unlink()
    process = in_a_process(*fresh.arguments())
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 2
    assert errors == f"longhaul: {fresh.table} does not exist\n  Remedy: correct the path\n"


@pytest.mark.slow
def test_a_shell_sees_code_2_and_one_message_from_within_a_step(fresh: Desk) -> None:
    fresh.replace(fresh.table, ",yes\n", ",no\n")
    process = in_a_process(*fresh.arguments())
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 2
    assert errors == ("longhaul: label 'answer' is constant: 'no' in every row\n  Remedy: choose a label that varies\n")
    first, new, loading, step, *_ = output.splitlines()
    assert first == f"toy  workspace {fresh.workspace}"
    assert "is a new workspace" in new
    assert loading.startswith("loading TensorFlow")
    assert step.split()[:3] + step.split()[-1:] == ["✗", "1/1", INGESTION, "failed"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "--form", "Trainer"], "No such option: --form"),
        (["rnu"], "No such command 'rnu'. Did you mean 'run'?"),
        (["init", "table.csv", "--type", "age=years"], "'age=years' is not COLUMN=KIND"),
    ],
)
def test_a_wrong_command_line(longhaul: Command, arguments: list[str], complaint: str) -> None:
    outcome = longhaul(*arguments)
    assert outcome.code == 2
    assert complaint in outcome.text
    assert "Traceback" not in outcome.text


def test_a_second_run_on_one_workspace(fresh: Desk) -> None:
    holding = (
        "import sys, pathlib\n"
        "from pipeline.workspace.lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, fresh.workspace], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()  # it has the lock
        refusal = fresh.refused(75)  # it may succeed later
        assert refusal.startswith(f"another run (process {other.pid}, since 20")
        assert refusal.endswith(
            f") is at work in {fresh.workspace}\n"
            "  Remedy: wait for it (`--wait` does, `--wait=10m` for so long at most), "
            "or give this run another --workspace"
        )
        other.kill()
    fresh.table.unlink()
    assert "does not exist" in fresh.refused()  # the lock is gone


@pytest.mark.long
@pytest.mark.slow
def test_ctrl_c_while_a_step_is_at_work(fresh: Desk) -> None:
    header, _, rows = TABLE.partition("\n")
    fresh.table.write_text(f"{header}\n{rows * 40_000}")  # many seconds of work
    process = in_a_process(*fresh.arguments())
    while not any(fresh.workspace.glob(f"artifacts/{INGESTION}/examples/*/Split-train/*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    assert f"another run (process {process.pid}, since 20" in only_message(fresh.ingest().text)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 130
    assert errors.startswith("longhaul: stopped from the keyboard; `longhaul resume -c ")
    assert errors.endswith("` goes on after the last finished step\n")

    run = fresh.runs()[0]
    assert (run.status, run.reason) == ("interrupted", "stopped from the keyboard")
    assert fresh.ended()[1] == {INGESTION: StepState.INTERRUPTED}  # CANCELED in ML Metadata
    assert fresh.outputs() == []
    assert "KeyboardInterrupt" in (fresh.workspace / "logs" / f"{run.run_id}.log").read_text()

    fresh.table.write_text(TABLE)
    assert fresh.ingest().code == 0
    assert fresh.ended() == ("complete", {INGESTION: DONE})
