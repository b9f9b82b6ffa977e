"""A run exported from one workspace and imported into another; and whatever may be wrong with the file in between."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import ConfigError, DataError, PipelineError
from pipeline.lineage import archive_import
from pipeline.lineage.archive import export_run
from pipeline.lineage.archive_import import import_run
from pipeline.lineage.details import read_details
from pipeline.lineage.diff import compare
from pipeline.lineage.runs import find_run, list_runs
from pipeline.lineage.store import open_store
from pipeline.lineage.summary import list_summaries
from tests.lineage.weeks import Weeks, cats
from tests.serving.killed import killed_at

RUN = Weeks.run_id(2)
MADE_WITH = {"config": '{"name": "cats"}', "package_versions": '{"tfx": "1.21.0", "python": "3.11.7"}', "pinned": "x"}


@pytest.fixture
def weeks(tmp_path: Path) -> Weeks:
    """Two runs; the second was judged against the first one's model."""
    weeks = Weeks(tmp_path / "here")
    weeks.week(1, auc=0.7)
    weeks.week(2, auc=0.75, schema="# another\n", properties=MADE_WITH)
    return weeks


@pytest.fixture
def there(tmp_path: Path) -> Any:
    """Another workspace, on another machine as it were: none of the first one's paths exist."""
    config = cats(tmp_path / "there")
    config.root.mkdir()
    return config


def export(weeks: Weeks, run_id: str = RUN, **how: bool) -> Path:
    target = weeks.config.root / f"{run_id}.zip"
    files = {"report.html": weeks.config.root / "reports" / f"{run_id}.html", "run.log": Path("/not/there")}
    export_run(weeks.store, find_run(weeks.store, "cats", run_id), target, files, **how)
    return target


def as_imported(store: Any, root: Path) -> tuple[Any, ...]:
    """What an import made of a run, whenever."""
    run = find_run(store, "cats", RUN)
    (blessing,) = {one.step.node: one for one in read_details(store, run)}["Evaluator"].outputs["blessing"]
    (model,) = run.artifacts["Trainer"]
    assert blessing.properties["current_model_id"] == model.id
    properties = run.properties.keys() - {"imported"}
    return (
        properties,
        len(store.get_artifacts()),
        len(store.get_executions()),
        (root / "logs" / f"{RUN}.log").read_text(),
    )


def test_a_run_arrives_as_it_left(weeks: Weeks, there: Any) -> None:
    file = export(weeks)
    before = find_run(weeks.store, "cats", RUN)
    listed = list_summaries(weeks.store, "cats")[0].summary
    verdict, ingestion = before.verdict, before.ingestion
    weeks.config.root.rename(weeks.config.root.with_name("gone"))
    store = open_store(there)
    source = weeks.config.root.with_name("gone") / file.name
    assert import_run(store, there, source) == RUN
    after = find_run(store, "cats", RUN)
    assert (after.status, after.started, after.seconds) == (before.status, before.started, before.seconds)
    assert (after.verdict, after.ingestion) == (verdict, ingestion)
    assert [(step.node, step.state) for step in after.steps] == [(step.node, step.state) for step in before.steps]
    (found,) = list_summaries(store, "cats")
    assert (found.run.imported, found.summary) == (True, listed)
    assert "pinned" not in after.properties
    assert after.properties["schema_text"] == "# another\n"
    assert not (there.root / "reports" / f"{RUN}.html").exists()  # a page is written here, by `longhaul report`
    details = {one.step.node: one for one in read_details(store, after)}
    (model,) = details["Evaluator"].inputs["model"]
    (champion,) = details["Evaluator"].inputs["baseline_model"]
    assert (model.id, details["Trainer"].outputs["model"][0].id) == (model.id, model.id)
    assert champion.id not in {one.id for artifacts in after.artifacts.values() for one in artifacts}
    (blessing,) = details["Evaluator"].outputs["blessing"]
    assert blessing.properties["current_model_id"] == model.id  # the new id, not the one it had
    assert model.properties["imported_from"].startswith(str(weeks.config.root))
    assert model.uri.startswith(str(there.root / "artifacts" / "imported" / RUN))  # never another's place
    assert not Path(model.uri).exists()  # its files did not come along


