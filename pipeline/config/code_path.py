"""How a setting names code of the user's."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

CodePath = Annotated[
    str, Field(pattern=r"^([^:\s][^:]*\.py:[A-Za-z_]\w*|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*[.:][A-Za-z_]\w*)$")
]
"""`my_features.py:function`, relative to the YAML file, or the dotted path of what is installed."""
