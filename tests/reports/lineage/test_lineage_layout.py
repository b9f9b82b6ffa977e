"""Where nodes of a flow graph stand."""

from __future__ import annotations

from pipeline.reports.lineage.layout import BEND_GAP, GAP, LAYER, arrange


def test_a_chain_is_a_straight_line() -> None:
    found = arrange(["a", "b", "c"], [("a", "b"), ("b", "c")])
    assert found.nodes == {"a": (0, 0), "b": (LAYER, 0), "c": (2 * LAYER, 0)}
    assert (found.bends, found.lines, found.paths) == ([], [("a", "b"), ("b", "c")], [[0], [1]])


def test_two_that_make_one_stand_above_and_below_it() -> None:
    found = arrange(["a", "b", "c"], [("a", "c"), ("b", "c")])
    assert [round(found.nodes[name][1] - found.nodes["c"][1]) for name in "ab"] == [-GAP / 2, GAP / 2]


def test_lines_that_would_cross_are_put_in_order() -> None:
    found = arrange(["a", "b", "x", "y"], [("a", "y"), ("b", "x")])
    above = {name: y for name, (_, y) in found.nodes.items()}
    assert (above["a"] < above["b"]) == (above["y"] < above["x"])


def test_what_nothing_leads_to_stands_before_its_first_use() -> None:
    found = arrange(["a", "b", "c", "late"], [("a", "b"), ("b", "c"), ("late", "c")])
    assert found.nodes["late"][0] == LAYER


def test_a_long_line_bends_around_what_is_between_and_shares_its_stem() -> None:
    edges = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "c"), ("a", "d")]
    found = arrange(["a", "b", "c", "d"], edges)
    assert len(found.bends) == 2
    assert found.paths[4][0] == found.paths[3][0]  # both leave `a` by the same line
    assert [found.lines[index] for index in found.paths[4]] == [("a", 0), (0, 1), (1, "d")]
    assert abs(found.bends[0][1] - found.nodes["b"][1]) >= (GAP + BEND_GAP) / 2 - 1e-6


def test_nothing_and_a_circle() -> None:
    assert arrange([], []).nodes == {}
    assert set(arrange(["a", "b"], [("a", "b"), ("b", "a")]).nodes) == {"a", "b"}
