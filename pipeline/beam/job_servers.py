"""The clusters that do Beam's work: whether they answer, and the job servers that hand them the work."""

from __future__ import annotations

import difflib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from pipeline.beam import arguments
from pipeline.config.beam import BeamSettings, Portable
from pipeline.errors import ConfigError, JobError

_JAVA = {"flink": range(11, 22), "spark": range(8, 18)}
"""Versions on which Beam's job servers for Flink and Spark run."""
_OPENED = ("sun.nio.ch", "java.nio", "java.util", "java.lang.invoke")
"""What Spark needs opened of Java 17; https://issues.apache.org/jira/browse/SPARK-33772."""
_ANSWER_S, _START_S = 5, 90
_GAVE_UP = re.compile(r"failed in state FAILED: (.*)", re.DOTALL)
_OUR_CODE = "Error received from SDK harness"
"""What Beam says of an error in the steps' own code."""
_LOOPBACK = ("localhost", "127.0.0.1")


def check(beam: BeamSettings, config_file: Path | None) -> None:
    """Whether all that the run asks for is there: cluster, workers, job server or Java. Needs no Beam.

    Raises:
        ConfigError: it is not, or settings are missing.
    """
    arguments.check(beam, config_file)
    for name, portable in arguments.clusters(beam, config_file).items():
        if name == "flink":
            _check_flink(portable.master)
        if portable.job_endpoint:
            _check_answers(
                f"beam.{name}.job_endpoint", portable.job_endpoint, f"start Beam's job server for {name.title()} there"
            )
        else:
            _check_jar(name, str(portable.job_server_jar))
            _check_java(name)
        _check_workers(name, portable)


@contextmanager
def job_servers(beam: BeamSettings, config_file: Path | None, logs: Path) -> Iterator[dict[str, str]]:
    """Start the job servers that are not there yet, for as long as the context lasts.

    Args:
        logs: folder; what a job server says goes to `job-server-<runner>.log`.

    Returns:
        By runner, where its job server is. Every option for it is known.

    Raises:
        ConfigError: a job server does not start, or Beam does not know an option.
        JobError: a job failed for a reason that lies in the cluster.
    """
    with ExitStack() as running:
        endpoints = {
            name: portable.job_endpoint or running.enter_context(_started(name, portable, logs))
            for name, portable in arguments.clusters(beam, config_file).items()
        }
        check_options(beam, endpoints)
        try:
            yield endpoints
        except RuntimeError as exc:
            gave_up = _GAVE_UP.search(str(exc))
            if gave_up is None or _OUR_CODE in str(exc):
                raise
            raise JobError(
                f"the cluster gave the work up: {' '.join(gave_up[1].split())[:300]}",
                "see its log, and docs/beam.md on what it needs; `longhaul resume` then goes on from this step",
            ) from exc


def check_options(beam: BeamSettings, endpoints: Mapping[str, str]) -> None:
    """Whether Beam knows the options that the configuration gives, and can read their values. Imports Beam.

    Args:
        endpoints: job servers, which know options of their own.

    Raises:
        ConfigError: it does not.
    """
    given = {
        f"beam.{name}.options": (name, getattr(beam, name).options)
        for name in sorted(arguments.runners(beam) - {"direct"})
    } | {
        f"beam.steps.{step}.options": (arguments.runner_of(beam, step), settings.options)
        for step, settings in beam.steps.items()
    }
    if not any(options for _, options in given.values()):
        return
    from apache_beam.options.pipeline_options import PipelineOptions

    beams_own = set(PipelineOptions([]).get_all_options())
    for where, (runner, options) in given.items():
        known = beams_own | (_options_of(endpoints[runner], runner) if options and runner in endpoints else set())
        for option in options:
            if option not in known:
                near = difflib.get_close_matches(option, known, n=1)
                raise ConfigError(
                    f"{where}: Beam knows no option {option!r} for {runner}",
                    f"did you mean {near[0]!r}?" if near else "take it out; docs/beam.md says where Beam lists them",
                )
        flags = [flag for option, value in options.items() for flag in arguments.flags(option, value)]
        complaint = io.StringIO()
        try:
            with redirect_stderr(complaint):
                PipelineOptions(flags).get_all_options()
        except SystemExit as exc:
            raise ConfigError(
                f"{where}: {complaint.getvalue().strip().splitlines()[-1].partition('error: ')[2]}",
                "correct the value",
            ) from exc


