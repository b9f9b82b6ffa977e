"""Leave out of the key by which TFX finds what a step did before what changes no result: the Beam runner and moves.

Replaces: get_cache_context of tfx.orchestration.portable.cache_utils
Why: the key holds the port of Beam's job server, another one in every run, absolute paths, and when a record was made:
  no step on a cluster would be cached, none in a workspace that was moved, and none whose records went to a server.
Upstream: https://github.com/tensorflow/tfx/blob/master/tfx/orchestration/portable/cache_utils.py
Until: TFX leaves Beam's arguments and paths out of the key.
Test: tests/patches/test_patches.py::test_tfx_still_counts_beams_arguments
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from tfx.orchestration.portable import cache_utils
from tfx.proto.orchestration import executable_spec_pb2

from pipeline.lineage.copied_store import undo_copy
from pipeline.lineage.relocation import first_names
from pipeline.lineage.renaming import Renaming
from pipeline.lineage.server_relocation import UPDATED

_of_tfx = cache_utils.get_cache_context


def install() -> None:
    """Have TFX's launcher use this key, in this process."""
    cache_utils.get_cache_context = _of_results


def _of_results(*, executor_spec: Any = None, **of_step: Any) -> Any:
    if isinstance(executor_spec, executable_spec_pb2.BeamExecutableSpec):
        executor_spec = executor_spec.python_executor_spec
    names = first_names(of_step["metadata_handle"].store, of_step["pipeline_info"].id)
    if names:
        parameters = of_step.get("parameters") or {}
        of_step["parameters"] = {name: names(str(value)) for name, value in parameters.items()}
    of_step["input_artifacts"] = _as_first(of_step.get("input_artifacts") or {}, names)
    return _of_tfx(executor_spec=executor_spec, **of_step)


def _as_first(artifacts: Mapping[str, Sequence[Any]], names: Renaming) -> dict[str, list[Any]]:
    """Return copies of a step's inputs that lie where they lay first."""
    copies = {key: [copy.deepcopy(one) for one in some] for key, some in artifacts.items()}
    for record in (one.mlmd_artifact for some in copies.values() for one in some):
        record.uri = names(record.uri)
        if UPDATED in record.custom_properties:
            record.last_update_time_since_epoch = int(record.custom_properties[UPDATED].string_value)
            del record.custom_properties[UPDATED]
        undo_copy(record)
        for value in (*record.properties.values(), *record.custom_properties.values()):
            if value.WhichOneof("value") == "string_value":
                value.string_value = names(value.string_value)
    return copies
