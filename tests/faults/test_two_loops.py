"""Two processes of `longhaul loop` at once on one workspace, killed (-9) again and again while they judge, train and
roll out. The trainings are real, and so are the processes."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import EXIT_LOCKED
from pipeline.lineage.decisions import DECISION
from pipeline.serving import rollout
from pipeline.serving.versions import newest_manifest
from tests.e2e.test_rejudge import write_span
from tests.e2e.test_renewal import Live, two_spans
from tests.place import Place
from tests.waiting import eventually
from tests.zygote import Zygote

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(2400)]
STRIDE = 9
"""Changes of files and records between the moments at which a loop is killed."""


class Two:
    """Two processes of the loop, and what they left."""

    def __init__(self, place: Place, zygotes: tuple[Zygote, Zygote]) -> None:
        self.place, self._zygotes = place, zygotes
        self.journal = place.workspace / "continuous" / place.name / "journal.jsonl"
        self.killed = 0

    def begin(self, *faults: Any) -> list[int]:
        argv = ["loop", "--once", "--json", "-c", str(self.place.file), "-w", str(self.place.workspace)]
        outs = [self.place.folder / f"loop-{number}.txt" for number in (0, 1)]
        return [one.start(argv, out, list(faults)) for one, out in zip(self._zygotes, outs, strict=True)]

    def end(self) -> list[int]:
        codes = [one.end() for one in self._zygotes]
        texts = [(self.place.folder / f"loop-{number}.txt").read_text() for number in (0, 1)]
        assert set(codes) <= {0, EXIT_LOCKED, -signal.SIGKILL}, texts
        self.killed += codes.count(-signal.SIGKILL)
        return codes

    def until_killed_no_more(self) -> None:
        """Both, killed after more and more changes, until one comes through."""
        for changes in range(0, 500, STRIDE):
            self.begin(["kill_at_change", changes, str(self.place.workspace)])
            if 0 in self.end():
                return
        raise AssertionError("no look ever came through")

    def entries(self) -> list[dict[str, Any]]:
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [json.loads(line) for line in lines]

    def count(self) -> Counter[str]:
        return Counter(
            f"{one['kind']} {one['told'].get('action', one['told'].get('outcome', ''))}".strip()
            for one in self.entries()
        )

    def check_record(self) -> None:
        """Every decision is on record once, and to explain writes nothing."""
        before = self.journal.read_bytes(), self.place.store.get_executions()
        explained = self.place.call("loop", "--explain")
        assert explained.code == 0, explained.text
        assert (self.journal.read_bytes(), self.place.store.get_executions()) == before
        assert len(self.place.store.get_executions_by_type(DECISION)) == len(self.entries())


def children_of(process: int) -> str:
    """The numbers of a process's children."""
    file = Path(f"/proc/{process}/task/{process}/children")
    return file.read_text() if file.exists() else ""


def test_nothing_is_lost_and_nothing_done_twice(zygote: Zygote, second_zygote: Zygote, tmp_path: Path) -> None:
    place = Place(tmp_path, zygote, two_spans(tmp_path, new_span=True))
    assert place.run()[0].code == 0
    champion = str(newest_manifest(place.serving).version)  # type: ignore[union-attr]
    two, live = Two(place, (zygote, second_zygote)), Live(place)
    live.answer(400, champion, 0.5)
    write_span(tmp_path, 3)

    # While they judge: before anything is decided.
    for changes in (0, 4, 8):
        two.begin(["kill_at_change", changes, str(place.workspace)])
        assert 0 not in two.end()

    # As soon as one's run has begun, and is not on record: both must wait for it, and begin no other.
    began = two.begin()
    eventually(lambda: any(map(children_of, began)))
    run = int("".join(map(children_of, began)))
    for process in began:
        with suppress(ProcessLookupError):  # the one that found the other at work has ended
            os.kill(process, signal.SIGKILL)
    assert -signal.SIGKILL in two.end()
    decided = two.count()["decided run"]
    two.begin()
    assert (two.end(), two.count()["decided run"]) == ([EXIT_LOCKED] * 2, decided)

    # The run itself is killed, too, while it trains: one of the two begins it anew.
    eventually(lambda: len(place.runs()) == 2, 600)
    os.kill(run, signal.SIGKILL)

    def roll_out(route: str, rows: int) -> None:
        live.answer(rows, champion, 0.1, (route, candidate, 0.9))
        two.until_killed_no_more()

    # Published, judged, rolled out, each step again and again.
    two.until_killed_no_more()
    trying = rollout.under_way(place.serving)
    assert trying
    candidate = str(trying.version)
    two.check_record()
    roll_out("shadow", 600)
    roll_out("canary", 600)
    assert rollout.under_way(place.serving) is None
    assert str(newest_manifest(place.serving).version) == candidate  # type: ignore[union-attr]
    whole = ("began", "decided run", "trained waits", "published", "decided step", "done step", "decided promote")
    assert two.count() | {"decided run": 1} == dict.fromkeys([*whole, "ended promoted"], 1)
    assert {int(one.name) for one in place.serving.glob("[0-9]*")} == {int(champion), int(candidate)}
    assert [run.status for run in place.runs()] == ["complete", "interrupted", "complete"]
    two.check_record()
    print(f"{two.killed} kills survived")
    assert two.killed > 12
