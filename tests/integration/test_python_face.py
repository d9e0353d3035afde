"""Python's functions beside the commands: the same words, the same weights, arrays in the place of files."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import n2b_ct as n2b
from n2b_ct.cli import run
from n2b_ct.errors import ConfigError, DataError, ModelError
from n2b_ct.hu import hu_to_stored
from tests.integration.natural_image_scenes import natural_image_model
from tests.integration.scenes import (
    assert_same_weights,
    biased_model,
    error_lines,
    pipeline_values,
    tissue_hu,
    weights_of,
    with_noise,
    write_series,
)

CREATED = "2026-03-04T05:06:07"


class AnyPath:
    """A path that is neither text nor a Path."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return self.path


def settings(**training: Any) -> dict[str, Any]:
    """A pipeline without its data section, as plain values."""
    return {key: value for key, value in pipeline_values(**training).items() if key != "data"}


@pytest.fixture
def data(world: Path) -> Path:
    return world.parent / "data"


def files_of(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*.dcm")}


def test_an_array_is_denoised_to_the_words_that_the_command_stores(tmp_path):
    hu = with_noise(tissue_hu(1), 2)
    hu[:, :4] = -1024
    write_series(tmp_path / "in", hu, uid=1, padding=0)
    model = biased_model(tmp_path / "model.pt", bias=0.0317)
    assert run(["denoise", f"{tmp_path}/in", f"{tmp_path}/out", "--model", str(model), "--strength", "0.7"]) == 0
    before, after = n2b.read_series(tmp_path / "in"), n2b.read_series(tmp_path / "out")
    assert before.is_padding.any()
    denoised = n2b.load(model).denoise(before.hu, strength=0.7, is_padding=before.is_padding)
    assert not np.array_equal(denoised, before.hu)
    np.testing.assert_array_equal(hu_to_stored(denoised, 1, -1024), hu_to_stored(after.hu, 1, -1024))


def test_the_function_writes_what_the_command_writes(data):
    model = biased_model(Path("model.pt"))
    options = ["--residual", "--created", CREATED, "--select", "Thorax"]
    assert run(["denoise", str(data), "command", "--model", "model.pt", *options]) == 0
    created = datetime.fromisoformat(CREATED)
    result = n2b.denoise(
        str(data), AnyPath("function"), model=AnyPath(str(model)), residual=True, created=created, select="Thorax"
    )
    assert not result.failed
    assert files_of("function") == files_of("command")
    assert len(files_of("function")) == 30
    loaded = n2b.load("model.pt")
    assert not n2b.denoise(data, "loaded", model=loaded, residual=True, created=created).failed
    assert files_of("loaded") == files_of("command")


def test_the_function_asks_for_one_of_resume_and_overwrite(data, capsys):
    model = biased_model(Path("model.pt"))
    with pytest.raises(
        ConfigError, match=r"^resume=True and overwrite=True: only one can be given, got both; choose one"
    ):
        n2b.denoise(data, "out", model=model, resume=True, overwrite=True)
    assert run(["denoise", str(data), "out", "--model", "model.pt", "--resume", "--overwrite"]) == 2
    assert error_lines(capsys.readouterr().err) == [
        "error: --resume and --overwrite: only one can be given, got both; choose one"
    ]


def test_training_from_arrays_gives_the_weights_of_training_from_files(world, data):
    noisy, clean = (n2b.read_series(data / name).hu for name in ("noisy", "clean"))
    n2b.train(str(world), data_root=str(data), out="files", device="cpu")
    n2b.train(world, noisy=noisy, clean=torch.from_numpy(clean), out=AnyPath("arrays"), device="cpu")
    n2b.train(world, noisy=list(noisy.astype(np.int16)), clean=[clean], out="pieces", device="cpu")
    assert_same_weights(weights_of(Path("arrays")), weights_of(Path("files")))
    assert_same_weights(weights_of(Path("pieces")), weights_of(Path("files")))


@pytest.mark.parametrize("method", ["noise2blur", "supervised", "noise2void"])
def test_a_model_trained_from_arrays_and_plain_settings_is_used_like_any_other(world, data, method):
    low, full = with_noise(tissue_hu(2), 12), tissue_hu(2)
    pipeline = {**settings(), "method": pipeline_values(method)["method"], "data": {"window": "abdomen"}}
    given = {"noise2blur": {"clean": tissue_hu(5)}, "supervised": {"references": full}}.get(method, {})
    summary = n2b.train(pipeline, noisy=low, **given, validation=low[:1], truths=full[:1], out="run", device="cpu")
    assert summary["n_images"] == {"noisy": 3, "clean": len(given.get("clean", ()))}
    assert n2b.load("run").denoise(low).shape == low.shape
    assert not n2b.denoise(data / "test", "denoised", model="run").failed
    report = n2b.report(world, {method: "run"}, "report", data_root=data, overrides={"report.windows": ["abdomen"]})
    assert report.roles[method] == "model"
    assert n2b.train(pipeline, noisy=low, **given, validation=low[:1], truths=full[:1], out="run", resume=True) == {
        **summary,
        "series": [{**one, "problems": []} for one in summary["series"]],
    }


def test_overrides_are_a_mapping_or_texts(world, data):
    one = n2b.train(world, data_root=data, out="one", overrides={"training.seed": 3, "training.iterations": 4})
    other = n2b.train(world, data_root=data, out="other", overrides=["training.seed=3", "training.iterations=4"])
    assert (one["seed"], one["iterations"]) == (3, 4)
    assert one["model_digest"] == other["model_digest"]


def test_a_run_from_arrays_goes_on_with_the_same_arrays_only(world):
    noisy, clean = with_noise(tissue_hu(2), 12), tissue_hu(5)
    n2b.train(world, noisy=noisy, clean=clean, out="run")
    with pytest.raises(ConfigError, match="must resume with the images it was trained on, got 1 of 3 clean images"):
        n2b.train(world, noisy=noisy, clean=[*clean[:2], clean[2] + 1], out="run", resume=True)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"clean": np.zeros((64, 64))}, ConfigError, "noisy: must be given beside clean, got None"),
        ({"noisy": np.zeros((64, 64)), "data_root": "x"}, ConfigError, "data_root: does not go with arrays, got x"),
        ({"noisy": []}, DataError, "role noisy: must hold at least one slice, got 0"),
        ({"noisy": np.zeros((64, 64))}, DataError, "role clean: must hold at least one slice, got 0"),
        ({"noisy": np.full((64, 64), np.nan)}, DataError, r"noisy\[0\]: HU must be finite, got 4096 NaN or infinite"),
        ({"noisy": np.zeros((16, 16)), "clean": np.zeros((16, 16))}, DataError, "16"),
    ],
)
def test_arrays_that_cannot_be_learned_from_are_refused_before_anything_is_written(world, given, error, said):
    with pytest.raises(error, match=said):
        n2b.train(world, **given, out="run")
    assert not Path("run").exists()


