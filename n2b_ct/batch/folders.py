"""Denoise a tree: every CT series and volume below a folder, each to its mirrored place, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from n2b_ct.batch.left_behind import with_left_behind
from n2b_ct.batch.outcomes import DenoiseOptions, TreeResult
from n2b_ct.batch.places import mirrored_dirs, mirrored_file, refuse_overlap
from n2b_ct.batch.tasks import Executor, SeriesTask, Task, VolumeTask, one_by_one
from n2b_ct.batch.trees import (
    nothing_found,
    prepare_places,
    require_source,
    select_series,
    with_refusals,
)
from n2b_ct.batch.volume_job import count_slices
from n2b_ct.batch.work import Steps, Work
from n2b_ct.errors import ConfigError, DataError, explain
from n2b_ct.inference.model import Model
from n2b_ct.io.dicom.scan import ScanResult, scan
from n2b_ct.io.dicom.writing.derived_slice import require_encoder
from n2b_ct.io.natural_images import is_natural_image
from n2b_ct.io.progress import Progress
from n2b_ct.io.refusals import Refusals
from n2b_ct.io.series import FileRecord
from n2b_ct.io.volume_scan import FoundVolumes, find_volumes


@dataclass(frozen=True, slots=True)
class TreePlan:
    """What is to be done in a tree: its tasks, series first, and a record of every file."""

    tasks: tuple[Task, ...]
    records: tuple[FileRecord, ...]


def denoise_tree(
    source: Path,
    output: Path,
    model: Model,
    options: DenoiseOptions,
    progress: Progress | None = None,
    carry_out: Executor = one_by_one,
) -> TreeResult:
    """Denoise every series and volume at or below ``source``.

    A series that fails is reported and the others are done. ``carry_out`` decides where; the bytes do not depend on it.

    Raises:
        ConfigError: An option that is for images.
        DataError: Nothing to denoise.
        OutputError: The output overlaps the input, or is there already and must not be touched.
    """
    plan = plan_tree(source, output, options)
    steps = Steps(progress, sum(task.n_slices for task in plan.tasks))
    work = Work(model, options, options.created or datetime.now().astimezone(), steps)
    places = [place for task in plan.tasks for place in work.places(task.target)]
    prepare_places(places, options.if_present, (task.look(work) for task in plan.tasks))
    done = carry_out(plan.tasks, work)
    records = with_refusals(plan.records, (record for one in done for record in one.refused))
    outcomes = tuple(one.outcome for one in done)
    if options.select is None:
        series_at = {task.target: task.series for task in plan.tasks if isinstance(task, SeriesTask)}
        outcomes = with_left_behind(outcomes, series_at, source, [output])
    return TreeResult(outcomes, records)


def plan_tree(source: Path, output: Path, options: DenoiseOptions) -> TreePlan:
    """Find all there is to do, and where it goes; nothing is written.

    Raises:
        ConfigError: An option that is for images.
        DataError: Nothing to denoise.
        OutputError: The output overlaps the input.
    """
    require_source(source, "a DICOM file, a folder or a volume")
    if options.per_channel:
        raise ConfigError(explain("--per-channel", "is for images", "a model of CT", "leave it out"))
    refuse_overlap(source, output)
    require_encoder(options.write.compression)
    found = scan(source, repair_uids=options.repair_uids, assume_hu=options.assume_hu)
    return plan_found(found, source, output, options)


def plan_found(found: ScanResult, source: Path, output: Path, options: DenoiseOptions) -> TreePlan:
    """Lay out what a scan found; time and memory grow with the number of series, not with its square.

    Raises:
        DataError: Nothing to denoise.
    """
    series = select_series(found.series, options.select)
    wanted = found.records if options.select is None else ()
    volumes = find_volumes(wanted, hu_offset=options.volume_offset_hu, assume_hu=options.assume_hu)
    records = volumes.records or found.records
    of_volumes = _volume_tasks(volumes, source, output)
    if not series and not of_volumes:
        raise _nothing_found(source, records)
    targets = mirrored_dirs(series, source, output, volumes.paths)
    refusals = Refusals(records)
    of_series = (SeriesTask(one, target, refusals.of(one)) for one, target in zip(series, targets, strict=True))
    return TreePlan((*of_series, *of_volumes), records)


def _volume_tasks(found: FoundVolumes, source: Path, output: Path) -> list[VolumeTask]:
    """List a task for each volume that is CT, and for each that might be and will say why it fails."""
    n_slices = {one.path: one.shape[0] for one in found.of_ct} | {
        record.path: count_slices(record.path) for record in found.refused
    }
    return [VolumeTask(path, mirrored_file(path, source, output), n) for path, n in sorted(n_slices.items())]


def _nothing_found(source: Path, records: Sequence[FileRecord]) -> DataError:
    kinds = "CT series or volume"
    if source.is_file() and records and records[0].detail:
        return DataError(records[0].detail)
    if any(is_natural_image(record.path) for record in records):
        return nothing_found(source, kinds, records, "pass a model of images if it is images you have")
    return nothing_found(source, kinds, records)
