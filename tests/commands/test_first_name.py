"""The name that `longhaul init` gives a pipeline."""

from __future__ import annotations

import pytest

from pipeline.commands.first_name import name_from


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("shop/{YYYY}-{MM}.csv", "shop"),  # seen failing: yyyy-mm
        ("shop/{YYYY}/{MM}.csv", "shop"),
        ("/shop/{SPAN}/*.csv", "shop"),
        ("shop/sales_{YYYY}{MM}{DD}.csv", "sales"),
        ("shop/*.csv", "shop"),
        ("shop/part-*.csv", "part"),
        ("shop/2023.csv", "2023"),
        ("Träin.csv.gz", "tr-in"),
        ("shop/", "shop"),
    ],
)
def test_files_of_days_and_months_are_named_by_their_folder(table: str, name: str) -> None:
    assert name_from(table) == name
