"""The digital piglet's inside: plausible HU, continuity, and lesions exactly where they are said to be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_fill_holes, label

from n2b_ct.phantom.anatomy import LENGTH_MM, Animal, grow_animal, slice_hu
from n2b_ct.phantom.body import build_of

VIEW_MM = 240.0


@pytest.fixture(scope="module")
def animal() -> Animal:
    return grow_animal(0)


def at(image: np.ndarray, x_mm: float, y_mm: float, reach_mm: float = 4.0) -> float:
    """Median HU in a small square around a point."""
    pixel_mm = VIEW_MM / len(image)
    axis = (np.arange(len(image)) - (len(image) - 1) / 2) * pixel_mm
    rows, cols = np.abs(axis - y_mm) < reach_mm, np.abs(axis - x_mm) < reach_mm
    return float(np.median(image[np.ix_(rows, cols)]))


def test_every_slice_shows_an_animal_on_a_table_in_air(animal: Animal) -> None:
    for z in np.linspace(3.0, LENGTH_MM - 3.0, 12):
        image = slice_hu(animal, float(z), 96, VIEW_MM)
        soft_share = ((image > 0) & (image < 120)).mean()
        assert 0.002 < soft_share < 0.6, z
        assert image[0].max() == -1000.0
        assert at(image, 0.0, 96.5, 1.3) < -300.0
        assert image.min() >= -1000.0


@pytest.mark.parametrize(
    ("z_mm", "x_mm", "y_mm", "lowest", "highest"),
    [
        (132.0, 0.0, 28.0, 20.0, 50.0),  # brain
        (320.0, 48.0, 15.0, -900.0, -700.0),  # left lung
        (320.0, 5.0, -27.0, 35.0, 65.0),  # heart
        (385.0, -45.0, 0.0, 45.0, 80.0),  # liver
        (460.0, 44.0, 33.0, 20.0, 50.0),  # left kidney
        (440.0, 0.0, 52.0, 90.0, 600.0),  # vertebral body
        (504.0, 0.0, -20.0, 0.0, 15.0),  # bladder
    ],
)
def test_organs_have_their_hu(
    animal: Animal, z_mm: float, x_mm: float, y_mm: float, lowest: float, highest: float
) -> None:
    assert lowest < at(slice_hu(animal, z_mm, 192, VIEW_MM), x_mm, y_mm) < highest


def test_neighbouring_slices_look_alike(animal: Animal) -> None:
    here, near, far = (slice_hu(animal, z, 96, VIEW_MM) for z in (440.0, 440.625, 520.0))
    assert np.abs(here - near).mean() < 0.15 * np.abs(here - far).mean()


def test_a_coarse_grid_shows_the_same_animal_as_a_fine_one(animal: Animal) -> None:
    fine = slice_hu(animal, 440.0, 192, VIEW_MM)
    coarse = slice_hu(animal, 440.0, 96, VIEW_MM)
    pooled = fine.reshape(96, 2, 96, 2).mean(axis=(1, 3))
    assert np.corrcoef(pooled.ravel(), coarse.ravel())[0, 1] > 0.995
    assert abs(pooled.mean() - coarse.mean()) < 2.0


def outside(image: np.ndarray) -> np.ndarray:
    """Mark the air around the animal, the table's foam included."""
    numbers, _ = label(image < -400)
    return np.isin(numbers, np.unique(numbers[0]))


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_every_bone_is_covered_by_flesh(seed: int) -> None:
    animal = grow_animal(seed)
    for z in np.arange(4.0, LENGTH_MM, 12.5):
        image = slice_hu(animal, float(z), 192, VIEW_MM)
        assert not (binary_dilation(outside(image)) & (image > 350.0)).any(), z


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_lungs_and_bowel_gas_lie_inside_the_body(seed: int) -> None:
    animal = grow_animal(seed)
    for z in np.arange(270.0, 500.0, 12.5):
        image = slice_hu(animal, float(z), 192, VIEW_MM)
        surroundings = outside(image)
        body = binary_fill_holes(~surroundings)
        assert not (surroundings & body).any(), z
        assert 10_000 < (body * 1.25**2).sum() < 32_000, z


def test_two_animals_differ_in_girth_fat_and_breath() -> None:
    builds = [build_of(seed) for seed in range(20)]
    for name, least in (("width", 0.04), ("height", 0.04), ("fatness", 0.25), ("lung_hu", 40.0)):
        values = [getattr(build, name) for build in builds]
        assert max(values) - min(values) > least, name


def test_edges_are_soft_over_a_pixel(animal: Animal) -> None:
    image = slice_hu(animal, 385.0, 192, VIEW_MM)
    row = image[96]
    skin = int(np.argmax(row > -500))
    assert -1000.0 < row[skin - 1 : skin + 1].min() < -300.0


def test_a_seed_is_an_animal(animal: Animal) -> None:
    again, other = (slice_hu(grow_animal(seed), 440.0, 64, VIEW_MM) for seed in (0, 1))
    np.testing.assert_array_equal(slice_hu(animal, 440.0, 64, VIEW_MM), again)
    assert np.abs(again - other).mean() > 10.0


def test_a_lesion_adds_its_contrast_at_its_centre_and_nothing_beside_it(animal: Animal) -> None:
    healthy = Animal(animal.seed, animal.lungs, animal.viscera, ())
    for lesion in animal.lesions:
        x, y, z = lesion.centre_mm
        change = slice_hu(animal, z, 192, VIEW_MM) - slice_hu(healthy, z, 192, VIEW_MM)
        assert at(change, x, y, 1.0) == pytest.approx(lesion.contrast_hu, abs=1e-3)
        assert at(change, x + lesion.radius_mm + 4.0, y, 1.0) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_lesions_stand_in_soft_tissue(seed: int) -> None:
    animal = grow_animal(seed)
    healthy = Animal(animal.seed, animal.lungs, animal.viscera, ())
    for lesion in animal.lesions:
        background = at(slice_hu(healthy, lesion.centre_mm[2], 96, VIEW_MM), *lesion.centre_mm[:2])
        assert 20.0 < background < 80.0, lesion
