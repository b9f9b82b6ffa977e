"""Tables of notebooks in a real browser: what is long stays in its cell."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from pipeline.reports.notebook.tables import Table

pytestmark = pytest.mark.extra


def test_a_path_stays_in_its_cell_and_names_stay_whole(chromium: Any) -> None:
    """Seen: a path without a blank ran over the cells beside it."""
    path = "/a/workspace/artifacts/" + "a_folder_with_a_long_name/" * 6
    page = chromium.new_page(viewport={"width": 700, "height": 400})
    page.set_content(
        Table(pd.DataFrame({"step": ["TableExampleGen"], "where": [path], "rows": ["1,200"]}))._repr_html_()
    )
    wide = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.innerText)"
    assert page.eval_on_selector_all("td", wide) == []
    lines = "all => all.map(one => one.offsetHeight / parseFloat(getComputedStyle(one).fontSize))"
    assert page.eval_on_selector_all("th", lines)[0] < 2
    page.close()
