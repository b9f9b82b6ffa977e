"""Tuner whose search goes on after a crash: finished trials are kept in a folder that the next start finds again."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from keras_tuner.engine.trial import TrialStatus
from tfx.components.tuner import component
from tfx.components.tuner import executor as tuner_executor
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, json_utils

from pipeline.data.artifact_files import in_split
from pipeline.errors import ConfigError
from pipeline.lineage.artifact_names import STEP_CODE, SUMMARY_FILE


class Executor(tuner_executor.Executor):
    """Searches as stock TFX does, in the folder `custom_config["folder"]`/DIGEST.

    The digest is of the rows, the code and all settings but those that say how long to search: more trials go on
    where fewer ended. Folders of other digests are removed.
    """

    def Do(self, input_dict: Any, output_dict: Any, exec_properties: dict[str, Any]) -> None:  # noqa: N802 (TFX's name)
        """See BaseExecutor.Do.

        Raises:
            ConfigError: no trial gave a loss that is a number.
        """
        config = json_utils.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        examples = artifact_utils.get_single_instance(input_dict[standard_component_specs.EXAMPLES_KEY])
        name = _digest(config, _rows(examples), exec_properties[STEP_CODE])
        if fileio.exists(config["folder"]):
            for other in fileio.listdir(config["folder"]):
                if other.rstrip("/") != name:
                    fileio.rmtree(f"{config['folder']}/{other}")
        fileio.makedirs(f"{config['folder']}/{name}")
        tuner = tuner_executor.search(
            input_dict, exec_properties, f"{config['folder']}/{name}", print_tuning_summary=False
        )
        if tuner.oracle.get_best_trials(1)[0].status != TrialStatus.COMPLETED:
            raise ConfigError(
                "tuner: no trial gave a validation loss that is a number",
                "take smaller values for learning_rate in tuner.space",
            )
        tuner_executor.write_best_hyperparameters(tuner, output_dict)


def _digest(config: dict[str, Any], rows: Any, code: str) -> str:
    """Return SHA-256 of what the trials' losses depend on, shortened to a folder's name."""
    plan = {key: value for key, value in config["tuner"].items() if key not in ("trials", "minutes")}
    told = {key: value for key, value in config.items() if key != "folder"} | {
        "tuner": plan,
        "rows": rows,
        "code": code,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def _rows(examples: Any) -> Any:
    """Return what tells the training rows from others: their files' digests, or where they lie if there are none."""
    file = f"{examples.uri}/{SUMMARY_FILE}"
    digests = json.loads(io_utils.read_string_file(file))["shards"] if fileio.exists(file) else {}
    split = artifact_utils.get_split_uri([examples], "train")
    return sorted(in_split(split, digests).values()) or split


class Tuner(component.Tuner):
    """Component: `best_hyperparameters` and `tuner_results`."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
