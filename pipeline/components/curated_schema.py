"""ImportSchemaGen that sees when the curated schema changes.

The stock component's cache key holds the file's path only, so that an edited schema would be ignored;
here the file's digest is a parameter too. Vertex AI's machines do not have the file: there the text travels.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

from tfx.components.schema_gen.import_schema_gen import executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import io_utils

SCHEMA_TEXT = "schema_text"


class Executor(executor.Executor):
    """Writes the text, or copies the file."""

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do."""
        text = exec_properties.get(SCHEMA_TEXT)
        if text is None:
            super().Do(input_dict, output_dict, exec_properties)
        else:
            uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.SCHEMA_KEY])
            io_utils.write_string_file(f"{uri}/schema.pbtxt", text)


class CuratedSchemaSpec(component_spec.ComponentSpec):
    """ImportSchemaGen's specification with the digest beside the path, or the text instead of it."""

    PARAMETERS: ClassVar = {
        standard_component_specs.SCHEMA_FILE_KEY: component_spec.ExecutionParameter(type=str, optional=True),
        SCHEMA_TEXT: component_spec.ExecutionParameter(type=str, optional=True),
        "schema_digest": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, component_spec.ChannelParameter]] = {}
    OUTPUTS: ClassVar = {
        standard_component_specs.SCHEMA_KEY: component_spec.ChannelParameter(type=standard_artifacts.Schema)
    }


class CuratedSchema(base_component.BaseComponent):
    """Component: `schema`, a copy of the file that people wrote and reviewed.

    Args:
        text: of the schema.
        file: that the step copies; None where it will not find the file, and writes the text.
    """

    SPEC_CLASS = CuratedSchemaSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, text: str, file: Path | None = None) -> None:
        super().__init__(
            CuratedSchemaSpec(
                schema_file=str(file) if file else None,
                schema_text=None if file else text,
                schema_digest=hashlib.sha256(text.encode()).hexdigest(),
                schema=channel.Channel(type=standard_artifacts.Schema),
            )
        )
