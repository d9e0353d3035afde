"""What all series, volumes or images of one run share: a model, options, one time, one count of progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

import n2b_ct
from n2b_ct.batch.outcomes import CLIPPED_SHARE_MAX, DenoiseOptions, Outcome
from n2b_ct.batch.places import residual_place
from n2b_ct.batch.presence import Presence
from n2b_ct.errors import SeriesError
from n2b_ct.inference.model import Model
from n2b_ct.io.dicom.writing.derived_slice import Derivation
from n2b_ct.io.output_records import Provenance
from n2b_ct.io.progress import Progress
from n2b_ct.io.refusals import with_gaps
from n2b_ct.io.series import SeriesRef

ModelT = TypeVar("ModelT", bound=Model)


@dataclass(frozen=True)
class Work(Generic[ModelT]):
    """One run over a tree.

    Attributes:
        model: The denoiser.
        options: What was asked for.
        created: The time of every output.
        steps: Slices or images done.
    """

    model: ModelT
    options: DenoiseOptions
    created: datetime
    steps: Steps

    @property
    def strength(self) -> float:
        """Share of the noise that is removed."""
        asked = self.options.strength
        return self.model.denoising.strength if asked is None else asked

    def found(self, look: Callable[[], Presence], target: Path, kind: str) -> Presence:
        """Find out what lies in an input's places, where that decides what is done.

        Raises:
            SeriesError: ``output_foreign``, it must not be touched.
        """
        if self.options.if_present != "skip":
            return Presence(target, "absent")
        found = look()
        found.require_ours(kind)
        return found

    def may_replace(self, found: Presence) -> bool:
        """Whether what is there may go: only what was found to be an older output, or anything where that was asked."""
        return self.options.if_present == "replace" or found.state == "outdated"

    def made_of(self, input_digest: str, *, residual: bool = False, **options: float | bool) -> Provenance:
        """Name all that decides the bytes of an output that cannot carry a UID."""
        return {
            "n2b_ct": n2b_ct.__version__,
            "input": input_digest,
            "model": self.model.digest,
            "strength": self.strength,
            "output": "removed noise" if residual else "denoised",
            **options,
        }

    def places(self, target: Path) -> list[Path]:
        """All that is written for one input."""
        return [place for place, _ in self.outputs(target)]

    def outputs(self, target: Path) -> list[tuple[Path, bool]]:
        """All that is written for one input: each place, and whether the removed noise goes there."""
        denoised = (target, False)
        return [denoised, (residual_place(target), True)] if self.options.residual else [denoised]

    def derivation(self, *, residual: bool = False) -> Derivation:
        """Describe what this run does to a series."""
        return Derivation(
            model_name=f"{self.model.method} {self.model.name}",
            model_version=str(self.model.facts.get("n2b_ct", n2b_ct.__version__)),
            model_digest=self.model.digest,
            parameters={"strength": self.strength, "output": "removed noise" if residual else "denoised"},
            learned=True,
            suffix=" N2B residual" if residual else " N2B",
            created=self.created,
            options=self.options.write,
        )


class Steps:
    """Counts what is done, and tells whoever wants to know."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def advance(self, n: int, what: str) -> None:
        """Note that ``n`` more are done."""
        self._done += n
        if n and self._progress is not None:
            self._progress(self._done, self._total, what)


class Spread:
    """Standard deviation of values that arrive in parts."""

    def __init__(self) -> None:
        self._n, self._sum, self._squares = 0, 0.0, 0.0

    def add(self, values: np.ndarray) -> None:
        """Take in some more."""
        self._n += values.size
        self._sum += float(values.sum(dtype=np.float64))
        self._squares += float(np.square(values, dtype=np.float64).sum())

    @property
    def std(self) -> float | None:
        """Of all values so far, to three places; None where there were none."""
        if self._n == 0:
            return None
        return round(float(np.sqrt(max(self._squares / self._n - (self._sum / self._n) ** 2, 0.0))), 3)


def clipping_problems(n_clipped: int, n_pixels: int) -> tuple[str, ...]:
    """Say ``clipped_pixels`` where more than a trace of the pixels met the limits of their type."""
    return ("clipped_pixels",) if n_clipped > CLIPPED_SHARE_MAX * n_pixels else ()


def failure(source: Path, target: Path, error: Exception, series: str = "", problems: tuple[str, ...] = ()) -> Outcome:
    """Say why one input came to nothing."""
    reason = error.reason if isinstance(error, SeriesError) else type(error).__name__
    return Outcome(source, target, "failed", series, reason, str(error), problems)


def present(series: SeriesRef, target: Path, *, n_slices: int, n_refused: int) -> Outcome:
    """Word that a series is there already, whole or without the slices that cannot be used."""
    return Outcome(
        series.directory,
        target,
        "present",
        series.public_uid,
        problems=with_gaps(series.problems, n_refused),
        n_slices=n_slices,
        n_skipped_slices=n_refused,
    )


def finished(
    series: SeriesRef,
    target: Path,
    *,
    n_written: int,
    n_clipped: int,
    n_refused: int,
    dropped_creators: Iterable[str],
    removed_std_hu: float | None = None,
) -> Outcome:
    """Word what became of a series that was written, whole or without its refused slices."""
    n_pixels = n_written * series.rows * series.cols
    problems = tuple(dict.fromkeys((*with_gaps(series.problems, n_refused), *clipping_problems(n_clipped, n_pixels))))
    return Outcome(
        series.directory,
        target,
        "done",
        series.public_uid,
        problems=problems,
        n_slices=n_written,
        n_pixels=n_pixels,
        n_clipped_pixels=n_clipped,
        n_skipped_slices=n_refused,
        dropped_private=tuple(sorted(dropped_creators)),
        removed_std_hu=removed_std_hu,
    )
