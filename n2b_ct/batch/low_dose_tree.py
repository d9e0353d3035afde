"""Lower doses of a tree: every CT series below a folder at every dose, ``OUTPUT/<dose>/`` mirroring the tree."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from n2b_ct.batch.left_behind import with_left_behind
from n2b_ct.batch.low_dose_options import LowDoseOptions, dose_name
from n2b_ct.batch.low_dose_output import sidecar_path
from n2b_ct.batch.low_dose_series import LowDoseRun, LowDoseSeries
from n2b_ct.batch.outcomes import TreeResult
from n2b_ct.batch.places import mirrored_dirs, refuse_overlap
from n2b_ct.batch.trees import (
    nothing_found,
    prepare_places,
    require_source,
    select_series,
    with_refusals,
)
from n2b_ct.batch.work import Steps
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.dicom.writing.derived_slice import require_encoder
from n2b_ct.io.progress import Progress
from n2b_ct.io.refusals import Refusals
from n2b_ct.simulation.workers import Workers


def simulate_tree(source: Path, output: Path, options: LowDoseOptions, progress: Progress | None = None) -> TreeResult:
    """Simulate lower doses of every series at or below ``source``.

    A series that fails is reported and the others are done. Equal sources, options and ``created`` give equal bytes.

    Raises:
        DataError: There is no series, or an option is out of range.
        OutputError: The output overlaps the input, or is there already and must not be touched.
    """
    options.require_sound()
    require_source(source, "a DICOM file or a folder")
    refuse_overlap(source, output)
    require_encoder(options.write.compression)
    found = scan(source, repair_uids=options.repair_uids, assume_hu=options.assume_hu)
    series = select_series(found.series, options.select)
    if not series:
        raise nothing_found(source, "CT series", found.records)
    by_dose = [mirrored_dirs(series, source, output / dose_name(dose)) for dose in options.doses]
    places = [place for targets in by_dose for target in targets for place in (target, sidecar_path(target))]
    refusals = Refusals(found.records)
    created = options.created or datetime.now().astimezone()
    with Workers(options.n_workers) as workers:
        run = LowDoseRun(options, created, workers, Steps(progress, sum(map(len, series))))
        jobs = [
            LowDoseSeries(one, targets, run, refusals.of(one))
            for one, targets in zip(series, zip(*by_dose, strict=True), strict=True)
        ]
        prepare_places(places, options.if_present, (job.look() for job in jobs))
        outcomes = tuple(outcome for job in jobs for outcome in job.run())
    if options.select is None:
        series_at = {target: one for targets in by_dose for one, target in zip(series, targets, strict=True)}
        outcomes = with_left_behind(outcomes, series_at, source, [output / dose_name(dose) for dose in options.doses])
    found_out = (record for job in jobs for record in job.refused)
    return TreeResult(outcomes, with_refusals(found.records, found_out))
