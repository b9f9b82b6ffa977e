"""The model card of a run: what the model is, what it is for, what it was made of, how good it is, whence it came.

Sections and fields are those of Google's Model Card Toolkit (model details, considerations, model parameters,
quantitative analysis), after Mitchell et al.: Model Cards for Model Reporting, FAT* 2019. What only people know
stands in the configuration's `card`; the rest is read off ML Metadata and the run's artifacts.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config.loading import REFERENCE
from pipeline.config.spans import spans_text
from pipeline.errors import ConfigError
from pipeline.files import write_whole
from pipeline.lineage.artifact_names import EVAL_CONFIG_FILE, SUMMARY_FILE, VERDICT_FILE
from pipeline.lineage.details import rows_by_split
from pipeline.lineage.runs import Run
from pipeline.reports.artifacts import Artifacts, recorded
from pipeline.reports.baselines import no_better_note
from pipeline.reports.card_pictures import card_pictures
from pipeline.reports.champion import champion_sentence
from pipeline.reports.decide import on_record
from pipeline.reports.formats import NOTHING, moment, number, settings_text
from pipeline.reports.judgement import Interval, Judgement, judge
from pipeline.reports.metric_words import what_it_says
from pipeline.reports.page_places import pushed_place
from pipeline.reports.rendering import templates
from pipeline.reports.rules import weighted_note
from pipeline.reports.training import training_story
from trainer.artifact_names import HISTORY_FILE

_MOST_SLICES = 12
"""Of one set of slicing columns: the largest."""
_TOLD_BY_PEOPLE = "not stated: the configuration has a section card for it"


@dataclass(frozen=True)
class CardTable:
    """Rows of text; the first column names them."""

    caption: str
    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class CardSection:
    """A heading, then terms with one or more texts each, then tables."""

    title: str
    entries: list[tuple[str, list[str]]]
    tables: list[CardTable] = field(default_factory=list)


@dataclass(frozen=True)
class Card:
    """Plain data for both forms."""

    title: str
    sections: list[CardSection]


def card_path(root: Path, run_id: str) -> Path:
    """Return where a run's card lies in the workspace."""
    return root / "reports" / f"{run_id}-card.md"


def model_card(run: Run) -> Card:
    """Read what the run left; what is missing is said."""
    artifacts = Artifacts(run)
    verdict = artifacts.json("ModelEvaluation", VERDICT_FILE)
    judgement = judge(verdict, artifacts.json("ModelEvaluation", EVAL_CONFIG_FILE), champion_sentence(run, verdict))
    history = artifacts.json("ModelRun", HISTORY_FILE)
    return card_of(run, artifacts.json("Examples", SUMMARY_FILE), history, verdict, judgement)


def card_of(
    run: Run,
    ingestion: dict[str, Any] | None,
    history: dict[str, Any] | None,
    verdict: dict[str, Any] | None,
    judgement: Judgement | None,
) -> Card:
    """Make a card of the documents of a run's artifacts, None where they are missing."""
    config = recorded(run.properties)
    said = config.get("card") or {}
    return Card(
        f"Model card: {run.pipeline}",
        [
            _details(run, said, verdict),
            _considerations(said),
            _parameters(run, config, said, ingestion, history),
            _analysis(config, verdict, judgement),
            _lineage(run, ingestion),
        ],
    )


def _details(run: Run, said: dict[str, Any], verdict: dict[str, Any] | None) -> CardSection:
    status = "not judged" if verdict is None else "blessed" if verdict["blessed"] else "not blessed"
    if verdict and (guessing := no_better_note(verdict)):
        status += f", but {guessing}" if verdict["blessed"] else f", and {guessing}"
    return CardSection(
        "Model details",
        [
            ("Name", [run.pipeline]),
            ("Overview", _told(said.get("overview"))),
            ("Not for", _told(said.get("out_of_scope"))),
            ("Version", [f"run {run.run_id}, {moment(run.started)} UTC"]),
            ("Status", [status + (f"; served from {pushed_place(run)}" if run.pushed else "; not pushed")]),
            ("Owners", _told(said.get("owners"))),
            ("License", _told(said.get("license"))),
            ("References", _told(said.get("references"), "none")),
        ],
    )


