"""Patterns over all series of a folder: traces of anonymisers in UIDs and PatientIDs.

Each series alone looks valid. Together they show that slices of one series were separated, or that patients cannot be
distinguished; both matter for splits that must not share a patient.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from n2b_ct.io.dicom.reading.slice_geometry import n_locations, orientation_labels, spacing_labels
from n2b_ct.io.dicom.reading.slice_header import SETTINGS, digest_key
from n2b_ct.io.series import SeriesRef

N_TORN_MIN = 3
"""From this many single-slice series that align like one series, it is no coincidence."""

_PLACEHOLDERS = (
    "anonymous",
    "anonymized",
    "anonymised",
    "anon",
    "unknown",
    "none",
    "dummy",
    "test",
    "patient",
    "0",
    "id",
)
_OF_ONE_PERSON = ("PatientBirthDate", "PatientSex")
_OF_ONE_STUDY = ("StudyDate", "Manufacturer", "ManufacturerModelName", *_OF_ONE_PERSON)

Series = Sequence[SeriesRef]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Something that many series of a folder have in common.

    Attributes:
        code: A code of :data:`n2b_ct.io.dicom.reasons.PATTERNS`, which holds its meaning and what to do.
        series: The series that show it, in the order of the folder.
    """

    code: str
    series: tuple[SeriesRef, ...]


def find_patterns(series: Series) -> tuple[Pattern, ...]:
    """Look for all patterns among the series of a folder."""
    found = {
        "series_uid_per_file": _torn(series),
        "uid_shared_by_patients": _with_problem(series, "uid_shared_by_patients"),
        "sop_uid_repeated": _with_problem(series, "sop_uid_repeated"),
        "study_uid_shared": _studies_of_several(series),
        "patient_id_missing": _with_problem(series, "patient_id_missing"),
        "patient_id_shared": _patients_of_several(series),
    }
    return tuple(Pattern(code, tuple(showing)) for code, showing in found.items() if showing)


def _with_problem(series: Series, code: str) -> list[SeriesRef]:
    return [one for one in series if code in one.problems]


def _grouped(series: Iterable[SeriesRef], key: Callable[[SeriesRef], Hashable]) -> list[list[SeriesRef]]:
    groups: dict[Hashable, list[SeriesRef]] = defaultdict(list)
    for one in series:
        groups[key(one)].append(one)
    return list(groups.values())


def _chosen(series: Series, groups: Iterable[Iterable[SeriesRef]]) -> list[SeriesRef]:
    """The series of some groups, in the order of the folder."""
    wanted = {id(one) for group in groups for one in group}
    return [one for one in series if id(one) in wanted]


# ── A UID for every file ──


def _torn(series: Series) -> list[SeriesRef]:
    """Single-slice series that share all attributes of one series, at different positions.

    They share their study; or, where every file has a study of its own too, patient and folder.
    """
    single = [one for one in series if len(one) == 1]
    of_study = _grouped(single, lambda one: (one.study_instance_uid, *_look(one)))
    of_folder = _grouped(single, lambda one: (_known_patient(one), one.directory.parent, *_look(one)))
    return _chosen(series, (run for group in (*of_study, *of_folder) for run in _runs(group)))


def _look(one: SeriesRef) -> tuple[Hashable, ...]:
    return one.rows, one.cols, one.description, *(one.marks.get(keyword, "") for keyword in SETTINGS)


def _runs(group: Series) -> list[list[SeriesRef]]:
    if len(group) < N_TORN_MIN:
        return []
    labels = zip(
        orientation_labels([one.orientation for one in group]),
        spacing_labels([one.pixel_spacing_mm for one in group]),
        strict=True,
    )
    label_of = dict(zip(map(id, group), labels, strict=True))
    alike = _grouped(group, lambda one: label_of[id(one)])
    return [run for run in alike if n_locations([one.instances[0].position_mm for one in run]) >= N_TORN_MIN]


def _known_patient(one: SeriesRef) -> str:
    return "" if "patient_id_missing" in one.problems else one.patient_key


# ── Studies and patients of several ──


def _studies_of_several(series: Series) -> list[SeriesRef]:
    """Studies that are several by their patients, their dates or their scanners."""
    studies = _grouped(series, lambda one: one.study_instance_uid)
    return _chosen(
        series, (study for study in studies if _n_known_patients(study) > 1 or _differ(study, _OF_ONE_STUDY))
    )


def _patients_of_several(series: Series) -> list[SeriesRef]:
    """PatientIDs of several studies that are placeholders, have two birth dates or sexes, or are the only one."""
    known = [one for one in series if _known_patient(one)]
    patients = _grouped(known, lambda one: one.patient_key)
    return _chosen(series, (studies for studies in patients if _is_doubtful(studies, is_only=len(patients) == 1)))


def _is_doubtful(patient: Series, *, is_only: bool) -> bool:
    if len({one.study_instance_uid for one in patient}) < 2:
        return False
    return is_only or patient[0].patient_key in _PLACEHOLDER_KEYS or _differ(patient, _OF_ONE_PERSON)


def _n_known_patients(study: Series) -> int:
    return len({_known_patient(one) for one in study} - {""})


def _differ(series: Series, keywords: Iterable[str]) -> bool:
    return any(len({one.marks.get(keyword, "") for one in series} - {""}) > 1 for keyword in keywords)


_PLACEHOLDER_KEYS = frozenset(
    digest_key(digest_key(written), "") for word in _PLACEHOLDERS for written in (word, word.upper(), word.capitalize())
)
