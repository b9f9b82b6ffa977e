"""tuner_fn of TFX's Tuner: tries settings, each judged by the loss on the rows that also stop training early.

What is finished is on disk: a search that was killed goes on with the trial that it was at.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import keras_tuner
import tensorflow as tf
import tensorflow_transform as tft
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus
from tfx.components.tuner.component import TunerFnResult

from trainer.fitting import find_teacher, fit
from trainer.hyperparameters import encode, merge
from trainer.settings.fitting import FittingSettings
from trainer.settings.tuner import Choices, Range, TunerRequest, TunerSettings
from trainer.teacher import Trees
from trainer.training_split import TrainingSplit, read_training_split, vocabulary_sizes

progress = logging.getLogger("longhaul.progress")

_OBJECTIVE = keras_tuner.Objective("val_loss", "min")
_EPOCHS = "tuner/epochs"
"""How KerasTuner's hyperband calls the epochs that it grants a trial."""


def tuner_fn(fn_args: Any) -> TunerFnResult:
    """Make a search that is kept in the folder `fn_args.working_dir`; `custom_config` is a TunerRequest."""
    request = TunerRequest.model_validate(fn_args.custom_config)
    table = request.features
    transform_output = tft.TFTransformOutput(fn_args.transform_graph_path)

    def fit_with(settings: FittingSettings, course: Course) -> float:
        sizes = vocabulary_sizes(table, transform_output)
        rows, labels, order, weights = course.split
        loss = fit(table, sizes, rows, labels, order, settings, trees=course.trees, weights=weights).validation_loss
        assert loss is not None  # without a refit there is one
        return loss

    def read(spill_to: Path) -> Course:
        split = read_training_split(fn_args.train_files, request, transform_output, spill_to)
        return Course(split, find_teacher(table, *split[:3], request.trainer, split.weights))

    search = Search(request.tuner, request.trainer, fn_args.working_dir, read, fit_with)
    return TunerFnResult(tuner=search, fit_kwargs={})


class Course(NamedTuple):
    """What all trials learn from: no trial departs from what decides the trees."""

    split: TrainingSplit
    trees: Trees | None


class Search(BaseTuner):
    """A resumable search; its rows are read and transformed once.

    Args:
        settings: those that the trials depart from; they are the first trial.
        folder: where finished trials are kept.
        read: reads the training split and finds its teacher; may put columns into the folder that it is given.
        fit_with: (settings, what was read) -> validation loss.
    """

    def __init__(
        self,
        plan: TunerSettings,
        settings: FittingSettings,
        folder: str,
        read: Callable[[Path], Course],
        fit_with: Callable[[FittingSettings, Course], float],
    ) -> None:
        self._plan = plan
        self._settings = settings
        self._read = read
        self._fit_with = fit_with
        self._course: Course | None = None
        parent, _, name = folder.rpartition("/")
        super().__init__(make_oracle(plan, settings), directory=parent, project_name=name)

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Try until all trials are done or the time is over."""
        if done := len(self.oracle.end_order):
            progress.info("%d trials of an earlier start are done", done)
        minutes = self._plan.minutes
        self._deadline = time.monotonic() + 60 * minutes if minutes else math.inf
        if done >= self.oracle.max_trials:
            return
        beside = self.project_dir if "://" not in self.project_dir else None
        if beside:
            for leftover in Path(beside).glob(".rows-*"):  # of a search that was killed
                shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(prefix=".rows-", dir=beside) as folder:
            progress.info("reading the training split")
            self._course = self._read(Path(folder))
            super().search(verbose=0)
            self._course = None

    def pre_create_trial(self) -> None:
        """Stop the search when its time is over; KerasTuner calls this before each trial, and one is always tried."""
        if time.monotonic() > self._deadline and self.oracle.end_order:
            progress.info("the time for tuning is over after %d trials", len(self.oracle.end_order))
            self.oracle.max_trials = len(self.oracle.trials)

    def run_trial(self, trial: Trial, *fit_args: Any, **fit_kwargs: Any) -> dict[str, float]:
        """Fit one network.

        Raises:
            FatalError: whatever went wrong; KerasTuner would go on to the next trial.
        """
        keras.backend.clear_session()
        told = _Prefixed(f"trial {_number(trial)} of {self.oracle.max_trials}: ")
        values = trial.hyperparameters.values
        settings = merge(self._settings, values).model_copy(
            update={"refit": False}  # a trial is over when its loss is known
            | ({"epochs": values[_EPOCHS]} if _EPOCHS in values else {})
        )
        assert self._course is not None  # search() has read them
        progress.addFilter(told)
        try:
            return {_OBJECTIVE.name: self._fit_with(settings, self._course)}
        except Exception as exc:
            raise keras_tuner.errors.FatalError(f"trial {_number(trial)} with {values} failed") from exc
        finally:
            progress.removeFilter(told)

    def on_trial_end(self, trial: Trial) -> None:
        """Say how a trial ended and which is best; KerasTuner calls this after each."""
        super().on_trial_end(trial)
        ended = self.oracle.get_trial(trial.trial_id)  # a loss that is no number makes a failure of it
        loss = f"{ended.score:.4f}" if ended.status == TrialStatus.COMPLETED else "not a number"
        best = self.oracle.get_best_trials(1)[0]
        progress.info(
            "trial %d of %d: validation loss %s%s",
            _number(trial),
            self.oracle.max_trials,
            loss,
            f", best {best.score:.4f}" if best.status == TrialStatus.COMPLETED else "",
            extra={"milestone": True},
        )

    def save(self) -> None:
        """Save whole or not at all."""
        self.oracle.save()
        _write(self._get_tuner_fname(), self.get_state())


class _Prefixed(logging.Filter):
    """Says before each line of this thread's progress which trial it is about."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread == self._thread:
            record.msg = self._prefix + str(record.msg)
        return True


