"""Names: one plain part of a path where they name a folder, one printable line everywhere."""

from __future__ import annotations

import pytest

from n2b_ct.cli.report import named_paths
from n2b_ct.config import load_pipeline
from n2b_ct.config.printable_names import folder_name, shown_name
from n2b_ct.errors import ConfigError
from n2b_ct.experiments.experiment import load_experiment

ESCAPES = ["../../../escaped", "/abs", "a/b", "a\\b", "..", ".", ".hidden", "C:x", " a", "a ", ""]
UNPRINTABLE = ["a\x1b[31m", "a\nb", "a\x00", "a\u202eb", "a\x85", "a\x7f", "x" * 101, "   "]


@pytest.mark.parametrize("name", [*ESCAPES, *UNPRINTABLE, "名" * 100])
def test_a_folder_is_never_named_out_of_its_place(name):
    with pytest.raises(ValueError, match=r"must be (one plain part of a path|1 to 100 printable|at most 200 bytes)"):
        folder_name(name)


@pytest.mark.parametrize("name", ["piglet", "n2b 25 %", "Żółw-σ25", "a.b", "名" * 60])
def test_an_ordinary_name_is_kept(name):
    assert folder_name(name) == shown_name(name) == name


@pytest.mark.parametrize("name", UNPRINTABLE)
def test_a_shown_name_is_one_printable_line(name):
    with pytest.raises(ValueError, match="must be 1 to 100 printable characters"):
        shown_name(name)


@pytest.mark.parametrize("name", ["../../../escaped", "/abs", "a/b", "..", "'a\u202eb'", '"a\\e[31m"'])
def test_a_pipelines_name_cannot_lead_out_of_runs(name):
    with pytest.raises(ConfigError, match=r"^piglet\.yaml: name: must be .*, got .*; correct it$"):
        load_pipeline("piglet.yaml", [f"name={name}"])


def test_an_experiments_name_cannot_lead_out_of_tables():
    with pytest.raises(ConfigError, match=r"bsd68_gaussian25\.yaml: name: must be one plain part of a path"):
        load_experiment("bsd68_gaussian25.yaml", ["name=../../escaped"])


def test_a_rows_name_is_one_printable_line():
    with pytest.raises(ConfigError, match=r"rows\.0\.name: must be 1 to 100 printable characters"):
        load_experiment("bsd68_gaussian25.yaml", ['rows=[{name: "a\\e[31m", baseline: {name: tv}}]'])


def test_a_models_name_in_a_report_is_one_printable_line():
    with pytest.raises(ConfigError, match=r"--model: its name: must be 1 to 100 printable characters, got a\\x1b"):
        named_paths(["a\x1b[31m=runs/piglet"], "--model")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("training.batch_size=1000000000", "training.batch_size: input should be less than or equal to 16384"),
        ("training.patch_px=100000", "training.patch_px: input should be less than or equal to 4096"),
        ("training.iterations=10000000000", "training.iterations: input should be less than or equal to 100000000"),
        (
            "training={iterations: 1, batch_size: 4096, patch_px: 512}",
            "training: batch_size patches of patch_px squared",
        ),
        ("training.seed=99999999999999999999", "training.seed: input should be less than"),
    ],
)
def test_a_training_has_bounds(setting, said):
    with pytest.raises(ConfigError, match=said):
        load_pipeline("piglet.yaml", [setting])
