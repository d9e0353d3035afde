"""Scores on disk: found again by what they depend on, and by nothing else."""

from __future__ import annotations

import json

import numpy as np
import pytest

from n2b_ct.experiments.results import ImageScore
from n2b_ct.experiments.scoring import SCORES_FILE, ScoreCache, pixels_digest

SCORE = ImageScore("p", 28.5, 0.81, 1.25)


def test_a_kept_score_and_image_are_found_by_the_next_run(tmp_path):
    image = np.arange(6, dtype=np.float32).reshape(2, 3)
    ScoreCache(tmp_path / "row", {"model": "a"}).store("d1", SCORE, image)
    again = ScoreCache(tmp_path / "row", {"model": "a"})
    assert again.score("d1") == SCORE
    np.testing.assert_array_equal(again.image("d1"), image)
    assert again.score("d2") is None
    assert again.image("d2") is None


def test_another_row_of_the_same_name_starts_anew(tmp_path):
    ScoreCache(tmp_path, {"model": "a"}).store("d1", SCORE, np.zeros((2, 2)))
    other = ScoreCache(tmp_path, {"model": "b"})
    assert other.score("d1") is None
    assert other.image("d1") is None
    other.store("d1", ImageScore("p", None, 1.0, 0.5))
    assert ScoreCache(tmp_path, {"model": "b"}).score("d1").psnr_db is None
    assert [path.name for path in tmp_path.iterdir()] == [SCORES_FILE]


def test_a_damaged_file_counts_as_none(tmp_path):
    ScoreCache(tmp_path, {"model": "a"}).store("d1", SCORE)
    (tmp_path / SCORES_FILE).write_text("{not json")
    assert ScoreCache(tmp_path, {"model": "a"}).score("d1") is None


@pytest.mark.parametrize("scores", ['{"d1": {"image": "p"}}', '{"d1": 3}', "[1]"])
def test_scores_of_another_form_count_as_none(tmp_path, scores):
    ScoreCache(tmp_path, {"model": "a"}).store("d1", SCORE)
    row = json.loads((tmp_path / SCORES_FILE).read_text())["row"]
    (tmp_path / SCORES_FILE).write_text(f'{{"row": "{row}", "scores": {scores}}}')
    assert ScoreCache(tmp_path, {"model": "a"}).score("d1") is None


@pytest.mark.parametrize("keep", [0, 3, 100])
def test_a_damaged_image_counts_as_none(tmp_path, keep):
    cache = ScoreCache(tmp_path, {"model": "a"})
    cache.store("d1", SCORE, np.zeros((4, 5)))
    (image,) = tmp_path.glob("*.npy")
    image.write_bytes(image.read_bytes()[:keep])
    assert cache.image("d1") is None


def test_what_denoisers_are_told_of_the_noise_is_part_of_the_digest():
    image = np.zeros((2, 3), np.float32)
    assert len({pixels_digest(image, image, sigma) for sigma in (None, 0.1, 0.2)}) == 3


def test_the_digest_tells_truth_noise_and_shape_apart():
    one, other = np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    digests = {
        pixels_digest(one, one),
        pixels_digest(one, other),
        pixels_digest(other, one),
        pixels_digest(one.reshape(3, 2), one.reshape(3, 2)),
    }
    assert len(digests) == 4
    assert pixels_digest(one, other) == pixels_digest(one.copy(), np.asfortranarray(other))
