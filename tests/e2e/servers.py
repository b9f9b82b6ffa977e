"""Database servers of our own for the time of some tests; a test skips, with the reason, where there is none."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSWORD = "s3cr3t-of-the-lineage"


@dataclass(frozen=True)
class PostgreSQL:
    """A PostgreSQL server; it refuses to run as root, so root borrows the account `postgres`."""

    bin: Path
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://longhaul@127.0.0.1:{self.port}/lineage"

    def call(self, program: str, *args: object) -> str:
        as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*as_postgres, str(self.bin / program), *map(str, args)]
        done = subprocess.run(
            command, cwd=self.folder, env=os.environ | {"PGPASSWORD": PASSWORD}, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -h 127.0.0.1 -F"
        self.call("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-o", options, "-w", "start")

    def stop(self) -> None:
        self.call("pg_ctl", "-D", self.folder / "data", "-m", "fast", "-w", "stop")

    def dump(self) -> str:
        """The whole database as SQL text."""
        return self.call("pg_dump", "-h", "127.0.0.1", "-p", self.port, "-U", "longhaul", "lineage")


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """Initialised and started, without a database yet."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not binaries:
        pytest.skip("no PostgreSQL server here: /usr/lib/postgresql/*/bin/initdb is missing (apt: postgresql)")
    is_root = os.geteuid() == 0
    if is_root and not (shutil.which("runuser") and "postgres" in {entry.pw_name for entry in pwd.getpwall()}):
        pytest.skip("PostgreSQL does not run as root, and there is no runuser or no account `postgres`")
    # Not tmp_path: the account `postgres` may not look into pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="longhaul-postgresql-"))
    password_file = folder / "password"
    password_file.write_text(PASSWORD)
    if is_root:
        shutil.chown(folder, "postgres")
        shutil.chown(password_file, "postgres")
    server = PostgreSQL(binaries[-1].parent, folder, free_port())
    identity = ["-U", "longhaul", "--auth=scram-sha-256", f"--pwfile={password_file}"]
    server.call("initdb", "-D", folder / "data", *identity, "--encoding=UTF8", "--locale=C", "--no-sync")
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@dataclass
class MariaDB:
    """A MariaDB server, which ML Metadata takes for MySQL."""

    command: list[object]
    environment: dict[str, str]
    log: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mysql://longhaul@127.0.0.1:{self.port}/lineage"

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(list(map(str, self.command)), stdout=log, stderr=log, env=self.environment)
        _wait_for(self.port, self.process, self.log)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=300)


@contextmanager
def mariadb() -> Iterator[MariaDB]:
    """Initialised and started. The server may be installed, or only unpacked below $LONGHAUL_MARIADB."""
    root = Path(os.environ.get("LONGHAUL_MARIADB", "/"))
    daemon = root / "usr/sbin/mariadbd"
    if not daemon.exists():
        pytest.skip(f"no MariaDB server here: {daemon} is missing (apt: mariadb-server-core, unpacked or installed)")
    folder = Path(tempfile.mkdtemp(prefix="longhaul-mariadb-"))
    unpacked = os.environ | {"LD_LIBRARY_PATH": f"{root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu"}
    shutil.chown(folder, _account())
    accounts = folder / "accounts.sql"
    accounts.write_text(
        f"create user if not exists longhaul@'127.0.0.1' identified by '{PASSWORD}';\n"
        "grant all on *.* to longhaul@'127.0.0.1';\n"
    )
    shutil.chown(accounts, _account())
    common = [f"--datadir={folder}/data", f"--lc-messages-dir={root}/usr/share/mysql", f"--user={_account()}"]
    port = free_port()
    command = [
        daemon, "--no-defaults", *common, f"--port={port}", "--bind-address=127.0.0.1",
        f"--socket={folder}/socket", f"--pid-file={folder}/pid", f"--init-file={accounts}",
    ]  # fmt: skip
    server = MariaDB(command, unpacked, folder / "log", port)
    with server.log.open("w") as log:
        subprocess.run(
            [
                root / "usr/bin/mariadb-install-db", "--no-defaults", f"--basedir={root}/usr", *common,
                "--auth-root-authentication-method=normal", "--skip-test-db", "--force",
            ],
            stdout=log, stderr=log, env=unpacked, check=True,
        )  # fmt: skip
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _account() -> str:
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(3000):  # five minutes, on a busy machine
        assert process.poll() is None, log.read_text()[-3000:]
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])
