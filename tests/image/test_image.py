"""The image, built from the Dockerfile as it stands, and put to each of its uses."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compiled import job_of
from tests.stand_ins.image_builder import ImageBuilder, missing

pytestmark = [
    pytest.mark.extra,
    pytest.mark.slow,
    pytest.mark.timeout(2400),  # gigabytes are written four times: minutes, but many on a busy machine
]

ROOT = Path(__file__).parents[2]
IMAGE = "localhost/longhaul:1"
SENT = ("setup.py", "pipeline/", "trainer/", "schema/", "requirements/bootstrap.txt", "requirements/image.txt")
"""What the Dockerfile needs of a checkout."""
STEPS = ("TableExampleGen", "StatisticsGen")

SCHEMA = """
feature { name: "x" type: INT presence { min_fraction: 1.0 } shape {} }
feature { name: "kind" type: BYTES presence { min_fraction: 1.0 } shape {} }
feature { name: "y" type: INT presence { min_fraction: 1.0 } shape {} }
"""

COUNT_ROWS = """
import sys
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

options = PipelineOptions(
    ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=EXTERNAL",
     "--environment_config=localhost:50000", "--sdk_location=container"]
)

def where(row):
    import os, pathlib
    import pipeline.components.statistics_gen
    parent = pathlib.Path(f"/proc/{os.getppid()}/cmdline").read_bytes().split(b"\\0")[0].decode()
    return parent, os.getuid(), row

def is_right(found):
    assert sorted(found) == [("/opt/apache/beam/boot", 1000, row) for row in range(3)], found

with beam.Pipeline(options=options) as p:
    found = p | beam.Create([0, 1, 2]) | beam.Reshuffle() | beam.Map(where)
    _ = found | beam.combiners.ToList() | beam.Map(is_right)
