"""A whole training, tiny: what its run folder holds, how it goes on after a kill, what it refuses, its first stage."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events
from skimage.metrics import peak_signal_noise_ratio

import n2b_ct
from n2b_ct.api.training import train
from n2b_ct.config import load_pipeline
from n2b_ct.config.sections import DenoisingSection
from n2b_ct.errors import ConfigError, ModelError, OutputError, TrainingError
from n2b_ct.hu import Window
from n2b_ct.inference.model import load_model
from n2b_ct.inference.slices import denoise_hu
from n2b_ct.training.devices import processor_name
from n2b_ct.training.history import read_history
from n2b_ct.training.run import run_assembled, run_training, trained_for
from n2b_ct.training.trainer import Assembled, assemble
from tests.tiny_training import CPU, SMALL_BAYES, slices_hu, tiny_images, tiny_pipeline, train_tiny

FILES = ["history.csv", "losses.png", "model.pt", "pipeline.yaml", "summary.json"]
WINDOW = Window(-500.0, 500.0)


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def weights_of(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_model(run_dir).denoiser.state_dict()


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def without_seconds(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


# ── What a run folder holds ──


def test_a_run_folder_holds_the_model_its_pipeline_history_and_summary_and_the_last_two_checkpoints(tmp_path):
    train_tiny(tiny_pipeline(training={"checkpoint_every": 1}), tmp_path / "run")
    checkpoints = [f"checkpoints/checkpoint_iteration={k}.pt" for k in (3, 4)]
    assert files_in(tmp_path / "run") == sorted([*FILES, *checkpoints])
    assert (tmp_path / "run" / "losses.png").read_bytes().startswith(b"\x89PNG")


def test_the_summary_says_what_was_trained_on_what_and_where(tmp_path):
    pipeline = tiny_pipeline(training={"seed": 3})
    assembled = assemble(pipeline, tiny_images(pipeline), tmp_path, CPU)
    summary = run_assembled(pipeline, tiny_images(pipeline), tmp_path, CPU, assembled)
    assert json.loads((tmp_path / "summary.json").read_text()) == json.loads(json.dumps(summary))
    seconds, last = summary.pop("seconds"), summary.pop("last")
    assert 0.0 <= last["seconds"] <= seconds == round(seconds, 1) < 600
    assert last == read_history(tmp_path / "history.csv")[-1]
    assert set(last) == {"iteration", "loss_supervised", "psnr_db", "ssim", "seconds"}
    assert summary == {
        "pipeline": "p",
        "method": "supervised",
        "iterations": 4,
        "seed": 3,
        "n_images": {"noisy": 4, "clean": 4},
        "data_digest": assembled.data.digest,
        "initial_weights": None,
        "n_parameters": sum(weight.numel() for weight in assembled.method.networks["denoiser"].parameters()),
        "device": "cpu",
        "processor": processor_name(),
        "precision": "fp32",
        "threads": torch.get_num_threads(),
        "versions": {
            "n2b_ct": n2b_ct.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "model_digest": load_model(tmp_path).digest,
        **tiny_images(pipeline).inputs.plain,
    }


def test_the_summary_is_a_text_that_people_can_read(tmp_path):
    summary = train_tiny(tiny_pipeline(), tmp_path)
    assert (tmp_path / "summary.json").read_text() == json.dumps(summary, indent=2) + "\n"


def test_parameters_are_counted_with_and_without_a_moving_average(tmp_path):
    counts = {
        decay: train_tiny(tiny_pipeline(training={"ema_decay": decay}), tmp_path / str(decay)) for decay in (0, 0.9)
    }
    assert counts[0]["n_parameters"] == counts[0.9]["n_parameters"] > 0


def test_precision_in_the_summary_is_the_one_that_was_asked_for(tmp_path):
    assert train_tiny(tiny_pipeline(training={"precision": "bf16", "iterations": 1}), tmp_path)["precision"] == "bf16"


def test_a_run_too_short_for_a_row_of_its_history_still_says_its_last_losses(tmp_path):
    last = train_tiny(tiny_pipeline(training={"iterations": 1, "log_every": 50}), tmp_path)["last"]
    assert last["iteration"] == 1
    assert last["loss_supervised"] > 0


def test_the_pipeline_in_the_run_folder_is_the_one_that_was_trained(tmp_path):
    pipeline = tiny_pipeline(training={"seed": 3})
    train_tiny(pipeline, tmp_path)
    assert load_pipeline(tmp_path / "pipeline.yaml") == pipeline


def test_the_model_is_the_averaged_denoiser_and_says_how_it_was_made(tmp_path):
    pipeline = tiny_pipeline(training={"ema_decay": 0.5}).model_copy(
        update={"denoising": DenoisingSection(strength=0.75)}
    )
    images = tiny_images(pipeline)
    assembled = assemble(pipeline, images, tmp_path, CPU)
    summary = run_assembled(pipeline, images, tmp_path, CPU, assembled)
    model = load_model(tmp_path)
    assert same(model.denoiser.state_dict(), assembled.average.ema_model.state_dict())
    assert not same(model.denoiser.state_dict(), assembled.method.networks["denoiser"].state_dict())
    assert (model.name, model.method, model.section) == ("p", "supervised", pipeline.method.denoiser)
    assert (model.window, model.denoising.strength) == (WINDOW, 0.75)
    assert model.facts == {
        "n2b_ct": n2b_ct.__version__,
        **{key: summary[key] for key in ("iterations", "seed", "n_images", "data_digest", "last")},
        "trained_for": trained_for(images),
    }


def test_the_history_has_a_row_every_log_every_iterations_with_their_mean_losses_and_validations(tmp_path):
    pipeline = tiny_pipeline(training={"iterations": 5, "validate_every": 4})
    assembled = assemble(pipeline, tiny_images(pipeline), tmp_path, CPU)
    losses: list[float] = []
    assembled.trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: losses.append(engine.state.output["losses"]["supervised"].item())
    )
    assembled.trainer.run()
    assert (tmp_path / "history.csv").read_text().splitlines()[0] == "iteration,loss_supervised,seconds,psnr_db,ssim"
    rows = read_history(tmp_path / "history.csv")
    assert [row["iteration"] for row in rows] == [2, 4, 5]
    means = [np.mean(losses[:2]), np.mean(losses[2:4]), losses[4]]
    assert [row["loss_supervised"] for row in rows] == pytest.approx(means, abs=1e-6)
    assert ["psnr_db" in row for row in rows] == ["ssim" in row for row in rows] == [False, True, False]


def test_the_last_validation_is_of_the_model(tmp_path):
    pipeline = tiny_pipeline(training={"ema_decay": 0.5})
    last = train_tiny(pipeline, tmp_path)["last"]
    model, hu = load_model(tmp_path), slices_hu()
    expected = np.mean(
        [
            peak_signal_noise_ratio(
                WINDOW.normalise(truth), WINDOW.normalise(denoise_hu(model, noisy.astype(np.float32))), data_range=1.0
            )
            for noisy, truth in zip(hu["noisy"][:2, :39, :37], hu["references"][:2, :39, :37], strict=True)
        ]
    )
    assert last["psnr_db"] == pytest.approx(expected, abs=2e-3)


def test_without_a_validation_role_there_are_no_validation_columns(tmp_path):
    pipeline = tiny_pipeline()
    images = tiny_images(pipeline, with_validation=False)
    last = run_training(pipeline, images, tmp_path, CPU)["last"]
    assert set(last) == {"iteration", "loss_supervised", "seconds"}


def test_progress_counts_the_images_and_then_the_iterations(tmp_path):
    told: list[tuple[int, int, str]] = []
    train_tiny(tiny_pipeline(), tmp_path, progress=lambda *step: told.append(step))
    assert [step[:2] for step in told if step[2] != "training"] == [(k, 4) for k in (1, 2, 3, 4)]
    assert told[4:] == [(k, 4, "training") for k in (1, 2, 3, 4)]


def test_noise2blurs_history_shows_the_extracted_noise(tmp_path):
    training = {"log_every": 1, "patch_px": 32, "iterations": 2}
    train_tiny(tiny_pipeline("noise2blur", training, collapse_ratio=[0.001, 1000.0]), tmp_path)
    rows = read_history(tmp_path / "history.csv")
    assert all(row["noise_std_hu"] > 0 and 10 < row["slice_noise_std_hu"] < 60 for row in rows)


# ── Going on ──


class KilledError(Exception):
    """Stands for a kill."""


def killed_after(iteration: int, pipeline: Any, run_dir: Path) -> Assembled:
    """Train, and stop as a kill would at the end of an iteration."""
    assembled = assemble(pipeline, tiny_images(pipeline), run_dir, CPU)

    def kill(_: Any) -> None:
        raise KilledError

    assembled.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=iteration), kill)
    assembled.trainer.logger.disabled = True
    with pytest.raises(KilledError):
        assembled.trainer.run()
    return assembled


NOISE2BLUR = {"collapse_ratio": [0.001, 1000.0], "noise_anchor_rate": 0.5, "initial_fraction": 0.25}


@pytest.mark.parametrize(("name", "values"), [("supervised", {}), ("noise2blur", NOISE2BLUR)])
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_a_killed_run_goes_on_to_the_weights_and_the_history_of_an_uninterrupted_one(tmp_path, name, values, decay):
    training = {"patch_px": 32, "ema_decay": decay, "log_every": 1, "iterations": 4, "adaptive_gradient_clipping": 1.01}
    pipeline = tiny_pipeline(name, training, **values)
    whole = train_tiny(pipeline, tmp_path / "whole")
    killed_after(3, pipeline, tmp_path / "parted")
    assert not (tmp_path / "parted" / "model.pt").exists()
    told: list[tuple[int, int, str]] = []
    parted = train_tiny(pipeline, tmp_path / "parted", resume=True, progress=lambda *step: told.append(step))
    assert [step for step in told if step[2] == "training"] == [(3, 4, "training"), (4, 4, "training")]
    assert same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "parted"))
    assert parted["model_digest"] == whole["model_digest"]
    rows = [without_seconds(read_history(tmp_path / one / "history.csv")) for one in ("whole", "parted")]
    assert rows[0] == rows[1]
    assert [row["iteration"] for row in rows[0]] == [1, 2, 3, 4]


def test_a_checkpoint_holds_all_that_a_training_goes_on_from(tmp_path):
    pipeline = tiny_pipeline("noise2blur", {"patch_px": 32, "ema_decay": 0.5}, **NOISE2BLUR)
    assembled = killed_after(3, pipeline, tmp_path)
    held = torch.load(tmp_path / "checkpoints" / "checkpoint_iteration=2.pt", weights_only=True)
    assert set(held) == {
        "networks",
        "optimizer",
        "scheduler",
        "trainer",
        "clock",
        "limits",
        "collapse_monitor",
        "average",
        "data",
    }
    assert held["data"] == assembled.data.state_dict()
    assert held["trainer"]["iteration"] == 2
    assert held["clock"]["seconds"] > 0
    assert held["networks"].keys() == assembled.method.networks.state_dict().keys()
    assert not same(held["networks"], assembled.method.networks.state_dict())
    assert set(held["limits"]) == set(assembled.method.networks)


def test_without_a_moving_average_a_checkpoint_holds_none(tmp_path):
    killed_after(3, tiny_pipeline(training={"ema_decay": 0.0}), tmp_path)
    assert "average" not in torch.load(tmp_path / "checkpoints" / "checkpoint_iteration=2.pt", weights_only=True)


def test_resuming_without_a_checkpoint_starts_from_the_beginning(tmp_path):
    pipeline = tiny_pipeline()
    train_tiny(pipeline, tmp_path / "whole")
    killed_after(1, pipeline, tmp_path / "parted")
    train_tiny(pipeline, tmp_path / "parted", resume=True)
    assert same(weights_of(tmp_path / "whole"), weights_of(tmp_path / "parted"))


def test_a_run_without_resume_forgets_the_checkpoints_of_an_earlier_one(tmp_path):
    pipeline = tiny_pipeline()
    killed_after(3, pipeline, tmp_path)
    told: list[tuple[int, int, str]] = []
    train_tiny(pipeline, tmp_path, progress=lambda *step: told.append(step))
    assert [step[0] for step in told if step[2] == "training"] == [1, 2, 3, 4]


def test_a_run_goes_on_with_no_other_images_than_its_own(tmp_path):
    pipeline = tiny_pipeline()
    killed_after(3, pipeline, tmp_path)
    other = slices_hu()["noisy"].copy()
    other[3, 0, 0] += 1.0
    expected = (
        rf"^run folder {tmp_path}: must resume with the images it was trained on, got 1 of 4 noisy images changed "
        r"\(number 4\); restore the data, or retrain with another out=… or overwrite=True$"
    )
    with pytest.raises(ConfigError, match=expected):
        run_training(pipeline, tiny_images(pipeline, noisy=other), tmp_path, CPU, resume=True)


def by_arrays(pipeline: Any, run_dir: Path, **options: Any) -> dict[str, Any]:
    hu = slices_hu()
    return train(pipeline, noisy=hu["noisy"], references=hu["references"], out=run_dir, device="cpu", **options)


def test_a_finished_run_that_is_resumed_is_left_as_it_is(tmp_path):
    by_arrays(tiny_pipeline(), tmp_path)
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in files_in(tmp_path)}
    again = by_arrays(tiny_pipeline(), tmp_path, resume=True)
    assert again == json.loads((tmp_path / "summary.json").read_text())
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in files_in(tmp_path)} == before


def test_a_finished_run_whose_model_is_anothers_is_trained_on(tmp_path):
    first = by_arrays(tiny_pipeline(), tmp_path / "a")
    by_arrays(tiny_pipeline(training={"seed": 1}), tmp_path / "b")
    (tmp_path / "a" / "model.pt").write_bytes((tmp_path / "b" / "model.pt").read_bytes())
    again = by_arrays(tiny_pipeline(), tmp_path / "a", resume=True)
    assert again["model_digest"] == first["model_digest"] == load_model(tmp_path / "a").digest


def test_a_finished_run_is_replaced_only_when_that_is_asked_for(tmp_path):
    first = by_arrays(tiny_pipeline(), tmp_path)
    expected = (
        rf"^run folder {tmp_path}: must be new or empty, got an earlier run; pass out=…, resume=True or overwrite=True$"
    )
    with pytest.raises(OutputError, match=expected):
        by_arrays(tiny_pipeline(), tmp_path)
    other = by_arrays(tiny_pipeline(training={"seed": 1}), tmp_path, overwrite=True)
    assert load_model(tmp_path).digest == other["model_digest"] != first["model_digest"]


def test_a_run_of_another_pipeline_is_not_resumed(tmp_path):
    by_arrays(tiny_pipeline(), tmp_path)
    expected = (
        rf"^run folder {tmp_path}: must hold a run of the same pipeline, got other training\.learning_rate, "
        r"training\.seed; pass another out=…, or overwrite=True$"
    )
    with pytest.raises(ConfigError, match=expected):
        by_arrays(tiny_pipeline(training={"seed": 1, "learning_rate": 0.5}), tmp_path, resume=True)


# ── What ends without a model ──


def failing(run_dir: Path, error: Exception) -> None:
    """Train, with a step that raises in the second iteration."""
    pipeline = tiny_pipeline()
    images = tiny_images(pipeline)
    assembled = assemble(pipeline, images, run_dir, CPU)
    assembled.trainer.logger.disabled = True

    def fail(_: Any) -> None:
        raise error

    assembled.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=2), fail)
    run_assembled(pipeline, images, run_dir, CPU, assembled)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA"), RuntimeError("can't allocate memory: 9 bytes")])
def test_a_batch_that_does_not_fit_into_memory_is_said_with_a_remedy(tmp_path, error):
    expected = (
        r"^training: a batch must fit into memory, got more than there is; "
        r"raise training\.gradient_accumulation_steps, or lower training\.batch_size or patch_px$"
    )
    with pytest.raises(TrainingError, match=expected):
        failing(tmp_path, error)
    assert not (tmp_path / "model.pt").exists()


def test_another_fault_stays_what_it_is(tmp_path):
    with pytest.raises(RuntimeError, match=r"^mat1 and mat2$"):
        failing(tmp_path, RuntimeError("mat1 and mat2"))


def test_weights_that_are_not_finite_make_no_model(tmp_path):
    pipeline = tiny_pipeline()
    images = tiny_images(pipeline)
    assembled = assemble(pipeline, images, tmp_path, CPU)

    def break_one(_: Any) -> None:
        next(assembled.average.ema_model.parameters()).data.view(-1)[-1] = torch.inf

    assembled.trainer.add_event_handler(Events.COMPLETED, break_one)
    expected = r"^training: weights must stay finite, got NaN or infinity; lower training\.learning_rate$"
    with pytest.raises(TrainingError, match=expected):
        run_assembled(pipeline, images, tmp_path, CPU, assembled)
    assert not (tmp_path / "model.pt").exists()
    assert not (tmp_path / "summary.json").exists()


def test_of_several_processes_only_the_first_fills_the_run_folder(tmp_path, monkeypatch):
    pipeline = tiny_pipeline()
    images = tiny_images(pipeline)
    monkeypatch.setenv("RANK", "1")
    assembled = assemble(pipeline, images, tmp_path / "run", CPU)
    assert run_assembled(pipeline, images, tmp_path / "run", CPU, assembled) == {}
    assert assembled.trainer.state.iteration == 4
    assert not (tmp_path / "run").exists()


# ── The first stage ──


def upi(training: dict[str, Any] | None = None, **values: Any) -> Any:
    return tiny_pipeline(
        "upi", {"iterations": 2, "log_every": 1, **(training or {})}, teacher={"denoiser": SMALL_BAYES}, **values
    )


def taught(pipeline: Any, run_dir: Path, **options: Any) -> dict[str, Any]:
    """Train on two slices: a teacher takes its time for each."""
    hu = slices_hu()
    images = tiny_images(pipeline, with_validation=False, noisy=hu["noisy"][:2], references=hu["references"][:2])
    return run_training(pipeline, images, run_dir, CPU, **options)


@pytest.mark.parametrize(("asked", "iterations"), [(None, 2), (1, 1)])
def test_the_teacher_is_trained_first_in_a_folder_of_its_own(tmp_path, asked, iterations):
    told: list[tuple[int, int, str]] = []
    student = taught(upi(teacher_iterations=asked), tmp_path, progress=lambda *step: told.append(step))
    summary = json.loads((tmp_path / "teacher" / "summary.json").read_text())
    assert (summary["pipeline"], summary["method"], summary["iterations"]) == ("p_teacher", "dbsn", iterations)
    assert (student["pipeline"], student["method"], student["iterations"]) == ("p", "upi", 2)
    assert set(FILES) <= set(files_in(tmp_path / "teacher"))
    assert load_pipeline(tmp_path / "teacher" / "pipeline.yaml").training.seed == 0
    assert [step for step in told if step[2] == "training"] == [
        *((k, iterations, "training") for k in range(1, iterations + 1)),
        (1, 2, "training"),
        (2, 2, "training"),
    ]
    assert [step for step in told if step[2] == "distilling"] == [(k, 2, "distilling") for k in (1, 2)]


def test_a_student_that_goes_on_keeps_its_teacher(tmp_path):
    pipeline = upi({"iterations": 3})
    whole = taught(pipeline, tmp_path)
    teacher = (tmp_path / "teacher" / "model.pt").stat().st_mtime_ns
    (tmp_path / "summary.json").unlink()
    told: list[tuple[int, int, str]] = []
    parted = taught(pipeline, tmp_path, resume=True, progress=lambda *step: told.append(step))
    assert [step for step in told if step[2] == "training"] == [(3, 3, "training")]
    assert (tmp_path / "teacher" / "model.pt").stat().st_mtime_ns == teacher
    assert parted["model_digest"] == whole["model_digest"]


def test_a_new_student_gets_a_new_teacher(tmp_path):
    taught(upi(), tmp_path)
    teacher = (tmp_path / "teacher" / "model.pt").stat().st_mtime_ns
    taught(upi(), tmp_path)
    assert (tmp_path / "teacher" / "model.pt").stat().st_mtime_ns > teacher


def test_a_teacher_that_is_there_is_used(tmp_path):
    taught(tiny_pipeline("dbsn", {"iterations": 2}, denoiser=SMALL_BAYES), tmp_path / "dbsn")
    pipeline = upi(teacher_run=str(tmp_path / "dbsn"))
    assert remembered_teacher(pipeline, tmp_path / "run") == load_model(tmp_path / "dbsn").digest
    assert not (tmp_path / "run" / "teacher").exists()


def remembered_teacher(pipeline: Any, run_dir: Path) -> str:
    """Train, and return the teacher's digest that the checkpoint remembers."""
    taught(pipeline, run_dir)
    held = torch.load(run_dir / "checkpoints" / "checkpoint_iteration=2.pt", weights_only=True)
    return held["data"]["seen_as"]["teacher"]


def test_a_teacher_of_another_method_is_refused(tmp_path):
    taught(tiny_pipeline(training={"iterations": 1}), tmp_path / "other")
    expected = (
        rf"^method\.teacher_run {tmp_path / 'other'}: must be a model of stage 1, dbsn, got supervised; "
        r"pass the run of a dbsn$"
    )
    with pytest.raises(ModelError, match=expected):
        taught(upi(teacher_run=str(tmp_path / "other")), tmp_path / "run")
