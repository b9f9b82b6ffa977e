"""A push to Cloud Storage and to Vertex AI's Model Registry, through Google's own clients against a stand-in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.push import Push
from pipeline.errors import ConfigError, WorkspaceError
from pipeline.lineage.version_folders import versions
from pipeline.serving import gcs
from pipeline.serving.publish import already_serves, publish, publish_to_bucket, withdrawn_now
from tests.serving.fake_cloud import FakeCloud
from tests.serving.models import a_manifest, a_model
from trainer.digests import MANIFEST

BIG = 9 * 1024 * 1024
"""Beyond 8 MiB the client uploads in pieces."""


def test_every_file_arrives_whole_and_the_model_last(cloud: FakeCloud, tmp_path: Path) -> None:
    model = a_model(tmp_path / "model")
    (model / "variables" / "variables.data-00000-of-00001").write_bytes(b"v" * BIG)
    done = publish(model, tmp_path / "serving", a_manifest(model), Push(destination="gs://models/flights/prod"))
    names = [f"flights/prod/{done.version}/{path.relative_to(model)}" for path in model.rglob("*") if path.is_file()]
    assert cloud.names() == {*names, f"flights/prod/{done.version}/{MANIFEST}"}
    assert cloud.uploads[0] == f"flights/prod/{done.version}/{MANIFEST}"
    assert cloud.uploads[-1] == f"flights/prod/{done.version}/saved_model.pb"
    for path in (tmp_path / "serving" / str(done.version)).rglob("*"):
        if path.is_file():
            name = f"flights/prod/{path.relative_to(tmp_path / 'serving')}"
            assert cloud.objects["models", name] == path.read_bytes()
    assert json.loads(cloud.objects["models", f"flights/prod/{done.version}/{MANIFEST}"])["version"] == done.version


def test_a_bucket_s_top_will_do(cloud: FakeCloud, tmp_path: Path) -> None:
    assert gcs.upload(a_model(tmp_path / "model"), "gs://models", 7) == "gs://models/7"
    assert "7/saved_model.pb" in cloud.names()


def test_what_is_there_is_never_overwritten(cloud: FakeCloud, tmp_path: Path) -> None:
    model = a_model(tmp_path / "model")
    gcs.upload(model, "gs://models/flights", 7)
    before = dict(cloud.objects)
    with pytest.raises(WorkspaceError, match=r"412.*pre-conditions"):
        gcs.upload(a_model(tmp_path / "other", b"other"), "gs://models/flights", 7)
    assert cloud.objects == before


def test_a_push_that_fails_leaves_nothing_there_and_nothing_here(cloud: FakeCloud, tmp_path: Path) -> None:
    model = a_model(tmp_path / "model")
    cloud.fail_upload_of = "saved_model.pb"
    with pytest.raises(WorkspaceError, match=r"gs://models/flights cannot be written: 403 .*no right"):
        publish(model, tmp_path / "serving", a_manifest(model), Push(destination="gs://models/flights"))
    assert len(cloud.uploads) == 4  # all but the one that was refused
    assert cloud.names() == set()
    assert versions(tmp_path / "serving") == []
    assert list((tmp_path / "serving").iterdir()) == []


def test_what_a_killed_push_left_is_removed_by_the_next(cloud: FakeCloud, tmp_path: Path) -> None:
    somebody_else_s = ("8/fingerprint.pb", "notes/6", "007/x", "²/assets.extra/manifest.json")
    killed = (f"6/{MANIFEST}", "6/fingerprint.pb")
    for name in ("5/saved_model.pb", "5/fingerprint.pb", *killed, *somebody_else_s):
        cloud.objects["models", f"flights/{name}"], cloud.generations["models", f"flights/{name}"] = b"", 1
    gcs.upload(a_model(tmp_path / "model"), "gs://models/flights", 7)
    folders = {name.rpartition("flights/")[2].partition("/")[0] for name in cloud.names()}
    assert folders == {"5", "7", "8", "notes", "007", "²"}
    assert gcs.newest("gs://models/flights", MANIFEST) == (7, None)


def test_a_model_serves_already_only_in_all_places_where_it_shall_be(cloud: FakeCloud, tmp_path: Path) -> None:
    model, base = a_model(tmp_path / "model"), tmp_path / "serving"
    manifest, here, bucket = a_manifest(model), Push(), Push(destination="gs://models/flights")
    assert already_serves(str(base), manifest, here) is None
    first = publish(model, base, manifest, here)
    assert already_serves(str(base), manifest, here) == first
    assert already_serves(str(base), manifest, bucket) is None
    second = publish(model, base, manifest, bucket)
    assert already_serves(str(base), manifest, bucket) == second
    assert already_serves(str(base), manifest, here) == second
    assert already_serves(str(base), replace(manifest, files={}), here) is None
    assert already_serves("gs://models/flights", manifest, here) == second
    (base / str(second.version) / "saved_model.pb").write_bytes(b"")
    assert already_serves(str(base), manifest, here) is None


def test_a_bucket_that_is_not_there_is_named(cloud: FakeCloud, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"gs://nowhere/flights cannot be written: 404 .*bucket does not exist"):
        gcs.upload(a_model(tmp_path / "model"), "gs://nowhere/flights", 7)


def test_a_destination_is_an_address_in_cloud_storage() -> None:
    with pytest.raises(ValueError, match="destination"):
        Push(destination="s3://models/flights")
    with pytest.raises(ValueError, match="vertex_model needs a destination"):
        Push.model_validate({"vertex_model": REGISTRY})


REGISTRY = {"project": "p", "location": "us-central1", "display_name": "flights", "serving_image": "registry/tf:1"}


@pytest.mark.slow  # importing Vertex AI's client takes ten seconds
def test_every_push_is_a_version_of_one_model_in_the_registry(cloud: FakeCloud, tmp_path: Path) -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import aiplatform

    aiplatform.init(api_endpoint=cloud.url, api_transport="rest", credentials=AnonymousCredentials())
    settings = Push.model_validate({"destination": "gs://models/flights", "vertex_model": REGISTRY})
    pushed: list[Any] = []
    for content in (b"first", b"second"):
        model = a_model(tmp_path / content.decode(), content)
        pushed.append(publish(model, tmp_path / "serving", a_manifest(model), settings))
    ((name, (first, second)),) = cloud.models.items()
    assert name == "projects/p/locations/us-central1/models/1000"
    assert first["artifactUri"] == f"gs://models/flights/{pushed[0].version}"
    assert second["artifactUri"] == f"gs://models/flights/{pushed[1].version}"
    assert first["versionAliases"] == [f"longhaul-{pushed[0].version}"]
    assert second["versionAliases"] == [f"longhaul-{pushed[1].version}", "default"]
    assert second["containerSpec"]["imageUri"] == "registry/tf:1"
    assert second["versionDescription"] == "run 20260101-000000-000: auc 0.7, example_count 10"
    assert second["labels"] == {
        "longhaul-run": "20260101-000000-000", "longhaul-version": str(pushed[1].version),
    }  # fmt: skip

    gone = Push.model_validate({"destination": "gs://models/flights", "vertex_model": REGISTRY | {"location": "mars1"}})
    with pytest.raises(ConfigError, match=r"push\.vertex_model\.location: 'mars1' is no region"):
        publish(model, tmp_path / "serving", a_manifest(model), gone)
    assert versions(tmp_path / "serving") == [done.version for done in pushed]


def test_a_step_on_vertex_pushes_from_folder_to_bucket(cloud: FakeCloud, tmp_path: Path) -> None:
    base, model = "gs://models/serving/flights", a_model(tmp_path / "model")
    assert withdrawn_now(base) == ()
    first = publish_to_bucket(str(model), base, a_manifest(model, withdrawn=("abc",)), Push())
    second = publish_to_bucket(str(model), base, a_manifest(model, withdrawn=("abc", "def")), Push())
    assert second.version > first.version
    for version in (first.version, second.version):
        assert f"serving/flights/{version}/saved_model.pb" in cloud.names()
    assert withdrawn_now(base) == ("abc", "def")


def test_a_model_that_changed_on_the_way_is_not_pushed(cloud: FakeCloud, tmp_path: Path) -> None:
    model = a_model(tmp_path / "model")
    manifest = a_manifest(model)
    (model / "assets" / "words").write_text("changed")
    with pytest.raises(WorkspaceError, match="assets/words changed since; nothing was pushed"):
        publish_to_bucket(str(model), "gs://models/serving/flights", manifest, Push())
    assert cloud.names() == set()
