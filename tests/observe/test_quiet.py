"""What a quiet command prints: nothing if it ends well, all of it if not, also what native code writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from pipeline.observe import quiet
from pipeline.observe.standard_streams import standard_streams
with standard_streams(), quiet.settled():
    quiet.hold_back()
    print("out")
    print("err", file=sys.stderr)
    sys.stdout.flush(); sys.stderr.flush()
    os.write(1, b"native\\n")
    os.write(2, b"chatter of C++\\n")
    {ending}
"""


@pytest.mark.parametrize(
    ("ending", "shown"),
    [
        ("sys.exit(0)", ("", "")),
        ("sys.exit(1)", ("out\nnative\n", "err\n")),
        ("print('longhaul: no', file=sys.stderr); sys.exit(2)", ("out\nnative\n", "err\nlonghaul: no\n")),
        ("quiet.insist(); sys.exit(0)", ("out\nnative\n", "err\n")),
    ],
)
def test_what_is_let_go(ending: str, shown: tuple[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(ending=ending)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == shown


def test_a_reader_that_has_gone_changes_nothing() -> None:
    code = PROGRAM.format(ending="print('x' * 300_000); sys.exit(1)")
    piped = '"$0" -c "$1" | true; exit ${PIPESTATUS[0]}'
    done = subprocess.run(["bash", "-c", piped, sys.executable, code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "err\n")


@pytest.mark.slow
def test_init_of_tfrecords_prints_nothing_of_tensorflows(tmp_path: Path) -> None:
    """Lines of oneDNN, cuDART and AVX came before the answer once."""
    write = (
        "import tensorflow as tf\n"
        "number = lambda value: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))\n"
        "text = lambda value: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))\n"
        "with tf.io.TFRecordWriter('t.tfrecord') as file:\n"
        "    for n in range(60):\n"
        "        row = {'size': number(n % 7), 'label': text([b'no', b'yes'][n % 2])}\n"
        "        file.write(tf.train.Example(features=tf.train.Features(feature=row)).SerializeToString())\n"
    )
    subprocess.run([sys.executable, "-c", write], cwd=tmp_path, check=True, capture_output=True)
    command = [sys.executable, "-m", "pipeline.cli", "init", "t.tfrecord", "--label", "label"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("60 rows, 2 columns\n")
