"""Whatever a function of the user's does wrong is told by its own lines, in one message."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from pipeline.lineage.own_code import find_function
from trainer import user_code
from trainer.user_code import Columns, UserCodeError, blamed, load
from trainer.user_preprocessing import preprocessing_fn

Code = Callable[..., dict[str, str]]


@pytest.fixture
def code(tmp_path: Path) -> Code:
    """`code(text, name)`: a function of a file as plain data."""

    def write(text: str, name: str = "preprocessing_fn", **beside: str) -> dict[str, str]:
        for other, content in beside.items():
            (tmp_path / f"{other}.py").write_text(content)
        (tmp_path / "my_code.py").write_text(text)
        return find_function("x", f"my_code.py:{name}", tmp_path).to_plain()

    return write


def told(code: dict[str, str]) -> UserCodeError:
    inputs = {"age": tf.constant([[1.0], [2.0]]), "balance": tf.constant([[3.0], [4.0]])}
    with pytest.raises(UserCodeError) as caught:
        preprocessing_fn(inputs, {"code": code})
    assert caught.value.remedy
    for alien in ("site-packages", "Traceback", "tensorflow_transform", "apache_beam"):
        assert alien not in caught.value.what
    return caught.value


DEFINE = "import tensorflow as tf\nimport numpy as np\ndef preprocessing_fn(inputs):\n    "


@pytest.mark.parametrize(
    ("body", "line", "problem"),
    [
        (
            "raise RuntimeError('no luck')",
            "my_code.py:4, in preprocessing_fn: raise RuntimeError('no luck')",
            "no luck",
        ),
        ("return {'x': inputs['agee']}", "my_code.py:4, in preprocessing_fn", "no column 'agee'; did you mean 'age'?"),
        ("return {'x': inputs['zzz']}", "my_code.py:4", "the schema has no column 'zzz'; it has age, balance"),
        ("return {'x': 1 / 0 * inputs['age']}", "my_code.py:4", "ZeroDivisionError"),
        ("return {'x': tf.matmul(inputs['age'], inputs['age'])}", "my_code.py:4, in preprocessing_fn", "matmul"),
        ("return inputs['age']", "my_code.py:preprocessing_fn returned a", "not a dictionary"),
        ("return None", "my_code.py:preprocessing_fn returned None", "not a dictionary"),
        ("return {}", "my_code.py:preprocessing_fn returned no tensor", ""),
        ("return {'x': np.ones(2)}", "my_code.py:preprocessing_fn returned an ndarray for 'x'", "not a tensor"),
        ("return {3: inputs['age']}", "my_code.py:preprocessing_fn returned the name 3", ""),
        ("return {'x': tf.reduce_mean(inputs['age'])}", "returned one number for 'x', not one for each row", ""),
        ("import no_such_package", "my_code.py:4, in preprocessing_fn: import no_such_package", "ModuleNotFoundError"),
    ],
)
def test_a_function_that_fails_is_told_by_its_own_lines(code: Code, body: str, line: str, problem: str) -> None:
    error = told(code(DEFINE + body + "\n"))
    assert line in error.what
    assert problem in error.what


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import no_such_package\ndef preprocessing_fn(inputs): ...\n", "my_code.py:1, in <module>: import no_such"),
        ("x = [][1]\ndef preprocessing_fn(inputs): ...\n", "my_code.py:1, in <module>: x = [][1]"),
        ("import my_help\ndef preprocessing_fn(inputs): ...\n", "my_help.py:2, in <module>: y = {}['no']"),
        ("preprocessing_fn = 3\n", "is an int, not a function"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_by_its_own_lines(code: Code, text: str, line: str) -> None:
    assert line in told(code(text, my_help="x = 1\ny = {}['no']\n")).what


def test_a_package_that_is_lacking_is_to_be_installed_where_the_steps_run(code: Code) -> None:
    error = told(code("import no_such_package\ndef preprocessing_fn(inputs): ...\n"))
    assert "install no_such_package where the steps run" in error.remedy


@pytest.mark.parametrize(
    ("body", "problem", "remedy"),
    [
        ("raise type('Stop', (BaseException,), {})('no')", "Stop: no", "on purpose"),
        ("raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})()", "E: (its text cannot be told", ""),
        ("raise ExceptionGroup('two', [ValueError('a'), KeyError('b')])", "ValueError: a; KeyError: b", "on purpose"),
        ("raise ValueError('\x1b[1mbold\x1b[0m')", "ValueError: bold", "on purpose"),
        ("open('prices.txt')", "FileNotFoundError", '`Path(__file__).with_name("prices.txt")`'),
        ("open(__file__ + '.txt')", "FileNotFoundError", '`Path(__file__).with_name("my_code.py.txt")`'),
        ("open('/nowhere/prices.txt')", "FileNotFoundError", "correct the code"),
        ("raise ValueError(f'got {f}')", "ValueError: got f", "on purpose"),
        ("exec('from . import more', {'__package__': ''})", "relative import", "without the dot"),
        ("from my_code import none", "from 'my_code' (my_code.py)", "correct the code"),
        ("import my_code.none", "ModuleNotFoundError", "no such file lies beside the code that travels"),
    ],
)
def test_an_error_that_a_stranger_meets_names_its_remedy(code: Code, body: str, problem: str, remedy: str) -> None:
    plain = code(f"def f():\n    {body}\n", "f")
    function = load(plain)
    with pytest.raises(UserCodeError) as caught, blamed(plain):
        function()
    assert "longhaul-code-" not in caught.value.what or "txt" in body
    assert problem in caught.value.what
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("error", ["OSError(28, 'No space left on device')", "MemoryError()"])
def test_what_the_machine_lacks_is_no_fault_of_the_code(code: Code, error: str) -> None:
    plain = code(
        f"def f():\n    try:\n        raise {error}\n    except Exception as e:\n        raise ValueError(1) from e\n",
        "f",
    )
    with pytest.raises(ValueError, match="1") as caught, blamed(plain):
        load(plain)()
    assert not isinstance(caught.value, UserCodeError)


def test_a_function_that_somebody_would_have_to_await_is_refused(code: Code) -> None:
    with pytest.raises(UserCodeError, match="is `async`, and nothing here awaits it"):
        load(code("async def preprocessing_fn(inputs): ...\n"))


def test_a_slow_import_is_told(code: Code, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(user_code, "_SLOW_S", 0.0)
    with caplog.at_level("INFO", "longhaul.progress"):
        load(code("def preprocessing_fn(inputs): ...\n"))
    assert "importing my_code.py:preprocessing_fn took" in caplog.text


def test_an_edited_file_is_loaded_anew_in_the_same_process(code: Code) -> None:
    answers = []
    for number in (1, 2, 1):
        loaded = load(code("import my_help\ndef preprocessing_fn(i): return my_help.N\n", my_help=f"N = {number}\n"))
        answers.append(loaded({}))
    assert answers == [1, 2, 1]


def test_code_of_another_file_stays_importable_beside_it(tmp_path: Path) -> None:
    """Steps with code of the user's work at the same time, and import while they do."""
    for name in ("my_first", "my_second"):
        (tmp_path / f"{name}.py").write_text(f"def f():\n    import {name}_help\n    return {name}_help.N\n")
        (tmp_path / f"{name}_help.py").write_text(f"N = '{name}'\n")
    first, second = (
        load(find_function("x", f"{name}.py:f", tmp_path).to_plain()) for name in ("my_first", "my_second")
    )
    assert (first(), second()) == ("my_first", "my_second")


