"""Folders of a camera's noisy photographs and of their truth."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from benchmarks.camera_folder import Camera, main, make_folders, table
from n2b_ct.errors import OutputError
from tests.unit.noises.test_camera_noise import psnr_db, scene

CAMERA = Camera(isos=(400.0, 3200.0), n_exposures=8)


@pytest.fixture
def source(tmp_path):
    (tmp_path / "clean").mkdir()
    for k, cut in enumerate((slice(0, 40), slice(8, 48), slice(16, 56))):
        Image.fromarray((255 * scene()[cut]).astype(np.uint8)).save(tmp_path / "clean" / f"p{k}.png")
    return tmp_path / "clean"


def read(path):
    return np.asarray(Image.open(path)) / 255


def test_every_scene_has_a_noisy_jpeg_and_a_truth_that_is_closer_to_it_than_the_noise(source, tmp_path):
    found = make_folders(source, tmp_path / "out", CAMERA)
    assert sorted(path.name for path in (tmp_path / "out/noisy").iterdir()) == ["p0.jpg", "p1.jpg", "p2.jpg"]
    assert sorted(path.name for path in (tmp_path / "out/truth").iterdir()) == ["p0.png", "p1.png", "p2.png"]
    assert [one.iso for one in found] == [400.0, 3200.0, 400.0]
    for one in found:
        noisy, truth = read(tmp_path / f"out/noisy/{one.name}.jpg"), read(tmp_path / f"out/truth/{one.name}.png")
        assert one.noisy_psnr_db == pytest.approx(psnr_db(noisy, truth), abs=1e-3)
        assert one.truth_psnr_db > one.noisy_psnr_db + 5
    assert found[1].noisy_psnr_db < found[0].noisy_psnr_db - 4


def test_seed_and_number_decide_every_pixel(source, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_folders(source, tmp_path / name, Camera(isos=(800.0,), n_exposures=2, seed=seed), count=2)
    once, again, other = ((tmp_path / name / "noisy/p1.jpg").read_bytes() for name in "abc")
    assert once == again
    assert once != other
    assert (tmp_path / "a/truth/p1.png").read_bytes() == (tmp_path / "b/truth/p1.png").read_bytes()


def test_the_record_says_how_the_folders_were_made(source, tmp_path):
    found = make_folders(source, tmp_path / "out", CAMERA, count=1)
    record = json.loads((tmp_path / "out/camera.json").read_text(encoding="utf-8"))
    assert (record["isos"], record["n_exposures"], record["source"]) == ([400.0, 3200.0], 8, "clean")
    assert record["processing"]["lens_blur_px"] == 0.6
    assert record["scenes"][0]["noisy_psnr_db"] == found[0].noisy_psnr_db


def test_the_table_has_a_line_for_each_iso(source, tmp_path):
    lines = table(make_folders(source, tmp_path / "out", CAMERA)).splitlines()
    assert [line.split(" | ")[:2] for line in lines[2:]] == [["| 400", "2"], ["| 3200", "1"]]


def test_a_folder_that_holds_something_is_left_alone(source):
    with pytest.raises(OutputError, match="must be new or empty, got something there"):
        make_folders(source, source, CAMERA)


def test_gray_photographs_are_refused_in_one_line(tmp_path):
    Image.new("L", (20, 20)).save(tmp_path / "p.png")
    with pytest.raises(SystemExit, match=r"source.folder: p.png: must be rgb \(data.colour\), got gray"):
        main([str(tmp_path), str(tmp_path / "out")])


def test_without_jpeg_noisy_photographs_are_png(source, tmp_path, capsys):
    main([str(source), str(tmp_path / "out"), "--quality", "0", "--count", "1", "--exposures", "2", "--iso", "400"])
    assert [path.name for path in (tmp_path / "out/noisy").iterdir()] == ["p0.png"]
    assert "| 400 | 1 |" in capsys.readouterr().out
