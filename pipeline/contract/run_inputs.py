"""Looks once at all that a run is made with: schema, policy, tables, code and packages.

Whoever prepares a run asks this value and no file, so that one that changes meanwhile gives no two answers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2

from pipeline.config.data import Data
from pipeline.config.model_settings import ModelSettings
from pipeline.contract.schema import feature_table, parse_schema, read_schema_text, without
from pipeline.contract.schema_text import write
from pipeline.data.decided_labels import Decisions, read_decisions
from pipeline.data.sources.table_files import file_states, find_files
from pipeline.errors import DataError
from pipeline.guard.policy import Policy
from pipeline.guard.policy_file import parse_policy, read_policy_text
from pipeline.lineage.own_code import OwnCode, find_own_code
from pipeline.lineage.provenance import Software, present_software
from pipeline.lineage.renaming import SAME, Renaming
from trainer.features import FeatureTable

FileStates = tuple[tuple[str, int, int], ...]
"""Path, size in bytes and time of change in nanoseconds of each file of a table, as TFX's own ExampleGen knows it."""


@dataclass(frozen=True)
class RunInputs:
    """What there was when the run began.

    Attributes:
        schema_text: the curated schema as people wrote it.
        guarding_text, schema: that without the columns of `data.drop`, as text and parsed: what guards and trains.
        features: what schema and configuration give together.
        policy_text, policy: the same of the gate's policy; "" and the defaults without a file.
        tables: the files to learn from; their address if they lie on another machine.
        serving: the same of the serving requests; () if there are none.
        software: code and packages; the user's own code counts among it.
        own_code: the functions that the configuration names.
        decisions: labels that people decided.
        first_names: has paths begin where workspace and configuration lay first, so that a move changes no digest.
    """

    schema_text: str
    guarding_text: str
    schema: schema_pb2.Schema
    features: FeatureTable
    policy_text: str
    policy: Policy
    tables: FileStates | str
    serving: FileStates | str
    software: Software
    own_code: OwnCode = field(default_factory=OwnCode)
    decisions: Decisions = field(default_factory=Decisions)
    first_names: Renaming = SAME

    @property
    def serving_digest(self) -> str:
        """Changes with the files of the serving requests; "" if there are none, or none on this machine."""
        return (
            digest(self._first(self.serving), digits=64) if self.serving and not isinstance(self.serving, str) else ""
        )

    @property
    def are_all_here(self) -> bool:
        """Whether this machine can tell if any of them changes."""
        return not (isinstance(self.tables, str) or isinstance(self.serving, str))

    def digests(self) -> dict[str, str]:
        """Return a digest of each part, by what people call it."""
        return {
            "the schema": digest(self.schema_text),
            "the policy": digest(self.policy_text),
            "the data": digest(self._first(self.tables)),
            "the serving requests": digest(self._first(self.serving)),
            "the code": digest(self.software.code_digest),
            "the packages": digest(self.software.package_versions),
        } | ({"the decided labels": digest(self.decisions.told())} if self.decisions.told() else {})

    def _first(self, files: FileStates | str) -> Any:
        if isinstance(files, str):
            return self.first_names(files)
        return [(self.first_names(path), *state) for path, *state in files]


def look(settings: ModelSettings, *, elsewhere: bool = False) -> RunInputs:
    """Look at what a run would be made with now.

    Args:
        elsewhere: the steps run on other machines, which find the tables themselves.

    Raises:
        ConfigError: schema, policy or decided labels cannot be read, or the schema lacks a column that the
            configuration names.
        DataError: no file of a table is there, or one is empty.
    """
    schema_text = read_schema_text(settings.schema_file)
    schema = parse_schema(schema_text, settings.schema_file)
    features = feature_table(settings, schema)
    kept = without(schema, settings.data.drop)
    policy_text = read_policy_text(settings.policy_file)
    policy = parse_policy(policy_text, settings.policy_file)
    own_code, software = find_own_code(settings), present_software()
    if own_code.digest:
        software = replace(
            software,
            code_digest=digest([software.code_digest, own_code.digest], digits=64),
            code_files={**software.code_files, **own_code.files},
        )
    decided = settings.label_decisions_file
    serving: FileStates | str = ()
    if settings.serving_pattern:
        try:
            serving = _files(settings.serving_pattern)
        except DataError:
            if not elsewhere:
                raise
    return RunInputs(
        schema_text=schema_text,
        guarding_text=schema_text if kept is schema else write(kept, schema_text),
        schema=kept,
        features=features,
        policy_text=policy_text,
        policy=policy,
        tables=settings.data_pattern if elsewhere else _tables(settings.data, settings.data_pattern),
        serving=serving,
        software=software,
        own_code=own_code,
        decisions=read_decisions(decided, settings.data.label_classes) if decided else Decisions(),
    )


def digest(part: Any, digits: int = 16) -> str:
    """Give digits that tell one plain value from another."""
    return hashlib.sha256(json.dumps(part).encode()).hexdigest()[:digits]


def _tables(data: Data, pattern: str) -> FileStates | str:
    files = find_files(pattern, data.spans)  # also where they lie elsewhere: are there any?
    return pattern if "://" in pattern else tuple(file_states(files))


def _files(pattern: str) -> FileStates | str:
    return pattern if "://" in pattern else tuple(file_states(find_files(pattern)))
