"""Where the nodes of a flow graph stand: layers from left to right, few crossings, lines that avoid the nodes between.

The classic way (Sugiyama): a node's layer is the longest way to it; a line over several layers bends at a place of its
own in each of them; layers are ordered by what their neighbours' places average to. Lines from one node share their
bends, so that what is used all over is drawn as one stem with branches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

LAYER, GAP, BEND_GAP = 132.0, 64.0, 24.0
"""Pixels from layer to layer, and from a node or a bend to the next in a layer."""
_SWEEPS = 12

_Place = str | tuple[str, int]
"""A node, or the bend (node, layer) of the lines that leave a node."""


@dataclass(frozen=True)
class Layout:
    """Coordinates in pixels, y downwards.

    Attributes:
        nodes: where each node stands.
        bends: where lines bend.
        lines: pieces of lines; an end is a node, or an index of `bends`.
        paths: for each edge, in the order given, the indices of its lines.
    """

    nodes: dict[str, tuple[float, float]]
    bends: list[tuple[float, float]]
    lines: list[tuple[str | int, str | int]]
    paths: list[list[int]]


def arrange(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> Layout:
    """Lay out a graph without cycles; an edge that would close one is drawn backwards."""
    layer_of = _layers(nodes, edges)
    lines: dict[tuple[_Place, _Place], int] = {}
    paths = []
    for start, stop in edges:
        stops: list[_Place] = [start, *((start, layer) for layer in range(layer_of[start] + 1, layer_of[stop])), stop]
        pieces = pairwise(stops)
        paths.append([lines.setdefault(piece, len(lines)) for piece in pieces])
    layers: list[list[_Place]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    for node in nodes:
        layers[layer_of[node]].append(node)
    for place in dict.fromkeys(place for line in lines for place in line if isinstance(place, tuple)):
        layers[place[1]].append(place)
    neighbours = _neighbours(lines)
    layers = _ordered(layers, neighbours, list(lines))
    heights = _heights(layers, neighbours)
    bends = [place for layer in layers for place in layer if isinstance(place, tuple)]
    numbers = {place: number for number, place in enumerate(bends)}

    def end(place: _Place) -> str | int:
        return numbers[place] if isinstance(place, tuple) else place

    return Layout(
        {node: (layer_of[node] * LAYER, heights[node]) for node in nodes},
        [(bend[1] * LAYER, heights[bend]) for bend in bends],
        [(end(start), end(stop)) for start, stop in lines],
        paths,
    )


class ShapeLayouts:
    """Lays out graphs of equal shape once: most runs look alike."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[Sequence[str], Layout]] = {}

    def arrange(self, nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> Layout:
        """Do what the function `arrange` does."""
        number = {node: index for index, node in enumerate(nodes)}
        shape = len(nodes), tuple((number[start], number[end]) for start, end in edges)
        if shape not in self._known:
            self._known[shape] = (nodes, arrange(nodes, edges))
        known, layout = self._known[shape]
        if known is nodes:
            return layout
        names = dict(zip(known, nodes, strict=True))

        def named(end: str | int) -> str | int:
            return names[end] if isinstance(end, str) else end

        return Layout(
            {names[node]: at for node, at in layout.nodes.items()},
            layout.bends,
            [(named(start), named(end)) for start, end in layout.lines],
            layout.paths,
        )


def _layers(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the longest way to each node; what nothing leads to stands just before its first use."""
    after: dict[str, list[str]] = {node: [] for node in nodes}
    waits_for = dict.fromkeys(nodes, 0)
    for start, end in edges:
        after[start].append(end)
        waits_for[end] += 1
    sources = [node for node in nodes if not waits_for[node]]
    layers, ready = dict.fromkeys(nodes, 0), list(sources)
    while ready:
        node = ready.pop()
        for end in after[node]:
            layers[end] = max(layers[end], layers[node] + 1)
            waits_for[end] -= 1
            if not waits_for[end]:
                ready.append(end)
    for node in sources:
        layers[node] = max(0, min((layers[end] for end in after[node]), default=1) - 1)
    return layers


def _neighbours(lines: Mapping[tuple[_Place, _Place], int]) -> dict[_Place, tuple[list[_Place], list[_Place]]]:
    """Return of each place those before and those after."""
    found: dict[_Place, tuple[list[_Place], list[_Place]]] = {}
    for start, end in lines:
        found.setdefault(start, ([], []))[1].append(end)
        found.setdefault(end, ([], []))[0].append(start)
    return found


def _ordered(
    layers: list[list[_Place]],
    neighbours: Mapping[_Place, tuple[list[_Place], list[_Place]]],
    lines: Sequence[tuple[_Place, _Place]],
) -> list[list[_Place]]:
    """Return the best of some sweeps, each of which orders every layer by the average place of its neighbours."""
    best, fewest = layers, _crossings(layers, lines)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        side = sweep % 2
        order = range(len(layers)) if side == 0 else reversed(range(len(layers)))
        layers = [list(layer) for layer in layers]
        places = {place: float(index) for layer in layers for index, place in enumerate(layer)}
        for number in order:
            wanted = {
                place: fmean([places[other] for other in near] or [places[place]])
                for place in layers[number]
                for near in [neighbours.get(place, ([], []))[side]]
            }
            layers[number].sort(key=lambda place: wanted[place])
            places |= {place: float(index) for index, place in enumerate(layers[number])}
        if (crossings := _crossings(layers, lines)) < fewest:
            best, fewest = layers, crossings
    return best


def _crossings(layers: Sequence[Sequence[_Place]], lines: Sequence[tuple[_Place, _Place]]) -> int:
    at = {place: (number, index) for number, layer in enumerate(layers) for index, place in enumerate(layer)}
    between: dict[int, list[tuple[int, int]]] = {}
    for start, end in lines:
        between.setdefault(at[start][0], []).append((at[start][1], at[end][1]))
    return sum(
        (a < c and b > d) or (a > c and b < d)
        for pairs in between.values()
        for index, (a, b) in enumerate(pairs)
        for c, d in pairs[:index]
    )


def _heights(
    layers: Sequence[Sequence[_Place]], neighbours: Mapping[_Place, tuple[list[_Place], list[_Place]]]
) -> dict[_Place, float]:
    """Draw every place towards the average of its neighbours, as far as the order and the gaps allow."""
    heights: dict[_Place, float] = {}
    for layer in layers:
        heights |= dict(zip(layer, _spread([0.0] * len(layer), layer), strict=True))
    for sweep in range(2 * _SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            near = ([*before, *after] for before, after in (neighbours.get(place, ([], [])) for place in layer))
            wanted = [
                fmean([heights[other] for other in others] or [heights[place]])
                for place, others in zip(layer, near, strict=True)
            ]
            heights |= dict(zip(layer, _spread(wanted, layer), strict=True))
    return heights


def _spread(wanted: Sequence[float], layer: Sequence[_Place]) -> list[float]:
    """Return the heights nearest to those wanted (least squares) that keep the order and the gaps: pooled
    neighbours."""
    offsets = [0.0]
    for above, below in pairwise(layer):
        offsets.append(offsets[-1] + (_half(above) + _half(below)))
    pools: list[tuple[float, int]] = []  # mean of what is wanted less the offset, and of how many
    for want, offset in zip(wanted, offsets, strict=False):
        mean, size = want - offset, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        pools.append((mean, size))
    level = [mean for mean, size in pools for _ in range(size)]
    return [mean + offset for mean, offset in zip(level, offsets, strict=False)]


def _half(place: _Place) -> float:
    return (BEND_GAP if isinstance(place, tuple) else GAP) / 2
