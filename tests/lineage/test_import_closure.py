"""Which files of ours a module uses, read off the source."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.lineage import import_closure
from pipeline.lineage.import_closure import closure, digest, module_file, modules_in, source


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packages `pipeline`, `pipeline.room` and `trainer`, empty; their files count as ours."""
    for package in ("pipeline", "pipeline/room", "trainer"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for module in ("pipeline/a", "pipeline/b", "pipeline/room/c", "pipeline/room/d", "trainer/e"):
        (tmp_path / f"{module}.py").touch()
    monkeypatch.setattr(import_closure, "ROOT", tmp_path)
    return tmp_path


ROOM = {"pipeline/__init__.py", "pipeline/room/__init__.py", "pipeline/room/c.py"}


def used_by_c(tree: Path, text: str) -> set[str]:
    """What pipeline.room.c uses besides itself and its packages, if it holds that text."""
    (tree / "pipeline/room/c.py").write_text(text)
    return set(closure(["pipeline.room.c"])) - ROOM


def test_the_reader_of_imports_sees_them_all(tree: Path) -> None:
    (tree / "pipeline/a.py").write_text(
        "import a.b, c\n"
        "from d import e\n"
        "if TYPE_CHECKING:\n    import f\nelse:\n    import j\n"
        "try:\n    import g\nexcept ImportError:\n    pass\n"
        "class K:\n    import h\n    def method(self):\n        import i\n"
    )
    assert [(found.name, found.at_top, found.for_types) for found in source("pipeline/a.py").imports] == [
        ("a.b", True, False), ("c", True, False), ("d.e", True, False), ("f", False, True), ("j", True, False),
        ("g", True, False), ("h", True, False), ("i", False, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("import pipeline.a", {"pipeline/a.py"}),
        ("from pipeline.a import something", {"pipeline/a.py"}),
        ("from pipeline import a", {"pipeline/a.py"}),
        ("from trainer.e import *", {"trainer/__init__.py", "trainer/e.py"}),
        ("from .d import x", {"pipeline/room/d.py"}),
        ("from . import d", {"pipeline/room/d.py"}),
        ("from ..a import x", {"pipeline/a.py"}),
        ("from .. import a, b", {"pipeline/a.py", "pipeline/b.py"}),
        ("def f():\n    from pipeline.a import x", {"pipeline/a.py"}),
        ("if TYPE_CHECKING:\n    from pipeline.a import x", set()),
        ("if TYPE_CHECKING:\n    import x\nelse:\n    import pipeline.a", {"pipeline/a.py"}),
        ("import pipelines.a, numpy, room.d", set()),
        ('RUN = "trainer.e.run_fn"', {"trainer/__init__.py", "trainer/e.py"}),
        ('run([python, "-m", "trainer.e"])', {"trainer/__init__.py", "trainer/e.py"}),
        ('run(f"python -m trainer.e {x}")', {"trainer/__init__.py", "trainer/e.py"}),
        ('"""As trainer.e does, and d.py."""\nX = 1\n"""See pipeline.a."""', set()),
        ('SETTING = "trainer.epochs"', set()),
        ('Path(__file__).parents[1] / "d.py"', {"pipeline/room/d.py"}),
        ('Path(__file__).parents[1] / "texts" / "page.j2"', {"pipeline/room/texts/page.j2"}),
        ('load("d", Path(__file__).with_name(f"{name}.py"))', {"pipeline/room/d.py"}),
        ('load("d")', set()),
        ('read(f"{folder}/texts/page.j2")', {"pipeline/room/texts/page.j2"}),
        ('Path(__file__).parents[1] / "../a.py" / "none.txt"', set()),
    ],
)
def test_imports_and_names_in_text_are_followed(tree: Path, text: str, used: set[str]) -> None:
    (tree / "pipeline/room/texts").mkdir()
    (tree / "pipeline/room/texts/page.j2").touch()
    assert used_by_c(tree, text) == used


def test_imports_are_followed_to_the_end_and_in_circles(tree: Path) -> None:
    (tree / "pipeline/a.py").write_text("import pipeline.b")
    (tree / "pipeline/b.py").write_text('import pipeline.room.c\nX = "trainer.e"')
    every = {"pipeline/a.py", "pipeline/b.py", "trainer/__init__.py", "trainer/e.py"}
    assert used_by_c(tree, "import pipeline.a") == every
    assert set(closure(["pipeline.room.c"], at_top=True)) == ROOM | {"pipeline/a.py", "pipeline/b.py"}


def test_of_a_dotted_name_the_module_is_found() -> None:
    assert list(modules_in('{"run_fn": "trainer.train.run_fn", "module": "pipeline.errors"}')) == [
        "trainer.train",
        "pipeline.errors",
    ]
    assert list(modules_in("trainer.no_such_module, my.trainer.train_it, pipeline, schema.file")) == []
    assert module_file("tensorflow") is None
    assert module_file("pipeline.data") == "pipeline/data/__init__.py"


def test_a_module_that_is_not_there_is_refused(tree: Path) -> None:
    with pytest.raises(KeyError, match=r"pipeline\.nowhere"):
        closure(["pipeline.nowhere"])


def test_the_digest_is_of_names_and_contents_and_sees_a_change_at_once(tree: Path) -> None:
    before = digest(["pipeline/a.py", "pipeline/b.py"])
    assert before == digest(["pipeline/b.py", "pipeline/a.py"]) != digest(["pipeline/a.py", "trainer/e.py"])
    (tree / "pipeline/a.py").write_text("# one line more\n")
    assert digest(["pipeline/a.py", "pipeline/b.py"]) != before


def test_a_file_is_read_once_for_as_long_as_it_is_the_same(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.name) or read_bytes(path))
    used_by_c(tree, "import pipeline.a")
    files = closure(["pipeline.room.c"])
    digest(files), digest(files)
    first = len(read)
    closure(["pipeline.room.c", "pipeline.a"])
    digest(files)
    assert len(read) == first
    os.utime(tree / "pipeline/a.py", ns=(1, 1))
    digest(files)
    assert len(read) == first + 1
