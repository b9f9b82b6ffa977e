"""What TFT says of the graph that a user's function gave, told as the user's."""

from __future__ import annotations

import json
from typing import Any

import pytest
import tensorflow_transform as tft

from pipeline.components.transform import _of_the_user
from trainer.user_code import UserCodeError

CODE = {"said": "my_code.py:preprocessing_fn", "module": "my_code", "name": "preprocessing_fn", "wheel": ""}


def _raised(call: Any, *arguments: Any) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (whatever TFT raises)
        call(*arguments)
    return caught.value


def test_what_tft_meets_in_the_graph_of_a_user_is_told_as_theirs_and_no_other_error() -> None:
    properties = {"custom_config": json.dumps({"code": CODE})}
    of_tft = _raised(tft.bucketize, 0, "many")
    told = _of_the_user(of_tft, properties)
    assert told
    assert told.what.startswith("my_code.py:preprocessing_fn\n  ")
    assert str(of_tft) in told.what
    assert told.remedy
    assert _of_the_user(of_tft, {}) is None, "a function that Longhaul knows nothing of"
    assert _of_the_user(_raised(open, "/nowhere"), properties) is None
    assert _of_the_user(_raised(int, "x"), properties) is None
    own = UserCodeError("line 1", "correct it")
    of_tft.__cause__ = own
    assert _of_the_user(of_tft, {}) is own
