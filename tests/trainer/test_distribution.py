"""One network trained by several replicas: real worker processes on this machine."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.distribution import _free_addresses, is_chief
from trainer.train import run_fn

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WORKER = textwrap.dedent(
    """
    import hashlib, json, sys
    import numpy as np
    from trainer.settings.trainer import TrainerSettings
    from trainer.distribution import is_chief, strategy_of
    from trainer.patches import make_fit_work
    settings = TrainerSettings(distribute="multi_worker", hidden_units=(16,), epochs=4, batch_size=128)
    strategy = strategy_of(settings)
    from trainer.features import Feature, FeatureTable, Kind, Label, Storage
    from trainer.fitting import fit
    table = FeatureTable(
        Label("late", "binary", Storage.INT, ("0", "1")),
        (
            Feature("miles", Kind.NUMERIC, Storage.FLOAT, False),
            Feature("carrier", Kind.CATEGORICAL, Storage.BYTES, False),
        ),
        100,
        8,
    )
    random = np.random.default_rng(1)
    columns = {
        "numeric": random.random((1000, 1), np.float32),
        "categorical": random.integers(0, 12, (1000, 1)).astype(np.int32),
    }
    labels = (columns["numeric"][:, 0] + 0.1 * columns["categorical"][:, 0] > 1).astype(np.int64)
    fitted = fit(
        table, [12], columns, labels, None, settings,
        scope=strategy.scope,
        prepare=(lambda model: make_fit_work(model, strategy)) if sys.argv[1] == "patched" else (lambda model: None),
    )
    digest = hashlib.sha256(b"".join(np.asarray(weights).tobytes() for weights in fitted.model.get_weights()))
    print(json.dumps({
        "replicas": strategy.num_replicas_in_sync, "chief": is_chief(),
        "weights": digest.hexdigest(), "history": fitted.history,
    }))
    """
)


def worked(*arguments: str) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of two workers."""
    addresses = _free_addresses(2)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments],
            env=os.environ
            | {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    said = [worker.communicate(timeout=300) for worker in workers]
    return [(worker.returncode, *texts) for worker, texts in zip(workers, said, strict=True)]


@pytest.mark.long
def test_two_workers_end_with_the_same_weights() -> None:
    told = []
    for code, out, err in worked("patched"):
        assert code == 0, err
        told.append(json.loads(out.splitlines()[-1]))
    assert [worker["chief"] for worker in told] == [True, False]
    assert {worker["replicas"] for worker in told} == {2}
    assert told[0]["weights"] == told[1]["weights"]
    assert told[0]["history"] == told[1]["history"]
    losses = told[0]["history"]["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.long
def test_keras_still_fails_in_several_workers() -> None:
    for code, _, err in worked("as it is"):
        assert code == 1
        assert "Traceback" in err


@pytest.mark.long
@pytest.mark.parametrize("distribute", ["mirrored", "multi_worker"])
def test_a_distributed_training_leaves_what_an_ordinary_one_leaves(
    fn_args: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture, distribute: str
) -> None:
    run_fn(fn_args(tmp_path / "alone", epochs=4, refit=True))
    with caplog.at_level(logging.INFO, "longhaul.progress"):
        run_fn(fn_args(tmp_path / "many", epochs=4, refit=True, distribute=distribute))
    assert files(tmp_path / "many") == files(tmp_path / "alone")
    assert any(message.startswith("network epoch 4 of 4 done, last loss") for message in caplog.messages)
    alone, many = (json.loads((tmp_path / name / "run" / "history.json").read_text()) for name in ("alone", "many"))
    assert many["loss"][-1] == pytest.approx(alone["loss"][-1], abs=0.03)


@pytest.mark.long
def test_a_worker_that_fails_ends_the_training(fn_args: Callable[..., Any], tmp_path: Path) -> None:
    arguments = fn_args(tmp_path, distribute="multi_worker")
    arguments.train_files = [str(tmp_path / "nothing")]
    with pytest.raises(RuntimeError, match=r"training worker \d ended with exit code 1"):
        run_fn(arguments)


@pytest.mark.parametrize(
    ("described", "chief"),
    [
        (None, True),
        ({"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}, True),
        ({"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}, False),
        ({"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "chief", "index": 0}}, True),
        ({"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": 0}}, False),
    ],
)
def test_one_process_is_the_chief(monkeypatch: pytest.MonkeyPatch, described: Any, chief: bool) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if described:
        monkeypatch.setenv("TF_CONFIG", json.dumps(described))
    assert is_chief() is chief


def files(folder: Path) -> set[str]:
    """What lies below a folder, without the times in the names of TensorBoard's files."""
    return {
        "events" if "tfevents" in path.name else str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file()
    }
