"""The sections of a configuration file: what each field means, and which values it may have.

docs/configuration.md lists them for users; pipeline/config.py reads a file whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import permutations
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,127}$")]  # what Vertex AI accepts as a pipeline name
Share = Annotated[float, Field(gt=0, lt=1)]
SplitName = Literal["train", "eval", "test"]


_IMAGE = r"^[a-z0-9]+([.-][a-z0-9]+)*(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$"
"""host/path:tag or host/path@sha256:digest."""


_BIGQUERY = r"bigquery://(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]*[a-z0-9]"
_TABLE = rf"{_BIGQUERY}\.\w+\.[^?`]+"
_REMOTE_OR_ABSOLUTE = r"^(bigquery://|(gs:/)?/)[^/]"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Data(Section):
    """Where the table lies and what in it is to be predicted."""

    path: str
    """A file, a folder or a glob of CSV (.csv, .csv.gz), Parquet or TFRecord files, or a table in BigQuery,
    bigquery://PROJECT.DATASET.TABLE; `{SPAN}` marks the span number."""
    query: str | None = None
    """Of BigQuery: a SELECT whose result is the table; `path` then is bigquery://PROJECT or bigquery://PROJECT.DATASET."""
    spans: tuple[int, int] | None = None
    """First and last span to use, both inclusive; all spans when absent."""
    builder: str | None = None
    """Dotted path of a function `build(folder)` that writes the tables when they are not there yet."""
    label: str
    task: Literal["binary", "multiclass", "regression"]
    classes: tuple[str, ...] = ()
    """The label's values in order, as text; of two, the second is the positive one. Not for regression."""
    drop: tuple[str, ...] = ()
    """Columns that are never read."""
    payload: Literal["parquet", "tf_example"] = "parquet"
    """How ExampleGen keeps the rows: Parquet, or gzipped TFRecords of tf.Examples for tools that want those."""
    serving: str | None = None
    """A table of serving requests, as `path` but without spans; the gate compares the training data with it."""

    @field_validator("classes", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """YAML reads 0 and true as numbers and booleans; booleans are stored as 0 and 1."""
        if not isinstance(value, list | tuple):
            return value
        return tuple(str(int(item)) if isinstance(item, bool) else str(item) for item in value)

    @model_validator(mode="after")
    def _bigquery_is_named_whole(self) -> Data:
        table = "bigquery://PROJECT.DATASET.TABLE"
        if self.query is not None and not re.fullmatch(rf"{_BIGQUERY}(\.\w+)?", self.path):
            raise ValueError(f"query: path must be bigquery://PROJECT or bigquery://PROJECT.DATASET, not {self.path}")
        if self.query is not None and "{SPAN}" in self.query:
            raise ValueError(f"query: {{SPAN}} can only stand in the name of a table, {table}_{{SPAN}}")
        if self.query is None and self.path.startswith("bigquery://") and not re.fullmatch(_TABLE, self.path):
            raise ValueError(f"path: must be {table}, or bigquery://PROJECT beside a query, not {self.path}")
        if (self.serving or "").startswith("bigquery://") and not re.fullmatch(_TABLE, self.serving or ""):
            raise ValueError(f"serving: must be {table}, not {self.serving}")
        return self

    @model_validator(mode="after")
    def _classes_fit_task(self) -> Data:
        if self.task == "regression" and self.classes:
            raise ValueError("classes: a regression has none")
        if self.task == "binary" and len(self.classes) not in (0, 2):
            raise ValueError(f"classes: a binary task has two, not {len(self.classes)}")
        if self.task == "multiclass" and len(self.classes) < 3:
            raise ValueError("classes: list the label's values, three or more, in order")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes: a value stands twice")
        return self

    @property
    def label_classes(self) -> tuple[str, ...]:
        """`classes`, where a binary label without them is 0 or 1 (or false and true)."""
        return self.classes or (("0", "1") if self.task == "binary" else ())


def unix_seconds(text: str) -> int:
    """An ISO 8601 date or date-time; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


class TimeSplit(Section):
    """Rows before `eval_from` train; rows from `test_from` on, if given, are held out."""

    by: Literal["time"]
    column: str
    eval_from: str
    test_from: str | None = None

    @field_validator("eval_from", "test_from", mode="before")
    @classmethod
    def _iso_date(cls, value: Any) -> Any:
        """YAML reads 2013-11-01 as a date; keep the text and check it."""
        return None if value is None else datetime.fromisoformat(str(value)).isoformat()

    @model_validator(mode="after")
    def _in_order(self) -> TimeSplit:
        if self.test_from is not None and unix_seconds(self.test_from) <= unix_seconds(self.eval_from):
            raise ValueError(f"test_from ({self.test_from}) must be later than eval_from ({self.eval_from})")
        return self


class Weights(Section):
    """Relative sizes of the splits; a test weight of 0 means no held-out split."""

    train: Annotated[float, Field(gt=0)] = 8
    eval: Annotated[float, Field(gt=0)] = 2
    test: Annotated[float, Field(ge=0)] = 0


class HashSplit(Section):
    """By a hash of the whole row, so that equal rows never part."""

    by: Literal["hash"]
    weights: Weights = Weights()


class GroupSplit(Section):
    """By a hash of one column, so that a group (a customer, a day) is never in two splits."""

    by: Literal["group"]
    column: str
    weights: Weights = Weights()


Split = Annotated[TimeSplit | HashSplit | GroupSplit, Field(discriminator="by")]


class Schema(Section):
    """The curated schema that guards and trains."""

    file: str
    policy: str | None = None
    """What the gate does about findings; when absent `<stem of file>.policy.yaml` beside the schema, if it is there."""


class Features(Section):
    """Choices about the features; the facts stand in the schema."""

    exclude: tuple[str, ...] = ()
    """Columns that are kept and validated, but never shown to the model."""
    categorical: tuple[str, ...] = ()
    """Integer columns that are codes, not quantities."""
    max_vocabulary: Annotated[int, Field(ge=2, le=1_000_000)] = 1000
    bins: Annotated[int, Field(ge=2, le=1024)] = 12
    """Bins of the piecewise-linear encoding of numbers, cut where the label changes most."""


class Trainer(Section):
    """The network and its fitting; see trainer/model.py."""

    teacher: Literal["trees", "none"] = "trees"
    """Learn what boosted trees answer, see trainer/teacher.py, or from the labels."""
    hidden_units: Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Field(min_length=1)] = (256, 64)
    """Of the first layer, which the members share, and of those after it."""
    members: Annotated[int, Field(ge=1, le=256)] = 4
    """Networks in one whose answers are averaged; all but their small parts is shared."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """What trees answer hardly needs any; labels want 0.5."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    """The highest; it rises to it and falls to nothing over `epochs`."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    batch_size: Annotated[int, Field(ge=1, le=1_048_576)] = 512
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 6
    patience: Annotated[int, Field(ge=1)] = 2
    """Epochs without a better validation loss before training stops; the best weights are kept."""
    validation_share: Share = 0.1
    """Share of the training split used to stop early: its latest rows under a time split, else random ones."""
    refit: bool = True
    """Train anew on the whole training split, for the number of epochs that was best without that share."""
    seed: Annotated[int, Field(ge=0)] = 13
    warm_start: bool = False
    """Start from the weights of the last blessed model that was trained on other data."""
    distribute: Literal["none", "mirrored", "multi_worker"] = "none"
    """Train one network on several devices of this machine, or in several worker processes, through tf.distribute."""
    replicas: Annotated[int, Field(ge=2, le=64)] = 2
    """Parts of the processor that `mirrored` uses where there is no GPU; worker processes of `multi_worker`."""
    quantize: Literal["none", "float16", "int8"] = "none"
    """How the exported weights are stored."""
    litert: bool = False
    """Write the network as a LiteRT (TFLite) file, too, in the SavedModel's `assets.extra`."""


AFTER_FITTING = frozenset({"warm_start", "distribute", "replicas", "quantize", "litert"})
"""Fields of `trainer` that a trial of the tuner has nothing to do with."""
NOT_TUNED = AFTER_FITTING | {"teacher", "patience", "validation_share", "refit", "seed"}
"""Those, and the fields that decide how a trial is judged."""


class Range(Section):
    """A number between two bounds, both inclusive."""

    from_: float = Field(alias="from")
    to: float
    scale: Literal["linear", "log"] = "linear"
    """`log` for what is better doubled than added to."""


class Tuner(Section):
    """A search for better settings of `trainer`."""

    mode: Literal["none", "search", "reuse"] = "none"
    """`search` tries settings before it trains with the best; `reuse` trains with those that the last search found."""
    algorithm: Literal["random", "bayesian", "hyperband"] = "bayesian"
    trials: Annotated[int, Field(ge=1, le=10_000)] = 20
    minutes: Annotated[float, Field(gt=0)] | None = None
    """No trial begins later than this after the step began."""
    space: Annotated[dict[str, Range | tuple[Any, ...]], Field(min_length=1)] = {
        "hidden_units": ((128, 64), (256, 64), (256, 128), (512, 128)),
        "members": (4, 8, 16),
        "dropout": Range.model_validate({"from": 0.0, "to": 0.5}),
        "learning_rate": Range.model_validate({"from": 5e-4, "to": 5e-3, "scale": "log"}),
        "weight_decay": Range.model_validate({"from": 1e-4, "to": 1e-1, "scale": "log"}),
        "batch_size": (512, 1024, 2048),
        "epochs": Range.model_validate({"from": 2, "to": 12}),
    }
    """What is tried, by field of `trainer`: a range of numbers, or a list of values."""

    @field_validator("space", mode="before")
    @classmethod
    def _fits_trainer(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: _dimension(str(name), tried) for name, tried in value.items()}

    @model_validator(mode="after")
    def _epochs_are_tried_once(self) -> Tuner:
        if self.algorithm == "hyperband" and "space" in self.model_fields_set and "epochs" in self.space:
            raise ValueError("space: hyperband chooses the epochs itself, up to trainer.epochs; take `epochs` out")
        return self


def _dimension(name: str, tried: Any) -> Range | tuple[Any, ...]:
    """What is tried of one field of `trainer`, checked against that field's own rule."""
    if name not in Trainer.model_fields.keys() - NOT_TUNED:
        known = ", ".join(field for field in Trainer.model_fields if field not in NOT_TUNED)
        raise ValueError(f"{name!r} cannot be tuned; {known} can")
    if isinstance(tried, list | tuple):
        if len(tried) < 2:
            raise ValueError(f"{name}: list two values or more")
        return tuple(_trainer_value(name, choice) for choice in tried)
    try:
        bounds = Range.model_validate(tried)
    except ValidationError as exc:
        raise ValueError(f"{name}: give a list of values, or {{from: …, to: …, scale: linear|log}}") from exc
    default = Trainer.model_fields[name].default
    if isinstance(default, bool) or not isinstance(default, int | float):
        raise ValueError(f"{name} is no number; list the values to try")
    for bound in (bounds.from_, bounds.to):
        _trainer_value(name, bound)
    if bounds.from_ >= bounds.to:
        raise ValueError(f"{name}: from ({bounds.from_:g}) must be less than to ({bounds.to:g})")
    if bounds.scale == "log" and bounds.from_ <= 0:
        raise ValueError(f"{name}: a log scale begins above 0, not at {bounds.from_:g}")
    return bounds


def _trainer_value(name: str, value: Any) -> Any:
    """The value as `trainer` takes it."""
    try:
        return getattr(Trainer.model_validate({name: value}), name)
    except ValidationError as exc:
        raise ValueError(f"{name}: {value!r} is refused ({exc.errors()[0]['msg']})") from exc


class Bounds(Section):
    """What one metric must be: absolute, and against the last blessed model (the champion)."""

    at_least: float | None = None
    at_most: float | None = None
    may_lose: Annotated[float, Field(ge=0)] | None = None
    """How much worse than the champion it may be."""

    @property
    def is_empty(self) -> bool:
        return self.at_least is None and self.at_most is None and self.may_lose is None


class SliceThreshold(Bounds):
    """Bounds on one metric in slices."""

    min_rows: Annotated[int, Field(ge=0)] | None = None
    """A slice with fewer rows is not judged; `evaluation.min_rows` when absent."""

    @model_validator(mode="after")
    def _some_bound(self) -> SliceThreshold:
        if self.is_empty:
            raise ValueError("a threshold needs at_least, at_most or may_lose")
        return self


class Threshold(Bounds):
    """Bounds on one metric over all rows, and in slices."""

    slices: dict[str, SliceThreshold] = {}
    """By slice: `carrier` (each value), `carrier=OO` (that one), `carrier, origin`, `carrier=UA, origin=EWR`."""

    @model_validator(mode="after")
    def _some_bound(self) -> Threshold:
        if self.is_empty and not self.slices:
            raise ValueError("a threshold needs at_least, at_most, may_lose or slices")
        return self


class Explain(Section):
    """How much work goes into saying what the model looks at; 0 switches a part off."""

    permutation_rows: Annotated[int, Field(ge=0, le=1_000_000)] = 4_000
    """Rows of the evaluated splits on which features are permuted."""
    repeats: Annotated[int, Field(ge=0, le=100)] = 3
    """Permutations of each feature."""
    rows: Annotated[int, Field(ge=0, le=100)] = 6
    """Single rows whose predictions are taken apart: those that are most wrong, and ordinary ones."""


class Evaluation(Section):
    """What is measured, on which slices, and what blocks a push."""

    splits: tuple[SplitName, ...] = ("eval",)
    slices: tuple[tuple[str, ...], ...] = ()
    """Columns to slice by, singly or crossed: `[[carrier], [carrier, origin]]`. Overall is always there."""
    thresholds: Annotated[dict[str, Threshold], Field(min_length=1)]
    gaps: dict[str, dict[str, Annotated[float, Field(ge=0)]]] = {}
    """By metric and slicing columns, how far the slices' values may lie apart: `auc: {origin: 0.05}`."""
    min_rows: Annotated[int, Field(ge=0)] = 100
    """A slice with fewer rows is shown, but neither judged by a threshold nor counted in a gap."""
    confidence: Share = 0.95
    """Of the intervals beside the metrics."""
    explain: Explain = Explain()

    @model_validator(mode="after")
    def _rules_name_slices(self) -> Evaluation:
        for metric, threshold in self.thresholds.items():
            for text in threshold.slices:
                if slice_rule(text, self.slices) is None:
                    raise ValueError(f"thresholds.{metric}.slices: {_unknown_slice(text)}")
        for metric, columns in self.gaps.items():
            for text in columns:
                found = slice_rule(text, self.slices)
                if found is None or found[1] is not None:
                    raise ValueError(f"gaps.{metric}: {_unknown_slice(text)}")
        return self


def slice_rule(text: str, slices: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], tuple[str, ...] | None] | None:
    """The slices that a rule is about: columns in alphabetical order, and their values; None for values: each slice.

    Args:
        text: `carrier`, `carrier, origin`, `carrier=OO`, `carrier=UA, origin=EWR`; columns in any order.
        slices: `evaluation.slices`. None comes back if the rule's columns are not among them.
    """
    for columns in sorted(slices, key=len, reverse=True):  # a comma may also stand in a value
        for order in permutations(columns):
            if text == ", ".join(order):
                return tuple(sorted(columns)), None
            if found := re.fullmatch(", ".join(f"{re.escape(column)}=(.*)" for column in order), text, re.DOTALL):
                values = dict(zip(order, found.groups(), strict=True))
                return tuple(sorted(columns)), tuple(values[column] for column in sorted(columns))
    return None


