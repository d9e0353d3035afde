"""Experiments: rows become pipelines, and every problem of the file is reported where somebody wrote it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from n2b_ct.config.natural_images import NaturalImageSection
from n2b_ct.errors import ConfigError
from n2b_ct.experiments.experiment import file_slug, load_experiment
from n2b_ct.methods.upi import UpiConfig

GAUSSIAN = {"kind": "gaussian", "sigma": 25}


def smallest() -> dict[str, Any]:
    return {
        "data": {"kind": "natural_images", "noisy": {"folder": "a"}, "clean": {"folder": "b"}, "noise": dict(GAUSSIAN)},
        "tests": [{"name": "t", "folder": "c", "noise": dict(GAUSSIAN)}],
        "training": {"iterations": 10},
        "denoiser": {"name": "SimpleUNet", "arguments": {"n_features": 4}, "output": "direct"},
        "rows": [
            {"name": "U-Net", "method": {"name": "supervised"}},
            {"name": "NLM", "baseline": {"name": "nlm"}},
        ],
    }


def load(tmp_path, values, *overrides):
    path = tmp_path / "table.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return load_experiment(path, overrides)


def problems(tmp_path, values, *overrides):
    with pytest.raises(ConfigError, match=r"table\.yaml") as caught:
        load(tmp_path, values, *overrides)
    return caught.value.problems


def test_only_trained_rows_have_a_pipeline(tmp_path):
    experiment = load(tmp_path, smallest())
    assert experiment.section.name == "table"
    assert list(experiment.pipelines) == ["U-Net"]
    pipeline = experiment.pipelines["U-Net"]
    assert (pipeline.name, pipeline.training.iterations) == ("u_net", 10)
    assert isinstance(pipeline.data, NaturalImageSection)


def test_a_rows_keys_win_over_the_shared_ones_key_by_key(tmp_path):
    values = smallest()
    row = values["rows"][0]
    row |= {"data": {"noisy": {"count": 1}, "noise": {"sigma": 10}}, "training": {"seed": 3}}
    row |= {"denoising": {"test_time_augmentation": 8}}
    pipeline = load(tmp_path, values).pipelines["U-Net"]
    assert (pipeline.data.noisy.folder, pipeline.data.noisy.count) == ("a", 1)
    assert (pipeline.data.noise.kind, pipeline.data.noise.sigma) == ("gaussian", 10)
    assert (pipeline.training.iterations, pipeline.training.seed) == (10, 3)
    assert pipeline.denoising.test_time_augmentation == 8


def test_a_noise_of_another_kind_replaces_the_shared_one_whole(tmp_path):
    values = smallest()
    values["rows"][0]["data"] = {"noise": {"kind": "speckle", "variance": 0.1}}
    assert load(tmp_path, values).pipelines["U-Net"].data.noise.variance == 0.1


def test_the_shared_denoiser_is_for_methods_that_take_any_and_name_none(tmp_path):
    values = smallest()
    values["rows"] = [
        {"name": "shared", "method": {"name": "supervised"}},
        {"name": "own", "method": {"name": "supervised", "denoiser": {"name": "DnCNN", "output": "direct"}}},
        {"name": "blind spot", "method": {"name": "dbsn"}},
    ]
    denoisers = {name: one.method.denoiser for name, one in load(tmp_path, values).pipelines.items()}
    assert (denoisers["shared"].name, denoisers["shared"].arguments) == ("SimpleUNet", {"n_features": 4})
    assert (denoisers["own"].name, denoisers["own"].arguments) == ("DnCNN", {})
    assert denoisers["blind spot"].name == "BayesDenoiser"


def test_overrides_win_over_the_file_and_over_its_rows(tmp_path):
    values = smallest()
    values["rows"][0]["training"] = {"iterations": 99}
    experiment = load(tmp_path, values, "training.iterations=7", "description=quick", "data.noisy.count=2")
    assert experiment.pipelines["U-Net"].training.iterations == 7
    assert experiment.pipelines["U-Net"].data.noisy.count == 2
    assert experiment.section.description == "quick"


def test_a_shared_problem_is_reported_once_and_a_rows_own_under_the_row(tmp_path):
    values = smallest()
    values["training"] = {"iterations": 0}
    values["rows"] += [
        {"name": "N2B", "method": {"name": "noise2blur", "blur": {"kernel_px": 4}}, "training": {"patchpx": 32}},
        {"name": "N2V", "method": {"name": "noise2void"}, "data": {"noise": {"sigma": -1}}},
    ]
    found = problems(tmp_path, values)
    subjects = [line.split(": must")[0].split(": input")[0].split(": extra")[0] for line in found]
    assert subjects.count("table.yaml: training.iterations") == 1
    assert "table.yaml: rows.2 (N2B): training.patchpx" in subjects
    assert any(one.startswith("table.yaml: rows.2 (N2B): method.blur.kernel_px") for one in subjects)
    assert any(one.startswith("table.yaml: rows.3 (N2V): data.noise.sigma") for one in subjects)


def test_a_probability_of_two_is_refused_with_file_and_key(tmp_path):
    values = smallest()
    values["tests"][0]["noise"] = {"kind": "salt_and_pepper", "probability": 2}
    assert all("table.yaml: tests.0.noise.probability" in one for one in problems(tmp_path, values))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"compare_with": "N2B"}, "compare_with must name a row, not 'N2B'"),
        ({"published": [{"name": "x", "published": [{"test": "u", "ssim": 0.5, "source": "k"}]}]}, "not 'u'"),
        ({"gallery": {"test": "nowhere", "images": {"p": None}}}, "must name a test, not 'nowhere'"),
        (
            {"rows": [{"name": "N2B v", "baseline": {"name": "tv"}}, {"name": "N2B_v", "baseline": {"name": "tv"}}]},
            "n2b_v",
        ),
        ({"rows": [{"name": "input", "baseline": {"name": "tv"}}]}, "input"),
        ({"rows": [{"name": "x"}]}, "needs either method or baseline"),
        ({"rows": [{"name": "x", "baseline": {"name": "tv"}, "training": {"seed": 1}}]}, "has no data, training"),
        ({"rows": [{"name": "x", "baseline": {"name": "median"}}]}, "rows.0.baseline.name"),
        ({"rows": [{"name": "x", "method": {"name": "upi"}, "teacher": "y"}]}, "teacher of x must name a trained row"),
        ({"tests": [{"name": "t", "folder": "c"}]}, "needs either noise or a folder of noisy images"),
        ({"rows": []}, "rows must hold at least one"),
        ({"gallery": {"test": "t", "images": {}}}, "gallery.images must hold at least one"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, change, line):
    found = problems(tmp_path, smallest() | change)
    assert any(line in one for one in found), found


def test_a_published_value_must_say_something_and_name_its_source(tmp_path):
    values = smallest()
    values["rows"][0]["published"] = [{"test": "t", "source": "k"}]
    assert any("needs psnr_db or ssim" in one for one in problems(tmp_path, values))
    values["rows"][0]["published"] = [{"test": "t", "psnr_db": 30.0, "source": "k"}]
    assert any("must name a key of sources, not 'k'" in one for one in problems(tmp_path, values))


def test_a_row_about_ct_or_of_another_colour_is_refused(tmp_path):
    values = smallest()
    values["rows"][0]["data"] = {"colour": "rgb"}
    assert any("must be gray as in data.colour, got rgb" in one for one in problems(tmp_path, values))
    values["data"] = {"manifest": "piglet.yaml"}
    values["rows"][0]["data"] = {}
    assert any("must be natural_images, got ct" in one for one in problems(tmp_path, values))


def test_a_pipeline_is_not_taken_for_an_experiment(tmp_path):
    values = {"data": {"manifest": "m"}, "method": {"name": "noise2blur"}, "training": {"iterations": 1}}
    assert problems(tmp_path, values) == [
        "table.yaml: must be an experiment with rows, got a pipeline; run n2b-ct train"
    ]


def test_rows_can_be_chosen_by_name(tmp_path):
    experiment = load(tmp_path, smallest())
    assert experiment.is_chosen("NLM")
    assert not experiment.only(["U-Net"]).is_chosen("NLM")
    assert experiment.only([]).is_chosen("NLM")
    with pytest.raises(ConfigError, match="only: must name rows of table, got N2B; its rows are: U-Net, NLM"):
        experiment.only(["U-Net", "N2B"])


def test_names_become_parts_of_file_names():
    assert file_slug("N2B one, σ 25") == "n2b_one_25"
    assert file_slug("σ") == "unnamed"


def test_a_students_teacher_is_a_row_above_it(tmp_path):
    values = smallest()
    values["rows"] = [
        {"name": "D-BSN", "method": {"name": "dbsn"}},
        {"name": "UPI", "method": {"name": "upi"}, "teacher": "D-BSN"},
    ]
    experiment = load(tmp_path, values)
    assert experiment.section.rows[1].teacher == "D-BSN"
    assert isinstance(experiment.pipelines["UPI"].method, UpiConfig)
