"""Every slice through every measure: read one after the other, measured by several threads at once.

NumPy, SciPy and scikit-image release the interpreter while they compute, so threads are enough: two of them measure
twice as fast as one, and models need not be copied.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from n2b_ct.errors import DataError, explain
from n2b_ct.evaluation.cases import INPUT, CaseSource, Fault, SliceCase, fault_lines, shown_slices, usable_case
from n2b_ct.evaluation.inserts import (
    N_SLICES_WITH_INSERTS,
    Denoiser,
    Insert,
    InsertPlan,
    insert_disks,
    n_rounds,
    plan_inserts,
)
from n2b_ct.evaluation.lesion_contrast import LesionMeasure, measure_lesions
from n2b_ct.evaluation.low_contrast.finished import FinishedSlice, measure_finished
from n2b_ct.evaluation.low_contrast.lesions import LesionInsert, insert_lesions, lesion_rounds
from n2b_ct.evaluation.measures import Measure, known_measures, measure_slice
from n2b_ct.evaluation.patients import Patients, number_patients
from n2b_ct.evaluation.report.slice_images import Panel
from n2b_ct.evaluation.slice_noise import SliceNoise, measure_noise
from n2b_ct.evaluation.table import Row
from n2b_ct.evaluation.truth_error import InsertedNoise, inserted_noise
from n2b_ct.evaluation.z_resolution import SlicePlanes, pooled_planes
from n2b_ct.hu import Window
from n2b_ct.io.progress import Progress

SeriesAtDose = tuple[str, float | None]
N_SLICES_OF_INSERTED_NOISE = 12
Work = Callable[[int, SliceCase, list[Fault]], "Measurements"]


@dataclass(frozen=True, slots=True)
class MeasurementOptions:
    """What is measured, and how.

    Attributes:
        windows: Name to window, the primary one first.
        panels_per_series: Slices of each series that are shown.
        noise_free_reference: The references hold no noise.
        insert_blur_mm: σ of the system's blur, for inserted disks.
        lesion_contrast_hu: Number of a true lesion to the contrast that it adds.
        reference_dose: Dose fraction of the references; None where nobody knows it.
        n_workers: Threads; one per core where None.
    """

    windows: Mapping[str, Window]
    panels_per_series: int = 1
    noise_free_reference: bool = False
    insert_blur_mm: float = 0.0
    lesion_contrast_hu: Mapping[int, float] = field(default_factory=dict)
    reference_dose: float | None = None
    n_workers: int | None = None


@dataclass(frozen=True, slots=True)
class Measurements:
    """All measurements, in the order of the slices.

    Attributes:
        measures: Measures of the rows, by name.
        problems: A line for each measure that could not be used.
        n_other_pixels: Slices without inserted disks, for their pixels differ from the others' of their dose.
        inserted_noises: How the noise of each series and dose was inserted into its reference.
        patients: Name of a series to its patient's number.
    """

    rows: list[Row] = field(default_factory=list)
    noises: list[SliceNoise] = field(default_factory=list)
    inserts: list[Insert] = field(default_factory=list)
    lesions: list[LesionMeasure] = field(default_factory=list)
    lesion_inserts: list[LesionInsert] = field(default_factory=list)
    planes: list[SlicePlanes] = field(default_factory=list)
    finished: list[FinishedSlice] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    plan: InsertPlan | None = None
    measures: Mapping[str, Measure] = field(default_factory=dict)
    problems: Sequence[str] = ()
    n_other_pixels: int = 0
    inserted_noises: Mapping[SeriesAtDose, InsertedNoise] = field(default_factory=dict)
    patients: Patients = field(default_factory=dict)

    def take(self, other: Measurements) -> None:
        """Append the measurements of one slice."""
        for own, new in (
            (self.rows, other.rows),
            (self.noises, other.noises),
            (self.inserts, other.inserts),
            (self.lesions, other.lesions),
            (self.lesion_inserts, other.lesion_inserts),
            (self.planes, other.planes),
            (self.finished, other.finished),
            (self.panels, other.panels),
            (self.faults, other.faults),
        ):
            own.extend(new)  # type: ignore[arg-type]


def measure_sources(
    sources: Sequence[CaseSource],
    denoisers: Mapping[str, Denoiser],
    how: MeasurementOptions,
    progress: Progress | None = None,
    *,
    inserting: bool = True,
) -> Measurements:
    """Read, denoise and measure slices.

    Args:
        sources: The slices.
        denoisers: Method name to a function from HU ``[rows, cols]`` to HU; used by several threads.
        how: What is measured.
        progress: Called with (slices done, all slices, series name or the denoiser at work).
        inserting: Insert disks and lesions and denoise them; needs methods that can be run. Else faint structure is
            looked for in the images as they are.

    Raises:
        DataError: No slice could be measured; one line for each reason.
    """
    plan, turns, n_other = _inserts(sources, how) if inserting and denoisers else (None, {}, 0)
    shown = shown_slices(sources, how.panels_per_series)
    measures, problems = known_measures()
    inserted_noises = _inserted_noises(sources, how)
    measured = Measurements(
        plan=plan,
        measures=measures,
        problems=problems,
        n_other_pixels=n_other,
        inserted_noises=inserted_noises,
        patients=number_patients(sources),
    )
    say, n_done = progress or _silent, 0
    announcing = _announcing(denoisers, lambda name: say(n_done, len(sources), f"by {name}"))

    def work(number: int, case: SliceCase, faults: list[Fault]) -> Measurements:
        place = (case.series, case.slice_index)
        truth_hu = case.reference_hu if how.noise_free_reference else case.truth_hu
        case = replace(case, truth_hu=truth_hu, inserted_noise=inserted_noises.get((case.series, case.dose)))
        found = _measure(case, announcing, measures, how, place in shown, turns.get(number), inserting)
        return replace(found, faults=faults + found.faults)

    for n_done, (source, outcome) in enumerate(_in_threads(sources, work, how.n_workers), start=1):
        measured.take(outcome)
        say(n_done, len(sources), source.series)
    if not measured.rows:
        lines = fault_lines(measured.faults)
        raise DataError("\n".join(lines) or explain("report", "at least one slice is needed", "none", "check the data"))
    return measured


def _announcing(denoisers: Mapping[str, Denoiser], announce: Callable[[str], None]) -> dict[str, Denoiser]:
    """Report each denoiser's name before it runs: some take minutes a slice."""

    def run(name: str, hu: np.ndarray) -> np.ndarray:
        announce(name)
        return denoisers[name](hu)

    return {name: partial(run, name) for name in denoisers}