def _unknown_slice(text: str) -> str:
    columns = [part.partition("=")[0] for part in text.split(", ")]
    return f"{text!r} is not measured; add [{', '.join(columns)}] to evaluation.slices"


class Card(Section):
    """What only people know of a model; it stands on the model card."""

    owners: tuple[str, ...] = ()
    overview: str | None = None
    """What the model is, in a sentence or two."""
    license: str | None = None
    intended_uses: tuple[str, ...] = ()
    out_of_scope: tuple[str, ...] = ()
    """Uses for which it was not made."""
    limitations: tuple[str, ...] = ()
    ethical_considerations: tuple[str, ...] = ()
    data: str | None = None
    """Where the data come from and what they stand for."""
    references: tuple[str, ...] = ()


class InfraCheck(Section):
    """What a model must be before it is pushed: see pipeline/infra."""

    p99_ms_batch_1: Annotated[float, Field(gt=0)] | None = 50
    """The slowest of a hundred requests of one row may take so many milliseconds."""
    p99_ms_batch_32: Annotated[float, Field(gt=0)] | None = None
    p99_ms_batch_1024: Annotated[float, Field(gt=0)] | None = None
    max_size_mb: Annotated[float, Field(gt=0)] | None = None
    """Of the SavedModel's files."""
    max_memory_mb: Annotated[float, Field(gt=0)] | None = None
    """Peak of the process that serves it, TensorFlow included."""
    tolerance: Annotated[float, Field(gt=0)] = 1e-5
    """How much the predictions of one row may differ: by signature, batch, Evaluator, training."""
    timeout_s: Annotated[float, Field(gt=0)] = 120


