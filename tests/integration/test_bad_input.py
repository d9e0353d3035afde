"""What bad input gets: one clear line on stderr, exit code 2, and nothing half-written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml

from n2b_ct.cli import run
from tests.helpers import assert_nothing_left
from tests.integration.scenes import (
    biased_model,
    error_lines,
    identity_model,
    manifest_values,
    tissue_hu,
    tree_of,
    write_patients,
    write_series,
    write_yaml_file,
)

_FORM = re.compile(r"error: (?P<subject>\S.*?): (?P<requirement>.+), got (?P<got>.+); (?P<remedy>.+[^.])")


def the_complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that stderr may hold, after checking its form and that it is no traceback."""
    lines = capsys.readouterr().err.splitlines()
    (line,) = error_lines("\n".join(lines))
    assert _FORM.fullmatch(line), line
    assert "Traceback" not in line
    assert "internal error" not in line
    return line


@pytest.fixture
def data(world: Path) -> Path:
    return world.parent / "data"


@pytest.fixture
def train(world: Path, data: Path) -> list[str]:
    return ["train", str(world), "--data-root", str(data), "--out", "run"]


def change_manifest(world: Path, **split: object) -> None:
    values = manifest_values()
    values["splits"]["default"] |= split
    write_yaml_file(world.parent / "patients.yaml", values)


# ── Training ──


def test_a_wrong_key_is_named_with_its_path(train, capsys):
    assert run([*train, "--set", "training.iteratons=5"]) == 2
    assert "tiny.yaml: training.iteratons: must be a known key, got 5" in the_complaint(capsys)
    assert_nothing_left(Path.cwd())


def test_every_problem_of_a_file_gets_its_line(world, train, capsys):
    values = yaml.safe_load(world.read_text())
    values["training"] |= {"batch_size": 0, "patch": 3}
    values["data"]["window"] = "stomach"
    write_yaml_file(world, values)
    assert run(train) == 2
    lines = error_lines(capsys.readouterr().err)
    assert [line.split(": ")[2] for line in lines] == ["data.window", "training.batch_size", "training.patch"]
    assert all(_FORM.fullmatch(line) for line in lines)


def test_a_missing_data_root_is_said(world, capsys):
    assert run(["train", str(world), "--data-root", "nowhere"]) == 2
    assert "data root nowhere: must be a folder, got nothing there" in the_complaint(capsys)
    assert run(["train", str(world)]) == 2
    assert "pass --data-root DIR" in the_complaint(capsys)
    assert_nothing_left(Path.cwd())


def test_a_missing_series_folder_is_said(train, data, capsys):
    (data / "clean").rename(data / "elsewhere")
    assert run(train) == 2
    assert "series clean: must lie in" in the_complaint(capsys)
    assert_nothing_left(Path.cwd())


@pytest.mark.parametrize("check", [[], ["--check"]])
@pytest.mark.parametrize("role", ["clean", "noisy"])
def test_an_empty_role_is_said(world, train, capsys, role, check):
    change_manifest(world, **{role: []})
    assert run([*train, *check]) == 2
    assert f"role {role}: must hold at least one slice, got 0" in the_complaint(capsys)
    assert_nothing_left(Path.cwd())


@pytest.mark.parametrize("check", [[], ["--check"]])
def test_a_series_smaller_than_the_patch_is_said(train, data, capsys, check):
    write_series(data / "clean", tissue_hu(1, size_px=24), uid=10, patient="a")
    assert run([*train, *check]) == 2
    assert "role clean: slices must be at least training.patch_px = 32 wide and high, got 24" in the_complaint(capsys)
    assert_nothing_left(Path.cwd())


def test_a_patch_that_does_not_fit_the_network_is_said(train, capsys):
    assert run([*train, "--set", "training.patch_px=33"]) == 2
    assert "training.patch_px: must be a multiple of 2 for this denoiser, got 33; use 32" in the_complaint(capsys)


def test_supervised_training_without_references_is_said(world, train, capsys):
    change_manifest(world, noisy=["noisy"])
    supervised = "method={name: supervised, denoiser: {arguments: {n_features: 4, depth: 2}}}"
    assert run([*train, "--check", "--set", supervised]) == 2
    assert "supervised training needs a reference" in the_complaint(capsys)


def test_validation_without_references_is_said(world, train, capsys):
    change_manifest(world, validation=["test"])
    assert run([*train, "--check"]) == 2
    assert "role validation: needs a reference for every slice" in the_complaint(capsys)


def test_a_nan_slice_is_said_and_no_run_folder_made(world, train, data, capsys):
    hu = tissue_hu(2).astype(np.float32)
    hu[1, 5, 5] = np.nan
    nibabel.save(nibabel.Nifti1Image(hu.transpose(2, 1, 0), np.diag([-1, -1, 1, 1])), data / "noisy.nii.gz")
    values = manifest_values()
    values["series"]["noisy"]["path"] = "noisy.nii.gz"
    values["splits"]["default"]["noisy"] = ["noisy"]
    write_yaml_file(world.parent / "patients.yaml", values)
    assert run(train) == 2
    assert "finite" in the_complaint(capsys)
    assert_nothing_left(Path.cwd())