def _number(trial: Trial) -> int:
    return int(trial.trial_id) + 1


class _Durable:
    """An oracle that tries the configuration first, and whose files are written whole or not at all."""

    def save(self: Any) -> None:
        _write(self._get_oracle_fname(), self.get_state())

    def reload(self: Any) -> None:
        super().reload()  # type: ignore[misc]
        # A trial is written before the oracle is: one that the oracle does not know was killed between the two.
        self.trials = {name: trial for name, trial in self.trials.items() if name in self.start_order}

    def _save_trial(self: Any, trial: Trial) -> None:
        _write(f"{self._get_trial_dir(trial.trial_id)}/trial.json", trial.get_state())

    def _random_values(self: Any) -> Any:
        if not self.trials:
            return {parameter.name: parameter.default for parameter in self.hyperparameters.space}
        return super()._random_values()  # type: ignore[misc]


class _Random(_Durable, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Bayesian(_Durable, keras_tuner.oracles.BayesianOptimizationOracle):
    pass


class _Hyperband(_Durable, keras_tuner.oracles.HyperbandOracle):
    pass


def make_oracle(plan: TunerSettings, settings: FittingSettings) -> keras_tuner.Oracle:
    """Make KerasTuner's part that proposes what to try; hyperband grants epochs by itself."""
    common = {
        "objective": _OBJECTIVE,
        "hyperparameters": search_space(plan.space, settings),
        "seed": settings.seed + 1,  # KerasTuner takes 0 for none
        "max_consecutive_failed_trials": plan.trials + 1,  # a loss that is no number stops nothing
    }
    if plan.algorithm == "hyperband":
        oracle = _Hyperband(max_epochs=settings.epochs, **common)
        oracle.max_trials = plan.trials
        return oracle
    return {"random": _Random, "bayesian": _Bayesian}[plan.algorithm](max_trials=plan.trials, **common)


def search_space(space: Mapping[str, Range | Choices], settings: FittingSettings) -> keras_tuner.HyperParameters:
    """Tell KerasTuner the configuration's space; a setting that lies in it is its parameter's default."""
    parameters = keras_tuner.HyperParameters()
    for name, tried in space.items():
        configured = getattr(settings, name)
        if isinstance(tried, Range):
            low, high = tried.from_, tried.to
            default = configured if low <= configured <= high else low
            if isinstance(configured, int):
                parameters.Int(name, int(low), int(high), sampling=tried.scale, default=int(default))
            else:
                parameters.Float(name, low, high, sampling=tried.scale, default=default)
        else:
            choices = [encode(value) for value in tried]
            default = encode(configured)
            if default not in choices:
                default = choices[0]
            # Several layers, or text, have no order that a search could follow.
            is_ordered = all(isinstance(choice, int | float) for choice in choices)
            parameters.Choice(name, choices, default=default, ordered=is_ordered)
    return parameters


def _write(path: str, state: Any) -> None:
    with tf.io.gfile.GFile(f"{path}.part", "w") as file:
        json.dump(state, file)
    tf.io.gfile.rename(f"{path}.part", path, overwrite=True)
