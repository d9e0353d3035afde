"""``n2b-ct benchmark`` as a person runs it: a table of trained and baseline rows, killed and gone on with."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import yaml
from PIL import Image

from n2b_ct.cli import run
from n2b_ct.evaluation.image_fidelity import measure_image
from n2b_ct.experiments import benchmark as benchmark_module
from n2b_ct.filters.baselines import tv
from n2b_ct.inference.model import load_natural_image_model
from n2b_ct.registry import NOISES
from tests.integration.scenes import error_lines
from tests.outside_package import installed

SIZE_PX = 64
N_TEST = 2
SIGMA_25 = {"kind": "gaussian", "sigma": 25}
FILES = {"table.json", "table.md", "per_image.csv", "scores.png", "gallery.png", "experiment.yaml", "rows", "runs"}


def scene(k: int, n_channels: int = 1) -> np.ndarray:
    """Waves and a box on [0, 1], ``[rows, cols, channels]``."""
    rows, cols = np.mgrid[:SIZE_PX, :SIZE_PX]
    shifts = np.arange(n_channels) + k
    waves = 0.5 + 0.3 * np.sin(rows[..., None] / 6 + shifts) * np.cos(cols[..., None] / (5 + k))
    waves[20:40, 10:30] = 0.2 + 0.1 * k
    return waves


def write_gray(folder: Path, n: int) -> None:
    folder.mkdir(parents=True)
    for k in range(n):
        Image.fromarray(np.rint(255 * scene(k)[..., 0]).astype(np.uint8)).save(folder / f"p{k}.png")


def write_rgb16(folder: Path, n: int) -> None:
    folder.mkdir(parents=True)
    for k in range(n):
        words = np.rint(65535 * scene(k, 3)).astype(np.uint16)
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(words, isVector=True), str(folder / f"p{k}.png"))


def experiment(**changes) -> dict:
    return {
        "description": "A tiny table",
        "data": {
            "kind": "natural_images",
            "noisy": {"folder": "noisy"},
            "clean": {"folder": "clean"},
            "noise": SIGMA_25,
        },
        "tests": [
            {"name": "σ 25", "folder": "test", "noise": SIGMA_25},
            {"name": "blind", "folder": "test", "noise": SIGMA_25 | {"sigma": [0, 50]}},
        ],
        "training": {"iterations": 4, "batch_size": 2, "patch_px": 16, "checkpoint_every": 2, "precision": "fp32"},
        "denoiser": {"name": "SimpleUNet", "arguments": {"n_features": 2, "depth": 2}, "output": "residual"},
        "compare_with": "U-Net",
        "rows": [
            {"name": "U-Net", "method": {"name": "supervised"}, "data": {"realisations": "fresh"}},
            {"name": "N2B", "method": {"name": "noise2blur", "blur": {"filter": "gaussian", "sigma_px": 2}}},
            {"name": "TV", "baseline": {"name": "tv"}},
            {"name": "Gaussian", "baseline": {"name": "gaussian", "sigma": 25}},
        ],
        "gallery": {"test": "σ 25", "images": {"p0": [4, 4, 32]}},
        **changes,
    }


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("images")
    for folder, n in (("noisy", 2), ("clean", 2), ("test", N_TEST)):
        write_gray(root / folder, n)
        write_rgb16(root / "rgb" / folder, n)
    return root


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(values: dict, name: str = "tiny.yaml") -> str:
    Path(name).write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return name


def benchmark(root: Path, *more: str, out: str = "out") -> int:
    return run(["benchmark", "tiny.yaml", "--data-root", str(root), "--out", out, *more])


def document(out: str = "out") -> dict:
    return json.loads(Path(out, "table.json").read_text(encoding="utf-8"))


def csv_lines(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "per_image.csv").read_text(encoding="utf-8").splitlines()))


def digest_of(word: str) -> str:
    return json.loads(Path(f"out/runs/{word}/summary.json").read_text())["model_digest"]


def data_digest_of(word: str) -> str:
    return json.loads(Path(f"out/runs/{word}/summary.json").read_text())["data_digest"]


def rows_of(found: dict) -> dict[str, dict]:
    return {row["name"]: row for row in found["rows"]}


@pytest.fixture(scope="module")
def finished(images, tmp_path_factory) -> Path:
    """A whole table, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("finished"))
        write(experiment())
        assert benchmark(images) == 0
        return Path.cwd()


