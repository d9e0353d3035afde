"""How often does the check without reference decide as the truth would? On phantom series that no training saw.

    python -m benchmarks.fit_check --base RUN_DIR --model NAME=RUN_DIR... --out benchmarks/results

Every series is one kernel at one dose of a patient of seeds from 1,000,050 on: six slices, calibrated as
``n2b-ct fit`` does it, two of which judge, in a square around the middle of the body. Each model, and the base with
less and with more removed, is compared with the base by :func:`n2b_ct.fitting.check.choose` alone and by the truth.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from benchmarks.arrival.phantoms import FIRST_SEED, SIZE_PX, THICKNESS_MM, Subject, scanned, sources_digest
from n2b_ct.errors import DataError
from n2b_ct.fitting.check import Choice, Denoise, Judged, choose
from n2b_ct.fitting.own_noise import calibrated, own_noise
from n2b_ct.fitting.sampled_slices import SampledSlices
from n2b_ct.inference.model import Model, load_model
from n2b_ct.inference.slices import denoise_hu
from n2b_ct.phantom.patients import draw_patient

N_SLICES = 6
PART_PX = 192
PATIENTS = {
    ("abdomen", "adult", 0.78): (("smooth", 0.25), ("medium", 0.5), ("sharp", 0.1), ("edge-enhancing", 0.25)),
    ("thorax", "adult", 0.72): (("smooth", 0.1), ("medium", 0.25), ("sharp", 0.5), ("edge-enhancing", 0.1)),
    ("pelvis", "child", 0.55): (("smooth", 0.5), ("medium", 0.1), ("sharp", 0.25), ("edge-enhancing", 0.5)),
}
"""Region, age group and pixel size, mm; kernel and dose of its four series."""
KEPT = Path("runs/fit_check")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[], help="NAME=RUN_DIR; repeat for several")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    base = load_model(arguments.base)
    models = {name: load_model(Path(path)) for name, _, path in (one.partition("=") for one in arguments.model)}
    rows = [row for case in cases() for row in rows_of(case, base, models)]
    (arguments.out / "fit_check.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (arguments.out / "fit_check.md").write_text(table(rows), encoding="utf-8")
    print(table(rows))


def cases() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Make the series, or read those that the same code made before."""
    for number, ((region, age_group, pixel_mm), views) in enumerate(PATIENTS.items()):
        names = [f"{region} {age_group}, {kernel}, dose {dose:g}" for kernel, dose in views]
        paths = [KEPT / f"{sources_digest()}-{name}.npz" for name in names]
        if not all(path.is_file() for path in paths):
            _make(FIRST_SEED + 50 + number, region, age_group, pixel_mm, views, paths)
        for name, path in zip(names, paths, strict=True):
            with np.load(path) as stored:
                yield name, {**stored, "pixel_mm": np.array(pixel_mm)}


def _make(seed: int, region: str, age_group: str, pixel_mm: float, views: Any, paths: list[Path]) -> None:
    patient = draw_patient(seed, region, age_group)
    first, last = patient.z_range_mm
    scans = []
    for k in range(N_SLICES):
        z_mm = first + (last - first) * (0.1 + 0.8 * (k + 0.5) / N_SLICES)
        draw = partial(patient.slice_hu, z_mm, size_px=SIZE_PX, pixel_mm=pixel_mm, thickness_mm=THICKNESS_MM)
        scans.append(list(scanned(Subject(region, 100 * seed + k, pixel_mm, draw), views)))
    KEPT.mkdir(parents=True, exist_ok=True)
    for path, of_series in zip(paths, zip(*scans, strict=True), strict=True):
        noisy = np.stack([np.rint(one.noisy_hu) for one in of_series]).astype(np.int16)
        truth = np.stack([one.truth_hu for one in of_series]).astype(np.float32)
        np.savez_compressed(path, noisy=noisy, truth=truth, body=np.stack([one.is_body for one in of_series]))


def rows_of(
    case: tuple[str, dict[str, np.ndarray]], base: Model, models: Mapping[str, Model]
) -> Iterator[dict[str, Any]]:
    """Compare every candidate with the base on one series."""
    name, stored = case
    noisy = [one.astype(np.float32) for one in stored["noisy"]]
    paddings = [np.zeros(one.shape, bool) for one in noisy]
    slices = SampledSlices(noisy, paddings, [None] * len(noisy), float(stored["pixel_mm"]), THICKNESS_MM)
    try:
        calibration = calibrated(slices)
    except DataError as error:
        yield {"case": name, "refused": str(error)}
        return
    parts = [_part(one) for one in stored["body"][1::3]]
    noises = own_noise(slices.judged, calibration, 2, seed=1).shown
    judged = [
        Judged(hu[part], noise[:, *part], padding[part])
        for hu, noise, padding, part in zip(slices.judged.hu, noises, slices.judged.is_padding, parts, strict=True)
    ]
    truths = [
        (truth[part], body[part])
        for truth, body, part in zip(stored["truth"][1::3], stored["body"][1::3], parts, strict=True)
    ]
    noise_hu = np.sqrt(_error([one.hu for one in judged], truths))
    kept = _kept(partial(denoise_hu, base, strength=1.0))
    for candidate, denoise in _candidates(base, models).items():
        choice = choose({"base": kept, candidate: denoise}, judged, base.window)
        errors = [_error([one(each.hu) for each in judged], truths) for one in (kept, denoise)]
        yield _row(name, candidate, choice, errors, float(noise_hu), calibration.misfit)
        print(name, candidate, choice.name, np.round(np.sqrt(errors), 2), flush=True)


