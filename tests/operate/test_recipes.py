"""The recipes of docs/operate, as they are written: each file is checked by the program that it is for, each command by
the command line. What a whole project is needed for stands in tests/e2e/test_year.py."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main
import yaml
from cronsim import CronSim
from kubernetes import client

from pipeline import cli
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.replay import ReplayFile
from pipeline.errors import CALL, EXIT_CODES
from pipeline.lineage.runs import list_runs
from pipeline.lineage.store import open_store
from pipeline.observe import quiet
from tests.e2e.servers import PASSWORD, postgresql
from tests.lineage.weeks import Weeks, cats, cats_document
from tests.operate.pages import FOLDER, OTHERS, PAGES, TUTORIAL, blocks, commands, file_of, script

BIN = Path(sys.executable).parent
CALLS = {1, 2, 70, 74}
"""Exit codes after which a person is needed."""
ALL = [(page.name, *block) for page in PAGES for block in blocks(page.name)]
NOT_WHOLE = re.compile("Missing parameter|requires an argument")


def here(**variables: str) -> dict[str, str]:
    """An environment in which `longhaul` is this checkout's."""
    return os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"} | variables


# Every command


@pytest.mark.parametrize(
    ("page", "command"),
    [(page.name, command) for page in (*PAGES, TUTORIAL) for command in commands(page)],
    ids=str,
)
def test_every_command_is_one(page: str, command: str) -> None:
    parse(shlex.split(command))


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: str(page.relative_to(FOLDER.parents[1])))
def test_what_other_pages_name_is_a_command_with_its_options(page: Path) -> None:
    """They may leave out what is another one's each time: `VERSION`, or the table that `longhaul init` is for."""
    wrong = []
    for command in commands(page):
        words = ["1" if word.isupper() else word for word in shlex.split(re.sub(r"[][]", "", command))]
        try:
            parse([*words, "--help"] if words[-1] == "schema" else words)
        except typer.Exit:  # it was asked for help
            pass
        except Exception as exc:
            wrong += [] if NOT_WHOLE.search(str(exc)) else [f"{command}: {exc}"]
    assert wrong == []


def test_other_pages_name_many_commands() -> None:
    assert len({command for page in OTHERS for command in commands(page)}) > 150


@pytest.mark.parametrize("command", ["rum", "run --quite", "gc --keep many", "schema agree", "drop --span"])
def test_what_is_none_would_be_found(command: str) -> None:
    with pytest.raises(Exception, match=r"No such|should be a valid|requires an argument"):
        parse(shlex.split(command))


def parse(words: list[str]) -> None:
    """As the command line does it, without calling anything."""
    command: Any = typer.main.get_command(cli.app)
    name = ""
    with quiet.settled():
        while hasattr(command, "resolve_command"):
            context = command.context_class(command, info_name=name)
            name, command, words = command.resolve_command(context, words)
        command.make_context(name, list(words))


def test_the_pages_call_many_commands() -> None:
    assert {command.split()[0] for page in PAGES for command in commands(page)} >= {
        "run",
        "gc",
        "backup",
        "rollback",
        "drop",
        "doctor",
    }


# cron


def crontab(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not re.match(r"#|[A-Z]+=", line)]


def test_the_crontab_runs_when_it_says() -> None:
    new_year = datetime(2024, 12, 31, 12, tzinfo=UTC)
    times: dict[str, list[str]] = {}
    for page, language, _, text in ALL:
        for line in crontab(text) if language == "crontab" else []:
            *fields, user, command = line.split(maxsplit=6)
            assert user == "ml"
            assert re.match(r"cd /srv/sales && longhaul-job (run|gc|backup|loop --once) .*--quiet", command)
            assert "%" not in command
            times.setdefault(page, []).append(next(CronSim(" ".join(fields), new_year)).strftime("%d %H:%M"))
    assert times == {
        "cron.md": ["01 06:00", "02 06:00", "05 04:30", "01 04:00"],  # the fifth is a Sunday
        "loop.md": ["31 12:07"],
    }


