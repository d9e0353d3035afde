"""Every hyper-parameter does something: one at a time is changed, and the trained weights change or it is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from ignite.engine import Events
from pydantic import ValidationError

from n2b_ct.config import Pipeline
from n2b_ct.config.section import Section
from n2b_ct.config.sections import TrainingSection
from n2b_ct.data.arrays import array_roles
from n2b_ct.data.ct_source import ct_source
from n2b_ct.errors import N2BError
from n2b_ct.registry import LABEL_FILTERS, METHODS
from n2b_ct.training.run import require_ready, run_training, teacher_of
from n2b_ct.training.trainer import Assembled, assemble
from tests.tiny_training import CPU, slices_hu

TRAINING = {
    "iterations": 4,
    "batch_size": 2,
    "patch_px": 32,
    "log_every": 1,
    "precision": "fp32",
    "learning_rate": 0.05,
}
SMALL = {"arguments": {"n_features": 2, "depth": 2}}
BAYES = {"name": "BayesDenoiser", "output": "direct", "arguments": {"n_features": 2, "steps": [1]}}
METHOD_VALUES: dict[str, dict[str, Any]] = {
    "noise2blur": {
        "denoiser": SMALL,
        "noise_extractor": {"arguments": {"n_features": 4}},
        "initial_fraction": 0.25,
        "collapse_ratio": None,
    },
    "supervised": {"denoiser": SMALL},
    "noise_insertion": {"denoiser": SMALL},
    "noise2noise": {"denoiser": SMALL},
    "noise2void": {"denoiser": SMALL},
    "dbsn": {"denoiser": BAYES},
    "upi": {"denoiser": SMALL, "teacher": {"denoiser": BAYES}},
}
"""What a case is compared with."""


@dataclass(frozen=True)
class Refused:
    """A value that must be refused before or while the method trains, in these words."""

    value: Any
    match: str


@dataclass(frozen=True)
class Idle:
    """A value that must leave the weights as they are, and why."""

    value: Any
    because: str


NO_LOWPASS = "belongs to the output form lowpass"
DENOISER = {
    "denoiser.name": "NoiseExtractor",
    "denoiser.arguments": {"n_features": 3, "depth": 2},
    "denoiser.output": "direct",
    "denoiser.lowpass_kernel_px": 5,
    "denoiser.lowpass_passes": 1,
    "init": "another run",
}
BLIND_DENOISER = {
    "denoiser.name": Refused("SimpleUNet", "must be BayesDenoiser"),
    "denoiser.arguments": {"n_features": 3, "steps": [1]},
    "denoiser.output": Refused("lowpass", "must be direct for BayesDenoiser"),
    "denoiser.lowpass_kernel_px": Idle(5, NO_LOWPASS),
    "denoiser.lowpass_passes": Idle(1, NO_LOWPASS),
    "init": "another run",
}
DBSN = {"name": Refused("upi", "name"), **BLIND_DENOISER, "bound_weight": 1.0, "first_noise_std": 0.4}
CASES: dict[str, dict[str, Any]] = {
    "noise2blur": {
        "name": Refused("nobody", r"method\.name|must be one of"),
        **DENOISER,
        "noise_extractor.name": "BasicUNet",
        "noise_extractor.arguments": {"n_features": 8},
        "noise_extractor.learning_rate_factor": 3.0,
        "blur[mean].filter": {"filter": "gaussian"},
        "blur[mean].kernel_px": {"kernel_px": 5},
        "blur[gaussian].filter": {"filter": "gaussian"},
        "blur[gaussian].sigma_px": {"filter": "gaussian", "sigma_px": 1.0},
        "blur[median].filter": {"filter": "median"},
        "blur[median].kernel_px": {"filter": "median", "kernel_px": 5},
        "blur[bilateral].filter": {"filter": "bilateral"},
        "blur[bilateral].sigma_color": {"filter": "bilateral", "sigma_color": 0.01},
        "blur[bilateral].sigma_spatial_px": {"filter": "bilateral", "sigma_spatial_px": 1.0},
        "loss": "huber",
        "initial_fraction": 0.75,
        "gradient_interruption": False,
        "extraction_ema_decay": 0.9,
        "noise_gain": [0.5, 2.0],
        "noise_density": [0.5, 2.0],
        "noise_clamp_sigma": 1.0,
        "noise_anchor_rate": 0.5,
        "low_frequencies": "denoiser",
        "collapse_ratio": Refused([50.0, 60.0], "must stay between 50 and 60 .*: the networks collapsed"),
    },
    "supervised": {"name": Refused("nobody", "must be one of"), **DENOISER, "loss": "l2"},
    "noise_insertion": {"name": Refused("nobody", "must be one of"), **DENOISER, "loss": "l2"},
    "noise2noise": {
        "name": Refused("nobody", "must be one of"),
        **DENOISER,
        "loss": "l1",
        "max_difference": 0.005,
        "neighbours.sides": "one",
        "neighbours.min_gap_mm": 2.0,
        "neighbours.max_gap_mm": Refused(0.5, "noise2noise needs noisy slices"),
    },
    "noise2void": {
        "name": Refused("nobody", "must be one of"),
        **DENOISER,
        "masked_fraction": 0.1,
        "box_px": 5,
        "structure": [1, 3],
    },
    "dbsn": DBSN | {"name": Refused("nobody", "must be one of")},
    "upi": {
        "name": Refused("nobody", "must be one of"),
        **DENOISER,
        **{f"teacher.{path}": value for path, value in DBSN.items()},
        "teacher_iterations": 1,
        "teacher_run": "another run",
        "distillation_weight": 3.0,
    },
}
TRAINING_CASES: dict[str, Any] = {
    "iterations": 3,
    "batch_size": 3,
    "gradient_accumulation_steps": Refused(4, "must be a multiple"),
    "patch_px": 16,
    "learning_rate": 0.003,
    "gradient_norm_limit": 0.001,
    "adaptive_gradient_clipping": 1.01,
    "schedule": "constant",
    "final_learning_rate_fraction": 0.9,
    "warmup_iterations": 3,
    "ema_decay": 0.5,
    "seed": 1,
    "precision": "bf16",
    "checkpoint_every": Idle(2, "writes more often"),
    "log_every": Idle(2, "writes less often"),
    "validate_every": Idle(2, "watches and decides nothing"),
    "cache": Idle("disk", "says where images lie"),
    "tensorboard": Idle(False, "writes more files"),
}


def pipeline_of(name: str, method: dict[str, Any], training: dict[str, Any] | None = None) -> Pipeline:
    return Pipeline.model_validate(
        {
            "name": "p",
            "data": {"manifest": None, "noisy_flat_share": 1.0},
            "method": {"name": name, **METHOD_VALUES[name], **method},
            "training": TRAINING | (training or {}),
        }
    )


def assembled(pipeline: Pipeline, run_dir: Path) -> Assembled:
    """Wire a training on the slices, with its teacher where it has one."""
    images = ct_source(pipeline.ct, array_roles(**slices_hu()), pipeline.method)
    require_ready(pipeline, images)
    teacher = teacher_of(pipeline, images, run_dir, CPU)
    return assemble(pipeline, images, run_dir, CPU, teacher=teacher)


def weights(pipeline: Pipeline) -> str:
    """Train, and digest the denoiser's weights."""
    with TemporaryDirectory() as folder:
        one = assembled(pipeline, Path(folder))
        one.trainer.run()
    digest = hashlib.sha256()
    for key, value in one.denoiser.state_dict().items():
        digest.update(key.encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()


@lru_cache
def usual_weights(name: str, blur: str = "mean") -> str:
    return weights(pipeline_of(name, {"blur": {"filter": blur}} if blur != "mean" else {}))


def leaves(section: Section, prefix: str = "") -> Iterator[str]:
    """Every key of a section, dotted; of a section inside it, its keys; of the label filter, those of all filters."""
    for key in type(section).model_fields:
        value = getattr(section, key)
        if key == "blur":
            for name in set(LABEL_FILTERS.names()) - {"bm3d"}:  # an optional package: tests/unit/filters/test_bm3d.py
                yield from (f"{prefix}blur[{name}].{one}" for one in LABEL_FILTERS.get(name).model_fields)
        elif isinstance(value, Section):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def changed(name: str, path: str, value: Any) -> dict[str, Any]:
    """The method's values with one key of them changed."""
    if path.startswith("blur["):
        return {"blur": value}
    *sections, key = path.split(".")
    values: dict[str, Any] = {**METHOD_VALUES[name]}
    place = values
    for section in sections:
        place[section] = dict(place.get(section, {}))
        place = place[section]
    place[key] = value
    if path.endswith(("denoiser.name", "extractor.name")):
        place["arguments"] = {"features": [2] * 6} if value == "BasicUNet" else {"n_features": 2}
    return values


@pytest.mark.parametrize("name", METHODS.names())
def test_every_key_of_a_method_has_a_case(name):
    assert set(CASES[name]) == set(leaves(METHODS.get(name).Config()))


def test_every_key_of_a_training_has_a_case():
    assert set(TRAINING_CASES) == set(TrainingSection.model_fields)


@pytest.mark.parametrize("name", METHODS.names())
def test_the_same_settings_give_the_same_weights(name):
    assert weights(pipeline_of(name, {})) == usual_weights(name)


@pytest.mark.parametrize(("name", "path"), [(name, path) for name, cases in CASES.items() for path in cases])
def test_a_changed_key_of_a_method_changes_the_weights_or_is_refused(name, path, tmp_path):
    case = CASES[name][path]
    value = case.value if isinstance(case, Refused | Idle) else case
    if path == "teacher_run" or path.endswith("init"):
        teacher = pipeline_of(name if path == "init" else "dbsn", {}, {"seed": 5})
        images = ct_source(teacher.ct, array_roles(**slices_hu()), teacher.method)
        run_training(teacher, images, tmp_path / "run", CPU)
        value = str(tmp_path / "run")
    blur = path[5:].partition("]")[0] if path.startswith("blur[") and not path.endswith(".filter") else "mean"
    check(case, lambda: pipeline_of(name, changed(name, path, value)), lambda: usual_weights(name, blur), path)


@pytest.mark.parametrize("key", TRAINING_CASES)
def test_a_changed_key_of_a_training_changes_the_weights_or_is_refused(key):
    case = TRAINING_CASES[key]
    value = case.value if isinstance(case, Refused | Idle) else case
    check(case, lambda: pipeline_of("noise2blur", {}, {key: value}), lambda: usual_weights("noise2blur"), key)


def check(case: Any, pipeline: Any, usual: Any, path: str) -> None:
    if isinstance(case, Refused):
        with pytest.raises((ValidationError, N2BError), match=case.match):
            weights(pipeline())
    elif isinstance(case, Idle):
        assert weights(pipeline()) == usual(), case.because
    else:
        assert weights(pipeline()) != usual(), path


# ── The moving average ──


@pytest.mark.parametrize("decay", [0.9, 0.2])
def test_the_model_is_the_moving_average_of_the_weights_after_every_step(tmp_path, decay):
    one = assembled(pipeline_of("supervised", {}, {"ema_decay": decay}), tmp_path)
    denoiser = one.method.networks["denoiser"]
    average = {key: value.clone() for key, value in denoiser.state_dict().items()}

    def follow(_: Any) -> None:
        for key, value in denoiser.state_dict().items():
            average[key] = decay * average[key] + (1.0 - decay) * value

    one.trainer.add_event_handler(Events.ITERATION_COMPLETED, follow)
    one.trainer.run()
    for key, value in one.denoiser.state_dict().items():
        torch.testing.assert_close(value, average[key], rtol=1e-5, atol=1e-7)
        assert not torch.equal(value, denoiser.state_dict()[key])


def test_without_decay_the_model_is_the_last_weights(tmp_path):
    one = assembled(pipeline_of("supervised", {}, {"ema_decay": 0.0}), tmp_path)
    one.trainer.run()
    assert one.denoiser is one.method.networks["denoiser"]
