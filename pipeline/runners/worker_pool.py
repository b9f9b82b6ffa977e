"""Starts Python workers for the task managers of a Beam cluster on this machine.

    python -m pipeline.runners.worker_pool --port 50000

Beam's own pool (apache_beam.runners.worker.worker_pool_main) does the same for one task manager a machine. Of two, both
number their workers from 1-1, and it stops by number: the end of one's worker is the end of the other's, whose task
then waits for ever. It also never reads what workers print, so that a talkative one stands still. To be removed when
https://github.com/apache/beam/blob/master/sdks/python/apache_beam/runners/worker/worker_pool_main.py tells them apart.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

_WORKER = """
import sys
from apache_beam.runners.worker.sdk_worker import SdkHarness
SdkHarness(sys.argv[1], worker_id=sys.argv[2]).run()
"""


class WorkerPool(BeamFnExternalWorkerPoolServicer):
    """A process for each worker; it ends when its task manager hangs up, or with the pool."""

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 (Beam's name)
        """See Beam's."""
        del context
        command = [sys.executable, "-c", _WORKER, request.control_endpoint.url, request.worker_id]
        self._forget_the_dead()
        self._worker_processes[request.control_endpoint.url] = subprocess.Popen(command)
        return beam_fn_api_pb2.StartWorkerResponse()

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Whose worker is meant is not said; it is about to be hung up on."""
        del request, context
        return beam_fn_api_pb2.StopWorkerResponse()

    def _forget_the_dead(self) -> None:
        for endpoint, process in list(self._worker_processes.items()):
            if process.poll() is not None:
                del self._worker_processes[endpoint]


def main() -> None:
    """Serves until it is told to stop."""
    parser = argparse.ArgumentParser(description="Starts Python workers for Beam's task managers on this machine.")
    parser.add_argument("--port", type=int, default=50000)
    _, server = WorkerPool.start(use_process=True, port=parser.parse_args().port)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with suppress(KeyboardInterrupt):
        stop.wait()
    server.stop(None)


if __name__ == "__main__":
    main()
