"""In which order steps run, and which at the same time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait


def run_graph(needs: dict[str, Collection[str]], launch: Callable[[str], None], helpers: int) -> None:
    """Launch every step once what it needs is done.

    Of the steps that could begin, the one with the longest chain behind it runs in the calling thread: it is the work
    that everything waits for, and only there can Ctrl-C stop it at once. The others run beside it in `helpers` threads.
    After a failure no further step begins; those at work are waited for.

    Args:
        needs: each step and what must be done before it, in topological order; others than its keys count as done.
    """
    chain = _chain_lengths(needs)
    waiting, running = dict(needs), dict[Future[None], str]()
    undone = set(needs)
    with ThreadPoolExecutor(helpers, "step") as pool:
        try:
            while waiting or running:
                ready = [step for step in waiting if undone.isdisjoint(needs[step])]
                longest = max(ready, key=chain.__getitem__, default=None)
                for step in ready:
                    del waiting[step]
                    if step != longest:
                        running[pool.submit(launch, step)] = step
                if longest is None:
                    wait(running, return_when=FIRST_COMPLETED)
                else:
                    launch(longest)
                    undone.remove(longest)
                for future in [future for future in running if future.done()]:
                    future.result()
                    undone.remove(running.pop(future))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _chain_lengths(needs: dict[str, Collection[str]]) -> dict[str, int]:
    """Return how many steps follow each on the longest way to the end, itself included."""
    lengths = dict.fromkeys(needs, 1)
    for step in reversed(needs):
        for before in needs[step]:
            if before in lengths:
                lengths[before] = max(lengths[before], lengths[step] + 1)
    return lengths
