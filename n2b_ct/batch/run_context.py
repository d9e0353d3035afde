"""What all tasks of one run share: model, options, creation time and progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from n2b_ct.batch.existing_output import ExistingOutput, existing_for_resume
from n2b_ct.batch.output_paths import residual_path
from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.inference.model import Model
from n2b_ct.inference.strength import UsedStrength, choose_strength, measure_regions
from n2b_ct.io.dicom.writing.derivation import Derivation
from n2b_ct.io.output_records import Provenance
from n2b_ct.io.progress import Progress
from n2b_ct.version import __version__


class ProgressCounter:
    """Counts slices or images, and reports each to whoever called the run."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def advance(self, n: int, name: str) -> None:
        """Count ``n`` more."""
        self._done += n
        if n and self._progress is not None:
            self._progress(self._done, self._total, name)

    @contextmanager
    def counting(self, n: int, name: str) -> Iterator[Callable[[], None]]:
        """Yield a function that counts one of ``n``; those that were not counted are when the block ends."""
        n_counted = 0

        def count() -> None:
            nonlocal n_counted
            n_counted += 1
            self.advance(1, name)

        try:
            yield count
        finally:
            self.advance(n - n_counted, name)


class RunningStd:
    """Standard deviation of values that arrive in parts."""

    def __init__(self) -> None:
        self._n, self._sum, self._squares = 0, 0.0, 0.0

    def update(self, values: np.ndarray) -> None:
        """Add values of any shape."""
        self._n += values.size
        self._sum += float(values.sum(dtype=np.float64))
        self._squares += float(np.square(values, dtype=np.float64).sum())

    @property
    def std(self) -> float | None:
        """Of all values so far, to three decimals; None where there were none."""
        if self._n == 0:
            return None
        return round(float(np.sqrt(max(self._squares / self._n - (self._sum / self._n) ** 2, 0.0))), 3)


@dataclass(frozen=True)
class RunContext:
    """One run of denoising over a tree.

    Attributes:
        model: The denoiser.
        options: The run's options.
        created: Creation time of every output.
        progress: Counts slices or images.
    """

    model: Model
    options: DenoiseOptions
    created: datetime
    progress: ProgressCounter

    @property
    def strength(self) -> float:
        """Share of the noise that is removed where nothing is asked of the noise in flat tissue."""
        asked = self.options.strength
        return self.model.denoising.strength if asked is None else asked

    def strength_of(self, slices: Callable[[], Iterable[tuple[np.ndarray, np.ndarray | None]]]) -> UsedStrength:
        """Return the strength for one series or volume.

        Args:
            slices: Returns HU and padding of the slices to measure; called where noise is to be measured.
        """
        goal = self.options.goal
        if goal is None:
            return UsedStrength(self.strength)
        return choose_strength(measure_regions(self.model, slices()), goal, self.strength)

    def outputs(self, target: Path) -> list[tuple[Path, bool]]:
        """Return all outputs of one input: each path, and whether it gets the removed noise."""
        denoised = (target, False)
        return [denoised, (residual_path(target), True)] if self.options.residual else [denoised]

    def output_paths(self, target: Path) -> list[Path]:
        """Return the paths of all outputs of one input."""
        return [path for path, _ in self.outputs(target)]

    def existing(self, find: Callable[[], ExistingOutput], target: Path, kind: str) -> ExistingOutput:
        """Return what exists of an input's outputs where the run resumes, else ``absent``.

        Raises:
            SeriesError: ``output_foreign``, it must not be touched.
        """
        existing = existing_for_resume(self.options.if_present, find, target)
        existing.require_own(kind)
        return existing

    def provenance(self, input_digest: str, *, residual: bool = False, **options: float | bool) -> Provenance:
        """Return all that decides the bytes of an output that cannot carry a UID."""
        return {
            "n2b_ct": __version__,
            "input": input_digest,
            "model": self.model.digest,
            **self._asked,
            "output": "removed noise" if residual else "denoised",
            **options,
        }

    def derivation(
        self, *, residual: bool = False, measured_in: str = "", used: UsedStrength | None = None
    ) -> Derivation:
        """Return the description of what this run does to a series.

        Args:
            residual: It is about the removed noise.
            measured_in: Digest of the slices whose noise decides the strength, where a series' noise does.
            used: The strength that it came to, once it is known; no UID depends on it.
        """
        parameters: dict[str, Any] = {**self._asked, "output": "removed noise" if residual else "denoised"}
        if self.options.goal is not None:
            parameters["measured_in"] = measured_in
        return Derivation(
            model_name=f"{self.model.method} {self.model.name}",
            model_version=self.model.version,
            model_digest=self.model.digest,
            parameters=parameters,
            learned=True,
            suffix=" N2B residual" if residual else " N2B",
            created=self.created,
            options=self.options.write,
            measured=used.plain if used is not None and self.options.goal is not None else {},
        )

    @property
    def _asked(self) -> dict[str, float | str]:
        """What is asked of the strength, or of the noise: the model's own strength is in its digest."""
        goal = self.options.goal
        return {"strength": self.strength} if goal is None else goal.plain
