"""Denoise a tree: every CT series and NIfTI volume below a folder, each to its mirrored place, whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

import n2b_ct
from n2b_ct.errors import DataError, N2BError, OutputError, SeriesError, explain
from n2b_ct.inference.model import Model
from n2b_ct.inference.outcomes import DenoiseOptions, Outcome, TreeResult
from n2b_ct.inference.places import (
    is_present,
    mirrored_dirs,
    mirrored_file,
    refuse_overlap,
    remove_if_empty,
    residual_place,
)
from n2b_ct.inference.slices import noise_hu
from n2b_ct.io.dicom.derive import Derivation
from n2b_ct.io.dicom.read import read_slice
from n2b_ct.io.dicom.scan import scan
from n2b_ct.io.dicom.write import DerivedSeriesWriter
from n2b_ct.io.nifti import is_nifti, read_nifti, write_nifti_like
from n2b_ct.io.progress import Progress
from n2b_ct.io.series import FileRecord, SeriesRef


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
                "must be a DICOM file, a folder or a NIfTI file",
                "nothing there",
                "check the path",
            )
        )
    refuse_overlap(source, output)
    found = scan(source, repair_uids=options.repair_uids)
    series = _selected(found.series, options.select)
    volumes = _nifti_files(source) if options.select is None else []
    records = tuple(r for r in found.records if r.path not in set(volumes))
    if not series and not volumes:
        raise DataError(_nothing_found(source, records))
    targets = mirrored_dirs(series, source, output, volumes)
    volume_targets = [mirrored_file(path, source, output) for path in volumes]
    _refuse_present([*targets, *volume_targets], options)
    run = _Run(
        model,
        options,
        options.created or datetime.now().astimezone(),
        progress,
        sum(len(one) for one in series) + len(volumes),
    )
    broken = {record.series: record for record in records if record.action == "error" and record.series}
    outcomes = [run.series(one, target, broken) for one, target in zip(series, targets, strict=True)]
    outcomes += [run.volume(path, target) for path, target in zip(volumes, volume_targets, strict=True)]
    return TreeResult(tuple(outcomes), records)


class _Run:
    """One run over a tree: a model, options, one time, one progress count."""

    def __init__(
        self, model: Model, options: DenoiseOptions, created: datetime, progress: Progress | None, total: int
    ) -> None:
        self._model, self._options, self._created = model, options, created
        self._strength = model.denoising.strength if options.strength is None else options.strength
        self._progress, self._total, self._done = progress, total, 0

    def series(self, series: SeriesRef, target: Path, broken: Mapping[str, FileRecord]) -> Outcome:
        """Denoise a series; one with a slice that cannot be used fails whole, for half a series misleads."""
        if record := broken.get(series.series_instance_uid):
            return _refusal(series, target, record)
        if self._is_done(target):
            self._advance(len(series), "already there")
            return Outcome(series.directory, target, "present", series.short_uid, n_slices=len(series))
        try:
            remove_if_empty(target)
            return self._denoise_series(series, target)
        except (N2BError, OSError) as error:
            return _failure(series.directory, target, series.short_uid, error)

    def volume(self, path: Path, target: Path) -> Outcome:
        if self._is_done(target):
            self._advance(1, "already there")
            return Outcome(path, target, "present")
        try:
            return self._denoise_volume(path, target)
        except (N2BError, OSError) as error:
            return _failure(path, target, "", error)

    def _is_done(self, target: Path) -> bool:
        """Nothing is left to do where both outputs are there; a kill may have come between them."""
        wanted = [target, residual_place(target)] if self._options.residual else [target]
        return self._options.if_present == "skip" and all(is_present(place) for place in wanted)

    def _denoise_series(self, series: SeriesRef, target: Path) -> Outcome:
        denoised = DerivedSeriesWriter(series, target, self._derivation(), overwrite=self._replace)
        residual = DerivedSeriesWriter(
            series, residual_place(target), self._derivation(residual=True), overwrite=self._replace
        )
        spread = _Spread()
        n_clipped = 0
        with denoised as writer, residual if self._options.residual else _Nowhere() as residual_writer:
            for instance in series.instances:
                ct_slice = read_slice(instance)
                noise = noise_hu(self._model, ct_slice.hu, ct_slice.is_padding)
                n_clipped += writer.add(ct_slice, ct_slice.hu - np.float32(self._strength) * noise).n_clipped
                residual_writer.add(ct_slice, noise)
                spread.add(noise[self._model.window.contains(ct_slice.hu)])
                self._advance(1, series.description or series.short_uid)
        return Outcome(
            series.directory,
            target,
            "done",
            series.short_uid,
            n_slices=len(series),
            n_clipped_pixels=n_clipped,
            removed_std_hu=spread.std,
        )

    def _denoise_volume(self, path: Path, target: Path) -> Outcome:
        volume = read_nifti(path).hu
        noise = np.stack([noise_hu(self._model, hu) for hu in volume])
        target.parent.mkdir(parents=True, exist_ok=True)
        denoised = volume - np.float32(self._strength) * noise
        n_clipped = write_nifti_like(path, denoised, target, overwrite=self._replace)
        if self._options.residual:
            write_nifti_like(path, noise, residual_place(target), overwrite=self._replace)
        self._advance(1, path.name)
        spread = _Spread()
        spread.add(noise[self._model.window.contains(volume)])
        return Outcome(
            path, target, "done", n_slices=len(volume), n_clipped_pixels=n_clipped, removed_std_hu=spread.std
        )

    def _derivation(self, residual: bool = False) -> Derivation:
        return Derivation(
            model_name=f"{self._model.method} {self._model.name}",
            model_version=str(self._model.facts.get("n2b_ct", n2b_ct.__version__)),
            model_digest=self._model.digest,
            parameters={
                "strength": self._strength,
                "output": "removed noise" if residual else "denoised",
            },
            learned=True,
            suffix=" N2B residual" if residual else " N2B",
            created=self._created,
        )

    @property
    def _replace(self) -> bool:
        return self._options.if_present != "refuse"

    def _advance(self, n: int, what: str) -> None:
        self._done += n
        if self._progress is not None:
            self._progress(self._done, self._total, what)


class _Nowhere:
    """Takes the residual when nobody asked for it."""

    def __enter__(self) -> _Nowhere:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def add(self, *_: object) -> None:
        """Forget it."""


class _Spread:
    """Standard deviation of values that arrive in parts."""

    def __init__(self) -> None:
        self._n, self._sum, self._squares = 0, 0.0, 0.0

    def add(self, values: np.ndarray) -> None:
        self._n += values.size
        self._sum += float(values.sum(dtype=np.float64))
        self._squares += float(np.square(values, dtype=np.float64).sum())

    @property
    def std(self) -> float | None:
        if self._n == 0:
            return None
        return round(float(np.sqrt(max(self._squares / self._n - (self._sum / self._n) ** 2, 0.0))), 3)


def _selected(series: Sequence[SeriesRef], pattern: str | None) -> list[SeriesRef]:
    if pattern is None:
        return list(series)
    try:
        wanted = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise DataError(explain("--select", "must be a regular expression", pattern, "quote it")) from error
    return [one for one in series if wanted.search(one.description)]


def _nifti_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if is_nifti(source) else []
    return sorted(
        Path(folder) / name for folder, _, names in os.walk(source) for name in names if is_nifti(Path(folder) / name)
    )


def _refuse_present(targets: Sequence[Path], options: DenoiseOptions) -> None:
    places = [*targets, *map(residual_place, targets)] if options.residual else list(targets)
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise OutputError(explain(f"output {twice}", "must belong to one input only", "two", "denoise them one by one"))
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
        "must hold at least one CT series or NIfTI volume",
        f"{len(records)} files, none usable{' (' + ', '.join(reasons) + ')' if reasons else ''}",
        "check the folder and --select",
    )


def _refusal(series: SeriesRef, target: Path, record: FileRecord) -> Outcome:
    return Outcome(series.directory, target, "failed", series.short_uid, record.reason, record.detail)


def _failure(source: Path, target: Path, series: str, error: Exception) -> Outcome:
    reason = error.reason if isinstance(error, SeriesError) else type(error).__name__
    return Outcome(source, target, "failed", series, reason, str(error))
