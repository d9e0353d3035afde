"""Phantoms are found where they were drawn, and another one is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from n2b_ct.config.quality_phantom import QualityPhantom, load_quality_phantom
from n2b_ct.errors import ConfigError, DataError
from n2b_ct.evaluation.quality_phantom.outline import find_outline
from n2b_ct.evaluation.quality_phantom.placement import Placement, is_reversed, place_phantom
from n2b_ct.evaluation.quality_phantom.regions import Regions
from tests.phantom_scans import PIXEL_MM, PLACE, SHAPE, ct_noise, draw_phantom

FAINT = load_quality_phantom("mita-lcd")


def placed(phantom: QualityPhantom, image: np.ndarray, pattern: np.ndarray | None = None) -> Placement:
    return place_phantom(phantom, image, image if pattern is None else pattern, PIXEL_MM, True)


@pytest.mark.parametrize("name", ["acr-464", "catphan-604"])
@pytest.mark.parametrize(
    ("shift_px", "rotation", "is_mirrored", "sd_hu"),
    [((0.0, 0.0), 0.0, False, 0.0), ((3.3, -6.8), 17.0, False, 20.0), ((-4.6, 2.2), -140.0, True, 40.0)],
)
def test_a_shifted_turned_mirrored_noisy_phantom_is_found_on_its_table(name, shift_px, rotation, is_mirrored, sd_hu):
    phantom = load_quality_phantom(name)
    centre = tuple(np.add(PLACE.centre_px, shift_px))
    drawn = Placement(centre, rotation, is_mirrored, PIXEL_MM)
    found = placed(
        phantom, draw_phantom(phantom, drawn) + ct_noise(1, sd_hu, 3)[0] if sd_hu else draw_phantom(phantom, drawn)
    )
    assert found.is_mirrored == is_mirrored
    for insert in phantom.inserts:
        away_mm = np.hypot(*np.subtract(found.insert_px(insert), drawn.insert_px(insert))) * PIXEL_MM[0]
        assert away_mm < 0.8, insert.name


def test_the_outline_is_the_bodys_in_a_hundredth_of_its_radius_although_it_lies_on_a_table():
    found = find_outline(draw_phantom(FAINT, inserts=False) + ct_noise(1, 30.0, 1)[0], PIXEL_MM)
    assert found.radius_mm == pytest.approx(100.0, rel=0.01)
    assert found.centre_px == pytest.approx(PLACE.centre_px, abs=0.5)


@pytest.mark.parametrize("image", [np.full(SHAPE, -1000.0), np.zeros(SHAPE)], ids=["air", "no air"])
def test_an_image_without_a_whole_body_is_refused(image):
    with pytest.raises(
        DataError, match=r"phantom: must be a round body inside the image, got .*; show the whole phantom"
    ):
        find_outline(image, PIXEL_MM)


@pytest.mark.parametrize("other", ["catphan-604", "mita-lcd"])
def test_a_spec_for_another_phantom_is_refused(other):
    image = draw_phantom(load_quality_phantom("acr-464")) + ct_noise(1, 15.0, 2)[0]
    with pytest.raises(
        DataError, match=r"phantom: .*(must show the inserts of catphan|holds at most 14 HU).*; give the file"
    ):
        placed(load_quality_phantom(other), image)


def test_a_phantom_of_another_size_is_refused_where_the_pixel_size_is_known():
    wide = FAINT.model_copy(update={"diameter_mm": 160.0})
    with pytest.raises(DataError, match="phantom: mita-lcd is 160 mm wide, got 200 mm; give the file of this phantom"):
        placed(wide, draw_phantom(FAINT))


def test_where_a_file_states_no_pixel_size_it_is_the_phantoms():
    found = place_phantom(FAINT, draw_phantom(FAINT), draw_phantom(FAINT), (1.0, 1.0), False)
    assert found.pixel_mm == pytest.approx(PIXEL_MM, rel=0.01)
    assert "the file states no pixel size" in found.remarks[0]


def test_faint_inserts_are_found_unturned_and_said_to_be_where_noise_hides_them():
    unturned = replace(PLACE, rotation_degrees=0.0)
    pattern = draw_phantom(FAINT, unturned) - draw_phantom(FAINT, unturned, inserts=False)
    body = draw_phantom(FAINT, unturned)
    seen = placed(FAINT, body, pattern + ct_noise(1, 3.0, 4)[0])
    hidden = placed(FAINT, body, pattern + ct_noise(1, 100.0, 5)[0])
    assert seen.rotation_degrees == hidden.rotation_degrees == 0.0
    assert seen.remarks == ()
    assert "too faint to be found" in hidden.remarks[0]


def test_faint_inserts_of_a_turned_phantom_are_found_in_a_clear_image():
    pattern = draw_phantom(FAINT) - draw_phantom(FAINT, inserts=False)
    found = placed(FAINT, draw_phantom(FAINT), pattern + ct_noise(1, 1.5, 4)[0])
    assert found.rotation_degrees == pytest.approx(PLACE.rotation_degrees, abs=1.5)


@pytest.mark.parametrize(("sign", "expected"), [(1.0, False), (-1.0, True), (0.0, False)])
def test_present_and_absent_are_told_apart_by_the_sign_of_their_difference(sign, expected):
    unturned = replace(PLACE, rotation_degrees=0.0)
    pattern = draw_phantom(FAINT, unturned) - draw_phantom(FAINT, unturned, inserts=False)
    assert is_reversed(FAINT, sign * pattern + ct_noise(1, 5.0, 6)[0], unturned) is expected


def test_a_given_place_is_taken_without_a_search():
    given = {"centre_px": (50.0, 60.0), "rotation_degrees": 90.0}
    phantom = QualityPhantom.model_validate(FAINT.model_dump() | {"placement": given})
    found = placed(phantom, np.zeros(SHAPE))
    first = phantom.inserts[0]  # to the right and up; a quarter turn clockwise later to the right and down
    assert found.insert_px(first) == pytest.approx((50.0 + 28.28 / 1.1, 60.0 + 28.28 / 1.1))


def test_an_insert_outside_of_the_image_is_named():
    outside = Placement((20.0, 100.0), 0.0, False, PIXEL_MM)
    regions = Regions(FAINT, outside, SHAPE)
    problems = [regions.outside_problem(insert) for insert in FAINT.inserts]
    assert problems[0].startswith("insert 3 mm: must lie in the image with its surroundings, got its centre at row -6")
    assert problems[2] == problems[3] == ""


@pytest.mark.parametrize("name", ["acr-464", "ACR 464", "acr464.yaml", "Catphan604", "MITA_LCD"])
def test_a_shipped_phantom_is_found_however_its_name_is_written(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_quality_phantom(name).inserts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inserts": []}, "inserts: .*at least 1"),
        ({"diameter_mm": 60}, "inserts: 3 mm must lie inside the phantom"),
        ({"background": 3}, "background: must be a known key, got 3"),
        ({"inserts": [{"name": "a", "centre_mm": [0, 0], "radius_mm": 3, "hu": 0}]}, "must differ from the background"),
        ({"inserts": [*FAINT.model_dump()["inserts"][:1] * 2]}, "inserts: 3 mm must come once"),
    ],
)
def test_every_problem_of_a_phantoms_file_is_one_line(change, message, tmp_path):
    from n2b_ct.config.yaml_files import as_yaml

    file = tmp_path / "own.yaml"
    file.write_text(as_yaml(FAINT.model_dump(mode="json") | change))
    with pytest.raises(ConfigError, match=message):
        load_quality_phantom(file)
