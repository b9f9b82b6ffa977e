"""Names that one part writes and another reads: of files in artifacts, and of properties.

They stand by themselves, so that a step which reads what another wrote does not depend on the code that wrote it.
"""

SUMMARY_FILE = "ingestion.json"
"""In the Examples artifact: rows per split, labels, files and spans read; of a table with spans the shards' digests."""
VERDICT_FILE = "verdict.json"
"""In the artifacts of Evaluator (see pipeline.evaluation.summary) and of DataGate."""
EVAL_CONFIG_FILE, CURVES_FILE, EXPLANATION_FILE, INTERVALS_FILE = (
    *("eval_config.json", "curves.json", "explanation.json", "intervals.json"),
)
"""Beside it, in that of Evaluator; the last of them in one of an older Longhaul."""
INFRA_FILE = "infra.json"
"""In the InfraBlessing artifact."""
EVALUATED_ROWS_FILE = "scored_rows.parquet"
"""Beside it: some rows with the challenger's predictions, for the check before a push; see trainer.probe_rows."""
TRAINED_ON = "examples_id"
"""Custom property of a Model: the id of the Examples that it was trained on."""
MODEL_DIGEST = "model_digest"
"""Custom property of a Model and of what was pushed of it (pipeline.serving.versions.Manifest.digest)."""
DECIDES_FROM = "decides_from"
"""Custom property of what was pushed: the threshold of a binary task, as text."""
JUDGED_AGAINST = "judged_against"
"""Custom property of a ModelBlessing: MODEL_DIGEST of the champion; empty without one."""
APPROVAL = "approval"
"""Custom property of a PushedModel under `push.approval: manual`: waiting, approved or rejected."""
CONTRACT = "contract"
"""Custom property of a Model: a pipeline.evaluation.model_contract.Contract as JSON text. A model of an older Longhaul
has none."""
CHECKED = "checked"
"""Custom property of an InfraBlessing: 1 or 0, whether the model was asked at all."""
STEP_CODE = "step_code_digest"
"""Execution property of a step: the digest of the code that it uses (pipeline.lineage.provenance.step_code_digest)."""
HYPERPARAMETER = "hp."
"""Prefix of a Model's custom properties, then a field of the configuration's `trainer` section; JSON text."""
