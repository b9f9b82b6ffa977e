"""Commands that look at what happened; none of them writes to the workspace's records."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import (
    LOOK,
    ConfigOption,
    EmulatedOption,
    JsonOption,
    OnOption,
    OutputOption,
    RunArgument,
    WorkspaceOption,
)
from pipeline.observe.standard_streams import for_standard_output

app = typer.Typer()


@app.command(
    rich_help_panel=LOOK,
    epilog="Examples: [bold]longhaul runs --sort auc --limit 10[/] · "
    "[bold]longhaul runs --filter status=complete --filter 'auc>0.7'[/]",
)
def runs(
    conditions: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            "-f",
            metavar="CONDITION",
            help="Such as status=complete, verdict=blessed, 'auc>0.7', 'started>=2026-11-01'; may be repeated.",
            show_default=False,
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort",
            help="A metric (best first, with the hyperparameters that differ) or another value; newest first without.",
            show_default=False,
        ),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Worst, smallest or oldest first.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="As many runs at most.", show_default=False)
    ] = None,
    refused_only: Annotated[
        bool, typer.Option("--refused", help="Only what was refused before it began: when and why.")
    ] = False,
    on: OnOption = None,
    emulate: EmulatedOption = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs of a pipeline: what they learned from, what came of it, which one serves."""
    from pipeline.commands.elsewhere import is_on_vertex, recorded_runs
    from pipeline.config.loading import load
    from pipeline.lineage.leaderboard import select
    from pipeline.lineage.summary import list_summaries
    from pipeline.serving.approvals import waiting
    from pipeline.serving.rollout import under_way
    from pipeline.serving.versions import pushed_as
    from pipeline.terminal.runs import print_refused, print_runs
    from pipeline.workspace.refused import refused

    if refused_only:
        print_refused(refused(load(config, workspace=workspace).root), as_json)
        return
    settings, store, _ = recorded_runs(config, workspace, on, emulate)
    known = list_summaries(store, settings.record_name)
    chosen = select(known, conditions or (), sort, reverse=reverse, limit=limit)
    base = settings.serving_folder
    waits = [request.run_id for request in waiting(base)]
    trying = under_way(base)
    serving = pushed_as(base)
    tried = pushed_as(base, trying.version) if trying else None
    print_runs(chosen, known, settings, sort, serving, as_json, waits, tried)
    if not (as_json or conditions or sort or is_on_vertex(settings, on, emulated=emulate)):
        last = max((one.run.started for one in known), default="")
        if later := [one for one in refused(settings.root) if one.time > last]:
            print_refused(later)