@pytest.mark.parametrize(("arguments", "code", "is_said"), [("--version", 0, False), ("plan -c x.yaml", 2, True)])
def test_the_job_says_what_needs_a_person(tmp_path: Path, arguments: str, code: int, is_said: bool) -> None:
    job = script("cron.md", "/usr/local/bin/longhaul-job", tmp_path)
    done = subprocess.run([job, *arguments.split()], env=here(), capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, bool(done.stdout), done.stderr) == (code, is_said, "")


def test_the_job_keeps_to_itself_what_may_pass(tmp_path: Path) -> None:
    job = script("cron.md", "/usr/local/bin/longhaul-job", tmp_path)
    (tmp_path / "s.pbtxt").write_text('feature { name: "price" type: FLOAT }\nfeature { name: "sold" type: INT }\n')
    for month in ("2025-01", "2025-02", "2025-04"):
        (tmp_path / month).mkdir()
        (tmp_path / month / "t.csv").write_text("price,sold\n1,1\n")
    document = {
        "name": "sales",
        "data": {"path": "{YYYY}-{MM}/t.csv", "spans": "last 3", "label": "sold", "task": "binary"},
        "split": {"by": "time", "eval": "last 1 span"},
        "schema": {"file": "s.pbtxt"},
        "evaluation": {"thresholds": {"auc": {"at_least": 0.5}}},
    }
    (tmp_path / "sales.yaml").write_text(yaml.safe_dump(document))
    command = [job, "run", "--quiet", "-c", "sales.yaml"]
    done = subprocess.run(command, env=here(), capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (66, "", "")


# systemd


@pytest.mark.parametrize("file", [file for _, language, file, _ in ALL if language == "ini"])
def test_systemd_takes_the_units(tmp_path: Path, file: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here (apt: systemd)")
    for _, language, one, text in ALL:  # a timer is for a service
        if language == "ini":
            here = text.replace("/opt/longhaul/bin", str(BIN)).replace("User=ml", f"User={os.geteuid()}")
            (tmp_path / Path(one).name).write_text(here)
    unit = tmp_path / Path(file).name
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if "longhaul-sales" in line] == []
    assert done.returncode == 0, done.stderr


def test_systemd_reads_the_calendar() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here (apt: systemd)")
    (when,) = re.findall(r"OnCalendar=(.*)", file_of("systemd.md", "/etc/systemd/system/longhaul-sales.timer"))
    done = subprocess.run(["systemd-analyze", "calendar", when], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Normalized form: *-*-* 06:00:00" in done.stdout


def test_systemd_tries_again_after_the_right_exit_codes() -> None:
    text = file_of("systemd.md", "/etc/systemd/system/longhaul-sales.service")
    (codes,) = re.findall(r"RestartPreventExitStatus=(.*)", text)
    assert {*map(int, codes.split())} == CALLS


# Kubernetes


def misfits(value: Any, kind: str, place: str) -> list[str]:
    """What of a document the official client's model of a kind does not know, or knows as something else."""
    if found := re.fullmatch(r"list\[(.*)\]", kind):
        if not isinstance(value, list):
            return [f"{place}: no list"]
        return [said for n, one in enumerate(value) for said in misfits(one, found[1], f"{place}[{n}]")]
    if found := re.fullmatch(r"dict\(str, (.*)\)", kind):
        return [said for key, one in value.items() for said in misfits(one, found[1], f"{place}.{key}")]
    if kind in ("str", "int", "bool", "object"):
        expected = {"str": str, "int": int, "bool": bool, "object": object}[kind]
        return [] if isinstance(value, expected) else [f"{place}: {value!r} is no {kind}"]
    model = getattr(client, kind)
    names = {json: name for name, json in model.attribute_map.items()}
    said = [f"{place}.{key}: unknown" for key in value.keys() - names.keys()]
    known = {names[key]: one for key, one in value.items() if key in names}
    try:
        model(**known)
    except (
        ValueError
    ) as exc:  # something is missing that must be there; Kubernetes 1.26 asked for too much in one place
        if "on_pod_conditions" not in str(exc):
            said.append(f"{place}: {exc}")
    types = model.openapi_types
    return said + [one for name, inner in known.items() for one in misfits(inner, types[name], f"{place}.{name}")]


def test_kubernetes_knows_the_cron_job() -> None:
    document = yaml.safe_load(file_of("kubernetes.md", "cronjob.yaml"))
    assert (document["apiVersion"], document["kind"]) == ("batch/v1", "CronJob")
    assert misfits(document, "V1CronJob", "cronjob.yaml") == []
    job = document["spec"]["jobTemplate"]["spec"]
    (by_code,) = [rule["onExitCodes"] for rule in job["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    (container,) = job["template"]["spec"]["containers"]
    assert by_code["containerName"] == container["name"]
    assert {*by_code["values"]} == CALLS
    assert next(CronSim(document["spec"]["schedule"], datetime(2025, 1, 1, tzinfo=UTC)))


def test_a_mistake_in_the_cron_job_would_be_found() -> None:
    document = yaml.safe_load(file_of("kubernetes.md", "cronjob.yaml"))
    document["spec"]["jobTemplate"]["spec"]["backOffLimit"] = 3
    del document["spec"]["schedule"]
    said = " ".join(misfits(document, "V1CronJob", ""))
    assert "backOffLimit: unknown" in said
    assert "schedule" in said


def test_these_are_the_codes_that_call_someone() -> None:
    assert {one.code for one in EXIT_CODES if one.then == CALL} == CALLS


# Backup and restore


def test_what_was_backed_up_is_restored_to_the_nanosecond(tmp_path: Path) -> None:
    """By its times a run knows whether a span was corrected."""
    project, target, there = (tmp_path / name for name in ("sales", "backups", "elsewhere"))
    weeks = Weeks(project / "workspace")
    weeks.week(1)
    table = project / "data" / "2025-01" / "sales.csv"
    table.parent.mkdir(parents=True)
    table.write_text("price,sold\n1,1\n")
    os.utime(table, ns=(1_700_000_000_123_456_789, 1_700_000_000_123_456_789))
    (project / "sales.yaml").write_text(yaml.safe_dump(cats_document(Path("workspace"))))
    (project / "cats.pbtxt").write_text("")
    back_up = script("backup.md", "/usr/local/bin/longhaul-backup", tmp_path)
    subprocess.run([back_up, project, "sales.yaml", target], env=here(), check=True, capture_output=True)
    (restore,) = [text for language, file, text in blocks("backup.md") if language == "sh" and not file]
    copying = "\n".join(restore.splitlines()[:3])
    copying = copying.replace("/srv/sales", str(there)).replace("/backups/sales", str(target))
    subprocess.run(["sh", "-ec", copying], check=True, capture_output=True)
    assert files_of(there) == files_of(project)
    assert list_runs(open_store(cats(there / "workspace")), "cats")


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of each file, but of the store and locks."""
    return {
        str(file.relative_to(folder)): (file.stat().st_size, file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file() and file.name not in ("metadata.db", ".lock", ".serving.lock")
    }


# logrotate, shell, settings


def test_logrotate_takes_its_file(tmp_path: Path) -> None:
    if shutil.which("logrotate") is None:
        pytest.skip("no logrotate here (apt: logrotate)")
    file = tmp_path / "longhaul"
    file.write_text(file_of("logs.md", "/etc/logrotate.d/longhaul").replace("/var/log/longhaul", str(tmp_path)))
    (tmp_path / "sales.log").write_text("a line\n")
    done = subprocess.run(["logrotate", "-d", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr


@pytest.mark.parametrize(
    ("page", "text"),
    [(page.name, text) for page in PAGES for language, _, text in blocks(page.name) if language == "sh"],
)
def test_shells_can_read_the_scripts(page: str, text: str) -> None:
    for shell in ("sh", "bash"):
        subprocess.run([shell, "-n", "-c", text], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("page", "text"),
    [(page, text) for page, language, file, text in ALL if language == "yaml" and not file],
)
def test_settings_are_settings(page: str, text: str) -> None:
    """Parts of a YAML file, as parts of a whole one. Seen failing: only three sections of it were looked at."""
    whole = cats_document(Path("workspace"))
    whole["data"] |= {"path": "data/{YYYY}-{MM}/sales.csv"}
    for section, fields in yaml.safe_load(text).items():
        whole[section] = whole.get(section, {}) | fields if section != "split" else fields
    assert PipelineConfig.model_validate(whole)


def test_policies_are_policies() -> None:
    assert ReplayFile.model_validate(yaml.safe_load(file_of("replay.md", "policies.yaml"))).policies


def test_the_newest_backup_takes_the_place_of_a_corrupt_store(tmp_path: Path) -> None:
    """The lines of the page but the last, which trains: a run after that is one of tests/e2e/test_year.py."""
    weeks = Weeks(tmp_path / "workspace")
    weeks.week(1)
    (tmp_path / "sales.yaml").write_text(yaml.safe_dump(cats_document(Path("workspace"))))
    (tmp_path / "cats.pbtxt").write_text("")
    command = ["longhaul", "backup", "-c", "sales.yaml"]
    subprocess.run(command, env=here(), check=True, capture_output=True, cwd=tmp_path)
    (tmp_path / "workspace" / "metadata.db").write_bytes(bytes(5000))
    (text,) = [text for language, _, text in blocks("what-to-do.md") if language == "sh"]
    *lines, last = text.splitlines()
    assert last == "longhaul run -c sales.yaml"
    done = subprocess.run(["sh", "-ec", "\n".join(lines)], env=here(), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list_runs(open_store(cats(tmp_path / "workspace")), "cats")


@pytest.mark.slow
@pytest.mark.extra
def test_postgresql_takes_the_statements_and_what_was_dumped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (statements,) = [text for _, language, _, text in ALL if language == "sql"]
    lines = re.findall(r"^    ((?:pg_dump|psql) .*)$", (FOLDER / "postgresql.md").read_text(), re.MULTILINE)
    assert len(lines) == 2
    with postgresql() as server:
        monkeypatch.setenv("PATH", f"{server.bin}:{os.environ['PATH']}")

        def ask(user: str, *statements: str) -> None:
            for one in statements:
                where = ("-h", "127.0.0.1", "-p", server.port, "-U", user, "-d", "postgres")
                server.call("psql", *where, "-v", "ON_ERROR_STOP=1", "-c", one)

        ask("longhaul", f"CREATE ROLE admin SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        ask("admin", "ALTER ROLE longhaul RENAME TO first", *statements.splitlines())
        monkeypatch.setenv("LINEAGE_PASSWORD", "change-me")
        weeks = Weeks(tmp_path / "workspace", metadata={"url": server.url, "password_env": "LINEAGE_PASSWORD"})
        weeks.week(1)
        text = "\n".join(lines).replace("db.example.org", "127.0.0.1").replace("5432", str(server.port))
        done = subprocess.run(
            ["sh", "-ec", text], env=here(PGPASSWORD="change-me"), capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert "CREATE TABLE" in (tmp_path / "lineage.sql").read_text()


CHECKED = {"sh", "crontab", "ini", "logrotate", "yaml", "sql"}
"""Languages of the blocks whose every block a test runs, or has read by the program that it is for."""


def test_no_block_goes_unchecked() -> None:
    assert {language for _, language, _, _ in ALL} == CHECKED
    files = {file for _, _, file, _ in ALL if file}
    units = {file for file in files if file.startswith("/etc/systemd/system/")}
    tables = {file for file in files if file.startswith("/etc/cron.d/")}
    assert files - units - tables == {
        *("/usr/local/bin/longhaul-backup", "/usr/local/bin/longhaul-job"),  # run
        *("/etc/logrotate.d/longhaul", "cronjob.yaml", "policies.yaml"),
    }
    assert {page for page, language, file, _ in ALL if language == "sh" and not file} == {"backup.md", "what-to-do.md"}


def test_every_page_is_in_the_index() -> None:
    index = (FOLDER / "README.md").read_text()
    assert [page.name for page in PAGES if page.name != "README.md" and f"]({page.name})" not in index] == []
