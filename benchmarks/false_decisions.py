"""How often a report calls two equal methods different, and how often it sees a true difference.

    python -m benchmarks.false_decisions
    python -m benchmarks.false_decisions --runs 100      in small, to see that it works: writes no results

Fifty slices a patient, the differences of neighbouring slices correlated by 0.9, and a difference of each patient's own
of half a slice's deviation, which is 0 in the mean of all patients. Decided by the rule of the reports, once for a
single comparison and once for any of five, of five methods with independent differences (Holm). Results:
``benchmarks/results/false_decisions.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.results_files import write_results
from n2b_ct.evaluation.intervals import PairedComparison, compare_paired, holm
from n2b_ct.evaluation.uncertainty import LEVEL

COMMAND = "python -m benchmarks.false_decisions"
N_RUNS, N_SLICES, CORRELATION, PATIENT_SD, N_METHODS, SEED = 800, 50, 0.9, 0.5, 5, 0
PATIENTS = (1, 3, 6, 10)
EFFECT_SD = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=N_RUNS)
    n_runs = parser.parse_args().runs
    rows = [_row(n, n_runs) for n in PATIENTS]
    document = {"command": COMMAND, "n_runs": n_runs, "n_slices": N_SLICES, "correlation": CORRELATION, "rows": rows}
    if n_runs == N_RUNS:
        write_results("false_decisions", document, _table(document))
    else:
        print(_table(document))


def _row(n_patients: int, n_runs: int) -> dict[str, Any]:
    rng = np.random.default_rng([SEED, n_patients])
    patients = [int(p) for p in np.repeat(np.arange(n_patients), N_SLICES)]
    one = any_of_five = by_slices = seen = 0
    for _ in range(n_runs):
        drawn = [_differences(rng, n_patients) for _ in range(N_METHODS)]
        found = [compare_paired(list(own), [0.0] * own.size, patients) for own in drawn]
        one += _is_decided(found[0], found[0].p_student)
        any_of_five += any(_decided(found))
        by_slices += not _holds_zero(compare_paired(list(drawn[0]), [0.0] * drawn[0].size))
        shifted = compare_paired(list(drawn[0] + EFFECT_SD), [0.0] * drawn[0].size, patients)
        seen += _is_decided(shifted, shifted.p_student)
    shares = {"one": one, "any_of_five": any_of_five, "by_slices": by_slices, "seen": seen}
    return {"n_patients": n_patients, **{name: count / n_runs for name, count in shares.items()}}


def _differences(rng: np.random.Generator, n_patients: int) -> np.ndarray:
    """Method minus method in every slice, in units of a slice's deviation."""
    own = rng.normal(size=(n_patients, N_SLICES))
    for k in range(1, N_SLICES):
        own[:, k] = CORRELATION * own[:, k - 1] + np.sqrt(1.0 - CORRELATION**2) * own[:, k]
    return np.asarray((own + rng.normal(0.0, PATIENT_SD, (n_patients, 1))).ravel())


def _decided(found: Sequence[PairedComparison]) -> list[bool]:
    known = [one.p_student for one in found if one.p_student is not None]
    if len(known) < len(found):
        return [False]
    return [_is_decided(one, p) for one, p in zip(found, holm(known), strict=True)]


def _is_decided(comparison: PairedComparison, p_holm: float | None) -> bool:
    return p_holm is not None and p_holm <= LEVEL and not _holds_zero(comparison)


def _holds_zero(comparison: PairedComparison) -> bool:
    low, high = comparison.difference.low, comparison.difference.high
    return low is None or high is None or low <= 0.0 <= high


def _table(document: dict[str, Any]) -> str:
    lines = [
        f"`{document['command']}`: {document['n_runs']} runs of {N_SLICES} slices a patient, neighbours correlated by "
        f"{CORRELATION}.",
        "",
        "| patients | equal methods: decided | any of five decided (Holm) | if slices stood for patients | "
        f"true difference of {EFFECT_SD} s.d.: decided |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in document["rows"]:
        cells = (f"{100 * row[name]:.1f} %" for name in ("one", "any_of_five", "by_slices", "seen"))
        lines.append(f"| {row['n_patients']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
