"""ExampleValidator for wide tables: the stock executor, validating a few columns at a time, as training data where the
schema tells environments apart."""

from __future__ import annotations

from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.components.example_validator import component, executor, labels
from tfx.components.util import value_utils
from tfx.dsl.components.base import executor_spec
from tfx.types import standard_component_specs
from tfx.utils import writer_utils

from pipeline.guard.validation import TRAINING, known_environment, validate


class Executor(executor.Executor):
    """Reads and writes as the stock one."""

    def _Validate(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> anomalies_pb2.Anomalies:  # noqa: N802
        """Validate one split."""
        schema = value_utils.GetSoleValue(inputs, standard_component_specs.SCHEMA_KEY)
        anomalies = validate(
            value_utils.GetSoleValue(inputs, standard_component_specs.STATISTICS_KEY),
            schema,
            environment=known_environment(schema, TRAINING),
        )
        folder = value_utils.GetSoleValue(outputs, labels.SCHEMA_DIFF_PATH)
        writer_utils.write_anomalies(f"{folder}/{executor.DEFAULT_FILE_NAME}", anomalies)
        return anomalies


class ExampleValidator(component.ExampleValidator):
    """Hold the statistics of each split against a schema.

    It takes the arguments of TFX's ExampleValidator. Output: `anomalies`, ExampleAnomalies.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