def test_a_table_holds_every_row_its_scores_and_what_made_it(finished):
    assert {path.name for path in (finished / "out").iterdir()} == FILES
    found = document(finished / "out")
    rows = rows_of(found)
    assert list(rows) == ["input", "U-Net", "N2B", "TV", "Gaussian"]
    assert {row["status"] for row in rows.values()} == {"done"}
    assert found["command"] == "n2b-ct benchmark tiny.yaml --data-root DATA --out OUT"
    assert rows["N2B"]["budget"]["n_images"] == {"noisy": 2, "clean": 2}
    assert rows["U-Net"]["budget"]["n_images"] == {"noisy": 2, "truth": 2}
    assert rows["N2B"]["settings"]["method.blur.filter"] == "gaussian"
    assert str(finished) not in Path(finished, "out", "table.json").read_text()
    lines = csv_lines(finished / "out")
    assert len(lines) == len(rows) * 2 * N_TEST


def test_scores_are_those_of_the_stated_protocol(finished, images):
    lines = csv_lines(finished / "out")
    found = {(one["method"], one["test"], one["image"]): float(one["psnr_db"]) for one in lines}
    for k in range(N_TEST):
        truth = np.asarray(Image.open(images / "test" / f"p{k}.png"), np.float32) / 255
        noisy = truth + np.random.default_rng([0, k, 3]).standard_normal(truth.shape, dtype=np.float32) * np.float32(
            25 / 255
        )
        assert found["input", "σ 25", f"p{k}"] == pytest.approx(measure_image(truth, noisy).psnr_db, abs=1e-3)
        denoised = tv(noisy, 25 / 255)
        assert found["TV", "σ 25", f"p{k}"] == pytest.approx(measure_image(truth, denoised).psnr_db, abs=1e-3)


def test_a_second_call_trains_and_denoises_nothing(finished, images, monkeypatch):
    monkeypatch.chdir(finished)
    before = document()
    monkeypatch.setattr("n2b_ct.api.training.run_training", None)
    monkeypatch.setattr("n2b_ct.experiments.scoring.measure_image", None)
    assert benchmark(images) == 0
    assert document()["rows"] == before["rows"]


def test_a_killed_row_goes_on_with_its_next_image(finished, images, place, monkeypatch, capsys):
    write(experiment())
    shutil.copytree(finished / "out", "out")
    whole = document()
    shutil.rmtree("out/rows/tv")
    told = []

    def killed(truth, denoised):
        if len(told) == N_TEST + 1:
            raise KeyboardInterrupt
        told.append(truth.shape)
        return measure_image(truth, denoised)

    monkeypatch.setattr("n2b_ct.experiments.scoring.measure_image", killed)
    assert benchmark(images) == 130
    assert "nothing is half-written" in capsys.readouterr().err
    kept = json.loads(Path("out/rows/tv/scores.json").read_text())["scores"]
    assert len(kept) == N_TEST + 1
    monkeypatch.setattr(
        "n2b_ct.experiments.scoring.measure_image", lambda *pair: told.append(0) or measure_image(*pair)
    )
    assert benchmark(images) == 0
    assert told[N_TEST + 1 :] == [0] * (N_TEST - 1)
    assert rows_of(document())["TV"]["scores"][0]["psnr_db"] == rows_of(whole)["TV"]["scores"][0]["psnr_db"]


