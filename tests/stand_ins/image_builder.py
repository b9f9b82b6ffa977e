"""Builds a Dockerfile where no Docker engine runs: buildah, whose containers are here a chroot.

The images that its FROM lines name lie in registries that a test does not ask. They are made here, under their names:
Debian 12 with Debian's own CPython 3.11 for python:3.11-slim-bookworm, and for Beam's image its one part that is used,
the program `boot`, built from Beam's Go module of the same version.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_PYTHON = """FROM scratch
ADD root.tar /
RUN ln -s /usr/bin/python3.11 /usr/local/bin/python
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
"""
_LONGEST_RUN_S = 300
_LONGEST_BUILD_S = 900
_TRIAL_S = 60
_FREE_GB = 15
_BOOT = "FROM scratch\nCOPY boot /opt/apache/beam/boot\n"


def missing(folder: Path) -> str:
    """Why nothing can be built here with images in this folder; empty if it can."""
    programs = [program for program in ("buildah", "mmdebstrap", "go") if not shutil.which(program)]
    if programs:
        return f"needs {', '.join(programs)}: of Debian, but for Go, which must be as new as Beam's module asks"
    if os.geteuid() != 0:
        return "needs root, for chroot and mounts"
    free = shutil.disk_usage(folder).free // 1_000_000_000
    return f"{folder} has {free} GB free; images and their layers need {_FREE_GB}" if free < _FREE_GB else ""


class ImageBuilder:
    """A store of images and containers in a folder of its own; `close` leaves nothing behind.

    Args:
        folder: absolute; gigabytes will lie there.
        uv_cache: is shared with the builds.
    """

    def __init__(self, folder: Path, uv_cache: Path) -> None:
        self.folder = folder
        self._containers: dict[str, str] = {}
        self._environment = os.environ | {"TMPDIR": f"{folder}/temporary"}
        (folder / "temporary").mkdir(parents=True)
        driver = "overlay" if "overlay" in Path("/proc/filesystems").read_text() else "vfs"
        self._buildah = ["buildah", "--root", f"{folder}/images", "--runroot", f"{folder}/run"]
        self._buildah += ["--storage-driver", driver]
        mounts = _registry_settings(folder / "settings")
        self._mounts = [f"--volume={here}:{there}:ro" for here, there in mounts.items()]
        self._mounts.append(f"--volume={uv_cache}:/root/.cache/uv")

    def close(self) -> None:
        """Removes all containers, images and mounts, also after a build that was killed."""
        mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in reversed([mount for mount in mounted if mount.startswith(f"{self.folder}/")]):
            subprocess.run(["umount", "--lazy", mount], check=True)
        shutil.rmtree(self.folder)

    def make_python(self, name: str) -> None:
        """The stand-in for python:3.11-slim-bookworm."""
        place = self._place("python", _PYTHON)
        packages = "--include=python3.11-venv,ca-certificates,netbase,tzdata"
        self._check(["mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", f"{place}/root.tar"])
        self.build(name, place)
        (place / "root.tar").unlink()

    def make_beam(self, name: str, version: str) -> None:
        """The stand-in for Beam's image of its SDK for Python; `boot` itself is the real one."""
        place = self._place("beam", _BOOT)
        package = f"github.com/apache/beam/sdks/v2/python/container@v{version}"
        self._check(["go", "install", "-ldflags=-s -w", package], GOBIN=str(place), CGO_ENABLED="0")
        (place / "container").rename(place / "boot")
        self.build(name, place)

    def build(self, name: str, context: Path, dockerfile: Path | None = None) -> None:
        """As `docker build --no-cache --tag NAME --file DOCKERFILE CONTEXT` does, by a clock that stands still."""
        options = ["--isolation=chroot", "--network=host", "--pull=never", "--timestamp=0", *self._mounts]
        self._call("build", *options, "--tag", name, "--file", str(dockerfile or context / "Dockerfile"), str(context))

    def files(self, image: str) -> set[str]:
        """All regular files of an image, relative to its root."""
        root = Path(self._call("mount", self._container(image)).strip())
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and not path.is_symlink()}

    def layers(self, image: str) -> list[str]:
        """Digests of an image's layers, uncompressed, from the base up."""
        told = json.loads(self._call("inspect", "--type=image", image))
        return list(told["OCIv1"]["rootfs"]["diff_ids"])

    def cannot_run(self, image: str) -> str:
        """Why nothing of an image can be run here, say in a container that may start no others; empty if it can."""
        try:
            done = self.run(image, "true", timeout_s=_TRIAL_S)
        except subprocess.TimeoutExpired:
            return f"`true` in a container has not ended after {_TRIAL_S} s"
        return "" if done.returncode == 0 else f"`true` in a container: {done.stdout.strip()[-300:]}"

    def run(
        self, image: str, *command: str, folders: Sequence[Path] = (), timeout_s: float = _LONGEST_RUN_S
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command as the image's user, with no network but its own loopback interface; nothing outlives it.

        Args:
            folders: are seen inside under their own names.

        Returns:
            Its output and errors together, as stdout.
        """
        volumes = [f"--volume={folder}:{folder}" for folder in folders]
        options = ["--isolation=chroot", "--network=host", "--hostname=localhost", *volumes]
        inside = [*self._buildah, "run", *options, self._container(image), "--", *command]
        alone = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, __file__]
        return subprocess.run(
            [*alone, *inside],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
        )

    def entry(self, image: str) -> list[str]:
        """The entrypoint of an image: buildah starts commands without it."""
        told = json.loads(self._call("inspect", "--type=image", image))
        return list(told["OCIv1"]["config"]["Entrypoint"])

    def _container(self, image: str) -> str:
        if image not in self._containers:
            self._containers[image] = self._call("from", "--pull=never", image).strip()
        return self._containers[image]

    def _place(self, name: str, dockerfile: str) -> Path:
        place = self.folder / name
        place.mkdir()
        (place / "Dockerfile").write_text(dockerfile)
        return place

    def _call(self, *arguments: str) -> str:
        return self._check([*self._buildah, *arguments])

    def _check(self, command: Sequence[str], **environment: str) -> str:
        done = subprocess.run(
            command,
            env=self._environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST_BUILD_S,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout


def _registry_settings(folder: Path) -> dict[str, str]:
    """Index and certificates that pip has here, for the time of a build: {file here: where it is seen}."""
    told = subprocess.run(["python3", "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    found = dict(re.findall(r"[.](index-url|cert)='(.*)'", told))
    index = os.environ.get("UV_DEFAULT_INDEX") or found.get("index-url")
    folder.mkdir(parents=True)
    pip, uv = folder / "pip.conf", folder / "uv.toml"
    pip.write_text(f"[global]\ncert = {_CERTIFICATES}\n" + (f"index-url = {index}\n" if index else ""))
    uv.write_text("system-certs = true\n" + (f'index-url = "{index}"\n' if index else ""))
    return {str(pip): "/etc/pip.conf", str(uv): "/etc/uv/uv.toml", found.get("cert", _CERTIFICATES): _CERTIFICATES}


def _become_alone(command: list[str]) -> None:
    """In a fresh network namespace: starts its loopback interface, then becomes the command."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        up, set_flags = 0x1, 0x8914  # IFF_UP, SIOCSIFFLAGS
        fcntl.ioctl(one, set_flags, struct.pack("16sh14x", b"lo", up))
    os.execvp(command[0], command)


if __name__ == "__main__":
    _become_alone(sys.argv[1:])
