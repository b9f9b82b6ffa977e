"""TFX's own component tests with our executors and components in the stock ones' place.

    python -m bench.stock_contracts [COMPONENT | COMPONENT/FILE ...]

loads the test files that TFX installs, puts ours in place of the stock classes, runs each test and prints for each a
line of JSON: {"test": ..., "verdict": "passed" | "failed" | "skipped", "why": ...}. docs/extend/stock-contracts.md
lists those that do not pass, with the reasons. Not under pytest: Beam would pickle the streams that it captures.
"""

from __future__ import annotations

import importlib
import json
import random
import sys
import unittest
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

REPLACED = {
    "statistics_gen": "StatisticsGen",
    "example_validator": "ExampleValidator",
    "schema_gen": "SchemaGen",
    "pusher": "Pusher",
    "evaluator": "Evaluator",
    "transform": "Transform",
}
"""By folder of tfx/components: the class of pipeline.components that takes the place of the stock one."""


def put_in_place(component: str) -> None:
    """Have TFX's modules hold our class and our executor under the stock ones' names."""
    class_name = REPLACED[component]
    ours = getattr(importlib.import_module("pipeline.components"), class_name)
    importlib.import_module(f"tfx.components.{component}.executor").Executor = ours.EXECUTOR_SPEC.executor_class
    setattr(importlib.import_module(f"tfx.components.{component}.component"), class_name, ours)


def test_modules(component: str, only: str) -> Iterator[ModuleType]:
    """Import the installed test files of a component; `only` the one of that name, if it is one."""
    folder = Path(str(importlib.import_module(f"tfx.components.{component}").__file__)).parent
    for file in sorted(folder.glob(f"{only or '*_test'}.py")):
        yield importlib.import_module(f"tfx.components.{component}.{file.stem}")


class _Verdicts(unittest.TestResult):
    """Prints a line for each test that has ended."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component, self.counts = component, Counter[str]()

    def startTest(self, test: Any) -> None:  # noqa: N802 (unittest's names)
        # TFX's tests of sampling keep each of a split's few batches with a chance of 0.2, and want at least one.
        random.seed(1)
        super().startTest(test)

    def addSuccess(self, test: Any) -> None:  # noqa: N802 (unittest's names)
        self._say(test, "passed")

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        self._say(test, "skipped", reason)

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        self._say(test, "failed", f"{err[0].__name__}: {err[1]}")

    addError = addFailure  # noqa: N815

    def _say(self, test: Any, verdict: str, why: str = "") -> None:
        self.counts[verdict] += 1
        name = f"{self._component}: {test.id().removeprefix(f'tfx.components.{self._component}.')}"
        print(json.dumps({"test": name, "verdict": verdict, "why": " ".join(why.split())[:300]}), flush=True)


def main(components: list[str]) -> None:
    """Run the tests of some components, or of all."""
    from absl import flags

    flags.FLAGS([sys.argv[0]])
    for asked in components or list(REPLACED):
        component, _, only = asked.partition("/")
        put_in_place(component)
        verdicts = _Verdicts(component)
        for module in test_modules(component, only):
            unittest.defaultTestLoader.loadTestsFromModule(module).run(verdicts)
        passed, failed = verdicts.counts["passed"], verdicts.counts["failed"]
        print(json.dumps({"component": asked, "passed": passed, "of": passed + failed}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