def _silent(done: int, total: int, what: str) -> None:
    """A progress callback that does nothing."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """What is inserted into one slice, and how often."""

    number: int
    plan: InsertPlan
    disk_rounds: int
    lesion_rounds: int


def _inserts(sources: Sequence[CaseSource], how: MeasurementOptions) -> tuple[InsertPlan | None, dict[int, _Turn], int]:
    """The disks, what each chosen slice gets, and how many slices have another pixel size."""
    known = [source.pixel_mm for source in sources if source.pixel_mm is not None]
    if not known:
        return None, {}, 0
    plan = plan_inserts(max(max(pixel) for pixel in known), how.insert_blur_mm)
    turns: dict[int, _Turn] = {}
    n_other = 0
    for dose in dict.fromkeys(source.dose for source in sources):
        own = [k for k, source in enumerate(sources) if source.dose == dose and source.pixel_mm is not None]
        usual = Counter(sources[k].pixel_mm for k in own).most_common(1)
        alike = [k for k in own if usual and sources[k].pixel_mm == usual[0][0]]
        n_other += len(own) - len(alike)
        chosen = _spread(alike, N_SLICES_WITH_INSERTS)
        rounds = n_rounds(len(chosen)), lesion_rounds(len(chosen))
        turns |= {k: _Turn(k, plan, *rounds) for k in chosen}
    return plan, turns, n_other


def _inserted_noises(sources: Sequence[CaseSource], how: MeasurementOptions) -> dict[SeriesAtDose, InsertedNoise]:
    """Measure how the noise of each series was inserted into its reference, on some of its slices."""
    if how.noise_free_reference:
        return {}
    found = {}
    for series, dose in dict.fromkeys((source.series, source.dose) for source in sources):
        own = [k for k, source in enumerate(sources) if (source.series, source.dose) == (series, dose)]
        pairs = _pairs([sources[k] for k in _spread(own, N_SLICES_OF_INSERTED_NOISE)])
        relative = None if dose is None or how.reference_dose is None else dose / how.reference_dose
        found[series, dose] = inserted_noise(pairs, relative)
    return found


def _pairs(sources: Sequence[CaseSource]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read inputs with their references; what cannot be read or compared is told when it is measured."""
    for source in sources:
        try:
            case, _ = usable_case(source.read()[0])
        except DataError:
            continue
        if case is not None and case.reference_hu is not None and case.anchor == INPUT:
            yield case.input_hu, case.reference_hu


