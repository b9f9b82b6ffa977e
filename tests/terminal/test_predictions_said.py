"""What the terminal says where nothing was predicted."""

from __future__ import annotations

import pytest

from pipeline.serving.met import Kind, Met
from pipeline.terminal.predictions import Predictions, print_predictions


@pytest.mark.parametrize(
    ("kinds", "sentence"),
    [
        ([Kind.UNKNOWN], "predict.max_unknown in the YAML file says how much"),
        ([Kind.UNKNOWN, Kind.MISSING], "predict.max_unknown and predict.max_missing in the YAML file say how much"),
    ],
)
def test_one_setting_says_and_several_say(kinds: list[Kind], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    met = [Met("town", kind, 1, 10, False, ()) for kind in kinds]
    none = Predictions(None, "m", "1", 10, 0, [], 1.0, 0.5, {}, {}, met, [(one, 0.0) for one in met], "")
    print_predictions(none, "label", as_json=False)
    assert sentence in capsys.readouterr().out
