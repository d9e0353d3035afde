"""Denoise a tree: every CT series and volume below a folder, each to its mirrored place, whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from n2b_ct.errors import DataError, OutputError, explain
from n2b_ct.inference.model import Model
from n2b_ct.inference.outcomes import DenoiseOptions, TreeResult
from n2b_ct.inference.places import is_present, mirrored_dirs, mirrored_file, refuse_overlap
from n2b_ct.inference.series_job import SeriesJob
from n2b_ct.inference.volume_job import VolumeJob, count_slices
from n2b_ct.inference.work import Steps, Work
from n2b_ct.io.atomic_folder import recover
from n2b_ct.io.dicom.compress import require_encoder
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import FileRecord, SeriesRef
from n2b_ct.io.volume_records import volumes_among, with_volumes


def denoise_tree(
    source: Path, output: Path, model: Model, options: DenoiseOptions, progress: Progress | None = None
) -> TreeResult:
    """Denoise every series and volume at or below ``source``.

    A series that fails is reported and the others are done.

    Raises:
        DataError: Nothing to denoise.
        OutputError: The output overlaps the input, or is there already and must not be touched.
    """
    if not source.exists():
        raise DataError(
            explain(
                f"input {source}",
                "must be a DICOM file, a folder or a volume",
                "nothing there",
                "check the path",
            )
        )
    refuse_overlap(source, output)
    require_encoder(options.write.compression)
    found = scan(source, repair_uids=options.repair_uids, assume_hu=options.assume_hu)
    series = _selected(found.series, options.select)
    volumes = volumes_among(found.records) if options.select is None else []
    records = with_volumes(found.records, volumes)
    if not series and not volumes:
        raise DataError(_nothing_found(source, records))
    targets = mirrored_dirs(series, source, output, volumes)
    volume_targets = [mirrored_file(path, source, output) for path in volumes]
    steps = Steps(progress, sum(map(len, series)) + sum(map(count_slices, volumes)))
    work = Work(model, options, options.created or datetime.now().astimezone(), steps)
    _prepare([place for target in (*targets, *volume_targets) for place in work.places(target)], options)
    jobs = [SeriesJob(one, target, work, _refused(one, records)) for one, target in zip(series, targets, strict=True)]
    outcomes = [job.run() for job in jobs]
    outcomes += [VolumeJob(path, target, work).run() for path, target in zip(volumes, volume_targets, strict=True)]
    return TreeResult(tuple(outcomes), _with_refusals(records, jobs))


def _refused(series: SeriesRef, records: Sequence[FileRecord]) -> list[FileRecord]:
    """Slices that belong to a series and that the scan refused."""
    return [record for record in records if record.action == "error" and record.series == series.public_uid]


def _with_refusals(records: Sequence[FileRecord], jobs: Sequence[SeriesJob]) -> tuple[FileRecord, ...]:
    """Every file keeps exactly one record: what reading found out replaces what the scan thought."""
    found_out = {record.path: record for job in jobs for record in job.refused}
    return tuple(found_out.get(record.path, record) for record in records)


def _selected(series: Sequence[SeriesRef], pattern: str | None) -> list[SeriesRef]:
    if pattern is None:
        return list(series)
    try:
        wanted = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise DataError(explain("--select", "must be a regular expression", pattern, "quote it")) from error
    return [one for one in series if wanted.search(one.description)]


def _prepare(places: Sequence[Path], options: DenoiseOptions) -> None:
    """Clean up behind a killed run, then look for outputs that are there."""
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise OutputError(explain(f"output {twice}", "must belong to one input only", "two", "denoise them one by one"))
    for place in places:
        recover(place)
    present = [place for place in places if is_present(place)]
    if present and options.if_present == "refuse":
        raise OutputError(
            explain(
                f"output {present[0]}",
                "must not be there yet",
                f"{len(present)} of {len(places)} outputs",
                "pass --resume to keep them or --overwrite to replace them",
            )
        )


def _nothing_found(source: Path, records: Sequence[FileRecord]) -> str:
    reasons = sorted({record.reason for record in records if record.reason})
    return explain(
        f"input {source}",
        "must hold at least one CT series or volume",
        f"{len(records)} files, none usable{' (' + ', '.join(reasons) + ')' if reasons else ''}",
        "check the folder and --select",
    )
