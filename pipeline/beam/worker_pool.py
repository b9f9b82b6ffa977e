"""Starts Python workers for the task managers of a Beam cluster on this machine.

    python -m pipeline.beam.worker_pool --port 50000

Beam's own pool (apache_beam.runners.worker.worker_pool_main) does the same for one task manager a machine. Of two, both
number their workers from 1-1, and it stops by number: the end of one's worker is the end of the other's, whose task
then waits for ever. It also never reads what workers print, so that a talkative one stands still, and each of its
workers imports TensorFlow anew, which here a process has done from which they are forked. To be removed when
https://github.com/apache/beam/blob/master/sdks/python/apache_beam/runners/worker/worker_pool_main.py does likewise.
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import threading
from contextlib import suppress
from multiprocessing import forkserver
from typing import Any

from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

_PRELOADED = [
    "apache_beam.runners.worker.sdk_worker",
    "pipeline.data.split_shards",
    *(f"pipeline.components.{name}" for name in ("statistics_gen", "transform", "evaluator")),
]
"""What the steps' work on Beam is made of."""


class WorkerPool(BeamFnExternalWorkerPoolServicer):
    """A process for each worker; it ends when its task manager hangs up, or with the pool."""

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 (Beam's name)
        """See Beam's."""
        del context
        forked = multiprocessing.get_context("forkserver")
        forked.Process(target=_work, args=(request.control_endpoint.url, request.worker_id), daemon=True).start()
        multiprocessing.active_children()  # takes leave of those that have ended
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Do nothing: whose worker is meant is not said; it is about to be hung up on."""
        del request, context
        return beam_fn_api_pb2.StopWorkerResponse()


def _work(control: str, worker_id: str) -> None:
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    SdkHarness(control, worker_id=worker_id).run()


def main() -> None:
    """Serve until it is told to stop."""
    parser = argparse.ArgumentParser(description="Starts Python workers for Beam's task managers on this machine.")
    parser.add_argument("--port", type=int, default=50000)
    port = parser.parse_args().port
    forkserver.set_forkserver_preload(_PRELOADED)
    forkserver.ensure_running()
    _, server = WorkerPool.start(use_process=True, port=port)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with suppress(KeyboardInterrupt):
        stop.wait()
    server.stop(None)


if __name__ == "__main__":
    main()