def _considerations(said: dict[str, Any]) -> CardSection:
    return CardSection(
        "Considerations",
        [
            ("Intended use", _told(said.get("intended_uses"))),
            ("Limitations and caveats", _told(said.get("limitations"))),
            ("Ethical considerations", _told(said.get("ethical_considerations"))),
        ],
    )


def _parameters(
    run: Run,
    config: dict[str, Any],
    said: dict[str, Any],
    ingestion: dict[str, Any] | None,
    history: dict[str, Any] | None,
) -> CardSection:
    data, split = config.get("data") or {}, config.get("split") or {}
    entries = [("Data", _told(said.get("data")))]
    if data:
        entries.append(("Predicts", [f"{data['label']} ({data['task']})"]))
    if split:
        ways = {key: value for key, value in split.items() if key != "by" and value}
        entries.append(("Split", [f"by {split['by']}: {settings_text(ways)}"]))
    if ingestion:
        entries.append(("Rows", [", ".join(rows_by_split(ingestion))]))
        excluded = {*(config.get("features") or {}).get("exclude", []), data.get("label"), data.get("weight")}
        derived = (config.get("features") or {}).get("derive") or {}
        shown = [name for name in (*ingestion["columns"], *derived) if name not in excluded]
        entries.append(("Features", [f"{len(shown):,}: {', '.join(shown[:40])}" + (" …" if len(shown) > 40 else "")]))
    if trainer := config.get("trainer"):
        entries.append(
            ("Settings", [settings_text({key: value for key, value in trainer.items() if value is not None})])
        )
    if history and (story := training_story(history)):
        entries.append(("Training", [" ".join(story)]))
    return CardSection("Model parameters", entries)


def _analysis(config: dict[str, Any], verdict: dict[str, Any] | None, judgement: Judgement | None) -> CardSection:
    if verdict is None or judgement is None:
        return CardSection("Quantitative analysis", [("Metrics", ["not computed in this run"])])
    splits = (config.get("evaluation") or {}).get("splits", [])
    rows = verdict["metrics"].get("example_count")
    entries = [
        ("Measured on", [f"{', '.join(splits) or 'the evaluated split'}" + (f", {rows:,.0f} rows" if rows else "")])
    ]
    if weighted := weighted_note(verdict):
        entries.append(("Weights", [weighted]))
    if not verdict["blessed"]:
        entries.append(("Why it is not blessed", list(verdict["failures"])))
    if told := [text for text in (judgement.champion_sentence, *judgement.about_bounds) if text]:
        entries.append(("Champion", told))
    if decided := on_record(verdict):
        entries.append(("Decides", [decided.sentence]))
    if judgement.notes:
        entries.append(("Not judged", judgement.notes))
    if words := [f"{metric.name}: {text}" for metric in judgement.metrics if (text := what_it_says(metric.name))]:
        entries.append(("What the metrics say", words))
    tables = [
        CardTable(
            f"Metrics, with intervals of {judgement.confidence:.0%} confidence",
            ["Metric", "Value", "Interval", "Champion", "Threshold"],
            [
                [
                    *(metric.name, metric.undefined or number(metric.value), _span(metric.interval)),
                    *(number(metric.champion), metric.threshold),
                ]
                for metric in judgement.metrics
            ],
        )
    ]
    main = judgement.metrics[0].name
    for group in judgement.slice_groups:
        left_out = max(0, len(group.slices) - _MOST_SLICES) + group.left_out
        tables.append(
            CardTable(
                f"{main} by {group.columns}, slices of most rows first"
                + (f"; {left_out:,} of fewer rows are left out" if left_out else ""),
                [group.columns, "Rows", main, "Interval"],
                [
                    [
                        *(found.label, NOTHING if found.rows is None else f"{found.rows:,}"),
                        *(
                            found.undefined.get(main) or number(found.metrics.get(main)),
                            _span(found.interval),
                        ),
                    ]
                    for found in group.slices[:_MOST_SLICES]
                ],
            )
        )
    return CardSection("Quantitative analysis", entries, tables)


