"""`make setup`, the lock and the distribution's metadata.

Set-ups run in a copy of the files concerned, with a stand-in for uv that writes
down what it is asked to install; everything else is the real thing.
"""

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.waiting import cpu_s_of_children

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements" / "lock.txt"
PACKAGES = ("pipeline", "trainer", "schema")


def read_lock(path):
    """{name: (version, number of hashes)}; a line that is neither fails the test."""
    packages = {}
    for line in re.sub(r"\\\n", " ", path.read_text()).splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        pin = re.fullmatch(r"([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)((?:\s+--hash=sha256:[0-9a-f]{64})*)\s*", line)
        assert pin, f"not a pinned requirement: {line[:80]}"
        packages[canonicalize_name(pin[1])] = (pin[2], pin[3].count("--hash"))
    return packages


def read_names(path):
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    return [canonicalize_name(Requirement(line).name) for line in lines if line]


def script(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)
    return path


class Checkout:
    """A copy of what set-up reads. `installs` is what its uv was asked for."""

    def __init__(self, folder: Path, tools: Path):
        self.folder, self.venv = folder, folder / ".venv"
        self.log, self.broken = tools / "uv.log", tools / "uv-is-broken"
        (folder / "requirements").mkdir(parents=True)
        for name in ("Makefile", "setup.py", *(f"requirements/{p.name}" for p in LOCK.parent.iterdir())):
            shutil.copy(ROOT / name, folder / name)
        version = read_lock(LOCK.with_name("bootstrap.txt"))["uv"][0]
        uv = script(
            tools / "uv",
            f'case "$1 $2" in --version*) echo "uv {version} (stand-in)" ;; "cache dir") echo {tools} ;;',
            f'*) echo "$@" >>{self.log}; if [ -e {self.broken} ]; then echo "no network" >&2; exit 3; fi ;; esac',
        )
        # `pip install ... --target DIR` brings the stand-in; other modules are Python's own.
        self.python = script(
            tools / "python",
            'case "$*" in "-m pip install"*) for dir; do :; done; mkdir -p "$dir/bin"; cp ' + f'{uv} "$dir/bin/uv" ;;',
            '"-m pip"*) ;;',
            f'*) exec {sys._base_executable} "$@" ;; esac',
        )

    @property
    def installs(self):
        return self.log.read_text().splitlines() if self.log.exists() else []

    def make(self, *args, **env):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "PYTHON", "UV_"))}
        return subprocess.run(
            ["make", *args],
            cwd=self.folder,
            env=inherited | {"PYTHON": str(self.python)} | env,
            capture_output=True,
            text=True,
            timeout=600,
        )

    def setup(self):
        done = self.make("setup")
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path / "checkout", tmp_path / "tools")


def own_lines(stderr):
    return [line for line in stderr.splitlines() if not line.startswith("make")]


def test_setup_installs_the_lock_with_hashes_then_the_project(checkout):
    done = checkout.setup()
    locked, project = checkout.installs
    assert locked.startswith("pip sync")
    assert "--require-hashes" in locked
    assert locked.endswith("requirements/lock.txt")
    assert project.endswith("--no-deps --no-build-isolation --config-setting editable_mode=compat -e .")
    assert f"{len(read_lock(LOCK))} packages" in done.stdout
    assert own_lines(done.stderr) == []


def test_second_setup_does_nothing_and_takes_under_a_second(checkout):
    checkout.setup()
    before, start = checkout.installs, cpu_s_of_children()
    done = checkout.setup()
    assert cpu_s_of_children() - start < 1
    assert (done.stdout, done.stderr) == ("", "")
    assert checkout.installs == before


@pytest.mark.parametrize("name", ["requirements/lock.txt", "requirements/bootstrap.txt", "setup.py"])
def test_a_changed_input_is_installed_into_the_same_environment(checkout, name):
    checkout.setup()
    kept = checkout.venv / "kept"
    kept.touch()
    with (checkout.folder / name).open("a") as file:
        file.write("# changed\n")
    checkout.setup()
    assert len(checkout.installs) == 4
    assert kept.exists()


def test_a_setup_that_failed_half_way_starts_from_nothing(checkout):
    checkout.broken.touch()
    failed = checkout.make("setup")
    assert failed.returncode != 0
    assert own_lines(failed.stderr) == ["no network"]
    debris = checkout.venv / "debris"
    debris.touch()
    checkout.broken.unlink()
    checkout.setup()
    assert not debris.exists()
    assert len(checkout.installs) == 3  # the failed one, the lock, the project


def test_an_environment_copied_with_its_checkout_is_made_anew(checkout, tmp_path):
    checkout.setup()
    (checkout.venv / "debris").touch()
    checkout.folder = checkout.folder.rename(tmp_path / "elsewhere")
    checkout.setup()
    assert not (checkout.folder / ".venv" / "debris").exists()