def test_an_interrupted_training_goes_on_to_the_very_same_model(finished, images, place):
    write(experiment())
    shutil.copytree(finished / "out", "out")
    run_dir, digest = Path("out/runs/n2b"), digest_of("n2b")
    (run_dir / "model.pt").unlink()
    newest = max((run_dir / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    newest.unlink()
    assert benchmark(images) == 0
    assert digest_of("n2b") == digest


def test_a_changed_row_is_refused_before_anything_is_trained_and_made_anew_on_request(finished, images, place, capsys):
    shutil.copytree(finished / "out", "out")
    values = experiment()
    values["rows"][1]["training"] = {"seed": 5}
    write(values)
    before = document()
    assert benchmark(images) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert "other training.seed" in line
    assert "--overwrite" in line
    assert document() == before
    digests = digest_of("u_net"), digest_of("n2b")
    assert benchmark(images, "--overwrite") == 0
    assert digest_of("u_net") == digests[0]
    assert digest_of("n2b") != digests[1]
    assert rows_of(document())["N2B"]["budget"]["seed"] == 5


@pytest.fixture
def own_images(images, place) -> Path:
    """A copy that a test may change."""
    shutil.copytree(images, "images")
    return place / "images"


def repaint(path: Path) -> None:
    """Change one grey level of an image by one."""
    words = np.asarray(Image.open(path)).copy()
    words[3, 3] ^= 1
    Image.fromarray(words).save(path)


def test_rows_on_changed_images_are_refused_before_any_work_and_made_anew_on_request(finished, own_images, capsys):
    shutil.copytree(finished / "out", "out")
    write(experiment())
    repaint(own_images / "clean" / "p1.png")
    before, seen = document(), (data_digest_of("u_net"), data_digest_of("n2b"))
    assert benchmark(own_images) == 2
    (line,) = error_lines(capsys.readouterr().err)  # the supervised row sees no clean images
    assert "runs/n2b: must resume with the images it was trained on, got 1 of 2 clean images changed" in line
    assert "--overwrite" in line
    assert document() == before
    assert benchmark(own_images, "--overwrite") == 0
    assert data_digest_of("u_net") == seen[0]
    assert data_digest_of("n2b") != seen[1]
    assert benchmark(own_images) == 0


def test_an_unfinished_row_on_changed_images_is_made_anew_on_request(finished, own_images, capsys):
    shutil.copytree(finished / "out", "out")
    write(experiment())
    Path("out/runs/n2b/model.pt").unlink()
    repaint(own_images / "noisy" / "p0.png")
    assert benchmark(own_images) == 2
    assert len(error_lines(capsys.readouterr().err)) == 2
    assert benchmark(own_images, "--overwrite") == 0


def test_rows_that_saw_other_images_do_not_stand_in_a_table_made_row_by_row(finished, own_images):
    shutil.copytree(finished / "out", "out")
    write(experiment())
    repaint(own_images / "clean" / "p1.png")
    assert benchmark(own_images, "--only", "TV") == 0
    assert {name: row["status"] for name, row in rows_of(document()).items()} == {
        "input": "done",
        "U-Net": "done",
        "N2B": "not run",
        "TV": "done",
        "Gaussian": "done",
    }


def test_changed_test_images_are_scored_anew_and_renamed_ones_keep_their_scores(finished, own_images, monkeypatch):
    shutil.copytree(finished / "out", "out")
    write(experiment(gallery=None))
    repaint(own_images / "test" / "p1.png")
    (own_images / "test" / "p0.png").rename(own_images / "test" / "a.png")
    told: list[int] = []
    monkeypatch.setattr(
        "n2b_ct.experiments.scoring.measure_image", lambda *pair: told.append(0) or measure_image(*pair)
    )
    assert benchmark(own_images) == 0
    assert len(told) == 5 * 2  # one image, on both columns, of every row
    assert {line["image"] for line in csv_lines(Path("out"))} == {"a", "p1"}


def test_a_model_that_is_not_the_run_s_own_is_not_scored(finished, images, place):
    shutil.copytree(finished / "out", "out")
    write(experiment())
    digest = digest_of("n2b")
    shutil.copy("out/runs/u_net/model.pt", "out/runs/n2b/model.pt")
    assert benchmark(images) == 0
    assert digest_of("n2b") == digest == load_natural_image_model(Path("out/runs/n2b")).digest
    assert rows_of(document())["N2B"]["scores"] == rows_of(document(finished / "out"))["N2B"]["scores"]


def test_rows_can_be_made_one_by_one_and_the_table_grows(images, place, capsys):
    write(experiment())
    assert benchmark(images, "--only", "TV") == 0
    assert {name: row["status"] for name, row in rows_of(document()).items()} == {
        "input": "done",
        "U-Net": "not run",
        "N2B": "not run",
        "TV": "done",
        "Gaussian": "not run",
    }
    assert benchmark(images, "--only", "U-Net", "--set", "training.iterations=2") == 0
    rows = rows_of(document())
    assert [name for name, row in rows.items() if row["status"] == "done"] == ["input", "U-Net", "TV"]
    assert rows["U-Net"]["budget"]["iterations"] == 2
    assert rows["TV"]["scores"][0]["psnr_gain_db"]["mean"] is not None
    assert "--set training.iterations=2" in document()["command"]
    assert benchmark(images, "--only", "N2C") == 2
    assert "--only: must name rows of tiny, got N2C" in error_lines(capsys.readouterr().err)[0]


def test_two_commands_at_once_leave_a_table_with_the_rows_of_both(images, place, monkeypatch):
    write(experiment())
    make_row, others = benchmark_module.make_row, ["Gaussian"]

    def slowly(*arguments):
        if others:
            assert benchmark(images, "--only", others.pop()) == 0
        return make_row(*arguments)

    monkeypatch.setattr(benchmark_module, "make_row", slowly)
    assert benchmark(images, "--only", "TV") == 0
    done = [name for name, row in rows_of(document()).items() if row["status"] == "done"]
    assert done == ["input", "TV", "Gaussian"]


def test_rgb_of_16_bits_trains_and_scores(images, place):
    values = experiment(rows=experiment()["rows"][1:3], compare_with=None)
    values["data"] |= {"colour": "rgb"}
    write(values)
    assert benchmark(images / "rgb") == 0
    found = document()
    assert found["colour"] == "rgb"
    truth = np.float32(np.rint(65535 * scene(0, 3)) / 65535)
    noise = np.random.default_rng([0, 0, 3]).standard_normal(truth.shape, dtype=np.float32)
    noisy = truth + noise * np.float32(25 / 255)
    line = csv_lines(Path("out"))[0]
    assert float(line["psnr_db"]) == pytest.approx(measure_image(truth, noisy).psnr_db, abs=1e-3)
    assert rows_of(found)["N2B"]["scores"][0]["n_images"] == N_TEST


def test_a_failing_row_is_listed_and_stops_no_other(images, place, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    rows = [{"name": "BM3D", "baseline": {"name": "bm3d"}}, {"name": "TV", "baseline": {"name": "tv"}}]
    write(experiment(rows=rows, compare_with=None))
    assert benchmark(images) == 1
    (line,) = error_lines(capsys.readouterr().err)
    assert line.startswith("error: row BM3D: bm3d: needs the package bm3d, which is optional, ")
    assert "got no such package; pip install 'n2b-ct[bm3d]'" in line
    assert [row["status"] for row in document()["rows"]] == ["done", "failed", "done"]
    assert "- BM3D failed: bm3d: needs the package" in Path("out/table.md").read_text(encoding="utf-8")
    assert benchmark(images, "--only", "BM3D", out="alone") == 2


def test_a_noise_of_an_outside_package_is_trained_on_and_scored(images, place, capsys):
    source = """
from functools import partial
from typing import Literal

from n2b_ct.config.noise import NoiseConfig
from n2b_ct.noises.noise import add_noise
from n2b_ct.registry import NOISES


@NOISES.register("uniform")
class UniformNoise(NoiseConfig):
    title = "uniform noise"
    kind: Literal["uniform"] = "uniform"
    width: float

    def noise(self):
        return self

    def draw(self, shape, rng):
        return partial(add_noise, noise=rng.uniform(-self.width / 2, self.width / 2, shape))
"""
    uniform = {"kind": "uniform", "width": 0.1}
    rows = [{"name": "U-Net", "method": {"name": "supervised"}}, {"name": "TV", "baseline": {"name": "tv"}}]
    tests = [{"name": "uniform", "folder": "test", "noise": uniform}]
    values = experiment(rows=rows, tests=tests, compare_with=None, gallery=None)
    values["data"]["noise"] = uniform
    write(values)
    with installed(place, NOISES, source, uniform="UniformNoise"):
        assert benchmark(images) == 0
        (column,) = document()["tests"]
        assert column["noise"] == uniform
        assert document()["rows"][0]["scores"][0]["psnr_db"]["mean"] == pytest.approx(30.8, abs=0.5)  # 10 lg(12 / 0.01)
        assert "uniform noise, width 0.1" in Path("out/table.md").read_text(encoding="utf-8")
        values["data"]["noise"] = {"kind": "unifrom", "width": 0.1}
        write(values)
        assert benchmark(images, out="other") == 2
        assert "tiny.yaml: data.noise.kind: must be one of" in (line := error_lines(capsys.readouterr().err)[0])
        assert "got unifrom; did you mean uniform" in line


def test_check_says_what_is_ready_and_writes_nothing(images, place, capsys):
    write(experiment())
    assert benchmark(images, "--check") == 0
    assert "tiny: ready; 4 rows; 2 images in σ 25, 2 images in blind" in capsys.readouterr().out
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {"noisy": {"folder": "absent"}}}, ["row U-Net: data.noisy.folder", "nothing there"]),
        ({"data": {"clean": None}}, ["row N2B: data.clean: noise2blur needs clean images"]),
        ({"data": {"colour": "rgb"}}, ["tests.0.folder: p0.png: must be rgb", "got gray"]),
        ({"data": {"noise": {"kind": "text", "probability": 2}}}, ["tiny.yaml: data.noise.probability"]),
        ({"tests": [{"name": "a", "folder": "no", "noise": SIGMA_25}], "gallery": None}, ["tests.0.folder"]),
        ({"training": {"iterations": 4, "patch_px": 80}}, ["row U-Net", "p0.png", "training.patch_px = 80"]),
        ({"gallery": {"test": "σ 25", "images": {"lena": None}}}, ["gallery.images: must name", "got lena"]),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_clear_lines_before_any_work(images, place, capsys, changes, said):
    values = experiment()
    if "data" in changes:
        changes = {"data": values["data"] | changes["data"]}
    write(values | changes)
    assert benchmark(images) == 2
    lines = error_lines(capsys.readouterr().err)
    assert lines
    assert all(any(word in line for line in lines) for word in said), lines
    assert not Path("out").exists()


def test_a_folder_with_something_else_is_left_alone(images, place, capsys):
    write(experiment())
    Path("out").mkdir()
    Path("out/thesis.txt").write_text("mine")
    assert benchmark(images) == 2
    assert "must be new, empty or hold an experiment's rows" in error_lines(capsys.readouterr().err)[0]
    assert [path.name for path in Path("out").iterdir()] == ["thesis.txt"]


def test_notebooks_get_the_table_itself(finished, images):
    told: list[int] = []
    made = benchmark_module.benchmark(
        finished / "tiny.yaml", finished / "out", data_root=images, progress=lambda done, *_: told.append(done)
    )
    assert made.failed == ()
    assert [row.name for row in made.measured] == ["input", "U-Net", "N2B", "TV", "Gaussian"]
    assert told == sorted(told)