def test_what_the_file_holds(weeks: Weeks) -> None:
    with zipfile.ZipFile(export(weeks)) as archive:
        names = archive.namelist()
        evaluation, examples = weeks.made[2, "ModelEvaluation"], weeks.made[2, "Examples"]
        assert archive.read("config.json") == b'{"name": "cats"}'
        assert archive.read("packages.txt") == b"tfx==1.21.0\npython==3.11.7\n"
        assert archive.read("schema.pbtxt") == b"# another\n"
        assert json.loads(archive.read("summary.json"))["metrics"]["auc"] == 0.75
        assert len(archive.read("openlineage.jsonl").splitlines()) == 2 * (1 + 6)
        assert [name for name in names if "/" in name] == [
            f"artifacts/{examples}/ingestion.json",
            f"artifacts/{evaluation}/verdict.json",
        ]
        assert not {"report.html", "run.log"} & set(names)
    details = {one.step.node: one for one in read_details(weeks.store, find_run(weeks.store, "cats", RUN))}
    judged = metadata_store_pb2.Event(
        artifact_id=weeks.made[1, "Examples"],
        execution_id=details["Evaluator"].step.execution_id,
        type=metadata_store_pb2.Event.INPUT,
    )
    judged.path.steps.add().key = "baseline_examples"
    weeks.store.put_events([judged])
    with zipfile.ZipFile(export(weeks, with_artifacts=True)) as archive:
        assert f"artifacts/{weeks.made[2, 'Examples']}/Split-train/rows.parquet" in archive.namelist()
        of_champion = f"artifacts/{weeks.made[1, 'Examples']}/"  # another run's table
        assert [name for name in archive.namelist() if name.startswith(of_champion)] == [f"{of_champion}ingestion.json"]
        assert "report.html" in archive.namelist()
        assert "run.log" not in archive.namelist()  # there was none
        model = archive.read(f"artifacts/{weeks.made[2, 'Model']}/saved_model.pb")
        assert model == b"m" * 500


def test_artifacts_come_along_if_wanted_and_no_run_builds_on_them(weeks: Weeks, there: Any) -> None:
    file = export(weeks, with_artifacts=True)
    store = open_store(there)
    import_run(store, there, file)
    run = find_run(store, "cats", RUN)
    (model,) = run.artifacts["Trainer"]
    assert Path(model.uri, "saved_model.pb").read_bytes() == b"m" * 500
    assert Path(model.uri).is_relative_to(there.root / "artifacts" / "imported" / RUN)
    states = {artifact.state for artifact in store.get_artifacts()}
    assert states == {metadata_store_pb2.Artifact.REFERENCE}  # TFX resolves and caches live ones only
    assert {context.type for context in store.get_contexts()} == {"pipeline_run"}
    assert list_runs(store, "cats") == []
    with pytest.raises(PipelineError, match="has no run of its own yet"):
        find_run(store, "cats", "latest")


def test_runs_that_share_an_artifact_share_it_still(weeks: Weeks, there: Any) -> None:
    store = open_store(there)
    for run_id in (Weeks.run_id(1), RUN):
        import_run(store, there, export(weeks, run_id))
    first, second = (find_run(store, "cats", run_id) for run_id in (Weeks.run_id(1), RUN))
    champion = {one.step.node: one for one in read_details(store, second)}["Evaluator"].inputs["baseline_model"][0]
    assert champion.id == first.artifacts["Trainer"][0].id
    diff = compare(store, first, second)
    assert diff.schema[2:] == ["@@ -1 +1 @@", "-# a schema", "+# another"]
    assert diff.metrics[0].after["auc"] == 0.75


def test_what_cannot_be_exported(weeks: Weeks, there: Any) -> None:
    import_run(open_store(there), there, export(weeks))
    with pytest.raises(PipelineError, match="was imported"):
        export_run(open_store(there), find_run(open_store(there), "cats", RUN), there.root / "x.zip", {})
    run = find_run(weeks.store, "cats", RUN)
    object.__setattr__(run, "status", "running")
    with pytest.raises(PipelineError, match="is still at work"):
        export_run(weeks.store, run, there.root / "x.zip", {})
    assert not (there.root / "x.zip").exists()


def test_a_run_that_is_here_is_refused(weeks: Weeks, there: Any) -> None:
    file = export(weeks)
    with pytest.raises(PipelineError, match=f"run {RUN} is here already"):
        import_run(weeks.store, weeks.config, file)
    store = open_store(there)
    import_run(store, there, file)
    with pytest.raises(PipelineError, match="is here already"):
        import_run(store, there, file)
    assert len(store.get_contexts()) == 1