def test_wrong_python_is_one_clear_line_and_leaves_nothing(checkout, tmp_path):
    old = script(tmp_path / "python3.9", 'if [ "$1" = -ISc ]; then echo 3.9.18; else exit 9; fi')
    done = checkout.make("setup", PYTHON=str(old))
    assert done.returncode != 0
    (line,) = own_lines(done.stderr)
    assert "needs Python 3.11" in line
    assert f"{old} is 3.9.18" in line
    assert "apt-get install python3.11 python3.11-venv" in line
    assert done.stdout == ""
    assert not checkout.venv.exists()


def test_a_python_that_does_not_run_is_passed_over(checkout, tmp_path):
    # What a pyenv shim does whose version is not installed, before a usable python3.
    script(tmp_path / "shims" / "python3.11", 'echo "pyenv: python3.11: command not found" >&2', "exit 127")
    path = os.pathsep.join((str(tmp_path / "shims"), str(tmp_path / "bin"), os.environ["PATH"]))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3.11").symlink_to(checkout.python)
    done = checkout.make("setup", PATH=path, PYTHON="")
    assert done.returncode == 0, done.stderr
    assert own_lines(done.stderr) == []


def test_python_without_pip_and_ensurepip_names_the_debian_package(checkout, tmp_path):
    bare = script(tmp_path / "bare", 'case "$*" in "-m "*) exit 1 ;; esac', f'exec {sys._base_executable} "$@"')
    done = checkout.make("setup", PYTHON=str(bare))
    assert done.returncode != 0
    (line,) = own_lines(done.stderr)
    assert line.endswith("has neither pip nor ensurepip. Remedy: apt-get install python3.11-venv")
    assert not checkout.venv.exists()


def test_help_is_the_default_and_names_every_target(checkout):
    done = checkout.make()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^  make ([\w-]+) ", done.stdout, re.MULTILINE)) == targets
    assert not checkout.venv.exists()


@pytest.mark.parametrize("name", ["lock.txt", "bootstrap.txt"])
def test_every_locked_package_has_hashes_and_no_host_is_named(name):
    path = LOCK.with_name(name)
    packages = read_lock(path)
    assert packages
    assert [package for package, (_, hashes) in packages.items() if hashes == 0] == []
    assert re.findall(r"\S*(?:://|index-url|find-links|trusted-host)\S*", path.read_text()) == (
        # uv names the option by which it leaves hosts out
        ["--no-emit-index-url"] if name == "lock.txt" else []
    )


def test_lock_holds_what_is_asked_for_by_name():
    locked = read_lock(LOCK)
    asked = read_names(LOCK.with_name("requirements.in")) + read_names(LOCK.with_name("dev.in"))
    assert [name for name in asked if name not in locked] == []


def test_lock_obeys_the_overrides():
    locked = read_lock(LOCK)
    overrides = [Requirement(line) for line in LOCK.with_name("overrides.txt").read_text().split()]
    assert [str(r) for r in overrides if locked[canonicalize_name(r.name)][0] not in r.specifier] == []


def test_this_environment_is_what_is_locked():
    installed: dict[str, str] = {}
    for found in metadata.distributions():  # setuptools, once imported, has old copies of some behind the others
        installed.setdefault(canonicalize_name(found.metadata["Name"]), found.version)
    locked = {name: version for name, (version, _) in read_lock(LOCK).items()}
    assert {name: installed.get(name) for name in locked} == locked


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folder with the distribution built from a copy: build/ and longhaul.egg-info/."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copy(ROOT / "setup.py", folder)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "setup.py", "-q", "egg_info", "build_py", "--build-lib", "build"]
    subprocess.run(command, cwd=folder, check=True, timeout=600)
    return folder


def test_metadata_names_the_command_and_the_python(built):
    (distribution,) = metadata.distributions(path=[str(built)])
    assert (distribution.metadata["Name"], distribution.version) == ("longhaul", "0.1.0")
    assert distribution.metadata["Requires-Python"] == ">=3.11,<3.12"
    (command,) = distribution.entry_points
    assert (command.group, command.name, command.value) == ("console_scripts", "longhaul", "pipeline.cli:main")


def test_ranges_cover_what_is_named_and_what_is_locked(built):
    (distribution,) = metadata.distributions(path=[str(built)])
    ranges = {canonicalize_name(r.name): r for r in map(Requirement, distribution.requires)}
    assert set(ranges) == set(read_names(LOCK.with_name("requirements.in")))
    locked = read_lock(LOCK)
    assert [str(r) for name, r in ranges.items() if locked[name][0] not in r.specifier] == []


def test_distribution_carries_every_file_of_the_packages(built):
    for package in PACKAGES:
        source = {p.relative_to(built) for p in (built / package).rglob("*") if p.is_file()}
        assert source, package
        carried = {p.relative_to(built / "build") for p in (built / "build" / package).rglob("*") if p.is_file()}
        assert sorted(map(str, source - carried)) == []