class VertexModel(Section):
    """A model in Vertex AI's Model Registry; every push becomes a version of it."""

    project: str
    location: str
    display_name: str
    serving_image: str
    """The container that serves it, such as one of Google's prebuilt TensorFlow images."""


class Push(Section):
    """Where a model goes besides the workspace's `serving` folder."""

    destination: Annotated[str, Field(pattern=r"^gs://[a-z0-9][a-z0-9._-]*(/[^/]+)*$")] | None = None
    """`gs://bucket/folder`; each version becomes a folder below it."""
    vertex_model: VertexModel | None = None

    @model_validator(mode="after")
    def _registry_reads_from_storage(self) -> Push:
        if self.vertex_model is not None and self.destination is None:
            raise ValueError("vertex_model needs a destination: the registry takes a model from gs://")
        return self


class VertexStep(Section):
    """The container of one step on Vertex AI Pipelines; Vertex decides what is absent."""

    cpu: Annotated[float, Field(gt=0)] | None = None
    """Cores at most."""
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    accelerator: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]+$")] | None = None
    """A type that Vertex has in the region, such as NVIDIA_TESLA_T4."""
    accelerators: Annotated[int, Field(ge=1, le=16)] = 1
    cache: bool = True
    """Whether an earlier execution with the same inputs is taken instead."""
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    """Further tries, whatever the failure was."""