def _options_of(endpoint: str, runner: str) -> set[str]:
    """Names of the options that a job server knows."""
    import grpc
    from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

    try:
        with grpc.insecure_channel(endpoint) as channel:
            service = beam_job_api_pb2_grpc.JobServiceStub(channel)
            answer = service.DescribePipelineOptions(
                beam_job_api_pb2.DescribePipelineOptionsRequest(), timeout=_ANSWER_S * 6
            )
    except grpc.RpcError as exc:
        raise ConfigError(
            f"beam.{runner}.job_endpoint: what answers at {endpoint} is no Beam job server ({exc.code().name})",
            "give the --job-port of the job server",
        ) from exc
    return {option.name for option in answer.options}


@contextmanager
def _started(name: str, portable: Portable, logs: Path) -> Iterator[str]:
    """Start a job server in a process of its own; return its address."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    log = logs / f"job-server-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED]
    master = {"flink": "--flink-master", "spark": "--spark-master-url"}[name]
    with tempfile.TemporaryDirectory(prefix="longhaul-job-server-") as staged, log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(_java(name), *opened, "-jar", str(portable.job_server_jar), master, portable.master),
                *("--artifacts-dir", staged, "--job-port", str(port), "--artifact-port", "0", "--expansion-port", "0"),
            ],
            stdout=output,
            stderr=output,
        )
        try:
            until = time.monotonic() + _START_S
            while not _answers(f"localhost:{port}"):
                if process.poll() is not None or time.monotonic() > until:
                    said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
                    raise ConfigError(
                        f"beam.{name}.job_server_jar: the job server does not start: {said[0][:300]}",
                        f"see {log}; take the job server that Beam releases for your version of {name.title()}",
                    )
                time.sleep(0.2)
            yield f"localhost:{port}"
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def _check_flink(master: str) -> None:
    where = f"beam.flink.master: {master}"
    try:
        with urlopen(f"http://{master.removeprefix('http://')}/overview", timeout=_ANSWER_S) as answer:
            overview = json.load(answer)
        slots = int(overview["slots-total"])
    except (URLError, OSError) as exc:
        raise ConfigError(
            f"{where} does not answer ({getattr(exc, 'reason', exc)})",
            "start the cluster, or give host:port of its REST service (rest.port, 8081 by default)",
        ) from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigError(
            f"{where} answers, but not as Flink does", "give host:port of Flink's REST service (8081 by default)"
        ) from exc
    if slots == 0:
        raise ConfigError(f"{where} has no task managers", "start them; each brings taskmanager.numberOfTaskSlots")


def _check_workers(name: str, portable: Portable) -> None:
    """Look for a pool. At localhost it is each worker machine's own, seen from here only if the master is here too."""
    is_here = portable.worker_pool.rpartition(":")[0] in _LOOPBACK
    master = re.sub(r"^\w+://", "", portable.master).rpartition(":")[0]
    if is_here and master not in _LOOPBACK and not portable.master.startswith("local"):
        return
    port = portable.worker_pool.rpartition(":")[2]
    _check_answers(
        f"beam.{name}.worker_pool",
        portable.worker_pool,
        f"`python -m pipeline.beam.worker_pool --port {port}` starts it",
    )


def _check_answers(field: str, address: str, remedy: str) -> None:
    if not _answers(address):
        raise ConfigError(f"{field}: nobody answers at {address}", remedy)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _ANSWER_S):
            return True
    except (OSError, OverflowError):
        return False


def _check_jar(name: str, jar: str) -> None:
    if not zipfile.is_zipfile(jar):
        what = "is no jar" if Path(jar).exists() else "is not there"
        raise ConfigError(
            f"beam.{name}.job_server_jar: {jar} {what}",
            f"fetch beam-runners-{name}-…-job-server from Maven Central (docs/beam.md), or give job_endpoint",
        )


def _java(name: str) -> str:
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(str(Path(home, "bin", "java"))) if home else shutil.which("java")
    if not found:
        raise ConfigError(
            f"beam.{name}.job_server_jar: there is no Java {'in JAVA_HOME ' + home if home else 'on the PATH'}",
            "install Java 17, such as openjdk-17-jre-headless, or give job_endpoint of a job server elsewhere",
        )
    return found


def _check_java(name: str) -> None:
    java = _java(name)
    said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    number = re.search(r'version "(?:1\.)?(\d+)', said)
    version = int(number[1]) if number else 0
    works = _JAVA[name]
    if version not in works:
        raise ConfigError(
            f"beam.{name}.job_server_jar: {java} is Java {version or 'of an unknown version'}; Beam's job server for"
            f" {name.title()} runs on Java {works.start} to {works.stop - 1}",
            "install Java 17 and let JAVA_HOME name its folder",
        )
