"""One network trained by several replicas, each on a part of every batch, through tf.distribute.

    mirrored        the GPUs of this machine; without any, so many equal parts of its processor
    multi_worker    worker processes that agree over the network: those of the cluster that TF_CONFIG describes
                    (https://www.tensorflow.org/guide/distributed_training#TF_CONFIG), or so many on this machine

TensorFlow sets both up when it starts and never again, and in a pipeline it has long started when training begins: so
each worker is a fresh process (trainer/worker.py).
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainer.settings.trainer import TrainerSettings

progress = logging.getLogger("longhaul.progress")

_TF_CONFIG = "TF_CONFIG"
_ARGUMENTS = (
    *("train_files", "transform_output", "serving_model_dir", "model_run_dir", "base_model"),
    *("hyperparameters", "custom_config"),
)
"""What a worker needs of TFX's FnArgs, all of it plain data."""


def train_in_workers(fn_args: Any, settings: TrainerSettings) -> None:
    """Start the workers of this machine and wait for them.

    Raises:
        RuntimeError: a worker failed; the others were ended.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="longhaul-workers-"))
        request = Path(folder, "request.json")
        request.write_text(json.dumps({name: getattr(fn_args, name) for name in _ARGUMENTS}))
        environments = _environments(settings.distribute, settings.replicas)
        workers = [
            _start(request, environment, subprocess.DEVNULL if number else subprocess.PIPE)
            for number, environment in enumerate(environments)
        ]
        for worker in workers:
            stack.callback(worker.wait)
            stack.callback(worker.kill)  # of one that has ended it does nothing; callbacks run backwards
        told = threading.Thread(target=_relay, args=(workers[0],))
        told.start()
        while any(worker.poll() is None for worker in workers) and not any(worker.poll() for worker in workers):
            time.sleep(0.1)
        for number, worker in enumerate(workers):
            if code := worker.poll():
                raise RuntimeError(f"training worker {number} ended with exit code {code}; its words are in the log")
        told.join()


def strategy_of(settings: TrainerSettings) -> tf.distribute.Strategy:
    """Return the strategy of this fresh process; called before TensorFlow has done anything."""
    if settings.distribute == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if tf.config.list_physical_devices("GPU"):
        return tf.distribute.MirroredStrategy()
    (processor,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * settings.replicas
    tf.config.set_logical_device_configuration(processor, parts)
    return tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices("CPU")])


def is_chief() -> bool:
    """Return whether this process writes the model: the cluster's chief, its first worker, or the only process there
    is."""
    described = json.loads(os.environ.get(_TF_CONFIG, "{}"))
    task = described.get("task", {"type": "chief"})
    has_chief = "chief" in described.get("cluster", {})
    return task["type"] == "chief" or (not has_chief and task["type"] == "worker" and int(task["index"]) == 0)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Wait until every worker has come here."""
    strategy.reduce("SUM", strategy.run(lambda: tf.constant(1.0)), axis=None)


def _environments(distribute: str, replicas: int) -> list[dict[str, str]]:
    """Return what is added to the environment of each worker of this machine; the first one's progress is shown."""
    if distribute == "mirrored" or _TF_CONFIG in os.environ:
        return [{}]
    addresses = _free_addresses(replicas)
    return [
        {_TF_CONFIG: json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})}
        for index in range(replicas)
    ]


def _free_addresses(count: int) -> list[str]:
    """Return ports of this machine that nobody has, all open at once so that they differ."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{opened.getsockname()[1]}" for opened in sockets]


def _start(request: Path, environment: dict[str, str], progress_to: int) -> subprocess.Popen[str]:
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    # A worker's own words go where ours go; only progress comes on its standard output.
    return subprocess.Popen(
        [sys.executable, "-m", "trainer.worker", str(request)],
        env=os.environ | path | environment,
        stdout=progress_to,
        text=True,
    )


def _relay(worker: subprocess.Popen[str]) -> None:
    for line in worker.stdout or ():
        progress.info("%s", line.rstrip())
