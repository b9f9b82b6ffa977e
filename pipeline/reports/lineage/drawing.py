"""What the lineage page draws, as plain data: nodes with their properties, places and lines, timelines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.config.number_text import count_text
from pipeline.lineage.ancestry import files_of
from pipeline.lineage.details import PEAK_MEMORY
from pipeline.lineage.graph import ASIDE, ArtifactRecord, Graph, Link, StepRecord
from pipeline.lineage.reproduce import size
from pipeline.lineage.runs import Run, StepState
from pipeline.lineage.summary import BLESSED, BLOCKED, NOT_BLESSED, UNFIT
from pipeline.reports.formats import moment
from pipeline.reports.lineage.layout import ShapeLayouts

_LONG = 150
"""Characters from which on a property stands below the others."""
_WIDE = 9
"""Characters from which on a node's name is broken into two lines."""
_LONGEST, _LONGEST_OF_MANY = 4000, 200
"""Characters of a property that are shown: on a page of one graph, and of many runs."""
FAMILIES = {
    "data": ("Examples", "SourceFiles"),
    "facts": ("ExampleStatistics", "ExampleAnomalies"),
    "schema": ("Schema",),
    "shape": ("TransformGraph", "TransformCache", "HyperParameters", "TunerResults"),
    "model": ("Model", "ModelRun", "PushedModel"),
}
"""Types of artifacts by the color that they have; all others are verdicts and reports."""
_SHARED = ("Examples", "Schema", "TransformGraph", "Model")
"""Types that the page of many runs shows where several runs use one."""
_AT_RUN_LEVEL = ("package_versions", "config_digest", "code_digest", "run_id", "node", "seconds")
"""Properties of a step that say what its run says, or what stands elsewhere."""
_RUN_LOOKS = {
    "complete": "done",
    BLESSED: "done",
    "failed": "failed",
    "died": "failed",
    BLOCKED: "interrupted",
    NOT_BLESSED: "interrupted",
    UNFIT: "interrupted",
    "interrupted": "interrupted",
}
"""Colors of runs, by how they ended."""
_ALIKE = ("is_external", "tfx_version")
"""Properties of artifacts that say nothing here."""
_BULKY = ("metrics", "config", "code_files", "schema_text")
"""Properties of a run that are shown otherwise, or would fill the panel."""


@dataclass(frozen=True)
class Drawing:
    """What a page shows.

    Attributes:
        graph: of one run, or of what made something and came of it, or of many runs.
        runs: those that the graph is about, the oldest first.
        many: whether there is a page of runs first, each of which opens.
        served: the version that serves now.
        timeline: all steps of the run whose timeline is shown, if they are not in the graph.
        starts: artifacts that were asked about; shown even if nothing leads to them or from them.
    """

    title: str
    graph: Graph
    runs: tuple[Run, ...] = ()
    many: bool = False
    served: str = ""
    timeline: Graph | None = None
    starts: tuple[int, ...] = ()


