"""What is installed: versions, native wheels, Beam's runner, ML Metadata's filter queries. Imports none of it but
ML Metadata."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import ml_metadata
from ml_metadata.proto import metadata_store_pb2
from packaging.requirements import Requirement

from pipeline.beam.arguments import DIRECT
from pipeline.doctor.finding import Finding

_LOCK = Path(__file__).parent.parent.parent / "requirements" / "lock.txt"
_NATIVE = ("ml-metadata", "tensorflow-data-validation", "tfx-bsl", "tensorflow", "pyarrow", "numpy")
"""Packages whose wheels ask for more than any Linux has (docs/dependencies.md)."""
_GLIBC_OF_OLD_TAGS = {"1": (2, 5), "2010": (2, 12), "2014": (2, 17)}
_RUNNER_MODULES = {"FnApiRunner": "apache_beam/runners/portability/fn_api_runner/fn_runner.py"}


def look() -> Iterator[Finding]:
    """Yield all of it."""
    yield _packages()
    yield _wheels()
    yield _beam()
    yield _filter_queries()


def _packages() -> Finding:
    """Compare versions with the lock of the checkout; where there is none, against what Longhaul itself asks for."""
    if _LOCK.exists():
        locked = dict(re.findall(r"^([\w.\-\[\]]+)==([^\s\\;]+)", _LOCK.read_text(), flags=re.MULTILINE))
        installed = {name: _version(name.split("[")[0]) for name in locked}
        drifted = [f"{name} {installed[name]} (lock: {at})" for name, at in locked.items() if installed[name] != at]
        fine, remedy = f"all {len(locked)} as locked", "`make clean setup` installs the lock again"
    else:
        wanted = [Requirement(line) for line in importlib.metadata.requires("longhaul") or ()]
        wanted = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
        drifted = [
            f"{one.name} {_version(one.name)} (wanted: {one.specifier})"
            for one in wanted
            if _version(one.name) == "missing" or not one.specifier.contains(_version(one.name), prereleases=True)
        ]
        fine, remedy = f"all {len(wanted)} in range; installed without the lock", "install longhaul again, with pip"
    if drifted:
        return Finding("packages", ", ".join(drifted[:5]) + (" …" if len(drifted) > 5 else ""), remedy)
    return Finding("packages", fine)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _wheels() -> Finding:
    """Return which C library the native wheels were built for, and which is here."""
    needed = {name: glibc for name in _NATIVE if (glibc := _glibc(name))}
    library, version = platform.libc_ver()
    here = tuple(map(int, version.split("."))) if library == "glibc" else (0, 0)
    if too_new := [f"{name} needs {_dotted(glibc)}" for name, glibc in needed.items() if glibc > here]:
        return Finding(
            "native wheels",
            f"glibc {version or 'not here'}, but {', '.join(too_new)}",
            "`make clean setup` installs wheels that load; elsewhere use a system with that glibc, or a container",
        )
    most = max(needed, key=needed.__getitem__, default=None)
    asked = f"need glibc {_dotted(needed[most])} at most ({most})" if most else "ask for no glibc"
    return Finding("native wheels", asked)


def _glibc(name: str) -> tuple[int, ...] | None:
    """Return the oldest glibc for which a wheel says that it was built; None of one that is missing or asks for
    none."""
    try:
        told = importlib.metadata.distribution(name).read_text("WHEEL") or ""
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [(int(major), int(minor)) for major, minor in re.findall(r"manylinux_(\d+)_(\d+)_", told)]
    found += [_GLIBC_OF_OLD_TAGS[tag] for tag in re.findall(r"manylinux(1|2010|2014)_", told)]
    return min(found, default=None)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _beam() -> Finding:
    """Look for Prism: Beam hands jobs of its DirectRunner to Prism, a program that it downloads; ours name another
    runner."""
    runner = DIRECT[0].removeprefix("--runner=")
    try:
        beam = importlib.metadata.distribution("apache-beam")
    except importlib.metadata.PackageNotFoundError:
        return Finding("Beam runner", "Beam is missing", "`make clean setup` installs it")
    if not Path(str(beam.locate_file(_RUNNER_MODULES.get(runner, runner)))).exists():
        return Finding(
            "Beam runner",
            f"Beam {beam.version} has no {runner}; another runner would be downloaded",
            "install Beam as locked: `make clean setup`",
        )
    return Finding("Beam runner", f"{' '.join(DIRECT)}: in this process, nothing is downloaded (Beam {beam.version})")


def _filter_queries() -> Finding:
    """Ask a store in memory."""
    version = importlib.metadata.version("ml-metadata")
    connection = metadata_store_pb2.ConnectionConfig()
    connection.fake_database.SetInParent()
    try:
        ml_metadata.MetadataStore(connection).get_contexts(ml_metadata.ListOptions(filter_query="name = 'x'"))
    except Exception as exc:  # a class of its own per status code, and RuntimeError
        return Finding(
            "filter queries",
            f"ML Metadata {version} answers none ({type(exc).__name__})",
            "install ml-metadata 1.17.1, as locked: `make clean setup`",
        )
    return Finding("filter queries", f"ML Metadata {version} answers them")
