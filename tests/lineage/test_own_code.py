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
from trainer.user_code import load

SETTING = "steps.Mine.component"


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


TRIED = "try:\n    from .b import X\nexcept ImportError:\n    from b import X\n"
HELP = {"my_help.py": "X = 1\n"}
PACKAGE = {"pack/layers.py": "X = 1\n", "pack/deep/more.py": "from ..layers import X\n"}


@pytest.mark.parametrize(
    ("said", "files", "module"),
    [
        ("my_code.py:f", {"my_code.py": "from my_help import X\n", **HELP}, "my_code"),
        ("my_code.py:f", {"my_code.py": "from .my_help import X\n", **HELP}, "work.my_code"),
        ("my_code.py:f", {"my_code.py": "from . import my_help\nX = my_help.X\n", **HELP}, "work.my_code"),
        ("my.code/a.py:f", {"my.code/a.py": TRIED, "my.code/b.py": "X = 1\n"}, "a"),
        ("pack/model.py:f", {"pack/model.py": "from .layers import X\n", **PACKAGE}, "pack.model"),
        ("pack/model.py:f", {"pack/model.py": "from pack.layers import X\n", **PACKAGE}, "pack.model"),
        ("pack/model.py:f", {"pack/model.py": "from layers import X\n", **PACKAGE}, "model"),
        ("pack/model.py:f", {"pack/model.py": "from .deep.more import X\n", **PACKAGE}, "pack.model"),
        ("pack/deep/more.py:f", {"pack/__init__.py": "", "pack/deep/__init__.py": "", **PACKAGE}, "pack.deep.more"),
        ("pack/__init__.py:f", {"pack/__init__.py": "from .layers import X\n", **PACKAGE}, "pack"),
        ("pack.f", {"pack/__init__.py": "from .layers import X\n", **PACKAGE}, "pack"),
        ("pack.model.f", {"pack/__init__.py": "Y = 1\n", "pack/model.py": "from pack import Y as X\n"}, "pack.model"),
        ("my_code.py:f", {"my_code.py": "X = __import__('my_help').X\n", **HELP}, "my_code"),
    ],
)  # fmt: skip
def test_a_function_is_imported_as_the_layout_of_its_folder_says(
    said: str, files: dict[str, str], module: str, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    first = next(iter(files)) if ".py:" not in said else said.partition(":")[0]
    first = "pack/model.py" if said == "pack.model.f" else first
    write(folder, files | {first: files[first] + "def f():\n    return X\n"})
    found = find_function(SETTING, said, folder)
    assert found.module == module
    assert load(found.to_plain())() == 1


def test_a_folder_of_a_name_that_packages_install_by_mistake_is_taken(tmp_path: Path) -> None:
    write(tmp_path, {"my_code.py": "from tests.my_help import f\n", "tests/my_help.py": "def f(): ...\n"})
    assert set(find_function(SETTING, "my_code.py:f", tmp_path).files) == {"my_code.py", "tests/my_help.py"}
    write(tmp_path, {"tests/__init__.py": ""})
    assert "tests/__init__.py" in find_function(SETTING, "my_code.py:f", tmp_path).files


def test_functions_of_one_package_that_need_different_files_of_it_are_loaded_beside_each_other(tmp_path: Path) -> None:
    files = {
        "pack/__init__.py": "",
        "pack/a.py": "def f():\n    return 'a'\n",
        "pack/b.py": "def f():\n    return 'b'\n",
    }
    write(tmp_path, files)
    first, second = (find_function(SETTING, f"pack.{name}.f", tmp_path) for name in "ab")
    assert set(first.files) == {"pack/__init__.py", "pack/a.py"}
    assert [load(one.to_plain())() for one in (first, second, first)] == ["a", "b", "a"]


def test_a_folder_that_becomes_a_package_is_imported_as_one(tmp_path: Path) -> None:
    write(tmp_path, {"pack/a.py": "def f():\n    return 'a'\n", "pack/b.py": "X = 'b'\n"})
    assert load(find_function(SETTING, "pack.a.f", tmp_path).to_plain())() == "a"
    write(tmp_path, {"pack/__init__.py": "", "pack/c.py": "from .b import X\ndef f():\n    return X\n"})
    assert load(find_function(SETTING, "pack.c.f", tmp_path).to_plain())() == "b"


@pytest.mark.parametrize(
    "body",
    [
        "from pathlib import Path\nTEXT = Path(__file__).with_name('prices.txt').read_text()",
        "from pathlib import Path\nTEXT = (Path(__file__).parent / 'more/prices.txt').read_text()",
        "import os\nTEXT = open(os.path.join(os.path.dirname(__file__), 'more', 'prices.txt')).read()",
        "from importlib import resources\nTEXT = resources.files('my_code').joinpath('prices.txt').read_text()",
    ],
)
def test_a_file_of_data_that_the_code_finds_beside_itself_travels(body: str, tmp_path: Path) -> None:
    write(tmp_path, {"prices.txt": "42", "more/prices.txt": "42", "unnamed.txt": "0"})
    write(tmp_path, {"my_code.py": f"{body}\ndef f():\n    return TEXT\n"})
    found = find_function(SETTING, "my_code.py:f", tmp_path)
    assert "unnamed.txt" not in found.files
    if "resources" not in body:
        assert load(found.to_plain())() == "42"
    write(tmp_path, {"prices.txt": "43", "more/prices.txt": "43"})
    assert find_function(SETTING, "my_code.py:f", tmp_path).digest != found.digest


def test_text_that_happens_to_be_the_name_of_a_file_takes_it_along_only_where_the_code_asks_for_its_place(
    tmp_path: Path,
) -> None:
    write(tmp_path, {"my_code.py": "def f():\n    return 'prices.txt'\n", "prices.txt": "42"})
    assert set(find_function(SETTING, "my_code.py:f", tmp_path).files) == {"my_code.py"}
    write(tmp_path, {"my_code.py": "def f():\n    return __file__, 'prices.txt'\n", "prices.txt": "4" * 500_000})
    assert set(find_function(SETTING, "my_code.py:f", tmp_path).files) == {"my_code.py"}  # too large to travel


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
        ("yaml.py:run_fn", "def run_fn(a): ...\n", "the name of yaml.py"),
        ("my.code.py:run_fn", "def run_fn(a): ...\n", "Python cannot import my.code.py"),
        ("my_code.py:run_fn", "x = " + "-" * 100_000 + "1\n", "nests expressions too deeply"),
        ("my_code.py:run_fn", "x = '\0'\n", "my_code.py\n  source code string cannot contain null bytes"),
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


@pytest.mark.parametrize(
    ("setting", "text", "problem"),
    [
        ("trainer.build_model", "def f(): ...", "my_code.py:1: f() cannot be called with features"),
        (
            "trainer.run_fn",
            "\ndef f(fn_args, more): ...",
            "my_code.py:2: f(fn_args, more) cannot be called with fn_args",
        ),
        ("schema.checks[0]", "def f(data, *, strict): ...", "cannot be called with data"),
        ("evaluation.metrics.cost", "def f(labels, predictions): ...", "called with labels, predictions, weights"),
        ("transform.preprocessing_fn", "def f(inputs, custom_config=None): ...", ""),
        ("transform.preprocessing_fn", "def f(*all_of_them): ...", ""),
        ("trainer.build_model", "class f: ...", ""),
        ("trainer.build_model", "@with_units(3)\ndef f(features, units): ...", ""),
    ],
)
def test_a_function_of_other_arguments_is_refused_before_anything_runs(
    tmp_path: Path, setting: str, text: str, problem: str
) -> None:
    folder = write(tmp_path, {"my_code.py": text})
    if not problem:
        assert find_function(setting, "my_code.py:f", folder).name == "f"
        return
    with pytest.raises(ConfigError) as caught:
        find_function(setting, "my_code.py:f", folder)
    assert problem in str(caught.value)
    assert "write `def f(" in str(caught.value)
