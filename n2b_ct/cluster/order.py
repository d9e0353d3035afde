"""What every worker must know of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from n2b_ct.batch.outcomes import DenoiseOptions


@dataclass(frozen=True, slots=True)
class Order:
    """One run, as it is sent to workers; all paths are absolute.

    Attributes:
        model_path: Where a worker finds the model.
        model_digest: The model that the run was started with; no other will do.
        device: What a worker computes on; ``auto`` is its own to decide.
        options: What was asked for.
        created: The time of every output.
        input_path: A file of the input.
        mark: The hidden folder that shows a worker that it sees the output (:mod:`n2b_ct.cluster.ground`).
        topic: Under which workers tell of slices done.
        version: Of n2b-ct, on the submitting side.
    """

    model_path: Path
    model_digest: str
    device: str
    options: DenoiseOptions
    created: datetime
    input_path: Path
    mark: Path
    topic: str
    version: str