class Vertex(Section):
    """The same pipeline as a job on Vertex AI Pipelines."""

    project: Annotated[str, Field(pattern=r"^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
    region: Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+\d+$")]
    root: Annotated[str, Field(pattern=r"^gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/[^/]+)*$")]
    """`gs://bucket/folder`: artifacts go to `artifacts` below it, models to `serving/NAME`."""
    image: Annotated[str, Field(pattern=_IMAGE)]
    """The container of every step; it holds this code, the trainer's and what both need."""
    service_account: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    """As whom the steps work; Compute Engine's default account when absent."""
    endpoint: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] | None = None
    """Where the service is, such as a private endpoint; REGION-aiplatform.googleapis.com when absent."""
    network: Annotated[str, Field(pattern=r"^projects/\d+/global/networks/[^/]+$")] | None = None
    """A network to peer with: projects/NUMBER/global/networks/NAME."""
    labels: dict[
        Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")], Annotated[str, Field(pattern=r"^[a-z0-9_-]{0,63}$")]
    ] = {}
    """Of the job; they appear on the bill."""
    data: Annotated[str, Field(pattern=_REMOTE_OR_ABSOLUTE)] | None = None
    """Takes the place of `data.path`: an address gs://… or bigquery://…, or a path inside the image."""
    serving: Annotated[str, Field(pattern=_REMOTE_OR_ABSOLUTE)] | None = None
    """Takes the place of `data.serving`."""
    steps: dict[str, VertexStep] = {}
    """By step, such as Trainer; steps that are not named take the defaults."""


_ADDRESS = r"^[A-Za-z0-9.-]+:\d{1,5}$"
BeamRunner = Literal["direct", "flink", "spark", "dataflow"]
BeamOptions = dict[
    Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9_]*$")], bool | int | float | str | tuple[int | float | str, ...]
]
"""Options of Beam by name; of a list each item is given, `true` is a flag."""


