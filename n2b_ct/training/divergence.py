"""Do the losses stay where losses of images on [0, 1] can be? One odd step can throw a network beyond return."""

from __future__ import annotations

import math

from ignite.engine import Engine, Events

from n2b_ct.errors import TrainingError, explain

LIMIT = 100.0
"""No loss of any method comes near it while its network answers anything like an image."""


class DivergenceMonitor:
    """Stop a run whose losses are not finite, or are beyond :data:`LIMIT` for several looks in a row.

    Nothing of it goes into a checkpoint: a resumed run counts its looks anew.

    Args:
        every: Iterations between looks.
        patience: Looks in a row beyond the limit before the run stops; what is not finite stops it at once.
    """

    def __init__(self, *, every: int, patience: int = 3) -> None:
        self._every, self._patience = every, patience
        self._beyond = 0

    def attach(self, engine: Engine) -> None:
        """Look every ``every`` iterations.

        Raises:
            TrainingError: Out of the engine, when the run is to stop.
        """
        engine.add_event_handler(Events.ITERATION_COMPLETED(every=self._every), self._look)

    def _look(self, engine: Engine) -> None:
        loss = float(engine.state.output["loss"])
        self._beyond = 0 if abs(loss) < LIMIT else self._beyond + 1
        if not math.isfinite(loss) or self._beyond >= self._patience:
            raise TrainingError(
                explain(
                    f"training, iteration {engine.state.iteration}",
                    f"losses must stay finite and below {LIMIT:g}",
                    f"{loss:.3g}: the networks diverged",
                    "lower training.learning_rate or adaptive_gradient_clipping, or set training.precision=fp32",
                )
            )