def test_settings_without_a_manifest_and_without_arrays_are_refused():
    pipeline = {**settings(), "data": {"manifest": None, "window": "abdomen"}}
    with pytest.raises(
        ConfigError, match=r"data\.manifest: must name a data manifest, got null; name one, or pass arr"
    ):
        n2b.train(pipeline, out="run")


def test_settings_that_are_wrong_get_a_line_each():
    with pytest.raises(ConfigError, match="did you mean noise2blur") as raised:
        n2b.train({"method": {"name": "noise2blurr"}, "trainning": {}}, noisy=np.zeros((64, 64)), out="run")
    assert [line.split(":")[1].strip() for line in str(raised.value).splitlines()] == [
        "method.name",
        "training",
        "trainning",
    ]


def test_a_model_of_natural_images_is_refused_for_arrays_of_hu(tmp_path):
    with pytest.raises(ModelError, match=r"model m\.pt: must be trained on CT, got natural"):
        n2b.load(natural_image_model(tmp_path / "m.pt"))


def test_a_series_is_read_with_its_spacing_and_facts(tmp_path):
    hu = np.rint(with_noise(tissue_hu(1), 2))
    write_series(tmp_path / "one", hu, uid=1)
    series = n2b.read_series(str(tmp_path / "one"))
    assert (series.hu.dtype, series.problems) == (np.float32, ("non_square_pixels",))
    np.testing.assert_array_equal(series.hu, hu)
    assert series.spacing_mm == (2.0, 0.5, 0.75)
    assert {"Manufacturer": "Acme", "KVP": "120", "SeriesDescription": "Thorax"}.items() <= series.facts.items()
    assert "patient-7" not in repr(series.facts)


def test_several_series_are_refused_with_how_to_choose(tmp_path):
    write_series(tmp_path / "two", tissue_hu(1), uid=1, patient="a")
    write_series(tmp_path / "two" / "sub", tissue_hu(2), uid=2, patient="b")
    with pytest.raises(
        DataError, match=r"must hold one CT series, got .*\.1\.1 \(3 slices\), .*\.2\.1 .*; choose"
    ) as one:
        n2b.read_series(tmp_path / "two")
    assert "\n" not in str(one.value)
    assert "series_uid=" in str(one.value)
    chosen = n2b.read_series(tmp_path / "two", series_uid="1.2.826.0.1.3680043.8.498.2.1")
    np.testing.assert_array_equal(chosen.hu, np.rint(tissue_hu(2)))


def test_a_place_given_as_bytes_or_as_a_number_is_refused_by_its_parameter(tmp_path):
    for place in (os.fsencode(tmp_path), 5):
        with pytest.raises(ConfigError, match=r"model: must be a path \(str or os\.PathLike\), got (b'|5)"):
            n2b.load(place)  # type: ignore[arg-type]
