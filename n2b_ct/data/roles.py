"""Assign the slices of a data set to roles, by a manifest's split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from n2b_ct.data.manifest import (
    EveryNthSplit,
    Manifest,
    ProportionsSplit,
    RoleEntry,
    SeriesSplit,
    parse_slices,
    series_of,
)
from n2b_ct.data.manifest_series import DatasetSeries, find_series
from n2b_ct.errors import ConfigError, DataError, explain
from n2b_ct.io.series import Inputs

PAIRING_TOLERANCE_MM = 0.1


@dataclass(frozen=True, slots=True)
class RoleSlice:
    """One slice in a role, and its normal-dose counterpart, if it has one."""

    series: DatasetSeries
    index: int
    reference: DatasetSeries | None = None
    reference_index: int | None = None


@dataclass(frozen=True, slots=True)
class Roles:
    """A data set's slices by role."""

    clean: tuple[RoleSlice, ...]
    noisy: tuple[RoleSlice, ...]
    validation: tuple[RoleSlice, ...]
    test: tuple[RoleSlice, ...]

    @property
    def series(self) -> tuple[DatasetSeries, ...]:
        """The series in use, references too."""
        slices = (*self.clean, *self.noisy, *self.validation, *self.test)
        both = (found for role in slices for found in (role.series, role.reference) if found is not None)
        return tuple({found.name: found for found in both}.values())

    @property
    def inputs(self) -> Inputs:
        """What is recorded of the series in use and of their files that were left out."""
        files = {record.path: record for found in self.series for record in found.refused}
        return Inputs(tuple(found.facts for found in self.series), tuple(files.values()))


def assign_roles(
    manifest: Manifest,
    root: Path,
    split_name: str | None = None,
    doses: Sequence[float] | None = None,
    *,
    with_clean: bool = True,
    skip_bad_slices: bool = False,
) -> Roles:
    """Find a manifest's series and assign their slices to roles.

    Args:
        manifest: The data set.
        root: Its folder.
        split_name: One of its splits; None: the default.
        doses: Keep noisy, validation and test slices of these dose fractions only.
        with_clean: False leaves the clean role empty; series that no other role needs are not looked for.
        skip_bad_slices: Leave out slices that cannot be used; by default one of them fails its series.

    Raises:
        ConfigError: The split's name is unknown or a patient is on both sides without ``shared_patient``.
        DataError: Series are missing or do not pair.
    """
    split = manifest.split(split_name)
    if isinstance(split, SeriesSplit) and not with_clean:
        split = split.model_copy(update={"clean": ()})
    wanted = [name for name in manifest.series if name in series_of(split)]
    if doses is not None:
        wanted = [name for name in wanted if _is_kept(manifest, name, split, doses)]
    found = find_series(manifest, root, wanted, skip_bad_slices=skip_bad_slices)
    roles = _share_out(split, found)
    if not with_clean:
        roles = replace(roles, clean=())
    _refuse_shared_patients(manifest, roles)
    return roles


# ── Rules ──


def _by_series(split: SeriesSplit, found: dict[str, DatasetSeries]) -> Roles:
    def chosen(entries: Iterable[RoleEntry]) -> tuple[RoleSlice, ...]:
        return tuple(role for entry in entries if entry.series in found for role in _entry_slices(entry, found))

    return Roles(chosen(split.clean), chosen(split.noisy), chosen(split.validation), chosen(split.test))


def _by_proportions(split: ProportionsSplit, found: dict[str, DatasetSeries]) -> Roles:
    full = _whole(found[split.full_dose])
    is_test, is_clean = proportion_masks(len(full), split.clean, split.noisy, split.test, split.block)
    low_dose = [found[name] for name in split.low_dose if name in found]
    _same_length(full, low_dose)
    return Roles(
        clean=tuple(RoleSlice(full, int(k)) for k in np.flatnonzero(is_clean)),
        noisy=_counted(low_dose, full, np.flatnonzero(~is_clean & ~is_test)),
        validation=(),
        test=_counted(low_dose, full, np.flatnonzero(is_test)),
    )


def _by_every_nth(split: EveryNthSplit, found: dict[str, DatasetSeries]) -> Roles:
    full = _whole(found[split.full_dose])
    if len(full) < split.last:
        raise DataError(
            explain(
                f"series {full.name}",
                f"must have at least {split.last} slices for this split",
                len(full),
                "choose another split",
            )
        )
    low_dose = [found[name] for name in split.low_dose if name in found]
    _same_length(full, low_dose)
    used = np.arange(split.first - 1, split.last)
    is_test = (used - used[0]) % split.every == 0
    train = used[~is_test]
    return Roles(
        clean=tuple(RoleSlice(full, int(k)) for k in train),
        noisy=_counted(low_dose, full, train),
        validation=(),
        test=_counted(low_dose, full, used[is_test]),
    )


def _share_out(split: SeriesSplit | ProportionsSplit | EveryNthSplit, found: dict[str, DatasetSeries]) -> Roles:
    if isinstance(split, SeriesSplit):
        return _by_series(split, found)
    if isinstance(split, ProportionsSplit):
        return _by_proportions(split, found)
    return _by_every_nth(split, found)


