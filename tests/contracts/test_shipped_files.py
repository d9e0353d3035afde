"""Every shipped pipeline and manifest loads, fits together, and ships."""

from __future__ import annotations

import re
import tomllib
import zipfile
from pathlib import Path

import pytest

from benchmarks.camera_folder import Camera, make_folders
from n2b_ct import api
from n2b_ct.config import load_pipeline
from n2b_ct.config.quality_phantom import load_quality_phantom
from n2b_ct.config.yaml_files import find_yaml, shipped_dir
from n2b_ct.data.manifest import load_manifest
from n2b_ct.experiments.benchmark import check_benchmark
from n2b_ct.experiments.experiment import load_experiment
from n2b_ct.hu import WINDOWS
from n2b_ct.inference.model import load_model
from n2b_ct.inference.shipped import CARD_FILE, FACTS_FILE, MOST_BYTES, WEIGHTS_FILE, base_facts, model_path
from n2b_ct.networks.build import build_denoiser, size_multiple
from tests.conftest import REPOSITORY

PIPELINES = sorted(path.name for path in (REPOSITORY / "pipelines").iterdir() if path.is_file())
EXPERIMENTS = sorted(path.name for path in (REPOSITORY / "pipelines" / "benchmark").iterdir())
QUALITY_PHANTOMS = sorted(path.name for path in (REPOSITORY / "quality_phantoms").iterdir())
MANIFESTS = sorted(path.name for path in (REPOSITORY / "data_manifests").iterdir())
CAMERA_EXPERIMENT = "camera_noise.yaml"
ON_SHARED_DATA = [name for name in PIPELINES if name.startswith(("mayo", "rider"))]