def test_a_run_after_one_whose_temporary_files_are_gone_loads_the_same_code(
    code: Code, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two runs in one process, with another's code in between."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    first = code("def f():\n    return 'first'\n", "f")
    assert load(first)() == "first"
    monkeypatch.setattr("tempfile.tempdir", None)
    shutil.rmtree(tmp_path / "temporary")
    assert load(code("def f():\n    return 'second'\n", "f"))() == "second"
    assert load(first)() == "first"


def test_what_a_function_gives_reaches_transform(code: Code) -> None:
    inputs = {"age": tf.constant([[1.0], [2.0]])}
    found: Any = preprocessing_fn(inputs, {"code": code(DEFINE + "return {'x': inputs['age'] + 1}\n")})
    assert found["x"].numpy().tolist() == [[2.0], [3.0]]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("tf.numpy_function(np.abs, [inputs['age']], tf.float32)", "calls Python in its graph"),
        ("tf.reduce_sum(inputs['age'], keepdims=True)", "returned a tensor of length 1 for 'x', not one for each row"),
    ],
)
def test_a_graph_that_cannot_serve_any_rows_is_refused(code: Code, value: str, problem: str) -> None:
    plain = code(DEFINE + f"return {{'x': {value}}}\n")

    @tf.function(autograph=False)
    def trace(age: tf.Tensor) -> tf.Tensor:
        return preprocessing_fn({"age": age}, {"code": plain})["x"]

    with pytest.raises(UserCodeError, match=problem):
        trace.get_concrete_function(tf.TensorSpec([None, 1]))


def test_the_line_of_the_user_is_told_when_a_library_raises_below_it(code: Code) -> None:
    plain = code("import json\ndef preprocessing_fn(inputs):\n    return json.loads('{')\n")
    with pytest.raises(UserCodeError, match=r"my_code.py:3, in preprocessing_fn: return json.loads"), blamed(plain):
        load(plain)({})


def test_columns_are_an_ordinary_dictionary_otherwise() -> None:
    columns = Columns(a=1)
    assert (columns.get("b"), "b" in columns, dict(columns)) == (None, False, {"a": 1})


def test_errors_are_told_after_tfx_has_imported_the_preprocessing_function_twice() -> None:
    """TFX reloads the module of a function that it imports by name."""
    from tfx.utils import import_utils

    for _ in range(2):
        import_utils.import_func_from_module("trainer.user_preprocessing", "preprocessing_fn")
    assert user_code.UserCodeError is UserCodeError