class Portable(Section):
    """A cluster that Beam asks through a job server; one of `job_endpoint` and `job_server_jar` is needed."""

    master: str
    """Flink: host:port of its REST service. Spark: its master, such as spark://host:7077 or local[2]."""
    job_endpoint: Annotated[str, Field(pattern=_ADDRESS)] | None = None
    """host:port of a job server that is there."""
    job_server_jar: str | None = None
    """Beam's job server for the cluster; it is started for the length of a run, which takes Java."""
    worker_pool: Annotated[str, Field(pattern=_ADDRESS)] = "localhost:50000"
    """host:port of the pool that starts Python workers, as those see it who work for the master."""
    parallelism: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Tasks at the same time; the cluster decides when absent."""
    options: BeamOptions = {}

    @model_validator(mode="after")
    def _one_job_server(self) -> Portable:
        if (self.job_endpoint is None) == (self.job_server_jar is None):
            raise ValueError("give job_endpoint or job_server_jar, one of them")
        return self


class Dataflow(Section):
    """Google's service; what is absent is taken from `vertex`."""

    project: str | None = None
    region: str | None = None
    temp: Annotated[str, Field(pattern=r"^gs://[a-z0-9][a-z0-9._-]*(/[^/]+)*$")] | None = None
    """Folder for temporary and staged files; `dataflow` below vertex.root when absent."""
    image: Annotated[str, Field(pattern=_IMAGE)] | None = None
    """The container of the workers; vertex.image when absent."""
    setup_file: str | None = None
    """A setup.py that workers of Beam's own image install, in the place of `image`."""
    machine_type: str | None = None
    max_workers: Annotated[int, Field(ge=1, le=4000)] | None = None
    disk_gb: Annotated[int, Field(ge=10)] | None = None
    service_account: str | None = None
    subnetwork: str | None = None
    public_ips: bool = True
    options: BeamOptions = {}

    @model_validator(mode="after")
    def _one_environment(self) -> Dataflow:
        if self.image and self.setup_file:
            raise ValueError("give image or setup_file, not both")
        return self