def proportion_masks(n_slices: int, clean: int, noisy: int, test: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which slices are for testing and which are clean; the others are noisy.

    Test slices are spread evenly; among the others, blocks alternate clean, noisy, clean …, and the share of
    clean slices is ``clean / (clean + noisy)``.

    Returns:
        is_test and is_clean, bool ``[n_slices]``.
    """
    total = clean + noisy + test
    n_test = max(1, round(n_slices * test / total))
    is_test = np.zeros(n_slices, dtype=bool)
    is_test[((np.arange(n_test) + 0.5) * n_slices / n_test).astype(int)] = True
    rest = np.flatnonzero(~is_test)
    scaled_block = max(1, round(block * n_slices / total))
    n_blocks = max(1, round(len(rest) / (2 * scaled_block)))
    phase = (np.arange(len(rest)) * n_blocks / max(len(rest), 1)) % 1.0
    is_clean = np.zeros(n_slices, dtype=bool)
    is_clean[rest[phase < clean / (clean + noisy) - 1e-9]] = True
    return is_test, is_clean


# ── Pairing and checks ──


def _entry_slices(entry: RoleEntry, found: dict[str, DatasetSeries]) -> tuple[RoleSlice, ...]:
    series = found[entry.series]
    chosen = parse_slices(entry.slices)
    indices = np.arange(len(series if chosen == slice(None) else _whole(series)))[chosen]
    if entry.reference is None:
        return tuple(RoleSlice(series, int(k)) for k in indices)
    return _paired([series], found[entry.reference], indices)


def _whole(series: DatasetSeries) -> DatasetSeries:
    """Refuse a series with missing slices where a split counts them, as later slices would change their role.

    Raises:
        DataError: Some were left out.
    """
    if series.refused:
        got = f"{len(series.refused)} left out ({series.refused[0].path.name}: {series.refused[0].reason})"
        requirement = "must be whole where slices are counted"
        raise DataError(explain(f"series {series.name}", requirement, got, "replace the files that were refused"))
    return series


def _paired(
    series_list: Sequence[DatasetSeries], reference: DatasetSeries, indices: np.ndarray
) -> tuple[RoleSlice, ...]:
    """Slices with their references; ``indices`` count the slices of each series.

    A slice whose counterpart was left out is left out itself.
    """
    pairs = ((series, int(k), _nearest(series, int(k), reference)) for series in series_list for k in indices)
    return tuple(RoleSlice(series, k, reference, nearest) for series, k, nearest in pairs if nearest is not None)


def _nearest(series: DatasetSeries, index: int, reference: DatasetSeries) -> int | None:
    """Find the reference slice at the same position: by millimetres, never by file name or number."""
    distances = np.abs(np.asarray(reference.positions_mm) - series.positions_mm[index])
    nearest = int(distances.argmin())
    is_same_size = reference.size_px == series.size_px
    if distances[nearest] > PAIRING_TOLERANCE_MM and is_same_size and reference.refused:
        return None
    if distances[nearest] > PAIRING_TOLERANCE_MM or not is_same_size:
        raise DataError(
            explain(
                f"series {series.name}, slice {index}",
                f"its reference in {reference.name} must lie within {PAIRING_TOLERANCE_MM} mm and be "
                f"{series.size_px[0]}x{series.size_px[1]}",
                f"{distances[nearest]:.2f} mm away, {reference.size_px[0]}x{reference.size_px[1]}",
                "check that both show the same scan",
            )
        )
    return nearest


def _counted(low_dose: Sequence[DatasetSeries], full: DatasetSeries, indices: np.ndarray) -> tuple[RoleSlice, ...]:
    """Slices of low-dose series, by their indices in the full one."""
    whole = [series for series in low_dose if not series.refused]
    gapped = [series for series in low_dose if series.refused]
    return _paired(whole, full, indices) + tuple(
        RoleSlice(series, index, full, int(k))
        for series in gapped
        for k in indices
        if (index := _nearest(full, int(k), series)) is not None
    )


def _same_length(full: DatasetSeries, low_dose: Sequence[DatasetSeries]) -> None:
    for series in low_dose:
        if len(series) != len(full) and not (series.refused and len(series) < len(full)):
            raise DataError(
                explain(
                    f"series {series.name}",
                    f"must have as many slices as {full.name} ({len(full)})",
                    len(series),
                    "complete it, or leave its dose out with data.doses",
                )
            )


def _refuse_shared_patients(manifest: Manifest, roles: Roles) -> None:
    shared = _shared_patients((*roles.clean, *roles.noisy), roles.test)
    if shared and not manifest.shared_patient:
        raise ConfigError(
            explain(
                f"manifest {manifest.name}",
                "training and test slices must come from different patients",
                f"{len(shared)} shared",
                "split by patient, or say why not in shared_patient",
            )
        )


def _shared_patients(trained: Iterable[RoleSlice], tested: Iterable[RoleSlice]) -> set[str]:
    """Return the patients of both sides; a series without PatientID may be of any patient of its study."""
    trained_on, tested_on = (
        {(role.series.patient_key, role.series.study_key) for role in roles} for roles in (trained, tested)
    )
    of_training, of_test = ({patient for patient, _ in keys} for keys in (trained_on, tested_on))
    studies, test_studies = ({study for _, study in keys} for keys in (trained_on, tested_on))
    return (of_training & of_test) | (of_training & test_studies) | (studies & of_test)


def _is_kept(
    manifest: Manifest,
    name: str,
    split: SeriesSplit | ProportionsSplit | EveryNthSplit,
    doses: Sequence[float],
) -> bool:
    if isinstance(split, SeriesSplit):
        plain = {e.series for e in split.clean} | {e.reference for e in (*split.noisy, *split.validation, *split.test)}
        if name in plain:
            return True
    elif name == split.full_dose:
        return True
    dose = manifest.series[name].dose
    return dose is None or any(abs(dose - wanted) < 1e-9 for wanted in doses)
