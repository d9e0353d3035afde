"""Pipelines: every problem at once with its path, overrides, windows, frozen values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from n2b_ct.config import Pipeline, load_pipeline
from n2b_ct.config.yaml_files import shipped_dir
from n2b_ct.data.manifest import load_manifest
from n2b_ct.errors import ConfigError
from n2b_ct.hu import WINDOWS, Window
from n2b_ct.methods.noise2blur import Noise2BlurConfig
from n2b_ct.methods.supervised import SupervisedConfig


def smallest() -> dict[str, Any]:
    return {"data": {"manifest": "m.yaml"}, "method": {"name": "noise2blur"}, "training": {"iterations": 10}}


def written(tmp_path: Path, values: dict[str, Any]) -> Path:
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def problems(tmp_path: Path, values: dict[str, Any], *overrides: str) -> list[str]:
    with pytest.raises(ConfigError, match=r"experiment\.yaml") as caught:
        load_pipeline(written(tmp_path, values), overrides)
    return caught.value.problems


def test_the_smallest_pipeline_takes_its_name_from_the_file(tmp_path):
    pipeline = load_pipeline(written(tmp_path, smallest()))
    assert pipeline.name == "experiment"
    assert pipeline.training.iterations == 10
    assert isinstance(pipeline.method, Noise2BlurConfig)


def test_the_papers_numbers_are_the_defaults(tmp_path):
    pipeline = load_pipeline(written(tmp_path, smallest()))
    method = pipeline.method
    assert isinstance(method, Noise2BlurConfig)
    assert (pipeline.training.batch_size, pipeline.training.patch_px) == (16, 128)
    assert (method.blur.filter, method.blur.kernel_px) == ("mean", 17)
    assert method.initial_fraction == 0.05
    assert method.gradient_interruption


def test_every_problem_is_reported_at_once_with_its_path(tmp_path):
    values = smallest()
    values["training"] = {"iterations": 0, "batchsize": 4, "patch_px": 8}
    values["method"]["blur"] = {"filter": "mean", "kernel_px": 4}
    values["data"]["window"] = [240, -160]
    values["extra"] = 1
    found = problems(tmp_path, values)
    subjects = [line.split(": ")[1] for line in found]
    assert subjects == [
        "data.window",
        "method.blur.kernel_px",
        "training.iterations",
        "training.patch_px",
        "training.batchsize",
        "extra",
    ]


def test_a_problem_says_requirement_value_and_remedy(tmp_path):
    values = smallest()
    values["training"] = {"batchsize": 4}
    assert problems(tmp_path, values) == [
        "experiment.yaml: training.iterations: must be given, got nothing; add it",
        "experiment.yaml: training.batchsize: must be a known key, got 4; did you mean batch_size?",
    ]


def test_of_an_unknown_key_the_nearest_of_its_section_are_named_and_other_problems_stay_as_they_are(tmp_path):
    values = smallest() | {"report": {"baselines": ["nml"]}, "training": {"iterations": 0, "precision": "fp8"}}
    values["data"]["window"] = [240, -160]
    others = problems(tmp_path, values)
    values["data"]["kynd"], values["method"]["blur"] = "ct", {"filter": "mean", "kernel": 5}
    values |= {"reprt": {}, "xyz": 2}
    found = problems(tmp_path, values)
    assert [line for line in found if "known key" not in line] == others
    assert len(others) == 4
    assert [line.partition(": ")[2] for line in found if "known key" in line] == [
        "data.kynd: must be a known key, got 'ct'; did you mean kind?",
        "method.blur.kernel: must be a known key, got 5; did you mean kernel_px?",
        "reprt: must be a known key, got a section with nothing; did you mean report?",
        "xyz: must be a known key, got 2; correct its name or remove it",
    ]


def test_a_problem_stays_one_short_line_whatever_the_value(tmp_path):
    (line,) = problems(tmp_path, smallest(), "training.seed='a\n" + "b" * 500 + "'")
    assert "\n" not in line
    assert len(line) < 250


@pytest.mark.parametrize("key", ["iterations", "batch_size", "checkpoint_every", "log_every", "validate_every"])
def test_counts_must_be_positive(tmp_path, key):
    (line,) = problems(tmp_path, smallest(), f"training.{key}=0")
    assert line.startswith(f"experiment.yaml: training.{key}: input should be greater than or equal to 1, got 0")


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan"])
def test_numbers_must_be_finite(tmp_path, number):
    found = problems(tmp_path, smallest(), f"data.window=[{number}, 240]", f"training.learning_rate={number}")
    assert len(found) == 2
    assert all("finite number" in line or "greater than 0" in line for line in found)


@pytest.mark.parametrize(
    ("given", "window"),
    [
        ("lung", WINDOWS["lung"]),
        ("[-160, 240]", Window(-160, 240)),
        ("{lower_hu: -100, upper_hu: 100.5}", Window(-100, 100.5)),
    ],
)
def test_a_window_is_a_name_a_pair_or_a_section(tmp_path, given, window):
    pipeline = load_pipeline(written(tmp_path, smallest()), [f"data.window={given}"])
    assert pipeline.data.window.window == window


@pytest.mark.parametrize("given", ["stomach", "[1]", "[1, 2, 3]", "[b, a]", "{lower_hu: 1}", "5", "[5, 5]"])
def test_anything_else_is_no_window(tmp_path, given):
    assert problems(tmp_path, smallest(), f"data.window={given}")[0].startswith("experiment.yaml: data.window")


def test_sections_are_frozen(tmp_path):
    pipeline = load_pipeline(written(tmp_path, smallest()))
    with pytest.raises(ValidationError, match="frozen"):
        pipeline.training.seed = 5  # type: ignore[misc]


def test_the_method_chooses_its_section(tmp_path):
    values = {**smallest(), "method": {"name": "supervised"}}
    assert isinstance(load_pipeline(written(tmp_path, values)).method, SupervisedConfig)
    (line,) = problems(tmp_path, {**smallest(), "method": {"name": "magic"}})
    known = "dbsn, noise2blur, noise2noise, noise2void, noise_insertion, supervised, upi"
    assert line == f"experiment.yaml: method.name: must be one of {known}, got magic; choose one of them"


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("method.name=noise2blurr", r"method\.name: must be one of .*, got noise2blurr; did you mean noise2blur"),
        ("method.name=[noise2blur]", r"method\.name: must be one of .*, got \['noise2blur'\]; did you mean"),
        ("method={}", r"method\.name: must be given, got nothing; add it"),
        (
            "method=noise2blur",
            r"method: input should be a valid dictionary .*, got 'noise2blur'",
        ),
        (
            "method.blur.filter=gausian",
            r"method\.blur\.filter: must be one of mean, .*; did you mean gaussian\?",
        ),
        (
            "method.blur={filter: gaussian, sigma: 2}",
            r"method\.blur\.sigma: must be a known key, got 2",
        ),
        ("method.teacher={}", r"method\.teacher: must be a known key"),
    ],
)
def test_a_problem_inside_a_method_has_the_path_that_the_file_has(tmp_path, override, line):
    with pytest.raises(ConfigError, match=f"^experiment\\.yaml: {line}"):
        load_pipeline(written(tmp_path, smallest()), [override])


def test_report_windows_have_known_names(tmp_path):
    for windows in ("[]", "[abdomen, stomach]"):
        (line,) = problems(tmp_path, smallest(), f"report.windows={windows}")
        assert "report.windows: must be one or more of abdomen, lung" in line


def test_plain_values_make_the_same_pipeline_again(tmp_path):
    pipeline = load_pipeline(written(tmp_path, smallest()), ["data.window=lung", "data.doses=[0.25, 0.5]"])
    again = Pipeline.model_validate(yaml.safe_load(yaml.safe_dump(pipeline.plain())))
    assert again == pipeline


def test_a_manifest_beside_the_pipeline_is_found_from_any_folder(tmp_path, monkeypatch):
    path = written(tmp_path, smallest())
    (tmp_path / "m.yaml").write_text("here")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_pipeline(path).data.manifest == str(tmp_path / "m.yaml")
    (tmp_path / "elsewhere" / "m.yaml").write_text("nearer")
    assert load_pipeline(path).data.manifest == str(tmp_path / "elsewhere" / "m.yaml")


def test_a_pipeline_is_not_taken_for_the_manifest_whose_name_it_bears(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = load_pipeline("piglet.yaml")
    assert load_manifest(own.data.manifest).name == "piglet"
    (tmp_path / "piglet.yaml").write_text((shipped_dir("pipelines") / "piglet.yaml").read_text())
    assert load_manifest(load_pipeline("piglet.yaml").data.manifest).name == "piglet"
    monkeypatch.chdir(shipped_dir("pipelines"))
    assert load_manifest(load_pipeline("demo.yaml").data.manifest).name == "piglet"


# ── Overrides ──


@pytest.mark.parametrize(("text", "value"), [("7", 7), ("1e-3", 1e-3), ("0.001", 0.001), (" 5", 5)])
def test_an_override_is_yaml(tmp_path, text, value):
    pipeline = load_pipeline(written(tmp_path, smallest()), [f"training.learning_rate={text}"])
    assert pipeline.training.learning_rate == value


def test_the_last_override_wins_and_the_file_stays(tmp_path):
    path = written(tmp_path, smallest())
    before = path.read_text()
    pipeline = load_pipeline(path, ["training.seed=1", "training.seed=2", "name=x=y"])
    assert (pipeline.training.seed, pipeline.name) == (2, "x=y")
    assert path.read_text() == before


def test_an_override_makes_sections_that_the_file_lacks(tmp_path):
    pipeline = load_pipeline(written(tmp_path, smallest()), ["report.panels_per_dose=3", "report.baselines=[nlm]"])
    assert pipeline.report.panels_per_dose == 3
    assert pipeline.report.baselines == ("nlm",)


@pytest.mark.parametrize("override", ["training.seed", "=5", " =5"])
def test_an_override_needs_key_and_value(tmp_path, override):
    with pytest.raises(ConfigError, match=r"must be key=value, got no key or no =; write overrides=training.seed=1"):
        load_pipeline(written(tmp_path, smallest()), [override])


def test_an_override_cannot_run_through_a_value(tmp_path):
    with pytest.raises(ConfigError, match=r"overrides=training.iterations.x: iterations must be a section"):
        load_pipeline(written(tmp_path, smallest()), ["training.iterations.x=1"])


@pytest.mark.parametrize("value", ["[1", "{a", "2024-13-45", "\x00"])
def test_an_override_that_is_no_yaml_is_said(tmp_path, value):
    with pytest.raises(ConfigError, match="the value must be YAML"):
        load_pipeline(written(tmp_path, smallest()), [f"training.seed={value}"])


def test_an_override_with_an_unknown_key_is_reported_like_the_files_own(tmp_path):
    assert problems(tmp_path, smallest(), "training.sead=1") == [
        "experiment.yaml: training.sead: must be a known key, got 1; did you mean seed?"
    ]


def test_a_blurred_label_is_a_mean_unless_another_filter_is_named():
    loaded = load_pipeline("mayo_b30", ["method.blur.kernel_px=9"])
    assert loaded.plain()["method"]["blur"] == {"filter": "mean", "kernel_px": 9}
