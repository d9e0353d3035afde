"""``n2b-ct denoise SCAN OUT`` and nothing else: the shipped model is used, and the derived series name it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest

import n2b_ct as n2b
from n2b_ct.cli import run
from n2b_ct.inference.shipped import WEIGHTS_FILE, base_facts
from n2b_ct.workflows import DenoiseWorkflow
from tests.integration.natural_image_scenes import random_words, write_words
from tests.integration.scenes import biased_model, error_lines, tissue_hu, with_noise, write_series
from tests.shipped_base import ship_stand_in

CREATED = "2026-03-04T05:06:07"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shipped model that smooths, and a series in the working folder."""
    monkeypatch.chdir(tmp_path)
    write_series(Path("in"), with_noise(tissue_hu(1), 2), uid=1)
    return ship_stand_in(tmp_path / "package" / "base", monkeypatch)


def files_of(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.dcm")}


def test_without_a_model_the_shipped_one_is_used_and_named(base):
    assert run(["denoise", "in", "out", "--created", CREATED]) == 0
    derived = pydicom.dcmread("out/slice000.dcm")
    digest = base_facts()["model_digest"][:12]
    assert derived.DerivationDescription.startswith(f"Noise reduction: none base 1; {digest}; ")
    equipment = derived.ContributingEquipmentSequence[-1]
    assert list(equipment.SoftwareVersions) == [f"n2b-ct {n2b.__version__}", "none base 1"]


def test_its_name_means_the_same_everywhere(base):
    (Path("base")).mkdir()
    biased_model(Path("base/model.pt"))
    created = ["--created", CREATED]
    assert run(["denoise", "in", "default", *created]) == 0
    assert run(["denoise", "in", "named", "--model", "base", *created]) == 0
    assert run(["denoise", "in", "place", "--model", "./base", *created]) == 0
    n2b.denoise("in", "python", created=datetime.fromisoformat(CREATED))
    assert files_of("named") == files_of("default") == files_of("python")
    assert files_of("place").keys() == files_of("default").keys()
    assert files_of("place") != files_of("default")


def test_python_and_monai_load_it_by_name(base):
    hu = n2b.read_series("in").hu
    denoised = n2b.load("base").denoise(hu)
    np.testing.assert_array_equal(n2b.load().denoise(hu), denoised)
    assert not np.array_equal(denoised, hu)
    workflow = DenoiseWorkflow("base", "in", "out")
    workflow.initialize()
    assert [one.status for one in workflow.run().outcomes] == ["done"]


def test_changed_weights_are_one_line_and_nothing_is_written(base, capsys):
    biased_model(base / WEIGHTS_FILE)
    assert run(["denoise", "in", "out"]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert line.startswith("error: model base: must have the SHA-256 ")
    assert line.endswith("; install n2b-ct again")
    assert not Path("out").exists()


def test_a_report_takes_it_by_name(world, tmp_path, monkeypatch):
    ship_stand_in(tmp_path / "package" / "base", monkeypatch)
    options = ["--data-root", str(world.parent / "data"), "--out", "report", "--baseline", "gaussian"]
    assert run(["report", str(world), "--model", "shipped=base", *options]) == 0
    report = json.loads(next(Path("report").glob("*.json")).read_text())
    assert f"weights {base_facts()['model_digest'][:12]}" in json.dumps(report)


def test_images_are_not_for_it(base, capsys):
    write_words(Path("images/a.png"), random_words("gray", 8, 1))
    assert run(["denoise", "images", "out"]) == 2
    assert "pass a model of images if it is images you have" in capsys.readouterr().err