class BeamStep(Section):
    """What differs for one step."""

    runner: BeamRunner | None = None
    options: BeamOptions = {}
    """Win over those of the runner."""


class BeamSettings(Section):
    """Which Beam runner does the data work of a step."""

    runner: BeamRunner = "direct"
    flink: Portable | None = None
    spark: Portable | None = None
    dataflow: Dataflow = Dataflow()
    steps: dict[str, BeamStep] = {}
    """By step, such as StatisticsGen."""


class RunSettings(Section):
    """What a run does about failures that may pass by themselves: of the network, a server, a disk far away."""

    retries: Annotated[int, Field(ge=0, le=100)] = 2
    """Further tries of a step; every try is on record."""
    backoff_s: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """Seconds before the first of them; before each other twice as long."""


def _without_secrets(address: str | None) -> str | None:
    """An address that may stand in a file, and be recorded with every run."""
    if address is None:
        return None
    try:
        parts = urlsplit(address)
    except ValueError as exc:
        raise ValueError("must look like https://host/path") from exc
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must look like https://host/path")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or a password; what is secret belongs in an environment variable")
    return address


Address = Annotated[str | None, AfterValidator(_without_secrets)]
EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Ending = Literal["failed", "interrupted", "blocked", "not_blessed", "infra_refused", "complete"]


class Observe(Section):
    """Who learns of every run."""

    openlineage_url: Address = None
    """A catalogue that reads OpenLineage, such as `https://marquez.example.com`; gets the events at a run's end."""
    openlineage_key_env: EnvironmentVariable = "OPENLINEAGE_API_KEY"
    """The environment variable that holds the catalogue's API key, if it wants one."""


class Notify(Section):
    """Who is told how a run ended; what they are sent is in docs/observability.md."""

    webhook: Address = None
    """Gets a POST of JSON."""
    webhook_env: EnvironmentVariable | None = None
    """The environment variable that holds the webhook's address, where that is secret."""
    command: tuple[str, ...] = ()
    """A program and its arguments; gets the JSON on standard input."""
    on: Annotated[tuple[Ending, ...], Field(min_length=1)] = (
        *("failed", "interrupted"),
        *("blocked", "not_blessed", "infra_refused"),
    )
    """Which endings are told."""
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 10
    """For webhook and command each."""

    @model_validator(mode="after")
    def _one_address(self) -> Notify:
        if self.webhook and self.webhook_env:
            raise ValueError("give webhook or webhook_env, not both")
        return self


class Metadata(Section):
    """Where ML Metadata keeps its records."""

    url: str | None = None
    """`postgresql://user@host:port/database` or `mysql://…`; SQLite in the workspace when absent."""
    password_env: str = "LONGHAUL_METADATA_PASSWORD"
    """The environment variable that holds the password; a password never stands in a file."""

    @field_validator("url")
    @classmethod
    def _known_and_without_password(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not re.match(r"^(postgresql|mysql)://[^/@]+@[^/]+/\w+$", value):
            raise ValueError("must look like postgresql://user@host:port/database or mysql://user@host:port/database")
        if ":" in value.split("//")[1].split("@")[0]:
            raise ValueError("must not hold a password; put it in the environment variable that password_env names")
        return value


def has_test_split(split: TimeSplit | HashSplit | GroupSplit) -> bool:
    """Whether the split sets rows aside that training and its early stopping never see."""
    return split.test_from is not None if isinstance(split, TimeSplit) else split.weights.test > 0
