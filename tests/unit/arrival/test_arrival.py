"""The table of denoising on arrival: its phantoms, its scores, and what counts as met."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.arrival import discs
from benchmarks.arrival.phantoms import FIRST_SEED, FULL_DOSE_NOISE_HU, PhantomCase, Subject, scanned, subjects
from benchmarks.arrival.store import Store
from benchmarks.arrival.truth_scores import Grid, baseline_rows, input_rows, truth_score
from benchmarks.arrival.verdicts import verdicts

SIZE_PX = 128


def disc_hu() -> np.ndarray:
    """A body of water with a lung and a bone."""
    rows, cols = np.mgrid[:SIZE_PX, :SIZE_PX] - (SIZE_PX - 1) / 2
    hu = np.where(np.hypot(rows, cols) < 56, 40.0, -1000.0)
    hu[np.hypot(rows, cols - 20) < 18] = -850.0
    hu[np.hypot(rows, cols + 25) < 8] = 700.0
    return hu.astype(np.float32)


SUBJECT = Subject("thorax", FIRST_SEED, 1.5, disc_hu)


def cases(*views: tuple[str, float], size_px: int | None = None) -> list[PhantomCase]:
    return list(scanned(SUBJECT, views, size_px))


def noise_hu(case: PhantomCase) -> float:
    is_soft = case.is_body & (np.abs(case.truth_hu - 40.0) < 5.0)
    return float((case.noisy_hu - case.truth_hu)[is_soft].std())


def test_noise_has_the_full_doses_level_and_grows_as_the_dose_falls():
    full, quarter = cases(("smooth", 1.0), ("smooth", 0.25))
    low, high = FULL_DOSE_NOISE_HU
    assert 0.7 * low < noise_hu(full) < 1.4 * high
    assert 1.9 < noise_hu(quarter) / noise_hu(full) < 2.6


def test_sharper_kernels_show_more_noise_and_sharper_edges():
    smooth, medium, sharp = cases(("smooth", 0.5), ("medium", 0.5), ("sharp", 0.5))
    assert noise_hu(smooth) < noise_hu(medium) < noise_hu(sharp)
    steepest = [np.abs(np.diff(case.truth_hu, axis=0)).max() for case in (smooth, medium, sharp)]
    assert steepest == sorted(steepest)


def test_equal_seeds_give_equal_scans_and_the_lung_is_part_of_the_body():
    one, other = cases(("sharp", 0.1))[0], cases(("sharp", 0.1))[0]
    assert one.digest == other.digest
    assert one.is_body[SIZE_PX // 2, SIZE_PX // 2 + 20]
    assert not one.is_body[2, 2]


def test_a_part_of_a_scan_holds_the_patient():
    (part,) = cases(("smooth", 0.5), size_px=64)
    assert part.noisy_hu.shape == (64, 64)
    assert part.is_body.mean() > 0.5


def test_seeds_lie_beyond_those_of_trainings():
    assert {one.seed for one in subjects(1)} == {FIRST_SEED}
    assert FIRST_SEED >= 1_000_000


def test_the_error_is_the_noise_where_nothing_is_removed_and_0_where_all_is():
    (case,) = cases(("medium", 0.25))
    unchanged, perfect = truth_score(case, case.noisy_hu), truth_score(case, case.truth_hu)
    assert unchanged["rmse_per_sigma"] == 1.0
    assert unchanged["rmse_hu"] == pytest.approx(unchanged["sigma_hu"])
    assert perfect["rmse_hu"] == 0.0
    assert perfect["psnr_db"] is None
    assert unchanged["psnr_lung_db"] > 0.0


def test_a_baseline_is_taken_at_its_best_strength_and_never_measured_twice(tmp_path: Path, monkeypatch):
    found = cases(("smooth", 0.1))
    grid = Grid("tv", (0.1, 0.6, 5.0))
    (row,) = baseline_rows(found, (grid,), tmp_path / "kept.json")
    errors = [
        truth_score(found[0], grid.denoise(strength, row["sigma_hu"], found[0].noisy_hu))["rmse_hu"]
        for strength in grid.strengths
    ]
    assert row["strength"] == grid.strengths[int(np.argmin(errors))] == 0.6
    monkeypatch.setattr(Grid, "denoise", None)
    assert list(baseline_rows(found, (grid,), tmp_path / "kept.json")) == [row]


def test_rows_say_of_which_slice_they_are():
    (row,) = input_rows(cases(("sharp", 0.5)))
    assert {key: row[key] for key in ("region", "seed", "kernel", "dose", "method")} == {
        "region": "thorax",
        "seed": FIRST_SEED,
        "kernel": "sharp",
        "dose": 0.5,
        "method": "input",
    }


def test_looks_at_patients_are_counted_and_results_kept(tmp_path: Path):
    store = Store.read(tmp_path)
    store.look("RIDER", {"base": "0123456789abcdef"})
    store.once("RIDER, nlm", lambda: {"noise": 5.0})
    store.write()
    (tmp_path / "arrival.json").write_text(json.dumps(store.document()), encoding="utf-8")
    again = Store.read(tmp_path)
    assert again.n_looks("RIDER") == 1
    assert again.looks[0]["models"] == {"base": "0123456789ab"}
    assert again.once("RIDER, nlm", lambda: {"noise": 0.0}) == {"noise": 5.0}


def judged(rows: dict, name: str = "base") -> dict[str, bool]:
    return {one.what: one.is_met for one in verdicts(rows, (name,))}


def test_the_first_row_has_limits_of_its_own_and_the_others_those_of_nlm():
    nlm = {"psnr_db": 30.0, "ssim": 0.85, "truth_hu": 20.0, "truth_nominal_hu": 9.0}
    own = {"psnr_db": 31.0, "ssim": 0.893, "truth_hu": 99.0, "truth_nominal_hu": 12.55}
    first = judged({"L192 B30": {"nlm": nlm, "base": own}})
    assert first == {"base, PSNR": False, "base, SSIM": True, "base, error against the truth, nominal": True}
    other = judged({"L143 D45": {"nlm": nlm, "base": own | {"truth_hu": 16.2}}})
    assert other == {"base, PSNR": True, "base, SSIM": True, "base, error against the truth": False}


def test_a_fitted_model_is_held_against_the_base():
    base = {"psnr_db": 31.0, "ssim": 0.893, "truth_hu": 12.0}
    rows = {"L143 D45": {"nlm": base, "base": base, "fitted": base | {"psnr_db": 30.9}}}
    assert judged(rows, "fitted") == {
        "fitted, PSNR": False,
        "fitted, SSIM": True,
        "fitted, error against the truth": True,
    }


def test_detectability_is_met_unless_it_is_decidedly_lower_on_the_same_scans():
    before = {"all": 2.0, "without_scan": [1.9, 2.0, 2.1, 2.0]}
    alike = {"all": 1.98, "without_scan": [1.89, 1.97, 2.09, 1.97]}
    lower = {"all": 1.5, "without_scan": [1.4, 1.5, 1.6, 1.5]}

    def row(d_prime: dict) -> dict:
        return {"contrast_kept": {"3 HU": 0.9}, "d_prime": {"3 HU": d_prime}}

    for d_prime, is_met in ((alike, True), (lower, False)):
        methods = {"input": row(before), "base": row(d_prime), "nlm as quiet as base": row(lower)}
        assert judged({"FDA low contrast, dose 10": methods})["base, d′ of 3 HU minus the input's"] is is_met


def test_a_filter_that_does_nothing_keeps_all_contrast_and_one_that_halves_keeps_half(monkeypatch):
    monkeypatch.setattr(discs, "_d_prime", lambda *_: 1.0)
    rng = np.random.default_rng(0)
    scans = [rng.normal(0.0, 10.0, (256, 256)).astype(np.float32) for _ in range(10)]
    kept = [discs._scores(scans, denoise)["contrast_kept"] for denoise in (lambda hu: hu, lambda hu: 0.5 * hu)]
    assert all(share == pytest.approx(1.0, abs=0.05) for share in kept[0].values())
    assert all(share == pytest.approx(0.5, abs=0.025) for share in kept[1].values())


def test_phantoms_are_met_where_every_cell_is_above_every_baseline():
    cells = {"head, 5 %": {"psnr_db": 30.0}, "head, 10 %": {"psnr_db": 32.0}}
    rivals = {"head, 5 %": {"psnr_db": 29.0}, "head, 10 %": {"psnr_db": 32.0}}
    (missed,) = verdicts({"phantoms": {"base": cells, "nlm": rivals}}, ("base",))[:1]
    assert (missed.asked, missed.measured, missed.is_met) == ("2", "1", False)


def test_a_scanner_is_judged_by_noise_shift_and_anatomy():
    own = {
        "noise_ratio": 0.4,
        "shift_hu": {"fat": 0.2, "lung": -1.2},
        "edges_warn": 2,
        "n_tested": 12,
        "low_contrast_deviation_sds": 3.0,
    }
    assert list(judged({"RIDER": {"base": own}}).values()) == [True, False, False, True]
