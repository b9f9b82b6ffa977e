"""`longhaul move-records`: the records of a workspace go to a database server, and the YAML file names it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pipeline.config.loading import check_edited, load
from pipeline.config.metadata import Metadata
from pipeline.config.pipeline import PipelineConfig
from pipeline.config.yaml_edit import with_value
from pipeline.contract.schema_text import replacing
from pipeline.errors import ConfigError
from pipeline.lineage.backup import free_name
from pipeline.lineage.copied_store import copy_records
from pipeline.lineage.store import check_store_exists, open_store, translated_errors
from pipeline.runners.local.recovery import writing
from pipeline.workspace.lock import AT_ONCE, Wait


@dataclass(frozen=True)
class MovedRecords:
    """What was done: how many records of each kind are on the server now, and where the file is that held them."""

    url: str
    counts: dict[str, int]
    file: Path


def move_records(file: Path, workspace: str | None, url: str, wait: Wait = AT_ONCE) -> MovedRecords:
    """Copy all records to the server, have the YAML file name it, and put the workspace's own store among its backups.
    Killed before the end, the file is as it was, and the workspace goes on with its own store.

    Raises:
        ConfigError: the address is none, or the records are on a server already.
        WorkspaceError: the database cannot be reached or is not empty, or nothing has run yet.
        LockedError: a run is at work, for longer than is waited.
    """
    config = load(file, workspace=workspace)
    if config.metadata.url is not None:
        raise ConfigError("the records are on a server already (metadata.url)", _dump_hint(config.file))
    there = _with_server(config, url)
    check_store_exists(config.metadata, config.root, config.orchestrator)
    text = file.read_bytes().decode()
    changed = with_value(text, ("metadata", "url"), url)
    check_edited(changed, file)
    own = config.root / "metadata.db"
    with translated_errors(config.root), writing(config, wait) as source:
        counts = copy_records(source, open_store(there))
        kept = free_name(config.root)
        kept.parent.mkdir(exist_ok=True)
        with replacing(file, changed, "--config"):
            own.rename(kept)
    for end in ("-wal", "-shm", "-journal"):
        with suppress(OSError):
            own.with_name(own.name + end).unlink()
    return MovedRecords(url, counts, kept)


def _with_server(config: PipelineConfig, url: str) -> PipelineConfig:
    try:
        metadata = Metadata.model_validate(config.metadata.model_dump() | {"url": url})
    except ValidationError as exc:
        said = "; ".join(error["msg"].removeprefix("Value error, ") for error in exc.errors())
        raise ConfigError(
            f"the address of the server {said}", "for example postgresql://user@host:5432/lineage"
        ) from exc
    return config.model_copy(update={"metadata": metadata})


def _dump_hint(config_file: Path | None) -> str:
    return f"from one server to another, use its own tools: `longhaul backup -c {config_file}` names them"
