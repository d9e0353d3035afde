"""Progress of a table, by the cost of its rows in megapixels through a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from n2b_ct.config.sections import Pipeline
from n2b_ct.io.progress import Progress
from n2b_ct.registry import BASELINES

TRAINING = "training"
"""Name of the step that a training reports."""
_WHOLE = 1000
"""Fine enough for a bar over hours."""
_PASSES_OF_A_STEP = 6
"""A step sees noisy and clean patches, and its backward pass costs two forward ones."""
_IMAGE_MEGAPIXELS = 0.15


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a row, megapixels through a network."""

    training: float
    scoring: float

    @property
    def whole(self) -> float:
        """Of the row."""
        return self.training + self.scoring


def cost_of(n_images: int, pipeline: Pipeline | None = None, baseline: str | None = None) -> Cost:
    """Estimate a row's cost.

    Args:
        n_images: Test images that it denoises.
        pipeline: Of a row that is still to be trained.
        baseline: Name of a denoiser that is not.
    """
    relative_cost = BASELINES.get(baseline).relative_cost if baseline is not None else 1.0
    scoring = n_images * _IMAGE_MEGAPIXELS * relative_cost
    if pipeline is None:
        return Cost(0.0, scoring)
    training = pipeline.training
    n_px = training.iterations * training.batch_size * training.patch_px**2
    return Cost(_PASSES_OF_A_STEP * n_px / 1e6, scoring)


@dataclass(frozen=True, slots=True)
class ProgressCounter:
    """Progress of one row of a table, or of a part of it.

    Attributes:
        progress: Called with (thousandths done, 1000, what), or None.
        name: Of the row.
        first: Its start, as a share of the table.
        last: Where it ends.
        training_share: Training's share of it.
    """

    progress: Progress | None
    name: str
    first: float = 0.0
    last: float = 1.0
    training_share: float = 0.0

    def part(self, first: float, last: float) -> ProgressCounter:
        """A part of it, from one share of it to another."""
        length = self.last - self.first
        return ProgressCounter(self.progress, self.name, self.first + length * first, self.first + length * last)

    def __call__(self, done: int, total: int, what: str) -> None:
        """Report that ``done`` of ``total`` are done."""
        self._tell(done / max(total, 1), f"{what} {done}/{total}")

    def training(self, done: int, total: int, what: str) -> None:
        """The same for a training, whose reading and other preparations take no share."""
        self._tell(done / max(total, 1) if what == TRAINING else 0.0, f"{what} {done}/{total}")

    def _tell(self, done: float, what: str) -> None:
        if self.progress is not None:
            share = self.first + (self.last - self.first) * done
            self.progress(int(_WHOLE * share), _WHOLE, f"{self.name}, {what}")


def progress_counters(costs: Mapping[str, Cost], progress: Progress | None) -> dict[str, ProgressCounter]:
    """Give every row its part of the table, in order.

    Args:
        costs: Name of a row to what it costs.
        progress: As :class:`ProgressCounter` has it.
    """
    total, spent = sum(cost.whole for cost in costs.values()), 0.0
    counters = {}
    for name, cost in costs.items():
        ends = spent + cost.whole
        counters[name] = ProgressCounter(progress, name, spent / total, ends / total, cost.training / cost.whole)
        spent = ends
    return counters
