"""The check before a push: each way in which a model is not fit to serve is found, in a process that really serves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.config.infra_check import InfraCheckSettings
from pipeline.serving import check as check_module
from pipeline.serving.check import ScoredRows, check
from pipeline.serving.verdict import ServingVerdict
from tests.probes import probing_by
from tests.serving.conftest import FEATURES, ROWS, Network, a_row, predicted
from trainer.digests import file_digests

pytestmark = pytest.mark.slow

Scored = dict[str, ScoredRows]
forked = pytest.mark.usefixtures("forked_probes")
"""What the process does is the subject, not that it begins anew."""


@pytest.fixture
def forked_probes(probes: str) -> Iterator[None]:
    with probing_by(probes):
        yield


def judged(model: str, rows: Scored, exported: dict[str, str] | None = None, **settings: Any) -> ServingVerdict:
    generous = {"p99_ms_batch_1": 10_000, "measure_s": 0, "timeout_s": 900} | settings  # the machine may be busy
    return check(model, rows, FEATURES, exported or file_digests(model), InfraCheckSettings(**generous))


def test_a_model_that_is_fit(save: Callable[..., str], scored: Scored) -> None:
    model = save(Network())
    verdict = judged(model, scored, measure_s=0.2, max_size_mb=10, max_memory_mb=8_000)
    assert verdict.failures == []
    assert verdict.blessed
    assert verdict.rows == {"what Evaluator measured": 40, "what the network predicted in training": 20}
    assert set(verdict.differences) == {
        "serving_tensors", "the same rows in another order", "the same rows in small batches", *scored,
        "what Python answers to every signature",
    }  # fmt: skip
    assert max(verdict.differences.values()) < 1e-6
    for by_size in verdict.latency.values():
        assert list(by_size) == ["1", "32", "1024"]
        for found in by_size.values():
            assert 0 < found["p50_ms"] <= found["p99_ms"] < 10_000
            assert found["calls"] >= 3
    assert verdict.files == file_digests(model)
    assert verdict.size_bytes == sum(path.stat().st_size for path in Path(model).rglob("*") if path.is_file())
    assert verdict.memory_bytes
    assert verdict.memory_before_bytes
    assert 100e6 < verdict.memory_before_bytes <= verdict.memory_bytes < 3e9  # its own, not this process's
    assert ServingVerdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict
    assert verdict.in_short().startswith("60 rows agree within ")


@forked
def test_values_that_plain_tensors_cannot_tell_are_not_held_against_it(save: Callable[..., str]) -> None:
    """An empty text is a missing one to `serving_tensors`, and not to `serving_default`."""
    rows = [a_row("", 100.0), a_row(None, 100.0), a_row("UA", None), a_row("UA", float("nan"))]
    scored = {"what Evaluator measured": ScoredRows(rows, predicted(rows))}
    assert judged(save(Network()), scored).failures == []


def busy(scores: tf.Tensor) -> tf.Tensor:
    """The same scores after work in the graph that takes many times what they take, one small product after another."""

    def work(step: tf.Tensor, matrix: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return step + 1, tf.tanh(tf.matmul(matrix, matrix))

    _, matrix = tf.while_loop(lambda step, _: step < 60, work, (0, tf.fill([200, 200], scores[0, 0])))
    return scores + 0.0 * tf.reduce_mean(tf.clip_by_value(matrix, -1.0, 1.0))


@forked
def test_a_model_with_work_hidden_in_its_graph_is_too_slow(save: Callable[..., str], scored: Scored) -> None:
    verdict = judged(save(Network(busy)), scored, p99_ms_batch_1=5)
    assert not verdict.blessed
    first, second = verdict.failures
    for failure, signature in ((first, "serving_default"), (second, "serving_tensors")):
        assert failure.startswith(f"{signature} at batch 1 takes ")
        assert failure.endswith("measured twice); 5 ms is allowed")
        assert verdict.latency[signature]["1"]["first_p99_ms"] > 5
        assert "first_p99_ms" not in verdict.latency[signature]["32"]  # without a budget once is enough


@forked
@pytest.mark.parametrize("size", ["32", "1024"])
def test_other_batches_have_budgets_of_their_own(save: Callable[..., str], scored: Scored, size: str) -> None:
    verdict = judged(save(Network()), scored, **{f"p99_ms_batch_{size}": 0.001})
    assert [failure.partition(" takes ")[0] for failure in verdict.failures] == [
        f"serving_default at batch {size}", f"serving_tensors at batch {size}",
    ]  # fmt: skip


@forked
def test_nan_is_no_prediction(save: Callable[..., str], scored: Scored) -> None:
    verdict = judged(save(Network(lambda scores: tf.where(scores > 0.3, float("nan"), scores))), scored)
    bad = int((np.concatenate([part.predictions for part in scored.values()]) > 0.3).sum())
    assert 0 < bad < 60
    assert verdict.failures[0] == f"serving_default gives NaN or infinity for {bad} of 60 rows"


@forked
def test_signatures_must_agree(save: Callable[..., str], scored: Scored) -> None:
    (failure,) = judged(save(Network(tensors_add=0.01)), scored).failures
    assert failure == "serving_tensors differs from what serving_default predicts by up to 0.01; 1e-05 is allowed"


@forked
def test_what_is_served_is_what_was_evaluated_and_trained(save: Callable[..., str], scored: Scored) -> None:
    network = Network()
    network.weight.assign(0.0011)
    failures = judged(save(network), scored).failures
    assert [failure.partition(" differs ")[0] for failure in failures] == list(scored)
    assert judged(save(network), scored, tolerance=1).failures == []


@forked
def test_a_row_s_prediction_must_not_hang_on_its_neighbours(save: Callable[..., str], scored: Scored) -> None:
    failures = judged(save(Network(lambda scores: scores - tf.reduce_mean(scores))), scored, tolerance=1e-3).failures
    assert failures[0].startswith("the same rows in small batches differs")
    failures = judged(save(Network(lambda scores: tf.cumsum(scores) / 100)), scored, tolerance=1e-3).failures
    assert failures[0].startswith("the same rows in another order differs")


@forked
def test_a_tampered_model_is_stopped(save: Callable[..., str], scored: Scored) -> None:
    model = Path(save(Network()))
    exported = file_digests(model)
    weights = model / "variables" / "variables.data-00000-of-00001"
    content = bytearray(weights.read_bytes())
    content[0] ^= 1
    weights.write_bytes(content)
    failures = judged(str(model), scored, exported).failures
    assert "variables/variables.data-00000-of-00001 changed since the training exported the model" in failures

    weights.write_bytes(bytes(content[:1]) and b"")
    failures = judged(str(model), scored, exported).failures
    assert failures[1].startswith("the model cannot be served: loading failed: ")

    content[0] ^= 1
    weights.write_bytes(content)
    assert judged(str(model), scored, exported).failures == []
    with (model / "saved_model.pb").open("ab") as file:
        file.write(b"\xff\xff")
    failures = judged(str(model), scored, exported).failures
    assert failures[0] == "saved_model.pb changed since the training exported the model"
    assert failures[1].startswith("the model cannot be served: loading failed: ")


@forked
def test_a_model_without_a_signature_cannot_be_served(tmp_path: Path, scored: Scored) -> None:
    network = Network()
    tf.saved_model.save(network, str(tmp_path / "model"), signatures={"serving_default": network.by_examples})
    (failure,) = judged(str(tmp_path / "model"), scored).failures
    assert failure == (
        "the model cannot be served: serving_tensors failed: "
        "the model has no signature 'serving_tensors'; it has serving_default"
    )


@pytest.mark.long
def test_a_model_that_never_answers_is_given_up(save: Callable[..., str], scored: Scored) -> None:
    def forever(scores: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(lambda scores: tf.reduce_max(scores) > -1.0, lambda scores: (scores * 0.5,), (scores,))[0]

    (failure,) = judged(save(Network(forever)), scored, timeout_s=12).failures
    assert failure == (
        "the model cannot be served: serving it in a fresh process failed: "
        "it gave no answer within 12 s (infra_check.timeout_s)"
    )


class KerasNetwork(Network):
    """With a variable of Keras's, tracked as Longhaul's exports once had all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = keras.Variable(0.001, name="weight")


