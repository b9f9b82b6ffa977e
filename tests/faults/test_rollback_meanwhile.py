"""A rollback, and what else people say of models, while a run is at work: nobody waits, and the run takes note."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.faults.place import Place
from tests.waiting import eventually
from tests.zygote import Zygote

pytestmark = [pytest.mark.slow, pytest.mark.long]


def seeded(place: Place, seed: int) -> None:
    place.write_config(trainer={"seed": seed})


def test_a_run_does_not_push_over_a_rollback(place: Place, second_zygote: Zygote, tmp_path: Path) -> None:
    for seed in (1, 2):
        seeded(place, seed)
        assert place.call("run").code == 0
    first, second = place.versions
    seeded(place, 3)
    at_work, go_on, out = tmp_path / "at work", tmp_path / "go on", tmp_path / "out.txt"
    place.zygote.start(place.argv("run"), out, [["hold", "InfraCheck", str(at_work), str(go_on)]])
    eventually(at_work.exists)

    def meanwhile(*arguments: str) -> str:
        began = time.monotonic()
        outcome = second_zygote(*arguments, "-c", place.file, "-w", place.workspace)
        assert outcome.code == 0, outcome.text
        seconds[arguments[0]] = time.monotonic() - began
        return outcome.text

    seconds: dict[str, float] = {}
    try:
        for command in (["versions"], ["runs"], ["pin", "latest~1"], ["unpin", "latest~1"]):
            meanwhile(*command)
        assert f"the model of version {first}" in meanwhile("rollback", "--note", "B is bad")
        refused = second_zygote("gc", "--apply", "--wait=1s", "-c", place.file, "-w", place.workspace)
        assert refused.code == 75
        assert refused.text.count("another run (process ") == 2
        assert "; waiting at most 1 s …" in refused.text
        assert "; waited 1 s" in refused.text
        assert "longhaul run" not in second_zygote("gc", "--wait=soon", "-c", place.file).text
    finally:
        go_on.touch()
        code = place.zygote.end()
    print({name: round(value, 2) for name, value in seconds.items()})
    assert seconds["rollback"] < 60  # 0.8 s among eight other builds; the step is held until this is over
    (*_, back) = place.versions
    assert (code, len(place.versions)) == (0, 3), out.read_text()
    assert f"Not pushed while this model was judged against another, version {first} was brought back" in (
        " ".join(out.read_text().split())
    )
    assert "B is bad" in out.read_text()

    # The next run judges the same model, which is not trained again, against what serves now, and pushes it.
    outcome = place.call("run")
    assert outcome.code == 0, outcome.text
    assert place.states()["Trainer"] == "cached"
    assert place.versions[-1] > back
    assert "Not pushed" not in outcome.text

    # A rollback before the model is judged: it is judged against that, pushed, and the run says so.
    seeded(place, 4)
    at_work.unlink()
    go_on.unlink()
    place.zygote.start(place.argv("run"), out, [["hold", "Trainer", str(at_work), str(go_on)]])
    eventually(at_work.exists)
    meanwhile("rollback", "--to", str(first))
    go_on.touch()
    assert place.zygote.end() == 0, out.read_text()
    assert f"brought version {first} back; this model was judged against that one, and serves now" in out.read_text()
    assert len(place.versions) == 6
    assert second in place.versions
