"""What the image is built from, as far as it can be checked without building it."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from google.cloud.devtools.cloudbuild_v1.types import Build
from google.protobuf import json_format
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"


def blocks(file: Path) -> dict[str, tuple[str, ...]]:
    """{name: its pin and hashes} of a lock."""
    lines = [line for line in file.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    pins = re.split(r"\n(?=\S)", "\n".join(lines))
    return {pin.split("==")[0]: tuple(pin.replace("\\", "").split()) for pin in pins}


def wanted(file: Path) -> set[str]:
    """The names in an .in file."""
    lines = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
    return {canonicalize_name(Requirement(line).name) for line in lines if line}


def test_the_images_lock_is_the_locks_part_for_running() -> None:
    whole, part = blocks(REQUIREMENTS / "lock.txt"), blocks(REQUIREMENTS / "image.txt")
    assert {name: whole.get(name) for name in part} == part
    assert all(len(pin) > 1 for pin in part.values()), "without a hash"
    names = {name.partition("[")[0] for name in part}
    assert wanted(REQUIREMENTS / "requirements.in") <= names
    assert names & {"pytest", "mypy", "ruff", "jupyterlab", "playwright"} == set()


def test_cloud_build_understands_its_file() -> None:
    text = (ROOT / "cloudbuild.yaml").read_text()
    build = Build.pb()()
    json_format.ParseDict(yaml.safe_load(text), build)  # refuses what the service does not know
    assert [next(iter(step.args)) for step in build.steps] == ["build", "run"]
    assert list(build.images) == ["$_IMAGE"]
    assert set(re.findall(r"\$\w+", text)) == {"$_IMAGE"}