def test_the_shipped_folders_hold_yaml_and_nothing_else():
    assert PIPELINES
    assert MANIFESTS
    assert {Path(name).suffix for name in (*PIPELINES, *EXPERIMENTS, *MANIFESTS, *QUALITY_PHANTOMS)} == {".yaml"}
    assert [path.name for path in (REPOSITORY / "pipelines").iterdir() if path.is_dir()] == ["benchmark"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_manifest_loads_and_states_its_terms(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifest = load_manifest(name)
    assert manifest.name == Path(name).stem
    assert manifest.title
    assert manifest.licence
    assert manifest.source


@pytest.mark.parametrize("name", QUALITY_PHANTOMS)
def test_every_quality_phantom_loads_from_any_folder_and_names_its_source(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    phantom = load_quality_phantom(name)
    assert phantom.name == Path(name).stem
    assert phantom.title
    assert phantom.source


@pytest.mark.parametrize("name", PIPELINES)
def test_every_pipeline_loads_from_any_folder_and_fits_its_manifest(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pipeline = load_pipeline(name)
    assert pipeline.name == Path(name).stem
    assert pipeline.description
    assert set(pipeline.report.windows) <= set(WINDOWS)
    if pipeline.data.kind == "phantom":  # it has no manifest
        return
    manifest = load_manifest(pipeline.ct.manifest)
    assert manifest.split(pipeline.ct.split)
    doses = {entry.dose for entry in manifest.series.values()}
    assert set(pipeline.ct.doses or ()) <= doses


@pytest.mark.parametrize("name", PIPELINES)
def test_every_pipelines_networks_can_be_built_and_fit_its_patch(name):
    pipeline = load_pipeline(name)
    denoiser = build_denoiser(pipeline.method.denoiser)
    assert pipeline.training.patch_px % size_multiple(denoiser) == 0


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_loads_from_any_folder_and_its_networks_fit_their_patch(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = load_experiment(name)
    assert experiment.section.name == Path(name).stem
    assert experiment.section.description
    assert experiment.section.gallery is not None
    for pipeline in experiment.pipelines.values():
        denoiser = build_denoiser(pipeline.method.denoiser)
        assert pipeline.training.patch_px % size_multiple(denoiser) == 0


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_row_of_a_paper_names_where_its_numbers_stand(name):
    section = load_experiment(name).section
    used = {value.source for row in (*section.rows, *section.published) for value in row.published}
    assert used == set(section.sources)
    assert all(re.search(r"\b(19|20)\d\d\b", source) for source in section.sources.values())


@pytest.mark.real_data
@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != CAMERA_EXPERIMENT])
def test_experiments_are_ready_to_run_on_the_images_at_hand(name, shared_data):
    n_images = {"gray": {68, 12}, "rgb": {100}}[load_experiment(name).colour]
    assert set(check_benchmark(name, data_root=shared_data).values()) <= n_images


@pytest.mark.real_data
def test_the_cameras_experiment_is_ready_to_run_on_folders_that_are_made_for_it(shared_data, tmp_path):
    for part in ("train", "val"):
        make_folders(
            shared_data / f"natural/BSDS500_{part}", tmp_path / "camera" / part, Camera(n_exposures=1), count=3
        )
    found = check_benchmark(CAMERA_EXPERIMENT, data_root=tmp_path, overrides=["gallery=null"])
    assert found == {"ISO 800": 1, "ISO 1600": 1, "ISO 3200": 1}


@pytest.mark.real_data
@pytest.mark.parametrize("name", ON_SHARED_DATA)
def test_pipelines_of_the_real_pairs_are_ready_to_train(name, shared_data):
    found = api.check(name, data_root=shared_data)
    assert found.n_images["noisy"] > 0
    assert found.n_images["test"] > 0


def test_the_wheel_ships_pipelines_and_manifests():
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        wheel = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["n2b_ct"]
    assert wheel["force-include"] == {
        "pipelines": "n2b_ct/shipped/pipelines",
        "data_manifests": "n2b_ct/shipped/data_manifests",
        "quality_phantoms": "n2b_ct/shipped/quality_phantoms",
    }


@pytest.fixture
def base() -> Path:
    """The folder of the shipped model, once its weights are there."""
    folder = REPOSITORY / "n2b_ct" / "inference" / "base"
    if not (folder / WEIGHTS_FILE).is_file():
        pytest.skip("the shipped weights are not there yet")
    return folder


def test_the_shipped_model_is_what_its_facts_and_its_card_say(base):
    facts, model = base_facts(), load_model(model_path("base"))
    assert (model.name, model.version, model.digest) == ("base", facts["version"], facts["model_digest"])
    assert facts["n_bytes"] == (base / WEIGHTS_FILE).stat().st_size <= MOST_BYTES
    card = (base / CARD_FILE).read_text(encoding="utf-8")
    assert f"| version | {facts['version']} |" in card
    assert facts["sha256"] in card


def test_the_wheel_holds_the_shipped_model(base, tmp_path):
    wheel = pytest.importorskip("hatchling.builders.wheel")
    (built,) = wheel.WheelBuilder(str(REPOSITORY)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        held = {name: archive.read(f"n2b_ct/inference/base/{name}") for name in (WEIGHTS_FILE, FACTS_FILE, CARD_FILE)}
    assert held == {name: (base / name).read_bytes() for name in held}


def test_an_installed_wheel_finds_what_it_ships(tmp_path, monkeypatch):
    for kind in ("pipelines", "pipelines/benchmark", "data_manifests", "quality_phantoms"):
        (tmp_path / "n2b_ct" / "shipped" / kind).mkdir(parents=True)
        (tmp_path / "n2b_ct" / "shipped" / kind / "x.yaml").touch()
    monkeypatch.setattr("n2b_ct.config.yaml_files._PACKAGE", tmp_path / "n2b_ct")
    for kind in ("pipelines", "pipelines/benchmark", "data_manifests", "quality_phantoms"):
        assert shipped_dir(kind) == tmp_path / "n2b_ct" / "shipped" / kind
        assert find_yaml("x.yaml", kind).is_file()
