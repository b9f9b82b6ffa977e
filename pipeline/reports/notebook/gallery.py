"""Many figures in one output of a notebook: small pictures that flow side by side, without a script."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Gallery:
    """Figures by what they show, which is their text alternative too."""

    def __init__(self, figures: Mapping[str, Figure]) -> None:
        self._figures = figures

    def _repr_html_(self) -> str:
        pictures = "".join(
            f'<img alt="{escape(name)}" src="{_embedded(figure)}" '
            f'style="width: {figure.get_figwidth():.2f}in; max-width: 100%; '
            'display: inline-block; margin: 0 12px 12px 0; vertical-align: top">'
            for name, figure in self._figures.items()
        )
        return f"<div>{pictures}</div>"


def _embedded(figure: Figure) -> str:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=160)
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
