"""One DICOM series at lower doses: measured, simulated slice by slice, each dose written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np

from n2b_ct.batch.low_dose_options import LowDoseOptions
from n2b_ct.batch.low_dose_output import LowDoseOutput, low_dose_derivation
from n2b_ct.batch.outcomes import Outcome
from n2b_ct.batch.places import remove_if_empty
from n2b_ct.batch.presence import Presence, together, unreadable_rest
from n2b_ct.batch.work import Steps, failure, finished, present
from n2b_ct.errors import DataError, N2BError, SeriesError, explain
from n2b_ct.io.atomic import require_free_space
from n2b_ct.io.dicom.ct_reader import read_slices
from n2b_ct.io.dicom.derived_series import DerivedSeriesWriter
from n2b_ct.io.dicom.elements import lenient_number, quiet_pydicom
from n2b_ct.io.refusals import require_whole
from n2b_ct.io.series import CTSlice, FileRecord, InstanceRef, SeriesRef
from n2b_ct.simulation.calibration import Calibration, calibrate
from n2b_ct.simulation.calibration_regions import measure_regions
from n2b_ct.simulation.low_dose import LowDoseSlice, lower_doses, outside_reconstruction
from n2b_ct.simulation.projection import ParallelBeam
from n2b_ct.simulation.workers import Workers

N_CALIBRATION_SLICES = 24
"""Slices, spread evenly over the series, whose noise is measured."""

_SQUARE_WITHIN = 0.01
_USUAL_SLICE_MM = 3.0


@dataclass(frozen=True)
class LowDoseRun:
    """What all series of one run share.

    Attributes:
        options: What was asked for.
        created: The time of every output.
        workers: Who computes.
        steps: Slices done.
    """

    options: LowDoseOptions
    created: datetime
    workers: Workers
    steps: Steps


class LowDoseSeries:
    """Simulates all doses of one series.

    Args:
        series: As a scan found it.
        targets: Where the derived series go, one for each dose.
        run: The run it belongs to.
        refused: Records of its slices that the scan refused.

    Attributes:
        refused: Records of all its slices that could not be used; reading may add to them.
    """

    def __init__(
        self, series: SeriesRef, targets: Sequence[Path], run: LowDoseRun, refused: Sequence[FileRecord] = ()
    ) -> None:
        self._series, self._run = series, run
        self._outputs = [
            LowDoseOutput(dose, target, Presence(target, "absent"))
            for dose, target in zip(run.options.doses, targets, strict=True)
        ]
        self._wanted: list[LowDoseOutput] = []
        self.refused = list(refused)
        self._found_out: list[FileRecord] = []
        self._n_seen = self._n_written = 0
        self._dropped: set[str] = set()

    def run(self) -> list[Outcome]:
        """Do it, one outcome for each dose; what goes wrong is in the outcomes."""
        outcomes: dict[Path, Outcome] = {}
        try:
            self._require_source()
            outcomes = {output.target: settled for output in self._outputs if (settled := self._settled(output))}
            self._wanted = [output for output in self._outputs if output.target not in outcomes]
            if self._wanted:
                self._write(self._calibration())
            outcomes |= {output.target: output.found.note(self._done(output)) for output in self._wanted}
        except (N2BError, OSError) as error:
            lost = [output.target for output in self._outputs if output.target not in outcomes]
            outcomes |= {target: self._failed(target, error) for target in lost}
        finally:
            self.refused += self._found_out
            self._advance(len(self._series) - self._n_seen)
        return [outcomes[output.target] for output in self._outputs]

    def look(self) -> Presence:
        """Find out what lies in the places of all doses."""
        return together([output.look(self._series, self._run.options, self._run.created) for output in self._outputs])

    def _settled(self, output: LowDoseOutput) -> Outcome | None:
        """Say what becomes of a dose that is there already, or where somebody else's files are; None: make it."""
        options, series = self._run.options, self._series
        if options.if_present != "skip":
            return None
        output.found = output.look(series, options, self._run.created)
        try:
            output.found.require_ours("series")
        except SeriesError as error:
            return self._failed(output.target, error)
        unreadable = unreadable_rest(output.found, series) if options.skip_bad_slices else []
        if output.found.state != "present" and not unreadable:
            return None
        self._found_out += unreadable
        n_refused = len(self.refused) + len(unreadable)
        return present(series, output.target, n_slices=output.found.n_slices, n_refused=n_refused)

    def _failed(self, target: Path, error: Exception) -> Outcome:
        return failure(self._series.directory, target, error, self._series.public_uid, self._series.problems)

    def _require_source(self) -> None:
        """Refuse what denoising refuses, and what has no scale to attenuate by."""
        options, series = self._run.options, self._series
        subject = f"series {series.short_uid}"
        require_whole(series, self.refused, skip_bad_slices=options.skip_bad_slices)
        if "own_output" in series.problems and not options.allow_own_output:
            message = explain(
                subject, "must carry the noise of its scan", "denoised", "take its source, or use --force"
            )
            raise SeriesError("own_output", message)
        spacing = series.pixel_spacing_mm
        if spacing is None or abs(spacing[0] / spacing[1] - 1.0) > _SQUARE_WITHIN:
            got = "none" if spacing is None else f"{spacing[0]:g} x {spacing[1]:g} mm"
            raise DataError(explain(subject, "needs square pixels of known size", got, "choose another series"))

    def _calibration(self) -> Calibration:
        """Measure some slices; photons and electronic variance that were given count instead of measured ones."""
        options, series = self._run.options, self._series
        n = min(len(series), N_CALIBRATION_SLICES)
        chosen = [series.instances[round(k)] for k in np.linspace(0, len(series) - 1, n)]
        tasks = ((None, (one.hu, self._pixel_mm, _current(one), options.bowtie)) for _, one in self._readable(chosen))
        return calibrate(
            [regions for _, regions in self._run.workers.map(measure_regions, tasks)],
            ParallelBeam.for_image(max(series.rows, series.cols), self._pixel_mm),
            _slice_mm(series),
            photons=options.photons,
            electronic_variance=options.electronic_variance,
            bowtie=options.bowtie,
        )

    def _write(self, calibration: Calibration) -> None:
        run, options = self._run, self._run.options
        writers = []
        for output in self._wanted:
            remove_if_empty(output.target)
            derivation = low_dose_derivation(output.dose, calibration, options, run.created)
            may_replace = options.if_present == "replace" or output.found.state == "outdated"
            writers.append(DerivedSeriesWriter(self._series, output.target, derivation, may_replace))
        require_free_space(self._wanted[0].target, sum(writer.n_bytes_expected for writer in writers))
        with ExitStack() as stack:
            for writer in writers:
                stack.enter_context(writer)
            photons = [self._add(one, simulated, writers) for one, simulated in self._simulated(calibration)]
            if not self._n_written:
                raise SeriesError(self.refused[-1].reason, self.refused[-1].detail)
            for output in self._wanted:
                output.remove_old_sidecar()
        for output in self._wanted:
            output.write_sidecar(self._series, calibration, options, photons)

    def _simulated(self, calibration: Calibration) -> Iterator[tuple[CTSlice, LowDoseSlice]]:
        """Simulate every slice that can be read, in the series' order."""
        options = self._run.options
        doses = tuple(output.dose for output in self._wanted)
        simulate = partial(_lowered, doses, calibration, options.seed, options.photons is None)
        slices = self._readable(self._series.instances, on_refusal=self._refuse)
        tasks = (
            (one, (one.hu, outside_reconstruction(one.hu, one.is_padding), _identity(instance), _current(one)))
            for instance, one in slices
        )
        return self._run.workers.map(simulate, tasks)

    def _readable(
        self, instances: Sequence[InstanceRef], on_refusal: Callable[[InstanceRef, SeriesError], None] | None = None
    ) -> Iterator[tuple[InstanceRef, CTSlice]]:
        """Read slices; one that cannot be used fails the series, or is left out where that was asked for."""
        for instance, found in zip(instances, read_slices(instances), strict=True):
            if not isinstance(found, SeriesError):
                yield instance, found
            elif on_refusal is not None:
                on_refusal(instance, found)
            elif not self._run.options.skip_bad_slices:
                raise found

    def _refuse(self, instance: InstanceRef, error: SeriesError) -> None:
        self.refused.append(FileRecord.refusal(instance.path, error, self._series))
        require_whole(self._series, self.refused, skip_bad_slices=self._run.options.skip_bad_slices)
        self._advance()

    def _add(self, ct_slice: CTSlice, simulated: LowDoseSlice, writers: Sequence[DerivedSeriesWriter]) -> float:
        """Write one slice at every dose; returns its photons."""
        for output, writer, hu in zip(self._wanted, writers, simulated.hu, strict=True):
            stats = writer.add(ct_slice, hu)
            output.note(ct_slice.hu, hu, stats.n_clipped)
            self._dropped |= stats.dropped_creators
        self._n_written += 1
        self._advance()
        return simulated.photons

    def _advance(self, n: int = 1) -> None:
        self._n_seen += n
        self._run.steps.advance(n, self._series.description or self._series.short_uid)

    @property
    def _pixel_mm(self) -> float:
        return float(np.mean(self._series.pixel_spacing_mm or (1.0, 1.0)))

    def _done(self, output: LowDoseOutput) -> Outcome:
        return finished(
            self._series,
            output.target,
            n_written=self._n_written,
            n_clipped=output.n_clipped,
            n_refused=len(self.refused),
            dropped_creators=self._dropped,
        )


def _lowered(
    doses: Sequence[float],
    calibration: Calibration,
    seed: int,
    measures_slice: bool,
    hu: np.ndarray,
    is_fixed: np.ndarray,
    identity: str,
    current: float | None,
) -> LowDoseSlice:
    """Runs in a worker."""
    return lower_doses(
        hu,
        doses,
        calibration,
        seed=seed,
        identity=identity,
        current=current,
        is_fixed=is_fixed,
        measures_slice=measures_slice,
    )


def _current(ct_slice: CTSlice) -> float | None:
    """XRayTubeCurrent, mA; only its changes within the series count."""
    with quiet_pydicom():
        current = lenient_number(ct_slice.dataset, "XRayTubeCurrent")
    return current if current and current > 0.0 else None


def _slice_mm(series: SeriesRef) -> float:
    try:
        thickness_mm = float(series.facts.get("SliceThickness", ""))
    except ValueError:
        return _USUAL_SLICE_MM
    return thickness_mm if 0.0 < thickness_mm < 100.0 else _USUAL_SLICE_MM


def _identity(instance: InstanceRef) -> str:
    return f"{instance.sop_instance_uid}/{instance.frame_number or 0}"