def _kept(denoise: Denoise) -> Denoise:
    """Remember results: the base is asked for the same images again and again."""
    known: dict[int, np.ndarray] = {}

    def remembered(hu: np.ndarray) -> np.ndarray:
        key = hash(hu.tobytes())
        if key not in known:
            known[key] = denoise(hu)
        return known[key]

    return remembered


def _candidates(base: Model, models: Mapping[str, Model]) -> dict[str, Denoise]:
    found: dict[str, Denoise] = {
        "base at strength 0.85": partial(denoise_hu, base, strength=0.85),
        "base, then smoothed": _smoothed(partial(denoise_hu, base, strength=1.0)),
    }
    return found | {name: partial(denoise_hu, model, strength=1.0) for name, model in models.items()}


def _smoothed(denoise: Denoise) -> Callable[[np.ndarray], np.ndarray]:
    return lambda hu: np.asarray(gaussian_filter(denoise(hu), 0.7))


def _part(is_body: np.ndarray) -> tuple[slice, slice]:
    row, col = np.argwhere(is_body).mean(axis=0)
    corner = [int(np.clip(at - PART_PX / 2, 0, SIZE_PX - PART_PX)) for at in (row, col)]
    return slice(corner[0], corner[0] + PART_PX), slice(corner[1], corner[1] + PART_PX)


def _error(images: list[np.ndarray], truths: list[tuple[np.ndarray, np.ndarray]]) -> float:
    return float(
        np.mean([np.mean((one - truth)[body] ** 2) for one, (truth, body) in zip(images, truths, strict=True)])
    )


def _row(
    name: str, candidate: str, choice: Choice, errors: list[float], noise_hu: float, misfit: float
) -> dict[str, Any]:
    verdict = choice.verdicts[1]
    return {
        "case": name,
        "candidate": candidate,
        "noise_hu": round(noise_hu, 2),
        "calibrated_noise_hu": round(choice.noise_hu, 2),
        "misfit": round(misfit, 3),
        "base_rmse_hu": round(errors[0] ** 0.5, 3),
        "candidate_rmse_hu": round(errors[1] ** 0.5, 3),
        "gain_hu2": round(errors[0] - errors[1], 2),
        "estimated_gain_hu2": round(verdict.gain_hu2, 2),
        "standard_error_hu2": round(verdict.gain_error_hu2, 2),
        "is_better": errors[1] < errors[0],
        "is_chosen": choice.name != "base",
        "objection": verdict.objection,
        "verdict": verdict.plain,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Show every decision beside the truth, and count them."""
    made = [row for row in rows if "candidate" in row]
    counts = {
        (better, chosen): sum(row["is_better"] == better and row["is_chosen"] == chosen for row in made)
        for better in (True, False)
        for chosen in (True, False)
    }
    sure = [row for row in made if abs(row["estimated_gain_hu2"]) > 2.0 * row["standard_error_hu2"]]
    same = [sum((row["gain_hu2"] > 0) == (row["estimated_gain_hu2"] > 0) for row in some) for some in (made, sure)]
    lines = [
        "| candidate is | chosen | kept the base |",
        "|---|---|---|",
        f"| better by the truth | {counts[True, True]} | {counts[True, False]} |",
        f"| worse by the truth | {counts[False, True]} | {counts[False, False]} |",
        "",
        f"The estimated gain has the sign of the true one in {same[0]} of {len(made)} comparisons, and in {same[1]} of "
        f"the {len(sure)} where it is beyond two standard errors.",
        "",
        "| series | σ, HU (calibrated) | candidate | RMSE, HU: base, candidate | gain, HU² (estimated ± error) "
        "| decision | right |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_line(row) for row in made]
    lines += [f"| {row['case']} | – | – | – | – | {row['refused']} | – |" for row in rows if "refused" in row]
    return "\n".join(lines) + "\n"


def _line(row: Mapping[str, Any]) -> str:
    decision = "candidate" if row["is_chosen"] else f"base: {row['objection']}"
    cells = [
        row["case"],
        f"{row['noise_hu']:.1f} ({row['calibrated_noise_hu']:.1f})",
        row["candidate"],
        f"{row['base_rmse_hu']:.2f}, {row['candidate_rmse_hu']:.2f}",
        f"{row['gain_hu2']:.1f} ({row['estimated_gain_hu2']:.1f} ± {row['standard_error_hu2']:.1f})",
        decision,
        "yes" if row["is_chosen"] == row["is_better"] else "no",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
