"""Simulate lower doses of a tree: every CT series at every dose, in ``OUTPUT/<dose>/``, mirroring the tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from n2b_ct.batch.existing_output import ExistingOutput, combined, existing_for_resume, with_stale_outputs
from n2b_ct.batch.low_dose_output import LowDoseOutput, low_dose_derivation, sidecar_path
from n2b_ct.batch.outcomes import Outcome, TreeResult, with_refusals
from n2b_ct.batch.output_paths import mirrored_dirs, require_no_overlap
from n2b_ct.batch.run_context import ProgressCounter
from n2b_ct.batch.run_options import LowDoseOptions, dose_name
from n2b_ct.batch.series_task import SeriesRun
from n2b_ct.batch.trees import nothing_found, prepare_outputs, require_source, run_serially, select_series
from n2b_ct.errors import DataError, N2BError, SeriesError, explain
from n2b_ct.io.dicom.ct_reader import read_slices
from n2b_ct.io.dicom.elements import lenient_number, quiet_pydicom
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.dicom.writing.derived_slice import require_encoder
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import CTSlice, FileRecord, InstanceRef, Refusals, SeriesRef
from n2b_ct.simulation.calibration import Calibration
from n2b_ct.simulation.dose import LEAST_DOSE, MOST_PHOTONS
from n2b_ct.simulation.low_dose import LowDoseSlice, lower_doses, outside_reconstruction
from n2b_ct.simulation.ordered_pool import OrderedPool
from n2b_ct.simulation.projection import ParallelBeam
from n2b_ct.simulation.ray_calibration import calibrate_rays, measure_slice

N_CALIBRATION_SLICES = 24
"""Slices, spread evenly over the series, whose noise is measured."""

SOFT_TISSUE_HU = (-50.0, 150.0)
"""Where the added noise is reported."""

_SQUARE_WITHIN = 0.01
_STRONGEST_BOWTIE = 3.0
_USUAL_SLICE_MM = 3.0


@dataclass(frozen=True)
class LowDoseContext:
    """What all series of one run share.

    Attributes:
        options: Of the run.
        created: Creation time of every output.
        pool: Processes that compute.
        progress: Counts slices.
    """

    options: LowDoseOptions
    created: datetime
    pool: OrderedPool
    progress: ProgressCounter


def simulate_tree(source: Path, output: Path, options: LowDoseOptions, progress: Progress | None = None) -> TreeResult:
    """Simulate lower doses of every series at or below ``source``.

    A series that fails is reported and the others are done. Equal sources, options and ``created`` give equal bytes.

    Raises:
        DataError: There is no series, or an option is out of range.
        OutputError: The output overlaps the input, or exists and must not be touched.
    """
    _require_sound(options)
    require_source(source, "a DICOM file or a folder")
    require_no_overlap(source, output)
    require_encoder(options.write.compression)
    found = scan(source, repair_uids=options.repair_uids, assume_hu=options.assume_hu)
    series = select_series(found.series, options.select)
    if not series:
        raise nothing_found(source, "CT series", found.records)
    dose_dirs = [output / dose_name(dose) for dose in options.doses]
    by_dose = [mirrored_dirs(series, source, dose_dir) for dose_dir in dose_dirs]
    refusals = Refusals(found.records)
    tasks = [
        LowDoseTask(one, targets, refusals.of(one))
        for one, targets in zip(series, zip(*by_dose, strict=True), strict=True)
    ]
    created = options.created or datetime.now().astimezone()
    with OrderedPool(options.n_workers) as pool:
        counter = ProgressCounter(progress, sum(map(len, series)))
        context = LowDoseContext(options, created, pool, counter)
        prepare_outputs(tasks, context, options.if_present)
        outcomes = run_serially(tasks, context)
    records = with_refusals(found.records, outcomes)
    if options.select is None:
        series_at = {target: task.series for task in tasks for target in task.targets}
        return TreeResult(with_stale_outputs(outcomes, series_at, source, dose_dirs), records)
    return TreeResult(tuple(outcomes), records)


@dataclass(frozen=True, slots=True)
class LowDoseTask:
    """One series to simulate at all doses.

    Attributes:
        series: As a scan found it.
        targets: Folders of the derived series, one for each dose.
        refused: Records of its slices that the scan refused.
    """

    series: SeriesRef
    targets: tuple[Path, ...]
    refused: tuple[FileRecord, ...] = ()

    @property
    def n_slices(self) -> int:
        """How many slices there are to do."""
        return len(self.series)

    def output_paths(self, context: LowDoseContext) -> list[Path]:  # noqa: ARG002 (of every task)
        """Return the paths of all its outputs."""
        return [path for target in self.targets for path in (target, sidecar_path(target))]

    def existing(self, context: LowDoseContext) -> ExistingOutput:
        """Return what exists of its outputs."""
        return combined(
            [output.find(self.series, context.options, context.created) for output in self._outputs(context)]
        )

    def _outputs(self, context: LowDoseContext) -> list[LowDoseOutput]:
        doses = zip(context.options.doses, self.targets, strict=True)
        return [LowDoseOutput(dose, target, ExistingOutput(target, "absent")) for dose, target in doses]

    def run(self, context: LowDoseContext) -> list[Outcome]:
        """Simulate the series, one outcome for each dose; errors end up in the outcomes."""
        series, outcomes = self.series, dict[Path, Outcome]()
        with context.progress.counting(len(series), series.description or series.short_uid) as count:
            run: SeriesRun[LowDoseSlice] = SeriesRun(series, self.refused, context.options, count)
            try:
                remedy = "take its source, or use force=True"
                run.require_source("must carry the noise of its scan", "denoised", remedy)
                require_square_pixels(series)
                outputs = self._outputs(context)
                for output in outputs:
                    if settled := _settled(run, output, series, context):
                        outcomes[output.target] = settled
                wanted = [output for output in outputs if output.target not in outcomes]
                if wanted:
                    _write(run, wanted, series, context)
                for number, output in enumerate(wanted):
                    outcomes[output.target] = output.existing.annotate(
                        output.told(run.done(output.target, number), context.options)
                    )
            except (N2BError, OSError) as error:
                lost = [target for target in self.targets if target not in outcomes]
                outcomes |= {target: run.failed(target, error) for target in lost}
        return [outcomes[target] for target in self.targets]


def _settled(
    run: SeriesRun[LowDoseSlice], output: LowDoseOutput, series: SeriesRef, context: LowDoseContext
) -> Outcome | None:
    """Return the outcome of a dose that is up to date, or whose path holds foreign files, else None."""
    find = partial(output.find, series, context.options, context.created)
    output.existing = existing_for_resume(context.options.if_present, find, output.target)
    try:
        output.existing.require_own("series")
    except SeriesError as error:
        return run.failed(output.target, error)
    return run.up_to_date(output.target, output.existing)


def _write(
    run: SeriesRun[LowDoseSlice],
    wanted: Sequence[LowDoseOutput],
    series: SeriesRef,
    context: LowDoseContext,
) -> None:
    """Simulate and write the doses that are wanted, each with its parameters."""
    options, calibration, photons = context.options, _calibration(series, context), list[float]()
    doses = tuple(output.dose for output in wanted)
    simulate = partial(_lowered, doses, calibration, options)

    def simulated(
        slices: Iterator[CTSlice | SeriesError],
    ) -> Iterator[tuple[CTSlice, LowDoseSlice] | SeriesError]:
        tasks = ((one, (_arguments(instance, one),)) for instance, one in zip(series.instances, slices, strict=True))
        for one, answer in context.pool.map(simulate, tasks):
            yield one if isinstance(one, SeriesError) else (one, cast(LowDoseSlice, answer))

    def hu_of(ct_slice: CTSlice, answer: LowDoseSlice) -> Sequence[np.ndarray]:
        photons.append(answer.photons)
        is_tissue = (ct_slice.hu > SOFT_TISSUE_HU[0]) & (ct_slice.hu < SOFT_TISSUE_HU[1])
        for output, hu, starved in zip(wanted, answer.hu, answer.starved_shares, strict=True):
            output.added_std.update((hu - ct_slice.hu)[is_tissue])
            output.starved_shares.append(starved)
        return list(answer.hu)

    def remove_old_sidecars() -> None:
        for output in wanted:
            output.remove_old_sidecar()

    outputs = [
        (
            output.target,
            low_dose_derivation(output.dose, calibration, options, context.created),
            output.existing.may_be_replaced(options.if_present),
        )
        for output in wanted
    ]
    run.derive(outputs, simulated, hu_of, air_may_clip=True, before_rename=remove_old_sidecars)
    for output in wanted:
        output.write_sidecar(series, calibration, options, photons)


def _calibration(series: SeriesRef, context: LowDoseContext) -> Calibration:
    """Measure some slices; photons and electronic variance that were given count instead of measured ones."""
    options, pixel_mm = context.options, float(np.mean(series.pixel_spacing_mm or (1.0, 1.0)))
    n = min(len(series), N_CALIBRATION_SLICES)
    chosen = [series.instances[round(k)] for k in np.linspace(0, len(series) - 1, n)]
    slices = _readable(chosen, skip_bad_slices=options.skip_bad_slices)
    tasks = ((None, (one.hu, pixel_mm, tube_current(one), options.bowtie or 0.0)) for one in slices)
    return calibrate_rays(
        [measured for _, measured in context.pool.map(measure_slice, tasks)],
        ParallelBeam.for_image(max(series.rows, series.cols), pixel_mm),
        slice_thickness_mm(series),
        photons=options.photons,
        electronic_variance=options.electronic_variance,
        bowtie=options.bowtie,
    )


def _readable(instances: Sequence[InstanceRef], *, skip_bad_slices: bool) -> Iterator[CTSlice]:
    for one in read_slices(instances):
        if not isinstance(one, SeriesError):
            yield one
        elif not skip_bad_slices:
            raise one


def _arguments(instance: InstanceRef, one: CTSlice | SeriesError) -> tuple[Any, ...] | None:
    """Return what a worker needs of a slice; None where it cannot be read."""
    if isinstance(one, SeriesError):
        return None
    identity = f"{instance.sop_instance_uid}/{instance.frame_number or 0}"
    return one.hu, outside_reconstruction(one.hu, one.is_padding), identity, tube_current(one)


def _lowered(
    doses: Sequence[float],
    calibration: Calibration,
    options: LowDoseOptions,
    arguments: tuple[np.ndarray, np.ndarray, str, float | None] | None,
) -> LowDoseSlice | None:
    """Run in a worker; None for a slice that cannot be read."""
    if arguments is None:
        return None
    hu, is_fixed, identity, current = arguments
    return lower_doses(
        hu,
        doses,
        calibration,
        seed=options.seed,
        identity=identity,
        current=current,
        is_fixed=is_fixed,
        measures_slice=options.photons is None,
        is_biased=options.realistic_bias,
    )


def tube_current(ct_slice: CTSlice) -> float | None:
    """XRayTubeCurrent, mA; only its changes within the series count."""
    with quiet_pydicom():
        current = lenient_number(ct_slice.dataset, "XRayTubeCurrent")
    return current if current and current > 0.0 else None


def slice_thickness_mm(series: SeriesRef) -> float:
    """Return the slice thickness, mm; a usual one where the header has none."""
    try:
        thickness_mm = float(series.facts.get("SliceThickness", ""))
    except ValueError:
        return _USUAL_SLICE_MM
    return thickness_mm if 0.0 < thickness_mm < 100.0 else _USUAL_SLICE_MM


def require_square_pixels(series: SeriesRef) -> None:
    """Refuse a series that has no scale to attenuate by."""
    spacing = series.pixel_spacing_mm
    if spacing is None or abs(spacing[0] / spacing[1] - 1.0) > _SQUARE_WITHIN:
        got = "none" if spacing is None else f"{spacing[0]:g} x {spacing[1]:g} mm"
        subject = f"series {series.short_uid}"
        raise DataError(explain(subject, "needs square pixels of known size", got, "choose another series"))


def _require_sound(options: LowDoseOptions) -> None:
    """Refuse options that no scan could have.

    Raises:
        DataError: A dose, the photons or the electronic variance is out of range, or a dose comes twice.
    """
    if not options.doses or any(not LEAST_DOSE <= dose <= 1.0 for dose in options.doses):
        got = ", ".join(f"{dose:g}" for dose in options.doses) or "none"
        raise DataError(
            explain("doses", f"must be at least {LEAST_DOSE:g} and at most 1", got, "give a fraction such as 0.25")
        )
    if len({dose_name(dose) for dose in options.doses}) < len(options.doses):
        raise DataError(explain("doses", "every dose must be given once", "one twice", "leave it out"))
    if options.photons is not None and not 1.0 < options.photons <= MOST_PHOTONS:
        requirement = f"must be above 1 and at most {MOST_PHOTONS:g}"
        raise DataError(explain("photons", requirement, options.photons, "1e5 to 1e7 are usual"))
    if options.electronic_variance is not None and not 0.0 <= options.electronic_variance <= MOST_PHOTONS:
        requirement, remedy = f"must be 0 to {MOST_PHOTONS:g}", "give photons², or leave it out"
        raise DataError(explain("electronic_variance", requirement, options.electronic_variance, remedy))
    if options.bowtie is not None and not 0.0 <= options.bowtie <= _STRONGEST_BOWTIE:
        raise DataError(explain("bowtie", f"must be 0 to {_STRONGEST_BOWTIE:g}", options.bowtie, "0.6 is usual"))
