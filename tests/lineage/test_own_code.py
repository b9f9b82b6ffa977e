"""The user's code: found, refused in one sentence, and packed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.lineage.own_code import find_function, wheel_of

SETTING = "trainer.run_fn"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def test_a_file_travels_with_those_beside_it_that_it_imports(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {
            "my_code.py": "import my_help\nfrom pack import more\nimport numpy\ndef run_fn(fn_args): ...\n",
            "my_help.py": "import my_other\n",
            "my_other.py": "",
            "pack/__init__.py": "",
            "pack/more.py": "def g(): ...",
            "unused.py": "",
        },
    )
    found = find_function(SETTING, "my_code.py:run_fn", folder)
    assert set(found.files) == {"my_code.py", "my_help.py", "my_other.py", "pack/__init__.py", "pack/more.py"}
    before = found.digest
    (folder / "unused.py").write_text("1")
    assert find_function(SETTING, "my_code.py:run_fn", folder).digest == before
    (folder / "my_other.py").write_text("1")
    assert find_function(SETTING, "my_code.py:run_fn", folder).digest != before


def test_a_dotted_path_is_one_beside_the_configuration_or_what_is_installed(tmp_path: Path) -> None:
    write(tmp_path, {"my/code.py": "def run_fn(fn_args): ...\n"})
    for said in ("my.code.run_fn", "my.code:run_fn"):
        found = find_function(SETTING, said, tmp_path)
        assert (found.module, found.name, found.is_installed) == ("my.code", "run_fn", False)
    found = find_function(SETTING, "json.decoder.JSONDecoder", tmp_path)
    assert found.is_installed
    assert found.to_plain()["wheel"] == ""


def test_a_wheel_is_the_same_bytes_for_the_same_files_and_python_imports_from_it(tmp_path: Path) -> None:
    files = {"my_code.py": b"from pack.more import answer\n", "pack/__init__.py": b"", "pack/more.py": b"answer = 42\n"}
    whole = wheel_of(files, "0123456789abcdef")
    assert whole == wheel_of(dict(reversed(files.items())), "0123456789abcdef")
    assert zipfile.ZipFile(BytesIO(whole)).testzip() is None
    wheel = tmp_path / "longhaul_user_code-0+0123456789ab-py3-none-any.whl"
    wheel.write_bytes(whole)
    told = subprocess.run(
        [sys.executable, "-c", "import my_code; print(my_code.answer)"],
        env={"PYTHONPATH": str(wheel)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == "42\n"


@pytest.mark.parametrize(
    ("said", "text", "told"),
    [
        ("nowhere.py:run_fn", "", "there is no file"),
        ("my_code.py:run", "def run_fn(a): ...\nsize = 3\n", "my_code.py has no run; it defines run_fn, size"),
        ("my_code.py:run_fn", "def run_fn(a:\n  pass\n", "my_code.py:1: def run_fn(a:"),
        ("my_code.py:run_fn", "", "has no run_fn; it defines nothing"),
        ("statistics.py:run_fn", "def run_fn(a): ...\n", "the name of statistics.py"),
        ("trainer.py:run_fn", "def run_fn(a): ...\n", "the name of trainer.py"),
        ("no_such_package_here.run_fn", "", "there is no module 'no_such_package_here'"),
    ],
)
def test_what_cannot_be_the_users_function_is_refused_in_a_sentence(
    said: str, text: str, told: str, tmp_path: Path
) -> None:
    if ".py:" in said and not said.startswith("nowhere"):
        (tmp_path / said.partition(":")[0]).write_text(text)
    with pytest.raises(ConfigError) as caught:
        find_function(SETTING, said, tmp_path)
    assert told in caught.value.what
    assert caught.value.what.startswith(SETTING)
    assert caught.value.remedy
