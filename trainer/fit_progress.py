"""Tells how far a network's training is, and for how long it will go on."""

from __future__ import annotations

import logging
import time

import keras

progress = logging.getLogger("longhaul.progress")

_EVERY_SECONDS = 2.0


class FitProgress(keras.callbacks.Callback):
    """Tells the epoch, the share of it that is done, and about how much time is left, every two seconds.

    Args:
        what: is fitted.
        steps: in an epoch.
    """

    def __init__(self, what: str, epochs: int, steps: int) -> None:
        super().__init__()
        self._what = what
        self._epochs = epochs
        self._steps = steps
        self._epoch = 0
        self._last = ""
        self._first_step_at: float | None = None
        self._told_at = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """See keras."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """See keras."""
        now = time.monotonic()
        if self._first_step_at is None:  # it was the step that traces
            self._first_step_at = now
        elif now - self._told_at >= _EVERY_SECONDS:
            self._told_at = now
            share = 100 * (batch + 1) / self._steps
            at = f"{self._what} epoch {self._epoch + 1} of {self._epochs}, {share:.0f} %"
            progress.info("%s%s%s", at, self._last, self._left(now, batch))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """See keras."""
        logs = logs or {}
        validation = f", validation {logs['val_loss']:.4f}" if "val_loss" in logs else ""
        self._last = f", last loss {logs['loss']:.4f}{validation}"
        progress.info("%s epoch %d of %d done%s", self._what, epoch + 1, self._epochs, self._last)

    def _left(self, now: float, batch: int) -> str:
        done = self._epoch * self._steps + batch
        if self._first_step_at is None or now - self._first_step_at < _EVERY_SECONDS:
            return ""  # of a few steps nobody knows yet
        seconds = (now - self._first_step_at) / done * (self._epochs * self._steps - 1 - done)
        if seconds < 1:
            return ", under 1 s left"
        return f", {round(seconds)} s left" if seconds < 100 else f", {round(seconds / 60)} min left"
