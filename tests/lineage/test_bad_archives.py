"""Archives that nobody exported: whatever stands in one, an import touches nothing but what is its own."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline.errors import PipelineError
from pipeline.lineage import garbage, removal
from pipeline.lineage.archive import export_run
from pipeline.lineage.archive_import import import_run
from pipeline.lineage.details import read_details
from pipeline.lineage.diff import compare
from pipeline.lineage.runs import RUN_CONTEXT, find_run
from pipeline.lineage.store import open_store
from pipeline.lineage.summary import list_summaries
from pipeline.reports.lineage.answer import answer
from pipeline.reports.page import write_report
from pipeline.runners.local.recovery import close_dead_runs
from pipeline.terminal.lineage import print_answer
from pipeline.terminal.runs import print_runs
from pipeline.terminal.show import print_run
from tests.lineage.weeks import Weeks, cats

NASTY: list[Any] = [
    *("", ".", "..", "latest", "a\nb", "<img src=x onerror=alert(1)>", "[/]", "x" * 300, "\x1b[2J", "../../..", "/etc"),
    *(None, True, -1, 2**70, 1.5, [], {}, [[]], {"a": {"b": []}}, "nan", "18446744073709551616", "\udcff"),
    *("20260101-000000-000", "longhaul.Rollback", "RUNNING", "running", "2026-13-41", "\u202e"),
]


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Weeks:
    weeks = Weeks(tmp_path_factory.mktemp("bad") / "here")
    weeks.week(1)
    weeks.week(2, slices={"tabby": 0.7}, properties={"config": '{"name": "cats"}', "package_versions": "{}"})
    return weeks


@pytest.fixture(scope="module")
def exported(weeks: Weeks) -> dict[str, bytes]:
    """The members of a true archive, artifacts and all."""
    target = weeks.config.root / "true.zip"
    files = {"run.log": weeks.config.root / "logs" / f"{weeks.run_id(2)}.log"}
    export_run(weeks.store, find_run(weeks.store, "cats", weeks.run_id(2)), target, files, with_artifacts=True)
    with zipfile.ZipFile(target) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def here(tmp_path: Path) -> Weeks:
    """A workspace with a run of its own, and one that was imported."""
    here = Weeks(tmp_path / "workspace")
    here.week(1)
    imported = here.config.root / "artifacts" / "imported" / "20250101-000000-000" / "1"
    imported.mkdir(parents=True)
    (imported / "verdict.json").write_text("another import's")
    (tmp_path / "outside.txt").write_text("nobody's")
    return here


def packed(members: dict[str, bytes], target: Path, **manifest: Any) -> Path:
    """A zip file whose manifest agrees with its members."""
    told = json.loads(members["manifest.json"]) | manifest
    told["sha256"] = {name: hashlib.sha256(one).hexdigest() for name, one in members.items() if name != "manifest.json"}
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in (members | {"manifest.json": json.dumps(told).encode()}).items():
            archive.writestr(name, content)
    return target


def renamed(members: dict[str, bytes], run_id: Any) -> dict[str, bytes]:
    """The same run under another id, in its records too."""
    rows = json.loads(members["mlmd.json"])
    rows["contexts"][0]["name"] = run_id
    manifest = json.loads(members["manifest.json"]) | {"run_id": run_id}
    return members | {"mlmd.json": json.dumps(rows).encode(), "manifest.json": json.dumps(manifest).encode()}


def snapshot(folder: Path, but: str) -> dict[str, bytes]:
    """Every file below the folder; without the store and what may belong to run `but`."""
    return {
        str(path): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("metadata.db") and path.suffix != ".zip"
        and not (but and but in str(path))
    }  # fmt: skip


def records(store: Any) -> list[str]:
    """All that is on record, as text."""
    messages = [*store.get_contexts(), *store.get_executions(), *store.get_artifacts()]
    return sorted(str(one) for one in messages)


def test_a_run_s_id_is_a_time_and_nothing_else(here: Weeks, exported: dict[str, bytes], tmp_path: Path) -> None:
    before, known = snapshot(tmp_path, ""), records(here.store)
    for run_id in (one for one in NASTY if one != "20260101-000000-000"):
        with pytest.raises(PipelineError, match="is no run's id"):
            import_run(here.store, here.config, packed(renamed(exported, run_id), tmp_path / "bad.zip"))
        assert snapshot(tmp_path, "") == before
    assert records(here.store) == known


def changes(draw: random.Random, members: dict[str, bytes]) -> dict[str, bytes]:
    """One thing in the records, the manifest or the members' names is another."""
    kind = draw.random()
    if kind < 0.15:
        name = draw.choice([n for n in members if n != "manifest.json"])
        other = draw.choice(
            ["../x", "/tmp/x", "artifacts/x", "a/b", "artifacts/1/../../x", "reports/x.html", "x" * 300]
        )
        return {(other if n == name else n): content for n, content in members.items()}
    if kind < 0.25:
        name = draw.choice([n for n in members if "/" not in n and n != "manifest.json"])  # no artifact's file
        return members | {name: draw.choice([b"", b"null", b"[]", b"{}", b"\xff\xfe", members[name][:-20]])}
    name = "manifest.json" if kind < 0.35 else "mlmd.json"
    document = json.loads(members[name])
    places = [(holder, key) for holder, key in _places(document)]
    holder, key = draw.choice(places)
    if draw.random() < 0.15 and isinstance(holder, dict):
        del holder[key]
    else:
        holder[key] = copy.deepcopy(draw.choice(NASTY))
    return members | {name: json.dumps(document).encode()}


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield value, key
        yield from _places(one)