def _spread(numbers: Sequence[int], n: int) -> list[int]:
    """At most ``n`` of them, spread evenly."""
    if len(numbers) <= n:
        return list(numbers)
    return [numbers[int((k + 0.5) * len(numbers) / n)] for k in range(n)]


def _measure(
    case: SliceCase,
    denoisers: Mapping[str, Denoiser],
    measures: Mapping[str, Measure],
    how: MeasurementOptions,
    is_shown: bool,
    turn: _Turn | None,
    inserting: bool,
) -> Measurements:
    """Measure one slice, in one thread."""
    readable, faults = usable_case(case)
    if readable is None:
        return Measurements(faults=faults)
    made = {name: denoise(readable.input_hu) for name, denoise in denoisers.items()}
    sound, more = usable_case(replace(readable, candidates=made))
    if sound is None:
        return Measurements(faults=faults)
    whole = replace(sound, candidates={**readable.candidates, **sound.candidates})
    faults += [fault for fault in more if fault.method in made]
    inserts, lesions = _inserted(whole, denoisers, how, turn) if turn else ([], [])
    return Measurements(
        rows=measure_slice(whole, how.windows, measures),
        noises=measure_noise(whole, how.noise_free_reference),
        inserts=[insert for insert in inserts if _is_finite(insert)],
        lesion_inserts=lesions,
        finished=[] if inserting else [measure_finished(whole, list(readable.candidates))],
        lesions=measure_lesions(whole, how.lesion_contrast_hu),
        planes=pooled_planes(whole),
        panels=[Panel(whole, tuple(whole.candidates))] if is_shown else [],
        faults=faults,
    )


def _inserted(
    case: SliceCase, denoisers: Mapping[str, Denoiser], how: MeasurementOptions, turn: _Turn
) -> tuple[list[Insert], list[LesionInsert]]:
    disks = insert_disks(case, denoisers, turn.plan, turn.disk_rounds, turn.number, how.noise_free_reference)
    return disks, insert_lesions(case, denoisers, turn.lesion_rounds, turn.number, how.insert_blur_mm)


def _is_finite(insert: Insert) -> bool:
    return all(np.isfinite(region).all() for region in insert.present.values())


def _in_threads(
    sources: Sequence[CaseSource], work: Work, n_workers: int | None
) -> Iterator[tuple[CaseSource, Measurements]]:
    """Prefetch no more slices than the threads need, and yield results in the order of the slices."""
    n_threads = n_workers or len(os.sched_getaffinity(0))
    waiting: deque[tuple[CaseSource, Future[Measurements]]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            for number, source in enumerate(sources):
                waiting.append((source, _submitted(pool, work, number, source)))
                if len(waiting) > n_threads:
                    first, future = waiting.popleft()
                    yield first, future.result()
            for source, future in waiting:
                yield source, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _submitted(pool: ThreadPoolExecutor, work: Work, number: int, source: CaseSource) -> Future[Measurements]:
    """Read a slice here and hand it to a thread; what cannot be read becomes a fault."""
    try:
        case, faults = source.read()
    except DataError as error:
        fault = Fault(source.series, source.slice_index, "slice", "must be readable", str(error), "left out")
        return pool.submit(Measurements, faults=[fault])
    return pool.submit(work, number, case, faults)
