"""A version of a model that answers: loaded by TensorFlow's C++ loader, compared with what was trained, warmed up."""

from __future__ import annotations

import json
import struct
import time
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.serving.cpp_session import CppSession, LoaderError
from pipeline.serving.request_layout import Layout, layout_of
from pipeline.serving.server import kept_feeds
from pipeline.serving.server.refusal import Refusal, code_of, invalid
from pipeline.serving.server.rules import Rule, rules_of
from pipeline.serving.server.tensors import Array, Arrays, Columns
from pipeline.serving.versions import damage, read_manifest, threshold_of
from trainer.artifact_names import KEPT_ROWS_FILE, SIGNATURES_FILE

DEFAULT, TENSORS = "serving_default", "serving_tensors"
CLASSIFICATION, REGRESSION = "classification", "regression"
_TOLERANCE = 1e-5
"""How much an answer may differ from the one that was kept; of numbers beyond 1 relative to the greatest."""
_WARM_UP_ROWS = (1, 64, 1024)


class UnfitError(Exception):
    """A folder that holds no model which may serve; the text says why."""


class LoadedModel:
    """A SavedModel in memory. Its session goes when nobody holds the object any more.

    Raises:
        UnfitError: it is damaged, cannot be loaded, or answers otherwise than it was trained to.
    """

    def __init__(self, name: str, version: int, folder: Path) -> None:
        began = time.monotonic()
        self.name, self.version, self.folder = name, version, folder
        if wrong := damage(folder):
            raise UnfitError(f"it is damaged: {', '.join(wrong[:3])}")
        try:
            self._session = CppSession(str(folder), -1)  # only the thread that asks
        except LoaderError as exc:
            raise UnfitError(f"it cannot be loaded: {exc}") from exc
        weakref.finalize(self, self._session.__exit__)
        self.signatures: dict[str, Any] = {
            key: signature for key, signature in self._session.signatures.items() if not key.startswith("__")
        }
        self._inputs = {
            key: {name: int(info.dtype) for name, info in signature.inputs.items()}
            for key, signature in self.signatures.items()
        }
        self.told: dict[str, Any] = _told(folder)
        described = self.told.get("signatures", {}).get(TENSORS, {}).get("inputs", {})
        self.rules: dict[str, Rule] = rules_of(described)
        if self._inputs.get(TENSORS, {}).keys() != self.rules.keys():
            self.rules = {}
        self._feeds = kept_feeds.of(self._session, TENSORS) if self.rules else None
        label = self.told.get("label", {})
        self.task: str = label.get("task", "")
        self.classes: list[str] = label.get("classes", [])
        self.kinds_of_features: dict[str, str] = self.told.get("features_of_examples", {})
        self.columns_of_network: dict[str, list[tuple[str, int]]] = self.told.get("columns_of_network", {})
        self.manifest = read_manifest(folder)
        self.threshold = threshold_of(self.manifest)
        """Of two classes, the probability from which on a row is called positive."""
        self.since = datetime.now(UTC).isoformat(timespec="seconds")
        """When it was loaded."""
        self.asked_alone: set[str] = set()
        """Signatures whose answers are not one row for each row asked."""
        self._layouts: dict[str, Layout] = {}
        self._warm_up()
        self.warm_up_s = time.monotonic() - began

    def inputs(self, signature: str) -> dict[str, int]:
        """Return the DataType of each input of a signature.

        Raises:
            Refusal: there is no such signature.
        """
        if signature not in self._inputs:
            raise invalid(f'Serving signature name: "{signature}" not found in signature def')
        return self._inputs[signature]

    def ask(self, signature: str, columns: Columns) -> Arrays:
        """Return an array by output.

        Raises:
            Refusal: TensorFlow cannot answer.
        """
        try:
            if signature == TENSORS:
                return kept_feeds.ask(self._session, signature, columns, self._feeds)
            return self._session.ask(signature, columns)
        except LoaderError as exc:
            raise Refusal(code_of(exc.code), str(exc)[:2000]) from exc

    def layout(self, signature: str) -> Layout:
        """Return what requests to a signature look like in the log."""
        if (found := self._layouts.get(signature)) is None:
            infos = self.signatures[signature].inputs if signature in self.signatures else {}
            inputs = {name: (int(info.dtype), len(info.tensor_shape.dim)) for name, info in infos.items()}
            found = self._layouts[signature] = layout_of(self.told, inputs, self.threshold)
        return found

    def instance(self) -> dict[str, Any] | None:
        """Return an example row for `serving_tensors`, if the model brings one."""
        rest = self.told.get("signatures", {}).get(TENSORS, {}).get("rest")
        return dict(rest["body"]["instances"][0]) if rest else None

    def kept_columns(self) -> Arrays:
        """Return the rows that training kept, by input of `serving_tensors`; none where it kept none."""
        kept = [inputs for signature, inputs, _ in _kept(self.folder) if signature == TENSORS]
        return {name: np.concatenate([inputs[name] for inputs in kept]) for name in kept[0]} if kept else {}

    def _warm_up(self) -> None:
        """Answer the kept rows, and as many at a time as requests may bring."""
        largest: tuple[str, Arrays] | None = None
        try:
            for signature, inputs, expected in _kept(self.folder):
                found = self._session.ask(signature, inputs)
                for key, values in expected.items():
                    if (difference := _difference(found[key], values)) > _TOLERANCE:
                        raise UnfitError(
                            f"it does not answer the rows that were kept with it as it did when it was trained: "
                            f"{signature} {key} differs by {difference:.2g}"
                        )
                largest = signature, inputs
            if largest is None and (row := self.instance()):
                largest = TENSORS, {name: np.array([value]) for name, value in row.items()}
            if largest is not None:
                signature, inputs = largest
                for size in _WARM_UP_ROWS:
                    self._session.ask(signature, {key: np.resize(array, size) for key, array in inputs.items()})
        except (LoaderError, KeyError) as exc:
            raise UnfitError(f"it does not answer the rows that were kept with it: {exc}") from exc


def _told(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / SIGNATURES_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def _difference(found: Array, expected: Array) -> float:
    if found.shape != expected.shape:
        return float("inf")
    unit = max(1.0, float(np.abs(expected).max(initial=0)))
    difference = float(np.abs(found.astype(float) - expected).max(initial=0)) / unit
    return difference if difference == difference else float("inf")


def _kept(folder: Path) -> Iterator[tuple[str, Arrays, Arrays]]:
    """Yield signature, inputs and answers of each request that lies beside the model (trainer.kept_rows)."""
    from tensorflow_serving.apis import prediction_log_pb2

    from pipeline.serving.server.proto_tensors import to_array

    try:
        content = (folder / KEPT_ROWS_FILE).read_bytes()
    except FileNotFoundError:
        return
    at = 0
    while at < len(content):  # a TFRecord: length, its checksum, content, its checksum
        (length,) = struct.unpack_from("<Q", content, at)
        log = prediction_log_pb2.PredictionLog.FromString(content[at + 12 : at + 12 + length])
        at += 12 + length + 4
        if log.WhichOneof("log_type") == "predict_log":
            asked, answered = log.predict_log.request, log.predict_log.response
            yield (
                asked.model_spec.signature_name or DEFAULT,
                {name: to_array(tensor) for name, tensor in asked.inputs.items()},
                {name: to_array(tensor) for name, tensor in answered.outputs.items()},
            )
