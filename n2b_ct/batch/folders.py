"""Denoise a tree: every CT series and volume below a folder, each to its mirrored place, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from n2b_ct.batch.outcomes import DenoiseOptions, TreeResult
from n2b_ct.batch.places import mirrored_dirs, mirrored_file, refuse_overlap
from n2b_ct.batch.series_job import SeriesJob
from n2b_ct.batch.trees import (
    nothing_found,
    prepare_places,
    refused_slices,
    require_source,
    select_series,
    with_refusals,
)
from n2b_ct.batch.volume_job import VolumeJob, count_slices
from n2b_ct.batch.work import Steps, Work
from n2b_ct.errors import ConfigError, DataError, explain
from n2b_ct.inference.model import Model
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.dicom.writing.compress import require_encoder
from n2b_ct.io.pictures import is_picture
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import FileRecord
from n2b_ct.io.volume_records import volumes_among, with_volumes


def denoise_tree(
    source: Path, output: Path, model: Model, options: DenoiseOptions, progress: Progress | None = None
) -> TreeResult:
    """Denoise every series and volume at or below ``source``.

    A series that fails is reported and the others are done.

    Raises:
        ConfigError: An option that is for pictures.
        DataError: Nothing to denoise.
        OutputError: The output overlaps the input, or is there already and must not be touched.
    """
    require_source(source, "a DICOM file, a folder or a volume")
    if options.per_channel:
        raise ConfigError(explain("--per-channel", "is for pictures", "a model of CT", "leave it out"))
    refuse_overlap(source, output)
    require_encoder(options.write.compression)
    found = scan(source, repair_uids=options.repair_uids, assume_hu=options.assume_hu)
    series = select_series(found.series, options.select)
    volumes = volumes_among(found.records) if options.select is None else []
    records = with_volumes(found.records, volumes)
    if not series and not volumes:
        raise _nothing_found(source, records)
    targets = mirrored_dirs(series, source, output, volumes)
    volume_targets = [mirrored_file(path, source, output) for path in volumes]
    steps = Steps(progress, sum(map(len, series)) + sum(map(count_slices, volumes)))
    work = Work(model, options, options.created or datetime.now().astimezone(), steps)
    places = [place for target in (*targets, *volume_targets) for place in work.places(target)]
    prepare_places(places, options.if_present)
    jobs = [
        SeriesJob(one, target, work, refused_slices(one, records)) for one, target in zip(series, targets, strict=True)
    ]
    outcomes = [job.run() for job in jobs]
    outcomes += [VolumeJob(path, target, work).run() for path, target in zip(volumes, volume_targets, strict=True)]
    return TreeResult(tuple(outcomes), with_refusals(records, (record for job in jobs for record in job.refused)))


def _nothing_found(source: Path, records: Sequence[FileRecord]) -> DataError:
    kinds = "CT series or volume"
    if any(is_picture(record.path) for record in records):
        return nothing_found(source, kinds, records, "pass a model of pictures if it is pictures you have")
    return nothing_found(source, kinds, records)
