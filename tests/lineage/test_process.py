"""Whether the process of a run is still there."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

from pipeline.lineage.process import Process, _started


def test_this_process_is_there_and_reads_back() -> None:
    us = Process.current()
    assert not us.is_gone
    assert not us.is_elsewhere
    assert Process.from_json(us.to_json()) == us
    assert Process.from_json("None") is None
    assert Process.from_json("") is None


def test_one_that_was_killed_is_gone_and_so_is_one_of_before_the_last_start_of_the_machine() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        other = replace(Process.current(), pid=child.pid, started=_started(child.pid))
        assert not other.is_gone
        assert replace(other, started=other.started - 1).is_gone  # the number was another's before
        assert replace(other, boot_id="another").is_gone
        child.kill()
        child.wait()
        assert other.is_gone


def test_of_another_machine_nothing_is_known() -> None:
    other = replace(Process.current(), host="elsewhere", pid=1, started=1)
    assert other.is_elsewhere
    assert not other.is_gone