def _lineage(run: Run, ingestion: dict[str, Any] | None) -> CardSection:
    schema = run.properties.get("schema_version")
    review = run.properties.get("schema_review", "")
    spans = (ingestion or {}).get("spans") or []
    file = Path(run.properties.get("config_file") or REFERENCE)
    option = "" if file == REFERENCE else f" -c {shlex.quote(file.name)}"  # no folder: cards go far
    model = next((artifact.place for artifact in run.artifacts.get("Trainer", []) if artifact.type == "Model"), None)
    entries = [
        ("Run", [run.run_id]),
        ("Data spans", ["none" if spans == [0] else spans_text(spans) or "none"]),  # 0: of a table without spans
        ("Schema", [f"version {schema}, {review}" if schema else "not recorded"]),
        ("Configuration", [run.properties.get("config_digest", "not recorded")]),
        ("Code", [run.properties.get("code_digest", "not recorded")]),
        ("Model", [model or "not made in this run"]),
        ("More, where the workspace is", [f"longhaul {name} {run.run_id}{option}" for name in ("show", "report")]),
    ]
    return CardSection("Lineage", entries)


def _told(value: str | Sequence[str] | None, otherwise: str = _TOLD_BY_PEOPLE) -> list[str]:
    texts = [value] if isinstance(value, str) else list(value or [])
    return texts or [otherwise]


def _span(interval: Interval | None) -> str:
    return f"{number(interval[0])} to {number(interval[1])}" if interval else NOTHING


def write_card(run: Run, path: Path) -> Path:
    """Write the card as Markdown or HTML, as the file's name says, whole or not at all.

    Raises:
        ConfigError: the name says neither.
        WorkspaceError: it cannot be written there.
    """
    if path.suffix not in (".md", ".html"):
        raise ConfigError(f"--output {path}: a card is written as .md or .html", "name such a file")
    card = model_card(run)
    text = as_markdown(card) if path.suffix == ".md" else as_html(card, card_pictures(run))
    return write_whole(text, path, "card", "name another file with --output")


def as_html(card: Card, pictures: Mapping[str, str] | None = None) -> str:
    """Write one file without a script; whatever comes from the user is escaped, because everything is.

    Args:
        pictures: SVG by what it shows.
    """
    return templates().get_template("card_page.html.j2").render(card=card, pictures=pictures or {})


def as_markdown(card: Card) -> str:
    """Write GitHub's Markdown."""
    lines = [f"# {_escaped(card.title)}", ""]
    for section in card.sections:
        lines += [f"## {_escaped(section.title)}", ""]
        for term, texts in section.entries:
            if len(texts) == 1:
                lines.append(f"- **{_escaped(term)}:** {_escaped(texts[0])}")
            else:
                lines += [f"- **{_escaped(term)}:**", *(f"  - {_escaped(text)}" for text in texts)]
        lines.append("")
        for table in section.tables:
            lines += [f"**{_escaped(table.caption)}**", "", _row(table.header)]
            lines += [_row(["---"] + ["---:"] * (len(table.header) - 1), is_markup=True), *map(_row, table.rows), ""]
    return "\n".join(lines)


def _row(cells: Iterable[str], is_markup: bool = False) -> str:
    return "| " + " | ".join(cell if is_markup else _escaped(cell) for cell in cells) + " |"


def _escaped(text: str) -> str:
    """Escape text: on one line, no character of it a mark."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*\[\]|~])", r"\\\1", line)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", line)  # within a word it is no mark
