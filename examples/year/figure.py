"""Draws `year.svg` from `replay.json`, both beside this file: how much each policy lost against never training anew."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from pipeline.reports.replay import lines

FOLDER = Path(__file__).parent


def drawing() -> str:
    """Return the SVG."""
    found = json.loads((FOLDER / "replay.json").read_text())
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 320" font-family="system-ui, sans-serif" '
        'font-size="15" role="img" aria-label="Loss of each policy against never training anew">',
        '<rect width="960" height="320" fill="#fcfcfb"/>',
    ]
    for place, line in enumerate(lines(found)):
        color = f"hsl({line.hue} 65% 42%)"
        one = next(one for one in found["policies"] if one["name"] == line.name)
        parts.append(
            f'<polyline points="{line.points}" fill="none" stroke="{color}" stroke-width="2" '
            f'stroke-dasharray="{line.dash}"/>'
        )
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y, _, _ in line.dots]
        x, y = 10 + 470 * (place % 2), 246 + 22 * (place // 2)
        said = f"{line.name}: {one['loss']:.4f}, {one['runs']} runs"
        parts.append(
            f'<line x1="{x}" y1="{y - 5}" x2="{x + 34}" y2="{y - 5}" stroke="{color}" stroke-width="2" '
            f'stroke-dasharray="{line.dash}"/>'
        )
        parts.append(f'<text x="{x + 42}" y="{y}" fill="#1b2024">{escape(said)}</text>')
    begin, end = found["begins"][0][:10], found["begins"][-1][:10]
    parts.append(f'<text x="10" y="314" fill="#59626a">{begin} to {end}; below is better, a dot is a run</text></svg>')
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    (FOLDER / "year.svg").write_text(drawing())