def test_a_slice_with_too_few_pixels_is_said_and_no_run_folder_made(train, data, capsys):
    for path in (data / "noisy").iterdir():
        path.write_bytes(path.read_bytes()[:-3000])
    assert run(train) == 2
    assert "series noisy" in the_complaint(capsys)
    assert_nothing_left(Path.cwd())


def test_a_patient_on_both_sides_is_refused(world, train, capsys):
    change_manifest(world, test=[{"series": "noisy", "reference": "full"}])
    assert run(train) == 2
    assert "training and test slices must come from different patients" in the_complaint(capsys)


def test_an_unknown_device_is_said(train, capsys):
    for device in ("tpu", "cuda:99"):
        assert run([*train, "--device", device]) == 2
        assert "--device: must be" in the_complaint(capsys)
    assert_nothing_left(Path.cwd())


def test_resume_refuses_another_pipeline(train, capsys):
    assert run(train) == 0
    capsys.readouterr()
    assert run([*train, "--resume", "--set", "training.seed=4"]) == 2
    assert "must hold a run of the same pipeline, got other training.seed" in the_complaint(capsys)


def test_a_run_folder_with_foreign_files_is_left_alone(train, capsys):
    Path("run").mkdir()
    Path("run/thesis.txt").write_text("mine")
    assert run([*train, "--overwrite"]) == 2
    assert "must be new or empty, got something else" in the_complaint(capsys)
    assert tree_of(Path("run")) == ["thesis.txt"]


@pytest.mark.parametrize("name", ["nowhere.yaml", ".", "", "nowhere"])
def test_a_pipeline_that_is_not_there_is_said(name, world, capsys):
    assert run(["train", name]) == 2
    assert "must be a YAML file" in the_complaint(capsys)


# ── Denoising ──


@pytest.fixture
def low_dose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_series(tmp_path / "in" / "a", tissue_hu(1), uid=1)
    write_series(tmp_path / "in" / "b", tissue_hu(2), uid=2)
    biased_model(tmp_path / "model.pt")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "in"


def denoise(low_dose: Path, output: object = "out", *more: str, model: object = "../model.pt") -> int:
    return run(["denoise", str(low_dose), str(output), "--model", str(model), *more])


@pytest.mark.parametrize("content", [b"", b"junk" * 99, b"PK\x03\x04" + bytes(99)])
def test_a_model_file_that_is_not_ours_is_said(low_dose, capsys, content):
    Path("junk.pt").write_bytes(content)
    assert denoise(low_dose, model="junk.pt") == 2
    assert "model junk.pt: must be a model file written by n2b-ct" in the_complaint(capsys)
    assert tree_of(Path.cwd()) == ["junk.pt"]


def test_a_run_folder_without_a_model_is_said(low_dose, capsys):
    assert denoise(low_dose, model=low_dose) == 2
    assert "must be a run folder or a model file, got nothing there" in the_complaint(capsys)


@pytest.mark.parametrize("output", ["../in", "../in/a", "../in/new", ".."])
def test_an_output_folder_that_overlaps_the_input_is_refused(low_dose, capsys, output):
    before = tree_of(low_dose.parent)
    assert denoise(low_dose, output) == 2
    assert "must lie outside the input folder" in the_complaint(capsys)
    assert tree_of(low_dose.parent) == before


def test_an_output_that_is_there_is_not_touched(low_dose, capsys):
    Path("out/a").mkdir(parents=True)
    Path("out/a/mine.txt").write_text("mine")
    assert denoise(low_dose) == 2
    assert "must not be there yet, got mine.txt, which is not n2b-ct's; move it away" in the_complaint(capsys)
    assert tree_of(Path("out")) == ["a", "a/mine.txt"]


def test_a_residual_that_is_there_is_not_touched(low_dose, capsys):
    Path("out/a-residual").mkdir(parents=True)
    Path("out/a-residual/mine.txt").write_text("mine")
    assert denoise(low_dose, "out", "--residual") == 2
    assert "out/a-residual: must not be there yet" in the_complaint(capsys)


def test_an_input_without_ct_is_said(tmp_path, low_dose, capsys):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("dear")
    assert denoise(tmp_path / "letters") == 2
    assert "must hold at least one CT series or volume" in the_complaint(capsys)
    assert denoise(tmp_path / "nowhere") == 2
    assert "got nothing there" in the_complaint(capsys)
    assert denoise(low_dose, "out", "--select", "brain") == 2
    assert "check the folder and --select" in the_complaint(capsys)
    assert denoise(low_dose, "out", "--select", "(") == 2
    assert "must be a regular expression" in the_complaint(capsys)
    assert_nothing_left(Path.cwd())