# Files that are not what they should be


def rewritten(file: Path, *, without: str = "", **members: bytes) -> Path:
    """A copy with other contents; the manifest's digests stay as they were."""
    target = file.with_name("rewritten.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name != without:
                new.writestr(name, members.pop(name, old.read(name)))
        for name, content in members.items():
            new.writestr(name, content)
    return target


def manifest(file: Path, **changes: Any) -> bytes:
    with zipfile.ZipFile(file) as archive:
        return json.dumps(json.loads(archive.read("manifest.json")) | changes).encode()


def refused(file: Path, there: Any) -> PipelineError:
    store = open_store(there)
    with pytest.raises(PipelineError) as caught:
        import_run(store, there, file)
    assert store.get_contexts() == []
    assert store.get_artifacts() == []
    assert not (there.root / "artifacts" / "imported" / RUN).exists()
    return caught.value


def test_damaged_files_are_refused(weeks: Weeks, there: Any, tmp_path: Path) -> None:
    file = export(weeks)
    assert "no such file" in refused(tmp_path / "none.zip", there).what
    (tmp_path / "text.zip").write_text("no zip")
    assert "is not an exported run, or is damaged: File is not a zip file" in refused(tmp_path / "text.zip", there).what
    content = file.read_bytes()
    (tmp_path / "half.zip").write_bytes(content[: len(content) // 2])
    assert "is damaged" in refused(tmp_path / "half.zip", there).what
    with zipfile.ZipFile(file) as archive:
        start = archive.getinfo("mlmd.json").header_offset + 60
    (tmp_path / "flipped.zip").write_bytes(content[:start] + bytes([content[start] ^ 255]) + content[start + 1 :])
    assert "is damaged" in refused(tmp_path / "flipped.zip", there).what
    assert "it holds no manifest.json" in refused(rewritten(file, without="manifest.json"), there).what
    assert "damaged" in refused(rewritten(file, without="mlmd.json"), there).what
    tampered = rewritten(file, **{"summary.json": b"{}"})
    assert "summary.json is not what was exported" in refused(tampered, there).what
    stowaway = rewritten(file, **{"artifacts/1/more": b"x"})
    assert "artifacts/1/more is not in its manifest" in refused(stowaway, there).what


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "artifacts/../../../evil", "artifacts/1/..\\..\\evil"])
def test_a_file_that_wants_to_write_elsewhere_is_refused(weeks: Weeks, there: Any, name: str) -> None:
    error = refused(rewritten(export(weeks), **{name: b"evil"}), there)
    assert isinstance(error, DataError)
    assert "would be written elsewhere\n  Remedy: do not trust this file" in str(error)


def test_a_link_is_refused(weeks: Weeks, there: Any) -> None:
    file = rewritten(export(weeks))
    with zipfile.ZipFile(file, "a") as archive:
        link = zipfile.ZipInfo("artifacts/1/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "would be written elsewhere" in refused(file, there).what


def test_a_run_id_that_is_a_path_is_refused(weeks: Weeks, there: Any) -> None:
    file = export(weeks)
    for run_id in ("../x", "a/b", ".."):
        assert (
            "is no run's id" in refused(rewritten(file, **{"manifest.json": manifest(file, run_id=run_id)}), there).what
        )


def test_other_formats_and_pipelines_are_refused(weeks: Weeks, there: Any) -> None:
    file = export(weeks)
    newer = rewritten(file, **{"manifest.json": manifest(file, format=2, longhaul="9.0")})
    error = refused(newer, there)
    assert isinstance(error, ConfigError)
    assert "has format 2, of Longhaul 9.0; this one reads 1" in error.what
    dogs = there.model_copy(update={"name": "dogs"})
    assert refused(file, dogs).what.endswith("holds a run of pipeline 'cats', not of 'dogs'")


def test_a_crash_before_the_records_are_put_leaves_only_a_folder(
    weeks: Weeks, there: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, store = export(weeks), open_store(there)
    with monkeypatch.context() as patch:
        patch.setattr(archive_import._Rows, "put", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            import_run(store, there, file)
    assert store.get_contexts() == []
    import_run(store, there, file)  # over what the crash left
    assert find_run(store, "cats", RUN).verdict


def test_one_that_was_killed_is_brought_to_its_end_by_the_same_again(weeks: Weeks, there: Any) -> None:
    target = weeks.config.root / "run.zip"
    log = weeks.config.root / "run.log"
    log.write_text("epoch 1")
    export_run(weeks.store, find_run(weeks.store, "cats", RUN), target, {"run.log": log}, with_artifacts=True)
    before = there.root.with_name("before")
    open_store(there)
    there.root.rename(before)
    seen = list[Any]()
    for moment in range(20):
        shutil.rmtree(there.root, ignore_errors=True)
        shutil.copytree(before, there.root)
        was_killed = killed_at(moment, lambda: import_run(open_store(there), there, target), ("store",))
        if was_killed:
            import_run(open_store(there), there, target)
        seen.append(as_imported(open_store(there), there.root))
        if not was_killed:
            break
    assert len(seen) > 4
    assert [one for one in seen if one != seen[-1]] == []
    with pytest.raises(PipelineError, match="is here already"):
        import_run(open_store(there), there, target)


def test_an_archive_is_called_what_it_is(tmp_path: Path) -> None:
    """Seen failing: a zip file of the name x.tar.gz."""
    said = CliRunner().invoke(app, ["export", "latest", "--output", str(tmp_path / "x.tar.gz")]).exception
    assert isinstance(said, ConfigError)
    assert "is a zip file" in said.what


def test_a_killed_import_repeated_with_artifacts_brings_their_files(
    weeks: Weeks, there: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen failing: the run was on record, so no file was taken out of the archive. Repeated without, they stay."""
    store, run = open_store(there), find_run(weeks.store, "cats", RUN)
    files = {}
    for name, is_whole in (("few.zip", False), ("all.zip", True)):
        export_run(weeks.store, run, tmp_path / name, {}, with_artifacts=is_whole)
        with zipfile.ZipFile(tmp_path / name) as archive:
            files[name] = sum(member.startswith("artifacts/") for member in archive.namelist())
    assert files["few.zip"] < files["all.zip"]

    def killed(_: Any) -> None:
        raise KeyboardInterrupt

    for name in ("few.zip", "all.zip", "few.zip"):
        with monkeypatch.context() as patched:
            patched.setattr("pipeline.lineage.archive_import._Rows.point", killed)
            with pytest.raises(KeyboardInterrupt):
                import_run(store, there, tmp_path / name)
    assert import_run(store, there, tmp_path / "few.zip") == RUN
    folder = there.root / "artifacts" / "imported" / RUN
    assert sum(path.is_file() for path in folder.rglob("*")) == files["all.zip"]


def test_what_is_on_record_keeps_its_files(weeks: Weeks, there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen failing: a store that refused the last records cost the files of the first, and no repeat brought them."""
    file, store = export(weeks, with_artifacts=True), open_store(there)

    def refuse(_: Any) -> None:
        raise mlmd_errors.FailedPreconditionError("another writes")

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.lineage.archive_import._Rows.point", refuse)
        with pytest.raises((PipelineError, mlmd_errors.StatusError)):
            import_run(store, there, file)
    import_run(store, there, file)
    (model,) = find_run(store, "cats", RUN).artifacts["Trainer"]
    assert [*Path(model.uri).rglob("*")]


def test_a_crash_while_exporting_leaves_no_file(weeks: Weeks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.lineage.archive._manifest", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    before = sorted(weeks.config.root.iterdir())
    with pytest.raises(KeyboardInterrupt):
        export(weeks)
    assert sorted(weeks.config.root.iterdir()) == before


def test_an_imported_run_can_be_collected(weeks: Weeks, there: Any) -> None:
    from pipeline.lineage.garbage import plan
    from pipeline.lineage.removal import remove

    store = open_store(there)
    for run_id in (Weeks.run_id(1), RUN):
        import_run(store, there, export(weeks, run_id))
    todo = plan(store, there, 1)
    assert {item.of for item in todo.items} == {Weeks.run_id(1)}
    remove(store, there.record_name, todo)
    assert find_run(store, "cats", RUN).verdict
    assert plan(store, there, 1).items == []


def test_export_takes_no_links(weeks: Weeks) -> None:
    (weeks.path(2, "Model") / "link").symlink_to("/etc/passwd")
    with zipfile.ZipFile(export(weeks, with_artifacts=True)) as archive:
        assert not [name for name in archive.namelist() if name.endswith("/link")]
    shutil.rmtree(weeks.config.root)
