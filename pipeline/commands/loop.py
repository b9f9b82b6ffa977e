"""`longhaul loop`: one look after the other, what asks for a run gets one, and what it trained is rolled out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from ml_metadata import MetadataStore

from pipeline.commands.loop_work import Work
from pipeline.commands.on_record import try_to_record
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.place import Place
from pipeline.continuous.journal import Journal, journal_of
from pipeline.continuous.looked import Looked
from pipeline.lineage.decisions import record_decisions
from pipeline.lineage.store import has_records
from pipeline.workspace.lock import AT_ONCE, Wait, alone


def loop_once(
    config: PipelineConfig,
    asked: Sequence[str] = (),
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    wait: Wait = AT_ONCE,
) -> Looked:
    """Look, decide, do, until there is something to wait for.

    Args:
        asked: keys of what a person asks for.

    Raises:
        LockedError: another loop is at work there, for longer than this one waits.
        PipelineError: something is wrong with the configuration, the workspace or the log.
    """
    file = journal_of(config.root, config.name)
    with alone(file.parent, "loop", wait):
        journal = Journal.read(file)
        work = Work(config, journal, asked, clock)
        try:
            work.go_on()
        finally:
            _put_on_record(config, journal, work.looked)
        return work.looked


def explain(
    config: PipelineConfig, asked: Sequence[str] = (), clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Looked:
    """Say what a look would do now, and why not; nothing is written, and `watch` does not look."""
    journal = Journal.read(journal_of(config.root, config.name))
    work = Work(config, journal, asked, clock, writes=False)
    work.looked.attempt = journal.under_way()
    if work.looked.attempt is None:
        work.looked.waits = "a run would begin" if work.may_begin() else work.looked.waits
    else:
        work.say_where()
    return work.looked


def _put_on_record(place: Place, journal: Journal, looked: Looked) -> None:
    """Put on record what is not yet; what keeps it from that is said, and made up for at the next look."""
    entries = [asdict(one) for one in journal.entries]
    if not entries or not has_records(place.metadata, place.root):
        return

    def put(store: MetadataStore) -> None:
        record_decisions(store, place.record_name, entries, str(place.serving_folder))

    if said := try_to_record(place, put):
        looked.told.append(f"not on record yet: {said}")