def test_a_json_place_that_does_not_exist_is_said_before_the_work(low_dose, capsys):
    assert denoise(low_dose, "out", "--json", "nowhere/out.json") == 2
    assert "--json nowhere/out.json: must lie in a folder" in the_complaint(capsys)
    assert_nothing_left(Path.cwd())


def test_resume_and_overwrite_exclude_each_other(low_dose, capsys):
    assert denoise(low_dose, "out", "--resume", "--overwrite") == 2
    assert "only one can be given" in the_complaint(capsys)


def test_a_broken_series_fails_alone_and_the_json_says_why(low_dose, capsys):
    write_series(low_dose / "broken", tissue_hu(3), uid=3)
    for path in (low_dose / "broken").iterdir():
        path.write_bytes(path.read_bytes()[:-2000])
    assert denoise(low_dose, "out", "--json", "out.json") == 1
    (line,) = error_lines(capsys.readouterr().err)
    assert "broken" in line
    assert "Müller" not in line
    listed = json.loads(Path("out.json").read_text())
    assert [one["status"] for one in listed["series"]] == ["done", "done"]
    refused = [one for one in listed["files"] if one["action"] == "error"]
    assert {(Path(one["path"]).parent.name, one["reason"]) for one in refused} == {("broken", "pixel_truncated")}
    assert sorted(path.name for path in Path("out").iterdir()) == ["a", "b"]


def test_a_broken_volume_fails_alone_and_the_json_says_why(low_dose, capsys):
    hu = np.zeros((8, 8, 3), dtype=np.float32)
    hu[0, 0, 0] = np.nan
    nibabel.save(nibabel.Nifti1Image(hu, np.eye(4)), low_dose / "broken.nii.gz")
    assert denoise(low_dose, "out", "--json", "out.json") == 1
    (line,) = error_lines(capsys.readouterr().err)
    assert _FORM.fullmatch(line), line
    statuses = {Path(one["source"]).name: one for one in json.loads(Path("out.json").read_text())["series"]}
    assert {name: one["status"] for name, one in statuses.items()} == {
        "a": "done",
        "b": "done",
        "broken.nii.gz": "failed",
    }
    assert statuses["broken.nii.gz"]["reason"] == "not_finite"
    assert tree_of(Path("out"))[0] == "a"
    assert not Path("out/broken.nii.gz").exists()


def test_nothing_that_could_be_done_is_exit_code_2(tmp_path, low_dose, capsys):
    (tmp_path / "volumes").mkdir()
    (tmp_path / "volumes" / "broken.nii").write_bytes(b"no")
    assert denoise(tmp_path / "volumes") == 2
    assert "broken.nii" in the_complaint(capsys)


# ── Report, index, usage ──


def test_an_unknown_baseline_is_said(world, data, tmp_path, capsys):
    model = identity_model(tmp_path / "identity.pt")
    report = ["report", str(world), "--data-root", str(data), "--model", f"n2b={model}", "--out", "report"]
    assert run([*report, "--baseline", "magic"]) == 2
    assert (
        "--baseline: must be one of gaussian, nlm, tv, bilateral, wnnm, bm3d, adaptive_median, got magic"
        in the_complaint(capsys)
    )
    assert run([*report, "--model", "n2b=again"]) == 2
    assert "--model: must be NAME=DIR" in the_complaint(capsys)
    assert_nothing_left(Path.cwd())


def test_an_empty_test_role_cannot_be_reported_on(world, data, tmp_path, capsys):
    change_manifest(world, test=[])
    model = identity_model(tmp_path / "identity.pt")
    report = ["report", str(world), "--data-root", str(data), "--model", f"n2b={model}", "--out", "report"]
    assert run(report) == 2
    assert "role test: must hold at least one slice" in the_complaint(capsys)


def test_index_says_what_it_needs(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    for arguments, said in (
        (["empty", "--out", "m.yaml"], "must hold at least one CT series"),
        (["nowhere", "--out", "m.yaml"], "must exist"),
    ):
        assert run(["index", *arguments]) == 2
        assert said in the_complaint(capsys)
    write_patients(tmp_path / "data")
    one_file = next((tmp_path / "data" / "clean").iterdir())
    for arguments, said in (
        ([str(one_file), "--out", "m.yaml"], "must be a folder"),
        (["data", "--out", "nowhere/m.yaml"], "must be writable"),
    ):
        assert run(["index", *arguments]) == 2
        assert said in the_complaint(capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "nonsense"),
        (["train"], "pipeline"),
        (["train", "x.yaml", "--nonsense"], "--nonsense"),
        (["denoise", "in"], "OUTPUT"),
        (["denoise", "in", "out", "--model", "m", "--strength", "2"], "--strength"),
    ],
)
def test_a_usage_error_is_one_line(arguments, said, capsys):
    assert run(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: usage: ")
    assert said.lower() in line.lower()
