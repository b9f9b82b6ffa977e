"""ImportSchemaGen that sees when the curated schema changes.

The stock component's cache key holds the file's path only, so that an edited schema would be ignored;
here the file's digest is a parameter too.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import ClassVar

from tfx.components.schema_gen.import_schema_gen import executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel, component_spec, standard_artifacts, standard_component_specs


class CuratedSchemaSpec(component_spec.ComponentSpec):
    """ImportSchemaGen's specification with the digest beside the path."""

    PARAMETERS: ClassVar = {
        standard_component_specs.SCHEMA_FILE_KEY: component_spec.ExecutionParameter(type=str),
        "schema_digest": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, component_spec.ChannelParameter]] = {}
    OUTPUTS: ClassVar = {
        standard_component_specs.SCHEMA_KEY: component_spec.ChannelParameter(type=standard_artifacts.Schema)
    }


class CuratedSchema(base_component.BaseComponent):
    """Component: `schema`, a copy of the file that people wrote and reviewed."""

    SPEC_CLASS = CuratedSchemaSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, schema_file: Path) -> None:
        super().__init__(
            CuratedSchemaSpec(
                schema_file=str(schema_file),
                schema_digest=hashlib.sha256(schema_file.read_bytes()).hexdigest(),
                schema=channel.Channel(type=standard_artifacts.Schema),
            )
        )
