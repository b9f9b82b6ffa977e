"""What `longhaul schema` shows: a version, what is proposed, what was approved, and the history."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.config.place import Place
from pipeline.contract.proposal import Proposal
from pipeline.contract.review import Approval, Review
from pipeline.contract.schema import read_schema_text
from pipeline.errors import WorkspaceError, shown
from pipeline.lineage.schema_versions import SchemaVersion, find_version, version_of
from pipeline.lineage.store import open_existing_store
from pipeline.observe.standard_streams import for_standard_output, visible
from pipeline.terminal.console import console_for


def print_schema(place: Place, number: int | None) -> None:
    """Print the text alone on standard output, so that it can be kept or compared; which version it is on standard
    error.

    Args:
        number: of a version on record; the file as it is now when None.

    Raises:
        PipelineError: there is no such version, or no such file.
    """
    if number is not None:
        version: SchemaVersion | None = find_version(open_existing_store(place), place.record_name, number)
        text = version.text if version else ""
    else:
        text = read_schema_text(place.schema_file)
        try:
            version = version_of(open_existing_store(place), place.record_name, text)
        except WorkspaceError:  # the file can be read before anything has run
            version = None
    typer.echo(f"{place.schema_file.name}, {_version_text(version)}", err=True)
    typer.echo(for_standard_output(text), nl=False)


def print_review(review: Review, as_json: bool) -> None:
    """Print what the newest data object to."""
    if as_json:
        plain = {
            "file": str(review.file),
            "version": review.version.number if review.version else None,
            "review": review.version.review if review.version else None,
            "run": review.run.run_id,
            "behind": review.behind,
            "statistics": [asdict(source) for source in review.statistics],
            "proposals": [proposal.to_json() for proposal in review.proposals],
        }
        print(json.dumps(plain, indent=1))
        return
    console = console_for(sys.stdout)
    _print_behind(console, review)
    console.print(f"[bold]{review.file.name}[/], {escape(_version_text(review.version))}", soft_wrap=True)
    if not review.proposals:
        console.print(f"Nothing to propose: the data of run {review.run.run_id} hold it.")
        return
    console.print(f"Proposed by the data of run {review.run.run_id}:")
    _print_proposals(console, review.proposals)
    console.print("\nNext      longhaul schema approve --reviewer NAME --note TEXT", markup=False)
    console.print("          of a few columns only: with --feature COLUMN for each of them")


def print_approval(approval: Approval) -> None:
    """Print what was approved, or would be."""
    console = console_for(sys.stdout)
    if approval.version is None:
        _print_behind(console_for(sys.stderr), approval.review)
        print(visible(approval.difference), end="")
        console.print("Nothing was written (--dry-run)")
        return
    _print_behind(console, approval.review)
    _print_proposals(console, approval.proposals)
    if approval.difference:
        console.print(f"Wrote     {escape(approval.review.file.name)}")
    console.print(
        f"Recorded  version {approval.version.number}, {escape(approval.version.review)}, "
        f"based on run {approval.version.run_id}",
        soft_wrap=True,
    )


def print_history(versions: Sequence[SchemaVersion], as_json: bool) -> None:
    """Print these versions."""
    if as_json:
        print(json.dumps([version.to_json() for version in versions], indent=1))
        return
    table = Table(box=None, pad_edge=False, expand=True)
    for column in ("version", "time (UTC)", "digest", "review", "run"):
        table.add_column(column, justify="right" if column == "version" else "left", no_wrap=column == "run")
    table.add_column("note", ratio=1)
    for version in versions:
        table.add_row(
            str(version.number),
            version.time[:16].replace("T", " "),
            version.digest[:12],
            escape(version.review),
            version.run_id,
            escape(version.note),
        )
    console_for(sys.stdout).print(table if versions else "no version yet; the first run records one")


def _print_behind(console: Console, review: Review) -> None:
    if review.behind:
        console.print(f"[yellow]Note[/]      {escape(review.behind)}", soft_wrap=True)


def _print_proposals(console: Console, proposals: Sequence[Proposal]) -> None:
    for proposal in proposals:
        console.print(f"[bold]{escape(shown(proposal.feature))}[/]: {escape(proposal.change)}", soft_wrap=True)
        for evidence in proposal.evidence:
            console.print(f"    {escape(evidence.sentence())}", soft_wrap=True)


def _version_text(version: SchemaVersion | None) -> str:
    return f"version {version.number}, {version.review}" if version else "not on record: no run or approval has used it"