print("the workers did it")
"""


def arguments(dockerfile: Path) -> dict[str, str]:
    """The values of ARG lines."""
    return dict(re.findall(r"^ARG (\w+)=(\S+)$", dockerfile.read_text(), re.MULTILINE))


def pins(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([^\s\\]+)", file.read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageBuilder]:
    if reason := missing(tmp_path_factory.getbasetemp()):
        pytest.skip(reason)
    cache = Path(os.environ.get("UV_CACHE_DIR", "~/.cache/uv")).expanduser()
    cache.mkdir(parents=True, exist_ok=True)
    builder = ImageBuilder(tmp_path_factory.mktemp("image") / "builder", cache)
    try:
        yield builder
    finally:
        builder.close()


@pytest.fixture(scope="module")
def image(builder: ImageBuilder) -> ImageBuilder:
    """A builder that holds the image."""
    bases = arguments(ROOT / "Dockerfile")
    builder.make_python(bases["PYTHON"])
    if reason := builder.cannot_run(bases["PYTHON"]):
        pytest.skip(reason)
    builder.make_beam(bases["BEAM"], bases["BEAM"].rpartition(":")[2])
    builder.build(IMAGE, ROOT)
    return builder


@pytest.fixture
def shell(image: ImageBuilder) -> Callable[[str], str]:
    """`shell(script)` in the image: what it prints."""

    def run(script: str) -> str:
        done = image.run(IMAGE, "sh", "-c", script)
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


def test_only_what_the_image_is_made_of_is_sent_to_the_builder(builder: ImageBuilder, tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM scratch\nCOPY . /\n")
    builder.build("context", ROOT, dockerfile)
    tracked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *SENT]
    files = subprocess.run(tracked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert builder.files("context") == {file for file in files if (ROOT / file).exists()}


def test_two_builds_are_the_same_to_the_bit(image: ImageBuilder) -> None:
    again = f"{IMAGE}-again"
    image.build(again, ROOT)
    assert image.layers(again) == image.layers(IMAGE)


def test_the_user_is_nobody_special(shell: Callable[[str], str]) -> None:
    assert shell("id -u; id -g; pwd; echo $HOME").split() == ["1000", "1000", "/home/longhaul", "/home/longhaul"]
    files = "find / -xdev \\( -path /proc -o -path /dev -o -path /sys \\) -prune -o -writable ! -type l -print"
    assert sorted(shell(files + " 2>/dev/null || true").split()) == ["/home/longhaul", "/run/lock", "/tmp", "/var/tmp"]


def test_the_packages_are_those_of_the_lock(image: ImageBuilder, shell: Callable[[str], str]) -> None:
    listed = json.loads(shell("python -m pip list --format json --disable-pip-version-check"))
    installed = {package["name"].lower().replace("_", "-").replace(".", "-"): package["version"] for package in listed}
    locked = {name.replace(".", "-"): version for name, version in pins(ROOT / "requirements" / "image.txt").items()}
    assert installed.pop("pip")  # for Beam's boot
    assert installed.pop("longhaul") == "0.1.0"
    assert installed == locked
    assert arguments(ROOT / "Dockerfile")["BEAM"].endswith(f":{locked['apache-beam']}")


def test_no_setting_of_the_machine_that_built_it_is_left(shell: Callable[[str], str]) -> None:
    assert shell("cat /etc/pip.conf /etc/uv/uv.toml 2>/dev/null; ls -A /root/.cache/uv 2>/dev/null; true") == ""
    assert not re.search(r"^(PIP|UV|SSL)_", shell("env"), re.MULTILINE)


def test_the_command_line_works(image: ImageBuilder, shell: Callable[[str], str]) -> None:
    assert "Usage: longhaul predict" in shell("longhaul predict --help")
    found = json.loads(shell("longhaul doctor --json"))
    assert [finding for finding in found if finding["remedy"]] == []
    entry = image.entry(IMAGE)
    assert "Usage: longhaul" in image.run(IMAGE, *entry, "longhaul", "--help").stdout
    # Only flags, as Beam's runners start it: these are boot's own words.
    assert "No provision endpoint provided" in image.run(IMAGE, *entry, "--id=1").stdout


def test_the_steps_of_a_compiled_job_run(image: ImageBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.config.loading import load
    from pipeline.data.statistics_files import read_split, splits_in
    from pipeline.runners.vertex.emulator.job import EmulatedJob

    rows = [f"{number},{'ab'[number % 2]},{int(number % 3 == 0)}" for number in range(60)]
    table = tmp_path / "job" / "buckets" / "bucket" / "table.csv"
    (tmp_path / "table.pbtxt").write_text(SCHEMA)
    config = tmp_path / "table.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "name": "table",
                "data": {"path": "table.csv", "label": "y", "task": "binary"},
                "split": {"by": "hash"},
                "schema": {"file": "table.pbtxt"},
                "evaluation": {"thresholds": {"auc": {"at_least": 0.1}}},
                "vertex": {
                    "project": "my-project",
                    "region": "us-central1",
                    "root": "gs://bucket/longhaul",
                    "image": IMAGE,
                    "data": "gs://bucket/table.csv",
                },
            }
        )
    )
    plan = job_of(load(config, workspace=str(tmp_path / "workspace")))
    tasks = plan["pipelineSpec"]["root"]["dag"]["tasks"]
    for name in tasks.keys() - {*STEPS}:
        del tasks[name]

    def launch(command: Sequence[str], log: Path, is_cancelled: Any) -> int:
        done = image.run(IMAGE, *command, folders=[tmp_path / "job" / "buckets"])
        log.write_text(done.stdout)
        return done.returncode

    umask = os.umask(0)  # a bucket knows no owners
    try:
        table.parent.mkdir(parents=True)
        table.write_text("\n".join(["x,kind,y", *rows]) + "\n")
        emulated = EmulatedJob(plan, "table-1", tmp_path / "job", launch)
        emulated.run()
    finally:
        os.umask(umask)
    logs = "\n".join(log.read_text()[-3000:] for log in emulated.folder.glob("*.log"))
    assert {name: task.state for name, task in emulated.tasks.items()} == dict.fromkeys(STEPS, "SUCCEEDED"), logs
    (found,) = emulated.tasks["StatisticsGen"].outputs["statistics"]
    statistics = tmp_path / "job" / "buckets" / found.uri.removeprefix("gs://")
    assert statistics.stat().st_uid == 1000
    splits = [read_split(statistics, name).datasets[0] for name in splits_in(statistics)]
    assert sum(split.num_examples for split in splits) == 60
    assert [[feature.path.step[0] for feature in split.features] for split in splits] == [["x", "kind", "y"]] * 2


def test_workers_of_beam_run_in_it(image: ImageBuilder, tmp_path: Path) -> None:
    """Flink's and Dataflow's way: the pool starts boot, boot asks the job for its options and starts the worker."""
    count = tmp_path / "program" / "count.py"
    count.parent.mkdir()  # unlike tmp_path, for all to read
    count.write_text(COUNT_ROWS)
    script = """
        count=$1; shift
        "$@" --worker_pool >/tmp/pool 2>&1 &
        timeout 120 python "$count" || { cat /tmp/pool; exit 1; }
    """
    done = image.run(IMAGE, "sh", "-c", script, "sh", str(count), *image.entry(IMAGE), folders=[count.parent])
    assert done.returncode == 0, done.stdout[-5000:]
    assert "the workers did it" in done.stdout
