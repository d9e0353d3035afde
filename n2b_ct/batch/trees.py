"""Denoise a tree: every CT series, volume or natural image below a folder, each to its mirrored path."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from n2b_ct.batch.existing_output import ExistingOutput, with_stale_outputs
from n2b_ct.batch.file_tasks import NaturalImageTask, VolumeTask, count_slices
from n2b_ct.batch.outcomes import Outcome, TreeResult, with_refusals
from n2b_ct.batch.output_paths import (
    is_occupied,
    mirrored_dirs,
    mirrored_file,
    mirrored_images,
    require_no_overlap,
)
from n2b_ct.batch.run_context import ProgressCounter, RunContext
from n2b_ct.batch.run_options import DenoiseOptions, IfPresent
from n2b_ct.batch.series_task import SeriesTask
from n2b_ct.config.patterns import checked_pattern, is_found
from n2b_ct.errors import ConfigError, DataError, OutputError, explain
from n2b_ct.inference.model import Model
from n2b_ct.inference.strength import AUTO
from n2b_ct.io.atomic import is_own_hidden_name, recover
from n2b_ct.io.dicom.scan import ScanResult, scan
from n2b_ct.io.dicom.writing.derived_slice import require_encoder
from n2b_ct.io.natural_images import in_natural_order, is_natural_image
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import FileRecord, Refusals, SeriesRef
from n2b_ct.io.volume_scan import find_volumes

_FOR_CT_ONLY = {
    "repair_uids": "repair",
    "assume_hu": "assume_hu",
    "skip_bad_slices": "skip_bad_slices",
    "allow_own_output": "force",
    "volume_offset_hu": "volume_offset_hu",
    "select": "select",
    "created": "created",
    "write": "an option of writing DICOM",
}

CTTask = SeriesTask | VolumeTask

Executor = Callable[[Sequence[CTTask], RunContext], list[Outcome]]
"""Runs tasks: returns their outcomes in the order of the tasks, and counts every slice."""

Adapt = Callable[[Sequence[CTTask]], Sequence["Task[RunContext]"]]
"""Gives each task a model of its own."""

ContextT_contra = TypeVar("ContextT_contra", contravariant=True)
ContextT = TypeVar("ContextT")


class Task(Protocol[ContextT_contra]):
    """One input of a run, and its outputs."""

    @property
    def n_slices(self) -> int:
        """How many slices there are to do."""

    def output_paths(self, context: ContextT_contra) -> list[Path]:
        """Return the paths of all its outputs."""

    def existing(self, context: ContextT_contra) -> ExistingOutput:
        """Return what exists of its outputs."""

    def run(self, context: ContextT_contra) -> list[Outcome]:
        """Write the outputs; errors end up in the outcomes."""


def denoise_tree(
    source: Path,
    output: Path,
    model: Model,
    options: DenoiseOptions,
    progress: Progress | None = None,
    executor: Executor | None = None,
    adapt: Adapt | None = None,
) -> TreeResult:
    """Denoise every series and volume at or below ``source``.

    A series that fails is reported and the others are done.

    Args:
        source: A DICOM file, a folder or a volume.
        output: Mirrors the source; outside it.
        model: The denoiser.
        options: Of the run.
        progress: Called with (slices done, all slices, series or file).
        executor: Runs the tasks, one after the other if None; the bytes do not depend on it.
        adapt: Gives each task a model of its own, and excludes an executor; None: all have ``model``.

    Raises:
        ConfigError: An option that is for natural images.
        DataError: Nothing to denoise.
        OutputError: The output overlaps the input, or exists and must not be touched.
    """
    tasks, records = plan_tree(source, output, options)
    counter = ProgressCounter(progress, sum(task.n_slices for task in tasks))
    context = RunContext(model, options, options.created or datetime.now().astimezone(), counter)
    if adapt is None:
        prepare_outputs(tasks, context, options.if_present)
        outcomes = (executor or run_serially)(tasks, context)
    else:
        require_free(tasks, context)
        adapted = adapt(tasks)
        prepare_outputs(adapted, context, options.if_present)
        outcomes = run_serially(adapted, context)
    records = with_refusals(records, outcomes)
    if options.select is None:
        series_at = {task.target: task.series for task in tasks if isinstance(task, SeriesTask)}
        return TreeResult(with_stale_outputs(outcomes, series_at, source, [output]), records)
    return TreeResult(tuple(outcomes), records)


def run_serially(tasks: Sequence[Task[ContextT]], context: ContextT) -> list[Outcome]:
    """Run tasks in this process, one after the other; returns their outcomes."""
    return [outcome for task in tasks for outcome in task.run(context)]


def plan_tree(source: Path, output: Path, options: DenoiseOptions) -> tuple[list[CTTask], tuple[FileRecord, ...]]:
    """Return the tasks of a tree, series first, and a record of every file; nothing is written.

    Raises:
        ConfigError: An option that is for natural images.
        DataError: Nothing to denoise.
        OutputError: The output overlaps the input.
    """
    require_source(source, "a DICOM file, a folder or a volume")
    if options.per_channel:
        raise ConfigError(explain("per_channel", "is for images", "a model of CT", "leave it out"))
    require_no_overlap(source, output)
    require_encoder(options.write.compression)
    found = scan(source, repair_uids=options.repair_uids, assume_hu=options.assume_hu)
    return plan_found(found, source, output, options)


def plan_found(
    found: ScanResult, source: Path, output: Path, options: DenoiseOptions
) -> tuple[list[CTTask], tuple[FileRecord, ...]]:
    """Return the tasks of a scanned tree, and a record of every file; linear in the number of series.

    A volume that may be CT and cannot be used gets a task too, whose outcome says why.

    Raises:
        DataError: Nothing to denoise.
    """
    series = select_series(found.series, options.select)
    candidates = found.records if options.select is None else ()
    volumes = find_volumes(candidates, hu_offset=options.volume_offset_hu, assume_hu=options.assume_hu)
    records = volumes.records or found.records
    n_slices = {one.path: one.shape[0] for one in volumes.of_ct}
    n_slices |= {record.path: count_slices(record.path) for record in volumes.refused}
    if not series and not n_slices:
        raise _nothing_to_denoise(source, records)
    refusals = Refusals(records)
    targets = mirrored_dirs(series, source, output, volumes.paths)
    tasks: list[CTTask] = [
        SeriesTask(one, target, refusals.of(one)) for one, target in zip(series, targets, strict=True)
    ]
    tasks += [VolumeTask(path, mirrored_file(path, source, output), n) for path, n in sorted(n_slices.items())]
    return tasks, records


def _nothing_to_denoise(source: Path, records: Sequence[FileRecord]) -> DataError:
    kinds = "CT series or volume"
    if source.is_file() and records and records[0].detail:
        return DataError(records[0].detail)
    if any(is_natural_image(record.path) for record in records):
        return nothing_found(source, kinds, records, "pass a model of images if it is images you have")
    return nothing_found(source, kinds, records)


def denoise_natural_images(
    source: Path, output: Path, model: Model, options: DenoiseOptions, progress: Progress | None = None
) -> TreeResult:
    """Denoise every natural image at or below ``source``.

    An image that fails is reported and the others are done.

    Raises:
        ConfigError: An option that is for CT, or for models of the other colour.
        DataError: Nothing to denoise.
        OutputError: The output overlaps the input, or exists and must not be touched.
    """
    require_source(source, "an image or a folder of images")
    _require_image_options(model, options)
    require_no_overlap(source, output)
    records = _image_records(source)
    paths = [record.path for record in records if record.action == "used"]
    if not paths:
        remedy = "pass a model of CT if it is DICOM or volumes you have"
        raise nothing_found(source, "image (png, tif, bmp, jpg, webp)", records, remedy)
    targets = mirrored_images(paths, source, output)
    tasks = [NaturalImageTask(path, target) for path, target in zip(paths, targets, strict=True)]
    created = options.created or datetime.now().astimezone()
    context = RunContext(model, options, created, ProgressCounter(progress, len(tasks)))
    prepare_outputs(tasks, context, options.if_present)
    return TreeResult(tuple(run_serially(tasks, context)), tuple(records))


def _require_image_options(model: Model, options: DenoiseOptions) -> None:
    usual = DenoiseOptions()
    if options.goal is not None:
        ((name, value),) = options.goal.plain.items()
        subject = f"{name}={value}" if value == AUTO else name
        raise ConfigError(explain(subject, "is for CT", "a model of images", "leave it out"))
    for name, option in _FOR_CT_ONLY.items():
        if getattr(options, name) != getattr(usual, name):
            raise ConfigError(explain(option, "is for CT", "a model of images", "leave it out"))
    if options.per_channel and model.scale.colour == "rgb":
        raise ConfigError(explain("per_channel", "is for models of gray images", "one of RGB", "leave it out"))


def _image_records(source: Path) -> list[FileRecord]:
    """Return a record of every file at or below ``source``, by its name; links to folders are not followed."""
    if source.is_file():
        return [_image_record(source)]
    paths: list[Path] = []
    for folder, folders, names in os.walk(source):
        folders[:] = [name for name in folders if not is_own_hidden_name(name)]
        paths += [Path(folder, name) for name in names]
    return [_image_record(path) for path in in_natural_order(paths)]


def _image_record(path: Path) -> FileRecord:
    if is_natural_image(path):
        return FileRecord(path, "used")
    return FileRecord(path, "skipped", "not_natural_image", "its name is no image's, or hidden")


def require_source(source: Path, kinds: str) -> None:
    """Refuse an input that does not exist.

    Raises:
        DataError: With ``kinds`` as what it may be.
    """
    if not source.exists():
        raise DataError(explain(f"input {source}", f"must be {kinds}", "nothing there", "check the path"))


def select_series(series: Sequence[SeriesRef], pattern: str | None) -> list[SeriesRef]:
    """Return the series whose description a regular expression finds; all for None.

    Raises:
        DataError: It is no regular expression, or one that could take very long.
    """
    if pattern is None:
        return list(series)
    try:
        wanted = checked_pattern(pattern)
    except ValueError as error:
        raise DataError(explain("select", str(error), pattern[:80], "quote it, or make it simpler")) from error
    return [one for one in series if is_found(wanted, one.description)]


def nothing_found(
    source: Path, kinds: str, records: Sequence[FileRecord], remedy: str = "check the folder and select=…"
) -> DataError:
    """Return the error of a run without work: the reasons of all files, and the first error of each in full."""
    reasons = ", ".join(sorted({record.reason for record in records if record.reason}))
    got = f"{len(records)} files, none usable{f' ({reasons})' if reasons else ''}"
    errors = {record.reason: record for record in reversed(records) if record.action == "error" and record.detail}
    details = [f"{one.path.parent}: {one.detail}" for one in sorted(errors.values(), key=lambda one: one.path)]
    message = explain(f"input {source}", f"must hold at least one {kinds}", got, remedy)
    return DataError("\n".join([message, *details]))


def prepare_outputs(tasks: Sequence[Task[ContextT]], context: ContextT, if_present: IfPresent) -> None:
    """Clean up after a killed run, then check the paths of all outputs.

    Raises:
        OutputError: Two inputs have one output path, or an output exists and must not be touched.
    """
    paths = [path for task in tasks for path in task.output_paths(context)]
    if len(set(paths)) < len(paths):
        twice = next(path for path, n in Counter(paths).items() if n > 1)
        raise OutputError(explain(f"output {twice}", "must belong to one input only", "two", "denoise them one by one"))
    for path in paths:
        recover(path)
    occupied = [path for path in paths if is_occupied(path)]
    if occupied and if_present == "refuse":
        raise _occupied(occupied, len(paths), (task.existing(context) for task in tasks))


def require_free(tasks: Sequence[Task[RunContext]], context: RunContext) -> None:
    """Refuse occupied outputs where they must not be touched, before the work of minutes that comes first.

    Raises:
        OutputError: As :func:`prepare_outputs`.
    """
    if context.options.if_present == "refuse":
        prepare_outputs(tasks, context, "refuse")


def _occupied(occupied: Sequence[Path], n_paths: int, existing: Iterable[ExistingOutput]) -> OutputError:
    """Return the error; its remedy is ``--resume`` only where that would not stop at a foreign file."""
    requirement, foreign = "must not be there yet", next((one for one in existing if one.state == "foreign"), None)
    if foreign is not None:
        got, remedy = f"{foreign.why}, which is not n2b-ct's", "move it away, or pass overwrite=True"
        return OutputError(explain(f"output {foreign.path}", requirement, got, remedy))
    remedy = "pass resume=True to keep what is up to date and make the rest, or overwrite=True to replace all"
    return OutputError(explain(f"output {occupied[0]}", requirement, f"{len(occupied)} of {n_paths} outputs", remedy))
