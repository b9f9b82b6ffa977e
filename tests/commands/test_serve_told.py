"""What `longhaul serve` prints can be pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from pipeline.commands.serve import _announce
from pipeline.serving.server.process import Options


@pytest.mark.parametrize("name", ["my wine", "wine:2", "Wein für alle", "a#b?c"])
def test_the_curl_line_of_any_name(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "saved_model.pb").touch()
    _announce(Options(folders={name: str(folder)}))
    (curl,) = [line for line in capsys.readouterr().out.splitlines() if "curl" in line]
    _, address = shlex.split(curl)
    last = address.removeprefix("http://127.0.0.1:8501/v1/models/").removesuffix("/metadata")
    assert last.isascii()
    assert not set(last) & set(' :#?"')
