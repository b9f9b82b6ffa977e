"""One look of `longhaul loop`. Everything that is decided stands in the journal before it is done
(pipeline.continuous.journal)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from pipeline.commands import loop_rollout as rolling
from pipeline.commands import loop_run
from pipeline.commands.loop_look import Look, look, newest_run
from pipeline.commands.loop_run import RETRIED, SERVED, WAITS, is_whole, last_words, outcome_of, run_since, train
from pipeline.config.pipeline import PipelineConfig
from pipeline.continuous.guards import cpu_hours, held_back
from pipeline.continuous.journal import (
    BEGAN,
    DECIDED,
    DONE,
    ENDED,
    PUBLISHED,
    TRAINED,
    Attempt,
    Entry,
    Journal,
    journal_of,
)
from pipeline.continuous.looked import Looked, numbers_of
from pipeline.continuous.paired import ABORT, PASS, WAIT, Judgement
from pipeline.continuous.triggers import events, unanswered
from pipeline.errors import EXIT_GATE, EXIT_LOCKED, LockedError, PipelineError
from pipeline.observe.notifications import LoopNews, notify
from pipeline.serving.approvals import REJECTED, request_of
from pipeline.serving.rollout import Rollout, under_way

_MOST_TRIES = 5
_BY_HAND = "`longhaul rollout promote` or `longhaul rollout abort` decides"
_BAD = ("failed", "blocked", "not_blessed", "infra_refused", "aborted")


class Work:
    """One look. What is about an attempt returns whether there is more to do.

    Args:
        asked: keys of what a person asks for; clock: tells the time, UTC.
        writes: whether anything may be written, by `watch` too.
    """

    def __init__(
        self,
        config: PipelineConfig,
        journal: Journal,
        asked: Sequence[str],
        clock: Callable[[], datetime],
        *,
        writes: bool = True,
    ) -> None:
        self._config, self._journal, self._clock = config, journal, clock
        self._look: Look = look(config, asked, clock(), writes=writes)
        self.looked = Looked(answered=journal.keys(), cpu_hours=cpu_hours(journal.attempts(), clock()))
        self.looked.events = events(config.continuous, self._look.seen)

    def go_on(self) -> None:
        """Decide and do, until there is something to wait for."""
        while True:
            attempt = self.looked.attempt = self._journal.under_way() or self.looked.attempt
            if attempt is None or attempt.ended:
                if attempt is not None or not self.may_begin():
                    return
                new = unanswered(self.looked.events, self.looked.answered)
                told = {"keys": [one.key for one in new], "because": [one.because for one in new]}
                self._write(BEGAN, None, **told, before=newest_run(self._config))
            elif not attempt.outcome:
                if not self._train(attempt):
                    return
            elif not attempt.version:
                if not self._publish(attempt):
                    return
            elif not self._roll_out(attempt):
                return

    def may_begin(self) -> bool:
        """Whether a run may begin; else `looked` says why not."""
        new = unanswered(self.looked.events, self.looked.answered)
        if not new:
            self.looked.waits = "nothing asks for a run" if not self.looked.events else "all events have had their run"
            return False
        now = self._clock()
        attempts, settings = self._journal.attempts(), self._config.continuous
        self.looked.held = [*held_back(settings, new, attempts, self._look.not_there, self._look.new_rows, now)]
        if found := under_way(self._config.serving_folder):
            self.looked.held.append(f"a rollout that somebody began is under way: {found.words}")
        if self.looked.held:
            self.looked.waits = "an event asks for a run, but it may not begin yet"
        return not self.looked.held

    def say_where(self) -> None:
        """Say of the attempt under way what it waits for."""
        attempt = self.looked.attempt
        assert attempt
        if not attempt.outcome:
            self.looked.waits = "training is not done"
        elif not attempt.version:
            self.looked.waits = self._not_published(attempt) or "its model will be published into the shadow"
        elif at := under_way(self._config.serving_folder):
            found = self.looked.judgement = rolling.judged(self._config, attempt, at)
            self.looked.waits = self._not_now(attempt, found) or f"{self._next(attempt, found)}: {found.because}"
        else:
            self.looked.waits = "its rollout is over"

    # Training

    def _train(self, attempt: Attempt) -> bool:
        config = self._config
        log = journal_of(config.root, config.name).parent / "runs" / f"{attempt.number}.log"
        run = run_since(config, attempt.before)
        if loop_run.is_training(log) or (run and run.status == "running"):
            at_work = f"run {run.run_id}" if run else "a run that an earlier look began"
            self.looked.waits, self.looked.code = f"{at_work} is at work", EXIT_LOCKED
            return False
        code, cpu_s, measured = 0, 0.0, False
        if run is None or not is_whole(run):
            if attempt.tries >= _MOST_TRIES:
                return self._end(attempt, "failed", f"it did not end well in {attempt.tries} tries: {last_words(log)}")
            self._write(DECIDED, attempt, action="run", because=f"try {attempt.tries + 1}")
            code, cpu_s = train(config, log)
            measured = True
            run = run_since(config, attempt.before)
        if code in RETRIED:
            self._write(DONE, attempt, action="run", exit_code=code, cpu_s=cpu_s)
            self.looked.waits, self.looked.code = f"the run ended with {code}: {last_words(log)}", code
            return False
        outcome, digest = outcome_of(config.serving_folder, run) if run else ("failed", "")
        if run and not measured:  # another process saw it end: what it took at most
            cpu_s = run.seconds
        self._write(
            *(TRAINED, attempt),
            run_id=run.run_id if run else "",
            outcome=outcome,
            digest=digest,
            cpu_s=round(cpu_s, 2),
            exit_code=code,
        )
        if outcome == WAITS:
            return True
        because = last_words(log) if outcome == "failed" else (run.reason if run else "") or outcome
        found = self._journal.under_way()
        assert found
        return self._end(found, "nothing_new" if outcome == SERVED else outcome, because)

    # From the pipeline to the shadow

    @property
    def _asks_before_push(self) -> bool:
        return self._config.continuous.approval == "before_push" or self._config.push.approval == "manual"

    def _not_published(self, attempt: Attempt) -> str:
        """Return what keeps a model from the shadow; "" if nothing does."""
        request = request_of(self._config.serving_folder, attempt.digest)
        if self._asks_before_push and request is not None:
            return f"the model of run {attempt.run_id} {request.words}"
        if text := self._config.continuous.frozen_by(self._clock()):
            return f"freeze: it is {text}"
        if found := under_way(self._config.serving_folder):
            return f"a rollout that somebody began is under way: {found.words}"
        return ""

    def _publish(self, attempt: Attempt) -> bool:
        request = request_of(self._config.serving_folder, attempt.digest)
        if request is None or request.state == REJECTED:
            return self._end(attempt, "rejected", request.words if request else "its request is gone")
        version = rolling.published(self._config.serving_folder, attempt)
        if not version:
            if waits := self._not_published(attempt):
                self.looked.waits = waits
                if self._asks_before_push and not attempt.asked:
                    self._ask(attempt, waits)
                return False
            try:
                version = rolling.publish(self._config, attempt, f"attempt {attempt.number} of longhaul loop")
            except LockedError:
                raise
            except PipelineError as exc:
                return self._end(attempt, "refused", exc.what)
        self._write(PUBLISHED, attempt, version=version, run_id=attempt.run_id)
        return True

    # Shadow, canary, stable

    def _roll_out(self, attempt: Attempt) -> bool:
        at = under_way(self._config.serving_folder)
        if attempt.pending:
            return self._finish(attempt, at, attempt.pending)
        if at is None:
            if rolling.serves_it(self._config.serving_folder, attempt):
                return self._end(attempt, "promoted", "nothing served before it, or a person promoted it")
            return self._end(attempt, "overtaken", "a person aborted it, or another version serves")
        if at.version != attempt.version:
            return self._end(attempt, "overtaken", f"somebody tries version {at.version}")
        if at.share != attempt.stage:  # a person took a step
            self._write(DONE, attempt, action=rolling.STEP, share=at.share, by=at.by)
            return True
        return self._step(attempt, at)

    def _finish(self, attempt: Attempt, at: Rollout | None, pending: dict[str, Any]) -> bool:
        """Do what was decided, if it is not done."""
        unrecorded = rolling.is_unrecorded(self._config.serving_folder, pending)
        if unrecorded or not rolling.is_done(self._config.serving_folder, attempt, pending):
            if not unrecorded and (at is None or at.version != attempt.version):
                return self._end(attempt, "overtaken", "somebody ended its rollout")
            rolling.act(self._config, pending)
        if pending["action"] == rolling.STEP:
            self._write(DONE, attempt, action=rolling.STEP, share=pending["share"])
            return True
        return self._end(attempt, "promoted" if pending["action"] == rolling.PROMOTE else "aborted", pending["because"])

    def _step(self, attempt: Attempt, at: Rollout) -> bool:
        """Judge the step that it is in, and decide."""
        found = self.looked.judgement = rolling.judged(self._config, attempt, at)
        self.looked.waits = self._not_now(attempt, found)
        if self.looked.waits:
            if found.action == PASS and self._is_last(attempt) and not attempt.asked:
                self._ask(attempt, self.looked.waits)
            waits_long = rolling.waits_long(self._config.watch, attempt, self._clock())
            if found.action == WAIT and not attempt.waits and waits_long:
                self._ask(attempt, f"{self.looked.waits}; nothing else is trained meanwhile; {_BY_HAND}", "wait")
            return False
        self._write(
            *(DECIDED, attempt),
            action=self._next(attempt, found),
            share=self._share_after(attempt) if found.action == PASS else 0,
            version=attempt.version,
            champion=at.stable,
            decided_by=found.by,
            **{name: value for name, value in numbers_of(found).items() if name not in ("action", "by")},
            stage=attempt.stage,
        )
        return True

    def _is_last(self, attempt: Attempt) -> bool:
        return attempt.stage >= self._config.continuous.stages[-1]

    def _share_after(self, attempt: Attempt) -> float:
        return next((share for share in self._config.continuous.stages if share > attempt.stage), 100.0)

    def _next(self, attempt: Attempt, found: Judgement) -> str:
        if found.action == ABORT:
            return rolling.ABORT
        return rolling.PROMOTE if self._is_last(attempt) else rolling.STEP

    def _not_now(self, attempt: Attempt, found: Judgement) -> str:
        """Return why a step is not taken; "" if it is."""
        if found.action == ABORT:
            return ""
        if found.action != PASS:
            return f"{attempt.step}: {found.because}"
        if text := self._config.continuous.frozen_by(self._clock()):
            return f"{attempt.step}: {found.because}; freeze: it is {text}"
        if self._is_last(attempt) and self._config.continuous.approval == "before_promote":
            return f"{attempt.step}: {found.because}; {_BY_HAND}"
        return ""

    # What is told

    def _ask(self, attempt: Attempt, because: str, action: str = "ask") -> None:
        self._write(DONE, attempt, action=action, because=because)
        self._tell("asks", attempt, because)

    def _end(self, attempt: Attempt, outcome: str, because: str) -> bool:
        entry = self._write(ENDED, attempt, outcome=outcome, because=because, version=attempt.version)
        self.looked.attempt = next(one for one in self._journal.attempts() if one.number == entry.attempt)
        self.looked.waits = f"{outcome}: {because}"
        self.looked.code = EXIT_GATE if outcome in _BAD else 0
        if outcome in ("promoted", "aborted"):
            self._tell(outcome, attempt, because)
        return False

    def _tell(self, event: str, attempt: Attempt, because: str) -> None:
        judgement = numbers_of(self.looked.judgement) if self.looked.judgement else {}
        news = LoopNews(
            pipeline=self._config.name,
            ending="loop",
            run_id=attempt.run_id,
            reason=because,
            pushed_version=str(attempt.version or ""),
            workspace=str(self._config.root),
            event=event,
            decision=judgement,
        )
        self.looked.told += [f"nobody was told: {problem}" for problem in notify(self._config.notify, news)]

    def _write(self, kind: str, attempt: Attempt | None, /, **told: Any) -> Entry:
        time = self._clock().isoformat(timespec="milliseconds")
        entry = self._journal.write(kind, attempt.number if attempt else 0, time=time, **told)
        self.looked.entries.append(entry)
        return entry