def read_everything(weeks: Weeks, run_id: str, page: Path) -> None:
    """What people call after an import; nothing in it may end as a bug."""
    store, config = weeks.store, weeks.config
    listed = list_summaries(store, "cats")
    print_runs(listed, listed, config, None, None, False)
    run, own = find_run(store, "cats", run_id), find_run(store, "cats", "latest")
    assert own.run_id == weeks.run_id(1)
    for as_json in (False, True):
        print_run(run, read_details(store, run), config, as_json)
    compare(store, own, run)
    for name in (run_id, "served"):
        print_answer(answer(config, name), False)
    write_report(run, page)
    assert close_dead_runs(config.metadata, config.root, store) == []
    plan = garbage.plan(store, config, 1)
    assert not [item for item in plan.items if item.of == weeks.run_id(1)]


def test_generated_archives_touch_nothing_but_what_is_their_own(
    here: Weeks, exported: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw, refused, taken = random.Random(15), 0, 0
    before = snapshot(tmp_path, "")
    for number in range(60):
        run_id = f"20260201-000000-{number:03d}"
        file = packed(changes(draw, renamed(exported, run_id)), tmp_path / "bad.zip")
        known = records(here.store)
        error = None
        try:
            import_run(here.store, here.config, file)
        except PipelineError as exc:
            error = exc
        if error:
            assert error.remedy
            assert records(here.store) == known, error
            assert snapshot(tmp_path, "") == before, error
            refused += 1
            continue
        taken += 1
        assert set(known) <= set(records(here.store))
        read_everything(here, run_id, tmp_path / "page.html")
        (tmp_path / "page.html").unlink()
        assert snapshot(tmp_path, run_id) == snapshot_of(before, run_id)
        before = snapshot(tmp_path, "")
        capsys.readouterr()
    assert refused > 10
    assert taken > 5


def snapshot_of(before: dict[str, bytes], but: str) -> dict[str, bytes]:
    return {path: content for path, content in before.items() if but not in path}


def test_an_imported_artifact_never_stands_for_one_that_is_here(
    here: Weeks, exported: dict[str, bytes], tmp_path: Path
) -> None:
    model = here.path(1, "Model")
    rows = json.loads(exported["mlmd.json"])
    for artifact in rows["artifacts"]:
        artifact["uri"] = str(model)
        artifact.setdefault("custom_properties", {})["pinned"] = {"string_value": "for ever"}
    file = packed(exported | {"mlmd.json": json.dumps(rows).encode()}, tmp_path / "bad.zip")
    run_id = import_run(here.store, here.config, file)
    imported = [one for one in here.store.get_artifacts() if one.state == metadata_store_pb2.Artifact.REFERENCE]
    folder = here.config.root / "artifacts" / "imported" / run_id
    assert {Path(one.uri).parent for one in imported} == {folder}
    assert not [one for one in imported if "pinned" in one.custom_properties]
    here.week(3)
    removal.remove(here.store, here.config.record_name, garbage.plan(here.store, here.config, 1))
    assert (model / "saved_model.pb").exists()  # what serves came of it


def test_types_stay_those_of_the_pipeline_that_runs_here(
    weeks: Weeks, exported: dict[str, bytes], tmp_path: Path
) -> None:
    """A forged type must not keep TFX from putting its own."""
    config = cats(tmp_path / "new")
    config.root.mkdir()
    store = open_store(config)
    rows = json.loads(exported["mlmd.json"])
    for kind in rows["artifact_types"]:
        kind["properties"] = {"span": "STRING", "split_names": "INT"}
    import_run(store, config, packed(exported | {"mlmd.json": json.dumps(rows).encode()}, tmp_path / "bad.zip"))
    examples = metadata_store_pb2.ArtifactType(name="Examples", base_type=metadata_store_pb2.ArtifactType.DATASET)
    examples.properties["span"] = metadata_store_pb2.INT
    assert store.put_artifact_type(examples, can_add_fields=True, can_omit_fields=True)
    assert store.get_context_by_type_and_name(RUN_CONTEXT, weeks.run_id(2))


@pytest.mark.parametrize(
    ("twice", "name"),
    [(True, "artifacts/1/verdict.json"), (False, "artifacts/1/./x"), (False, "artifacts//1/x"), (False, "logs/x")],
)
def test_members_that_are_no_part_of_a_run_are_refused(
    here: Weeks, exported: dict[str, bytes], tmp_path: Path, twice: bool, name: str
) -> None:
    file = packed(exported | {name: b"{}"}, tmp_path / "bad.zip")
    if twice:
        with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(name, b"[]")
    with pytest.raises(PipelineError):
        import_run(here.store, here.config, file)


def test_a_page_that_came_with_an_archive_is_not_kept(here: Weeks, exported: dict[str, bytes], tmp_path: Path) -> None:
    script = exported | {"report.html": b"<script>alert(1)</script>"}
    run_id = import_run(here.store, here.config, packed(script, tmp_path / "bad.zip"))
    assert not list((here.config.root / "reports").glob(f"{run_id}*"))
    page = write_report(find_run(here.store, "cats", run_id), tmp_path / "page.html")
    assert "alert(1)" not in page.read_text()


def test_a_log_steers_no_terminal_and_replaces_none(here: Weeks, exported: dict[str, bytes], tmp_path: Path) -> None:
    file = packed(exported | {"run.log": b"fine\n\x1b]0;title\x07\x1b[2J"}, tmp_path / "bad.zip")
    run_id = import_run(here.store, here.config, file)
    text = (here.config.root / "logs" / f"{run_id}.log").read_text()
    assert text.startswith("fine\n")
    assert not set(text) & {"\x1b", "\x07"}
    own = here.config.root / "logs" / "20260301-000000-000.log"
    own.write_text("of a run that was refused")
    import_run(here.store, here.config, packed(renamed(exported, own.stem), tmp_path / "bad.zip"))
    assert own.read_text() == "of a run that was refused"


def test_an_archive_that_claims_to_be_huge_is_not_read(here: Weeks, exported: dict[str, bytes], tmp_path: Path) -> None:
    buffer = io.BytesIO(packed(exported, tmp_path / "bad.zip").read_bytes())
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            with new.open(name, "w", force_zip64=True) as member:
                if name == "mlmd.json":
                    for _ in range(513):
                        member.write(b" " * (1 << 20))
                member.write(old.read(name))
    with pytest.raises(PipelineError, match="larger than the records of any run"):
        import_run(here.store, here.config, bomb)