@app.command(rich_help_panel=LOOK, epilog="Example: [bold]longhaul show latest[/]")
def show(
    run_id: RunArgument = "latest",
    on: OnOption = None,
    emulate: EmulatedOption = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one run: its steps, what they read, made and cost, metrics, verdict, and the log's end if it failed."""
    from pipeline.commands.elsewhere import recorded_runs
    from pipeline.lineage.details import read_details
    from pipeline.terminal.show import print_run

    settings, store, (run,) = recorded_runs(config, workspace, on, emulate, run_id)
    print_run(run, read_details(store, run), settings, as_json)


@app.command(
    rich_help_panel=LOOK,
    epilog="Examples: [bold]longhaul lineage served[/] · [bold]longhaul lineage span-03/flights.parquet --down[/] · "
    "[bold]longhaul lineage --all --html runs.html[/]",
)
def lineage(
    thing: Annotated[
        str,
        typer.Argument(
            metavar="X",
            help="A run (its id, 'latest', 'previous', 'latest~N'), 'served', model:VERSION, artifact:ID, step:ID, "
            "schema:VERSION, or the path of a data file, an artifact or a served version.",
        ),
    ] = "latest",
    up: Annotated[bool, typer.Option("--up", help="Only what made it, and how to make it again.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only what came of it: which models, and which serve.")] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page with the graph instead.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="With --html: all runs on one page.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="With --all: as many runs, the newest.")] = 200,
    on: OnOption = None,
    emulate: EmulatedOption = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what made a model, an artifact or a run, and which models came of a file, a schema or a step."""
    from pipeline.commands.elsewhere import records_of
    from pipeline.config.loading import load
    from pipeline.errors import ConfigError
    from pipeline.files import PAGE, check_output
    from pipeline.reports.lineage.answer import answer, draw, draw_runs
    from pipeline.terminal.lineage import print_answer

    check_output(html, "--html", (PAGE,))
    settings = records_of(load(config, workspace=workspace), on, emulated=emulate)
    if html:
        from pipeline.reports.lineage.page import write_lineage

        typer.echo(
            for_standard_output(
                write_lineage(draw_runs(settings, limit) if everything else draw(settings, thing), html)
            )
        )
    elif everything:
        raise ConfigError("--all draws a page", "name its file with --html; `longhaul runs` lists the runs")
    else:
        print_answer(answer(settings, thing, up=up or not down, down=down or not up), as_json)


@app.command(rich_help_panel=LOOK, epilog="Examples: [bold]longhaul diff[/] · [bold]longhaul diff latest~2 latest[/]")
def diff(
    before: RunArgument = "previous",
    after: Annotated[str, typer.Argument(metavar="RUN", help="The run to compare with it.")] = "latest",
    on: OnOption = None,
    emulate: EmulatedOption = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs: configuration, code, data, schema, hyperparameters; and what that did to the metrics."""
    from pipeline.commands.diff import moved_columns
    from pipeline.commands.elsewhere import recorded_runs
    from pipeline.lineage.diff import compare
    from pipeline.terminal.diff import print_diff

    _, store, (first, second) = recorded_runs(config, workspace, on, emulate, before, after, whole=True)
    print_diff(compare(store, first, second), moved_columns(first, second), as_json)


@app.command(
    rich_help_panel=LOOK,
    epilog="Examples: [bold]longhaul explain humidity_pct[/] · [bold]longhaul explain ratio --run latest~1 --json[/]",
)
def explain(
    feature: Annotated[str, typer.Argument(metavar="FEATURE", help="A column, or a derived feature.")],
    run_id: Annotated[
        str, typer.Option("--run", metavar="RUN", help="A run's id, 'latest', 'previous' or 'latest~N'.")
    ] = "latest",
    on: OnOption = None,
    emulate: EmulatedOption = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain one feature of a run: what it is computed of, what was learned of it, what it is worth, how it drifts."""
    from pipeline.commands.elsewhere import recorded_runs
    from pipeline.reports.one_feature import explain_feature
    from pipeline.terminal.explain import print_explained

    _, _, (run,) = recorded_runs(config, workspace, on, emulate, run_id, whole=True)
    print_explained(explain_feature(run, feature), as_json)


@app.command("open", rich_help_panel=LOOK, epilog="Examples: [bold]longhaul open[/] · [bold]longhaul open latest[/]")
def open_page(
    run_id: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="A run's page (its id, 'latest', 'previous', 'latest~N'); the front page when not given.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Open the front page of the workspace in a browser: what serves, all runs, to find and compare; print its path."""
    from pipeline.commands.open_page import open_in_browser, page_to_open
    from pipeline.config.loading import load

    page = page_to_open(load(config, workspace=workspace), run_id)
    typer.echo(for_standard_output(page))
    open_in_browser(page)


@app.command(rich_help_panel=LOOK, epilog="Example: [bold]longhaul report latest --output flights.html[/]")
def report(
    run_id: RunArgument = "latest",
    output: OutputOption = None,
    on: OnOption = None,
    emulate: EmulatedOption = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write the page of one run: verdict, data, metrics, slices, training, anomalies, steps."""
    from pipeline.commands.elsewhere import is_on_vertex, recorded_runs
    from pipeline.config.loading import options_of
    from pipeline.files import PAGE, check_output
    from pipeline.guard.find_rows import source_of
    from pipeline.lineage.trends import trends_in
    from pipeline.reports.page import write_report
    from pipeline.reports.page_places import page_path
    from pipeline.reports.what_now import look_around

    check_output(output, replaces=(PAGE,))
    settings, store, (run,) = recorded_runs(config, workspace, on, emulate, run_id, whole=True)
    page = page_path(settings.root, run.run_id)
    # A page that is taken elsewhere has no pages beside it; nor does this workspace tell what serves from a bucket.
    around = None if output or is_on_vertex(settings, on, emulated=emulate) else look_around(settings, store, run)
    trends = trends_in(store, settings.record_name, run)
    source = partial(source_of, settings.data, settings.data_pattern)
    written = write_report(run, output or page, source, around, trends, [*options_of(settings.root, settings.file)])
    typer.echo(for_standard_output(written))


@app.command(rich_help_panel=LOOK, epilog="Example: [bold]longhaul card latest --output card.md[/]")
def card(
    run_id: RunArgument = "latest",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The file: .md or .html; in the workspace when not given.", show_default=False
        ),
    ] = None,
    on: OnOption = None,
    emulate: EmulatedOption = False,
    config: ConfigOption = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write the model card of one run: what the model is for, its data, limits, metrics, lineage."""
    from pipeline.commands.elsewhere import recorded_runs
    from pipeline.files import MARKDOWN, PAGE, check_output
    from pipeline.reports.model_card import card_path, write_card

    check_output(output, replaces=(PAGE, MARKDOWN))
    settings, _, (run,) = recorded_runs(config, workspace, on, emulate, run_id, whole=True)
    typer.echo(for_standard_output(write_card(run, output or card_path(settings.root, run.run_id))))