@forked
def test_a_model_that_only_python_can_load_is_not_fit(save: Callable[..., str], scored: Scored) -> None:
    (failure,) = judged(save(KerasNetwork()), scored).failures
    assert failure.startswith(
        "only Python can serve the model: TensorFlow's C++ loader, which TensorFlow Serving and Vertex AI's containers "
        "have, cannot: serving_default failed: Could not find variable "
    )
    assert "`longhaul run --from Trainer --no-cache`" in failure
    network = KerasNetwork()
    network.read = network.weight.value  # the remedy for code of one's own
    assert judged(save(network), scored).failures == []


@pytest.mark.parametrize(
    "problem", ["Could not find callback with key=pyfunc_0", "Op type not registered 'SentencepieceOp'"]
)
def test_what_only_the_process_of_the_run_has_is_no_fault_of_the_c_loader(
    save: Callable[..., str], scored: Scored, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    answer = {"at": "serving_default", "problem": problem, "of_the_loader": True}
    monkeypatch.setattr(check_module, "_ask", lambda *_: (answer, {}))
    (failure,) = judged(save(Network()), scored).failures
    assert failure == f"the model cannot be served: serving_default failed: {problem}"


def test_the_loaders_must_agree() -> None:
    served = np.array([[0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.6, 0.3, 0.1]], np.float32)
    arrays = {
        "serving_default/prediction": served,
        "serving_default/predicted_class": np.array([b"c", b"a", b"a"]),
        "transform_features/numeric": served,
    }
    in_python = {
        "serving_default/prediction": served + np.float32(1e-3),
        "serving_default/predicted_class": np.array([b"c", b"b", b"a"]),  # two are as probable
        "transform_features/numeric": served * np.nan,
    }
    found = check_module._differences_in_python(arrays, in_python, 1e-5)
    assert found == {
        "serving_default/prediction": pytest.approx(1e-3, rel=1e-3),
        "serving_default/predicted_class": 0.0,
        "transform_features/numeric": np.inf,
    }
    in_python["serving_default/predicted_class"][2] = b"b"
    found = check_module._differences_in_python(arrays, in_python, 1e-5)
    assert found["serving_default/predicted_class"] == pytest.approx(0.3)


def test_size_and_memory_have_limits(save: Callable[..., str], scored: Scored) -> None:
    size, memory = judged(save(Network()), scored, max_size_mb=0.001, max_memory_mb=10).failures
    assert size.startswith("the SavedModel has 0.0 MB; 0.001 MB is allowed")
    assert memory.startswith("the process that served it took ")
    assert memory.endswith(" MB; 10 MB is allowed")


def test_a_regression_is_held_to_seven_digits() -> None:
    rows = {"what Evaluator measured": ScoredRows(ROWS[:3], np.array([[2e6], [1e6], [0.0]], np.float32))}
    served = np.array([[2e6], [1e6 + 1], [0.0]], np.float32)
    arrays = {
        "serving_default/prediction": served, "serving_tensors/prediction": served, "plain": np.ones(3, bool),
        "backwards": served,
        "small_batches": np.concatenate([served, served]),
    }  # fmt: skip
    assert check_module._differences(arrays, rows)["what Evaluator measured"] == pytest.approx(5e-7)
