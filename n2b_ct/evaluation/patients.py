"""Which patient each series is of: intervals and tests stand on patients, as slices and series of one are alike.

A patient is known by a digest of PatientID, by the manifest's word, or by a folder of its own where the user says so;
a report holds numbers only. Series of which nothing is known count as one patient, since they may all be one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from n2b_ct.evaluation.cases import CaseSource
from n2b_ct.evaluation.intervals import MIN_PATIENTS
from n2b_ct.evaluation.table import Row

UNKNOWN = ""
Patients = Mapping[str, str]
"""Name of a series to its patient, :data:`UNKNOWN` where nothing tells."""


def number_patients(sources: Sequence[CaseSource]) -> dict[str, str]:
    """Name the patient of each series ``patient 1``, ``patient 2``, … in order of appearance."""
    numbers: dict[str, int] = {}
    found: dict[str, str] = {}
    for source in sources:
        number = numbers.setdefault(source.patient_key, len(numbers) + 1) if source.patient_key else 0
        found[source.series] = f"patient {number}" if number else UNKNOWN
    return found


def patients_of(series: Iterable[str], patients: Patients) -> list[str]:
    """Return the patient of each series, as :func:`~n2b_ct.evaluation.intervals.mean_interval` takes them."""
    return [patients.get(name, UNKNOWN) for name in series]


def n_patients(rows: Iterable[Row], patients: Patients) -> int:
    """Count the patients of rows; series of which nothing is known count as one."""
    return len(set(patients_of((row.series for row in rows), patients)))


def unknown_patients_line(series: Iterable[str], patients: Patients) -> str:
    """Say which series name no patient, and how to tell; empty where all do, or where there is but one series."""
    every = list(dict.fromkeys(series))
    n_unknown = patients_of(every, patients).count(UNKNOWN)
    if not n_unknown or len(every) == 1:
        return ""
    return (
        f"{n_unknown} of {len(every)} series name no patient (no PatientID, or a volume), so they count as one: say "
        "whose they are with patient in the manifest, or sort folders by patient and pass patient_folders=True."
    )


def few_patients_line(n: int) -> str:
    """Say that nothing is decided where there are too few patients; empty where there are enough."""
    if n >= MIN_PATIENTS:
        return ""
    return (
        f"Tests between methods need {MIN_PATIENTS} patients or more, and there {'is' if n == 1 else 'are'} {n}: "
        "they are left out, and no difference is called decided."
    )
