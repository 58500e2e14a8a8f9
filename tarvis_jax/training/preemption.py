"""SIGTERM: finish the step, save, leave; all processes at the same step."""

import signal
from types import FrameType

import jax
from jax.experimental import multihost_utils


class Preemption:
    """Notices SIGTERM while it is open; `reached(step)` says whether to save and stop after this step."""

    def __init__(self) -> None:
        self._received = False
        self._previous: signal.Handlers | None = None

    def __enter__(self) -> "Preemption":
        # With several processes JAX's own coordination service listens, so that all agree on a step.
        if jax.process_count() == 1:
            self._previous = signal.signal(signal.SIGTERM, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)

    def _receive(self, _signal: int, _frame: FrameType | None) -> None:
        self._received = True

    def reached(self, step: int) -> bool:
        """Whether this is the step after which every process stops."""
        return self._received if jax.process_count() == 1 else multihost_utils.reached_preemption_sync_point(step)