@dataclass
class PageData:
    """Builds what graph.js draws.

    Nodes are known by a letter and a number: s12 is a step, a5 an artifact, f5 the files that artifact 5 was made of,
    r3 a run. All views share them.
    """

    drawing: Drawing
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    _layouts: ShapeLayouts = field(default_factory=ShapeLayouts)

    def __post_init__(self) -> None:
        self._longest = _LONGEST_OF_MANY if self.drawing.many else _LONGEST

    def data(self) -> dict[str, Any]:
        """Return views, nodes and timelines, ready for JSON."""
        drawing, graph = self.drawing, self.drawing.graph
        places = {run.run_id: f"r{number}" for number, run in enumerate(drawing.runs)}
        self._add_nodes(places)
        views = []
        if drawing.many:
            views.append(self._runs_view(places))
            by_run: dict[str, list[Link]] = {}
            for link in graph.links:
                by_run.setdefault(graph.steps[link.step].run_id, []).append(link)
            steps: dict[str, list[int]] = {}
            for step in graph.steps.values():
                steps.setdefault(step.run_id, []).append(step.id)
            views += [
                self._view(f"run {run.run_id}", places[run.run_id], steps[run.run_id], by_run.get(run.run_id, []))
                for run in drawing.runs
                if run.run_id in steps
            ]
        else:
            run = places[drawing.runs[-1].run_id] if drawing.runs else ""
            views.append(self._view(drawing.title, run, list(graph.steps), graph.links))
        return {
            "views": views,
            "nodes": self.nodes,
            "timelines": {places[run.run_id]: self._timeline(run) for run in drawing.runs},
        }

    def _add_nodes(self, places: Mapping[str, str]) -> None:
        graph = self.drawing.graph
        for run in self.drawing.runs:
            self.nodes[places[run.run_id]] = self._run(run)
        for step in graph.steps.values():
            self.nodes[f"s{step.id}"] = self._step(step, places)
        for artifact in graph.artifacts.values():
            self.nodes[f"a{artifact.id}"] = self._artifact(artifact, places)
            if files := files_of(artifact):
                self.nodes[f"f{artifact.id}"] = {
                    "kind": "files",
                    "label": count_text(len(files), "file"),
                    "type": "Files of data",
                    "look": "data",
                    "facts": [
                        ["folder", files[0].folder],
                        ["size", size(sum(file.bytes for file in files))],
                        *([file.name, f"{file.bytes:,} bytes; {file.now}"] for file in files[: self._longest // 10]),
                    ],
                }

    def _run(self, run: Run) -> dict[str, Any]:
        graph = self.drawing.graph
        states = [step.state for step in graph.steps.values() if step.run_id == run.run_id]
        metrics = json.loads(run.properties.get("metrics", "{}"))
        version = run.properties.get("pushed_version", "")
        repeats = bool(states) and all(state is StepState.CACHED for state in states)
        verdict = run.properties.get("verdict") or ""
        said = verdict if run.status == "complete" and verdict else run.status
        is_served = bool(version) and version == self.drawing.served
        look = _RUN_LOOKS.get(said, "running")
        again = "" if not repeats else "as before" if look == "done" else f"{said}, as before"
        shown = "● served now" if is_served else again or said
        return {
            "kind": "run",
            "label": f"{moment(run.started)[5:]}\n{shown}",
            "name": f"run {run.run_id}",
            "type": "run",
            "look": "cached" if repeats and look == "done" else look,
            "repeats": again,
            "served": is_served,
            "facts": self._facts(
                {"status": run.status, "reason": run.reason, "started": run.started, "seconds": f"{run.seconds:.1f}"}
                | {name: f"{value:.4g}" for name, value in metrics.items()}
                | {key: value for key, value in run.properties.items() if key not in _BULKY}
            ),
        }

    def _step(self, step: StepRecord, places: Mapping[str, str]) -> dict[str, Any]:
        shown = {key: value for key, value in step.properties.items() if key not in _AT_RUN_LEVEL}
        outcome = self.drawing.graph.outcome(step)
        return {
            "kind": "step",
            "label": "\n".join(_lines(step.node)),
            "name": f"{step.node} (step {step.id})",
            "type": step.type,
            "look": outcome.state.value,
            "run": places.get(step.run_id, ""),
            "facts": self._facts(
                {
                    "state": outcome.words,
                    "seconds": f"{step.seconds:.1f}",
                    "began": moment(step.began / 1000),
                    "run": step.run_id,
                }
                | shown
            ),
        }

    def _artifact(self, artifact: ArtifactRecord, places: Mapping[str, str]) -> dict[str, Any]:
        kind = artifact.type.rpartition(".")[2]
        state = artifact.state
        maker = self.drawing.graph.makers.get(artifact.id)
        origin = self.drawing.graph.origins.get(artifact.id) or (maker.run_id if maker else "")
        version = artifact.properties.get("pushed_version", "")
        is_served = bool(version) and str(version) == self.drawing.served
        return {
            "kind": "artifact",
            "label": "\n".join([*_lines(kind), "served now" if is_served else str(artifact.id)]),
            "name": artifact.label,
            "type": artifact.type,
            "look": next((family for family, kinds in FAMILIES.items() if kind in kinds), "verdict"),
            "gone": state != "live",
            "served": is_served,
            "run": places.get(origin, ""),
            "facts": self._facts(
                {"state": state, "uri": artifact.uri, "made": moment(artifact.made / 1000), "made by run": origin}
                | {key: value for key, value in artifact.properties.items() if key not in ("files", "text", *_ALIKE)}
            ),
        }

    def _facts(self, values: Mapping[str, Any]) -> list[list[str]]:
        facts = []
        for key, value in values.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            if text:
                facts.append([key, text if len(text) <= self._longest else f"{text[: self._longest]} …"])
        return sorted(facts, key=lambda fact: len(fact[1]) > _LONG)

    def _view(self, title: str, run: str, steps: Sequence[int], links: Iterable[Link]) -> dict[str, Any]:
        """Describe one graph of steps and artifacts, and the files that it begins with."""
        edges: dict[tuple[str, str], str] = {}
        for link in sorted(links, key=lambda link: (link.step, link.artifact)):
            step, artifact = f"s{link.step}", f"a{link.artifact}"
            edges[(step, artifact) if link.is_output else (artifact, step)] = link.role
        artifacts = dict.fromkeys(end for edge in edges for end in edge if end[0] == "a")
        for artifact in artifacts:
            files = f"f{artifact[1:]}"
            if files in self.nodes:
                makers = [start for start, end in edges if end == artifact]
                for maker in makers or [artifact]:
                    edges[(files, maker)] = "files"
        alone = [f"a{number}" for number in self.drawing.starts if f"a{number}" in self.nodes and not edges]
        nodes = list(dict.fromkeys([*(f"s{step}" for step in steps), *alone, *(end for edge in edges for end in edge)]))
        layout = self._layouts.arrange(nodes, list(edges))
        aside = {index for index, role in enumerate(edges.values()) if role in ASIDE}
        return {
            "title": title,
            "run": run,
            "at": {node: [round(x), round(y)] for node, (x, y) in layout.nodes.items()},
            "bends": [[round(x), round(y)] for x, y in layout.bends],
            "lines": layout.lines,
            "links": [
                [start, end, role, path, index in aside]
                for index, (((start, end), role), path) in enumerate(zip(edges.items(), layout.paths, strict=True))
            ],
        }

    def _runs_view(self, places: Mapping[str, str]) -> dict[str, Any]:
        """Draw runs in the order of time, and what several of them use; graph.js puts them in rows."""
        graph = self.drawing.graph
        users: dict[int, dict[str, None]] = {}
        for link in graph.links:
            run_id = graph.steps[link.step].run_id
            if run_id != graph.origins.get(link.artifact):
                users.setdefault(link.artifact, {})[places[run_id]] = None
        shared = [
            [f"a{artifact}", places[graph.origins[artifact]], list(runs)]
            for artifact, runs in users.items()
            if graph.artifacts[artifact].type in _SHARED and graph.origins.get(artifact) in places
        ]
        return {"title": self.drawing.title, "runs": list(places.values()), "shared": shared}

    def _timeline(self, run: Run) -> list[list[Any]]:
        """Return node, name, state, begin and duration in seconds, peak of memory, if known, and the state in words."""
        graph = self.drawing.timeline or self.drawing.graph
        steps = list(by_begin(step for step in graph.steps.values() if step.run_id == run.run_id))
        begin = steps[0].began if steps else 0
        return [
            [
                f"s{step.id}",
                step.node,
                (outcome := graph.outcome(step)).state.value,
                (step.began - begin) / 1000,
                round(step.seconds, 2),
                size(peak) if (peak := step.properties.get(PEAK_MEMORY)) else "",
                outcome.words,
            ]
            for step in steps
        ]


def _lines(name: str) -> list[str]:
    """Return a name in CamelCase on two lines of about one length, if it is long and can be broken."""
    words = re.split(r"(?<=[a-z0-9])(?=[A-Z])", name)
    if len(name) <= _WIDE or len(words) == 1:
        return [name]
    breaks = (("".join(words[:n]), "".join(words[n:])) for n in range(1, len(words)))
    return list(min(breaks, key=lambda lines: max(map(len, lines))))


def by_begin(steps: Iterable[StepRecord]) -> list[StepRecord]:
    """Sort steps by when they began."""
    return sorted(steps, key=lambda step: (step.began, step.id))
