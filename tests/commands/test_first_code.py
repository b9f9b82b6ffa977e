"""`longhaul init --with-code`: what it writes can be used as it is."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from pipeline.commands.first_code import check_room, write_first_code
from pipeline.commands.init import write_first_files
from pipeline.config.loading import load
from pipeline.errors import ConfigError
from pipeline.lineage.own_code import find_own_code


@pytest.mark.slow
def test_its_configuration_names_its_functions_and_its_own_test_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "cats.csv"
    table.write_text("weight,town,purrs\n" + "".join(f"{i % 7},{'AB'[i % 2]},{'yn'[i % 3 > 0]}\n" for i in range(60)))
    check_room(tmp_path)
    config = write_first_files(str(table), "purrs", None, tmp_path, force=False)
    write_first_code(config, quiet=True)
    found = find_own_code(load(config)).functions
    assert {setting: function.said for setting, function in found.items()} == {
        "trainer.build_model": "my_code.py:build_model",
        "schema.checks[0]": "my_code.py:check",
    }
    monkeypatch.delitem(sys.modules, "my_code", raising=False)  # of a test before
    monkeypatch.syspath_prepend(str(tmp_path))
    tests = runpy.run_path(str(tmp_path / "test_my_code.py"))
    called = [test() for name, test in tests.items() if name.startswith("test_")]
    assert len(called) == 2
    del sys.modules["my_code"]
    with pytest.raises(ConfigError, match=r"my_code\.py is there already"):
        check_room(tmp_path)
