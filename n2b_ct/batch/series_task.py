"""DICOM series: read slice by slice, denoised, written as derived series, whole or not at all.

A thread prefetches slices and another writes behind, a few slices each: a series of any length takes little memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from n2b_ct.batch.existing_output import ExistingOutput, combined, existing_series, unreadable_missing
from n2b_ct.batch.outcomes import Outcome, clipping_problems, reason_of, strength_entries, strength_problems
from n2b_ct.batch.output_paths import remove_if_empty
from n2b_ct.batch.run_context import RunContext, RunningStd
from n2b_ct.batch.run_options import DenoiseOptions, LowDoseOptions
from n2b_ct.errors import N2BError, SeriesError, explain
from n2b_ct.hu import AIR_HU
from n2b_ct.inference.slices import noise_hu
from n2b_ct.inference.strength import UsedStrength, measured_indices
from n2b_ct.io.atomic import require_free_space
from n2b_ct.io.dicom.ct_reader import read_slices
from n2b_ct.io.dicom.derived_series import DerivedSeriesWriter
from n2b_ct.io.dicom.writing.derivation import Derivation
from n2b_ct.io.dicom.writing.derived_slice import DerivedSlice
from n2b_ct.io.prefetch import prefetch, write_behind
from n2b_ct.io.series import CTSlice, FileRecord, InstanceRef, SeriesRef, require_whole, with_missing_slices

ResultT = TypeVar("ResultT")

_N_DIGEST_CHARACTERS = 12
_N_SLICES_QUEUED = 2
"""Slices between two stages: enough to even out their pace, and 3 MB each at 512x512."""


class SeriesRun(Generic[ResultT]):
    """Derives one or more series from one, slice by slice: shared by denoising and the simulation of lower doses.

    Args:
        series: As a scan found it.
        refused: Records of its slices that the scan refused.
        options: Of the run.
        count: Called after each slice.

    Attributes:
        refused: Records of all slices that cannot be used; reading may add to them.
    """

    def __init__(
        self,
        series: SeriesRef,
        refused: Sequence[FileRecord],
        options: DenoiseOptions | LowDoseOptions,
        count: Callable[[], None],
    ) -> None:
        self._series, self._options, self._count = series, options, count
        self.refused = list(refused)
        self._n_written = 0
        self._n_clipped: list[int] = []
        self._dropped: set[str] = set()

    def require_source(self, requirement: str, got: str, remedy: str) -> None:
        """Refuse a series that lacks slices, and n2b-ct's own output, unless the options allow them.

        Args:
            requirement: What the message on n2b-ct's own output says the series must be.
            got: What it is instead.
            remedy: What a person can do.

        Raises:
            SeriesError: The series may not be used.
        """
        require_whole(self._series, self.refused, skip_bad_slices=self._options.skip_bad_slices)
        if "own_output" in self._series.problems and not self._options.allow_own_output:
            raise SeriesError("own_output", explain(f"series {self._series.short_uid}", requirement, got, remedy))

    def derive(
        self,
        outputs: Sequence[tuple[Path, Derivation, bool]],
        compute: Callable[[Iterator[CTSlice | SeriesError]], Iterator[tuple[CTSlice, ResultT] | SeriesError]],
        hu_of: Callable[[CTSlice, ResultT], Sequence[np.ndarray]],
        *,
        air_may_clip: bool = False,
        before_rename: Callable[[], None] = lambda: None,
    ) -> None:
        """Write the derived series, all of them or none.

        Args:
            outputs: Path, description and whether an existing one may be replaced, of each.
            compute: The expensive part, slice by slice in their order, in the caller's thread; passes errors on.
            hu_of: From a slice and its result, HU of each output, float ``[rows, cols]``; in the writer's thread.
            air_may_clip: Do not count clipped pixels below air: the noise of air clips in a real scan as well.
            before_rename: Called when all slices are written, before the derived series appear.

        Raises:
            SeriesError: A slice cannot be used, or none can.
            OutputError: An output cannot be written.
        """
        for path, _, _ in outputs:
            remove_if_empty(path)
        writers = [DerivedSeriesWriter(self._series, *output) for output in outputs]
        require_free_space(outputs[0][0], sum(writer.n_bytes_expected for writer in writers))
        self._n_clipped = [0] * len(writers)

        def write(one: tuple[CTSlice, ResultT] | SeriesError) -> list[DerivedSlice] | SeriesError:
            if isinstance(one, SeriesError):
                return one
            derived = []
            for number, (writer, hu) in enumerate(zip(writers, hu_of(*one), strict=True)):
                derived.append(writer.add(one[0], hu))
                n_air = int(np.count_nonzero(hu < AIR_HU)) if air_may_clip else 0
                self._n_clipped[number] += max(0, derived[-1].n_clipped - n_air)
            return derived

        with ExitStack() as stack:
            for writer in writers:
                stack.enter_context(writer)
            slices = stack.enter_context(prefetch(read_slices(self._series.instances), _N_SLICES_QUEUED))
            written = stack.enter_context(write_behind(compute(slices), write, _N_SLICES_QUEUED))
            for instance, derived in zip(self._series.instances, written, strict=True):
                if isinstance(derived, SeriesError):
                    self._refuse(instance.path, derived)
                else:
                    self._n_written += 1
                    self._dropped.update(*(one.dropped_creators for one in derived))
                self._count()
            if not self._n_written:
                raise SeriesError(self.refused[-1].reason, self.refused[-1].detail)
            before_rename()

    def _refuse(self, path: Path, error: SeriesError) -> None:
        self.refused.append(FileRecord.refusal(path, error, self._series))
        require_whole(self._series, self.refused, skip_bad_slices=self._options.skip_bad_slices)

    def up_to_date(self, path: Path, existing: ExistingOutput) -> Outcome | None:
        """Return the outcome ``present`` where nothing is left to write, else None.

        Missing slices do not count if none of them can be read and such slices may be left out.
        """
        unreadable = unreadable_missing(existing, self._series) if self._options.skip_bad_slices else []
        if existing.state != "present" and not unreadable:
            return None
        refused = (*self.refused, *unreadable)
        return Outcome(
            self._series.directory,
            path,
            "present",
            self._series.public_uid,
            problems=with_missing_slices(self._series.problems, len(refused)),
            n_slices=existing.n_slices,
            n_skipped_slices=len(refused),
            refused=refused,
        )

    def done(
        self, path: Path, number: int = 0, removed_std_hu: float | None = None, used: UsedStrength | None = None
    ) -> Outcome:
        """Return the outcome ``done`` of an output, by its number in ``derive``."""
        series, n_clipped = self._series, self._n_clipped[number]
        n_pixels = self._n_written * series.rows * series.cols
        problems = (*with_missing_slices(series.problems, len(self.refused)), *clipping_problems(n_clipped, n_pixels))
        problems += strength_problems(used)
        return Outcome(
            series.directory,
            path,
            "done",
            series.public_uid,
            problems=tuple(dict.fromkeys(problems)),
            n_slices=self._n_written,
            n_pixels=n_pixels,
            n_clipped_pixels=n_clipped,
            n_skipped_slices=len(self.refused),
            dropped_private=tuple(sorted(self._dropped)),
            removed_std_hu=removed_std_hu,
            refused=tuple(self.refused),
            **strength_entries(used),
        )

    def failed(self, path: Path, error: Exception) -> Outcome:
        """Return the outcome ``failed`` of an output."""
        return series_failure(self._series, path, error, self.refused)


def series_failure(series: SeriesRef, path: Path, error: Exception, refused: Sequence[FileRecord] = ()) -> Outcome:
    """Return the outcome of a series that failed."""
    return Outcome(
        series.directory,
        path,
        "failed",
        series.public_uid,
        reason_of(error),
        str(error),
        series.problems,
        refused=tuple(refused),
    )


@dataclass(frozen=True, slots=True)
class SeriesTask:
    """One series to denoise.

    Attributes:
        series: As a scan found it.
        target: Folder of the derived series.
        refused: Records of its slices that the scan refused.
    """

    series: SeriesRef
    target: Path
    refused: tuple[FileRecord, ...] = ()

    @property
    def n_slices(self) -> int:
        """How many slices there are to do."""
        return len(self.series)

    @property
    def subject(self) -> str:
        """Its name in messages."""
        return f"series {self.series.short_uid}"

    @property
    def path(self) -> Path:
        """A file that whoever runs the task must see."""
        return self.series.instances[0].path

    @property
    def study_dir(self) -> Path:
        """The folder that it shares with the other series of its study, as archives are laid out."""
        return self.series.directory.parent

    def output_paths(self, context: RunContext) -> list[Path]:
        """Return the paths of all its outputs."""
        return context.output_paths(self.target)

    def existing(self, context: RunContext) -> ExistingOutput:
        """Return what exists of its outputs."""
        return combined(
            [
                existing_series(path, self.series, self._derivation(context, is_residual))
                for path, is_residual in context.outputs(self.target)
            ]
        )

    def run(self, context: RunContext) -> list[Outcome]:
        """Denoise the series; errors end up in the outcome."""
        series, options, target = self.series, context.options, self.target
        with context.progress.counting(len(series), series.description or series.short_uid) as count:
            run: SeriesRun[np.ndarray] = SeriesRun(series, self.refused, options, count)
            try:
                run.require_source("must not be n2b-ct's own", "its output", "denoise its source, or pass force=True")
                existing = context.existing(lambda: self.existing(context), target, "series")
                present = run.up_to_date(target, existing)
                if present is not None:
                    return [present]
                used = context.strength_of(self._measured_slices)
                removed_std = self._denoise(run, context, used, existing.may_be_replaced(options.if_present))
                return [existing.annotate(run.done(target, removed_std_hu=removed_std.std, used=used))]
            except (N2BError, OSError) as error:
                return [run.failed(target, error)]

    def _measured_slices(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read the slices whose noise is measured; one that cannot be read is dealt with when all are."""
        for one in read_slices(self._measured_instances):
            if not isinstance(one, SeriesError):
                yield one.hu, one.is_padding

    @property
    def _measured_instances(self) -> list[InstanceRef]:
        return [self.series.instances[index] for index in measured_indices(len(self.series))]

    def _derivation(self, context: RunContext, is_residual: bool, used: UsedStrength | None = None) -> Derivation:
        names = "\n".join(f"{one.sop_instance_uid}/{one.frame_number or 0}" for one in self._measured_instances)
        measured_in = hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()[:_N_DIGEST_CHARACTERS]
        return context.derivation(residual=is_residual, measured_in=measured_in, used=used)

    def _denoise(
        self, run: SeriesRun[np.ndarray], context: RunContext, used: UsedStrength, may_replace: bool
    ) -> RunningStd:
        """Write the derived series; returns the spread of the noise found inside the window."""
        model, removed_std, strength = context.model, RunningStd(), np.float32(used.share)

        def with_noise(one: CTSlice | SeriesError) -> tuple[CTSlice, np.ndarray] | SeriesError:
            return one if isinstance(one, SeriesError) else (one, noise_hu(model, one.hu, one.is_padding))

        def hu_of(ct_slice: CTSlice, noise: np.ndarray) -> list[np.ndarray]:
            removed_std.update(noise[model.window.contains(ct_slice.hu)])
            return [ct_slice.hu - strength * noise, noise][: len(outputs)]

        outputs = [
            (path, self._derivation(context, is_residual, used), may_replace)
            for path, is_residual in context.outputs(self.target)
        ]
        run.derive(outputs, lambda slices: map(with_noise, slices), hu_of)
        return removed_std

    def failed(self, error: Exception) -> list[Outcome]:
        """Return the outcome of a task that no worker could run."""
        return [series_failure(self.series, self.target, error, self.refused)]
