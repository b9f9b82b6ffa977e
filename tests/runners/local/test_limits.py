"""Limits of time: what ends, with which words, and what cannot end by itself."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.config.run import RunSettings
from pipeline.errors import ConfigError, TimeLimitError
from pipeline.runners.local.interruption import stopped
from pipeline.runners.local.limits import Limits

HANGS = """
import sys, time
from pathlib import Path
from pipeline.config.run import RunSettings
from pipeline.observe.log_file import output_to
from pipeline.observe.standard_streams import standard_streams
from pipeline.runners.local import limits
from pipeline.workspace.scratch import scratch
limits.GRACE_S = 0.5
root = Path(sys.argv[1])
if len(sys.argv) > 2:
    import subprocess
    temporary = scratch(root)
    temporary.__enter__()
    deaf = "from signal import *; import time; signal(SIGTERM, SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    starts = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {deaf!r}])"
    subprocess.Popen([sys.executable, "-c", starts])
with standard_streams():
    limited = limits.Limits(RunSettings(timeout="1s"), root, "20260101-000000-000")
    with output_to(root / "logs" / "run.log"), limited.of_run():
        while True:
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                pass  # as what hangs in C does
"""


def limits(tmp_path: Path, **settings: object) -> Limits:
    return Limits(RunSettings.model_validate(settings), tmp_path, "20260101-000000-000")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"timeout": "1s"}, "the run took longer than run.timeout allows (1s)"),
        ({"step_timeout": "1s"}, "Trainer took longer than run.step_timeout allows (1s)"),
        ({"step_timeout": {"Trainer": "1s", "default": "9h"}}, "Trainer took longer than run.step_timeout allows (1s)"),
        ({"step_timeout": {"Pusher": "9h", "default": "1s"}, "timeout": "1h"}, "Trainer took longer than"),
    ],
)
def test_what_takes_too_long_ends_with_the_limit_that_it_reached(
    tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    limited = limits(tmp_path, **settings)
    began = time.monotonic()
    with pytest.raises(TimeLimitError) as caught, limited.of_run(), limited.of_step("Trainer"):
        time.sleep(60)
    assert time.monotonic() - began < 10
    assert caught.value.what.startswith(said)
    assert stopped() == (caught.value.what, 124)
    assert caught.value.exit_code == 124
    assert "`longhaul resume` goes on" in caught.value.remedy


def test_what_is_quick_enough_knows_nothing_of_it(tmp_path: Path) -> None:
    limited = limits(tmp_path, timeout="1h", step_timeout={"Trainer": "1s"})
    with limited.of_run():
        with limited.of_step("Trainer"):
            pass
        with limited.of_step("Evaluator"):
            time.sleep(1.5)  # the limit of another step, which is done
    with pytest.raises(KeyboardInterrupt), limited.of_run():
        raise KeyboardInterrupt
    assert stopped() == ("stopped from the keyboard", 130)


def test_what_does_not_end_is_ended_with_the_process_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    done = subprocess.run([sys.executable, "-c", HANGS, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (124, "longhaul: the run took longer than run.timeout allows (1s)\n")
    assert "run.timeout allows" in next((tmp_path / "logs").glob("*.ending.json")).read_text()


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    """Also what a child started, and what is deaf to SIGTERM: its end closes the pipe that all of them write to."""
    (tmp_path / "logs").mkdir()
    command = [sys.executable, "-c", HANGS, str(tmp_path), "with children"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        said, _ = run.communicate(timeout=30)
    assert (run.returncode, said) == (124, "deaf\n")


def test_limits_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no step 'Trianer'"):
        limits(tmp_path, step_timeout={"Trianer": "1s"}).check(["Trainer", "Pusher"])
    limits(tmp_path, step_timeout={"Trainer": "1s", "default": "2s"}).check(["Trainer", "Pusher"])
    for wrong in ("soon", "0s", {"Trainer": "1 hour"}):
        with pytest.raises(ValidationError):
            RunSettings.model_validate({"step_timeout": wrong})
