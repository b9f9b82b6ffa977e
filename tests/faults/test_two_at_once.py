"""Two workspaces, one metadata server, at the same time; and one workspace that two want."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pipeline.lineage.runs import StepState, find_run
from tests.e2e.servers import PASSWORD, mariadb, postgresql
from tests.faults.place import Place
from tests.place import Outcome
from tests.waiting import eventually
from tests.zygote import Zygote

pytestmark = [pytest.mark.slow, pytest.mark.long]


def at_once(*calls: Callable[[], Outcome]) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    threads = [
        threading.Thread(target=lambda n=number, call=call: outcomes.update({n: call()}))  # type: ignore[misc]
        for number, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcomes[number] for number in range(len(calls))]


@pytest.mark.extra
@pytest.mark.parametrize("server_of", [postgresql, mariadb])
def test_two_workspaces_on_one_server(
    server_of: Callable[[], AbstractContextManager[object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    zygote: Zygote,
    second_zygote: Zygote,
) -> None:
    """The very first runs on it: both find that there are no tables yet. Then one is killed while the other works."""
    monkeypatch.setenv("LINEAGE_PASSWORD", PASSWORD)
    places = []
    with server_of() as server:
        for name, forker in (("a", zygote), ("b", second_zygote)):
            (tmp_path / name).mkdir()
            place = Place(tmp_path / name, forker)
            place.write_config(metadata={"url": server.url, "password_env": "LINEAGE_PASSWORD"})  # type: ignore[attr-defined]
            places.append(place)
        environment = [["set_environment", "LINEAGE_PASSWORD", PASSWORD]]
        a, b = places
        command = ("run", "--no-cache", "--to", "DataGate")
        for _ in range(3):
            for outcome in at_once(
                lambda: a.call(*command, faults=environment), lambda: b.call(*command, faults=environment)
            ):
                assert outcome.code == 0, outcome.text
        runs = a.runs()
        assert [run.status for run in runs] == ["complete"] * 6
        assert all({step.state for step in run.steps} == {StepState.DONE} for run in runs)
        ids = [step.execution_id for run in runs for step in run.steps]
        assert len(set(ids)) == len(ids)
        for place in places:
            own = [run for run in runs if run.properties["workspace"].endswith(str(place.workspace))]
            assert len(own) == 3
            made = [artifact for run in own for found in run.artifacts.values() for artifact in found]
            assert all(Path(artifact.uri).is_relative_to(place.workspace) for artifact in made)
            assert all(any(path.is_file() for path in Path(artifact.uri).rglob("*")) for artifact in made)

        killed, fine = at_once(
            lambda: a.call(*command, faults=[*environment, ["kill_at", "DataGate", "start"]]),
            lambda: b.call(*command, faults=environment),
        )
        assert (killed.code, fine.code) == (-9, 0), killed.text + fine.text
        again = b.call("run", "--to", "DataGate", faults=environment)
        assert (again.code, "never ended" in again.text) == (0, False)  # that is a's to say
        died = next(run for run in a.runs() if run.status == "died")
        outcome = a.call("resume", died.run_id, faults=environment)
        assert outcome.code == 0, outcome.text
        assert f"run {died.run_id} never ended" in outcome.text
        assert find_run(a.store, "toy", died.run_id).status == "interrupted"
        assert find_run(a.store, "toy", "latest").properties["resumes"] == died.run_id


def test_two_runs_in_one_workspace_stand_in_line(place: Place, second_zygote: Zygote, tmp_path: Path) -> None:
    assert place.call("run", "--to", "StatisticsGen").code == 0
    (tmp_path / "second").mkdir()
    other = Place(tmp_path / "second", second_zygote)
    other.workspace = place.workspace
    at_work, go_on = tmp_path / "at work", tmp_path / "go on"
    first = place.zygote.start(
        place.argv("run", "--no-cache", "--to", "StatisticsGen"),
        tmp_path / "first.txt",
        [["hold", "StatisticsGen", str(at_work), str(go_on)]],
    )
    eventually(at_work.exists)
    refused = other.call("run", "--to", "StatisticsGen")
    assert refused.code == 75
    assert f"another run (process {first}, since " in refused.text
    assert "longhaul run --no-cache --to StatisticsGen" in refused.text
    out = tmp_path / "waited.txt"
    other.zygote.start(other.argv("run", "--wait", "--to", "StatisticsGen"), out, [])
    eventually(lambda: out.exists() and "waiting …" in out.read_text())
    go_on.touch()
    assert place.zygote.end() == 0
    assert other.zygote.end() == 0, out.read_text()
    assert f"another run (process {first}, since " in out.read_text()
    assert [run.status for run in place.runs()] == ["complete"] * 3
