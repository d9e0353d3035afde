"""The images of a training: where they go, and which they are, read and digested alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from n2b_ct.config import Pipeline
from n2b_ct.data.arrays import array_roles
from n2b_ct.data.ct_source import ct_source
from n2b_ct.methods.method import BatchNeeds, build_method
from n2b_ct.training import images
from n2b_ct.training.images import (
    Storage,
    choose_storage,
    data_fingerprint,
    load_training_data,
    needed_bytes,
)
from tests.tiny_training import tiny_images, tiny_pipeline

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("n_bytes", "cache", "on_disk"),
    [(500, "auto", False), (501, "auto", True), (10**6, "memory", False), (1, "disk", True)],
)
def test_a_file_takes_what_would_fill_more_than_half_of_the_memory(tmp_path, monkeypatch, n_bytes, cache, on_disk):
    monkeypatch.setattr(images, "memory_bytes", lambda: 1000)
    assert choose_storage(n_bytes, cache, tmp_path, CPU) == Storage(tmp_path if on_disk else None, CPU)


def test_the_file_lies_beside_a_run_folder_that_is_not_made_yet(tmp_path):
    assert choose_storage(1, "disk", tmp_path / "runs" / "n2b", CPU).directory == tmp_path


@pytest.mark.parametrize(("n_bytes", "device"), [(50, "cuda"), (51, "cpu")])
def test_a_gpu_takes_what_fills_half_of_its_free_memory(tmp_path, monkeypatch, n_bytes, device):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (100, 1000))
    assert choose_storage(n_bytes, "auto", tmp_path, torch.device("cuda")).device.type == device


def test_bytes_are_those_of_the_images_and_of_all_that_lies_beside_them():
    noisy, clean = [(1, 10, 10)] * 2, [(1, 5, 5)]
    assert needed_bytes(BatchNeeds(), noisy, clean) == 800
    assert needed_bytes(BatchNeeds(blurred=True, clean=True), noisy, clean) == 2 * 800 + 100


def test_this_machine_has_memory():
    assert images.memory_bytes() > 2**28


def ct_pipeline(method: str) -> Pipeline:
    return Pipeline.model_validate(
        {
            "name": "p",
            "data": {"manifest": None, "noisy_body_fraction": 0},
            "method": {"name": method, "denoiser": {"arguments": {"n_features": 2, "depth": 2}}},
            "training": {"iterations": 3, "batch_size": 2, "patch_px": 16},
        }
    )


@pytest.mark.parametrize("method", ["noise2blur", "supervised", "noise2noise"])
def test_images_that_are_read_have_the_fingerprint_that_is_told_without_keeping_them(tmp_path, method):
    loaded, rng = ct_pipeline(method), np.random.default_rng(0)
    noisy, clean = (rng.normal(40, 20, (3, 24, 24)).astype(np.float32) for _ in range(2))
    roles = array_roles([noisy], [clean], references=[clean], validation=[noisy[:1]], truths=[clean[:1]])
    source = ct_source(loaded.ct, roles, loaded.method)
    built = build_method(loaded.method, source.traits)
    read = load_training_data(source, loaded, built, tmp_path, CPU).fingerprint
    assert read.digest == data_fingerprint(source, loaded).digest
    assert [len(found) for found in read.images.values()] == {
        "noise2blur": [3, 0, 3, 0, 1, 1],
        "supervised": [3, 3, 0, 0, 1, 1],
        "noise2noise": [3, 0, 0, 0, 1, 1],
    }[method]


def test_missing_roles_of_arrays_are_asked_for_by_the_names_of_arguments():
    loaded = ct_pipeline("supervised")
    source = ct_source(loaded.ct, array_roles([np.zeros((20, 20))]), loaded.method)
    assert [line.rpartition("; ")[2] for line in source.problems(loaded)] == ["pass references="]
    loaded = ct_pipeline("noise2blur")
    source = ct_source(loaded.ct, array_roles([np.zeros((20, 20))]), loaded.method)
    assert [line.rpartition("; ")[2] for line in source.problems(loaded)] == [
        "pass clean=, or set data.clean to phantom"
    ]


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_images_are_kept_where_the_cache_says(tmp_path, monkeypatch, cache):
    asked: list[tuple[Any, ...]] = []

    def remembering(*arguments: Any) -> Storage:
        asked.append(arguments)
        return choose_storage(*arguments)

    monkeypatch.setattr(images, "choose_storage", remembering)
    pipeline = tiny_pipeline("noise2blur", {"cache": cache, "patch_px": 32})
    source = tiny_images(pipeline)
    data = load_training_data(source, pipeline, build_method(pipeline.method, source.traits), tmp_path / "run", CPU)
    n_bytes = 4 * 40 * 40 * (4 + 4 + 4)  # noisy, blurred, clean
    assert asked == [(n_bytes, cache, tmp_path / "run", CPU)]
    assert len(data.batches) == 4
    assert data.batches.device == CPU
    assert len(data.validation.images) == 2


def test_progress_counts_over_all_roles(tmp_path):
    pipeline, told = tiny_pipeline("noise2blur", {"patch_px": 32}), []
    source = tiny_images(pipeline)
    method = build_method(pipeline.method, source.traits)
    load_training_data(source, pipeline, method, tmp_path, CPU, progress=lambda *step: told.append(step[:2]))
    assert told == [(k, 8) for k in range(1, 9)]
    told.clear()
    data_fingerprint(source, pipeline, progress=lambda *step: told.append(step[:2]))
    assert told == [(k, 10) for k in range(1, 11)]


def test_the_fingerprint_changes_with_the_label_and_the_teacher():
    source = tiny_images(tiny_pipeline())
    usual = data_fingerprint(source, tiny_pipeline("noise2blur"))
    assert usual.seen_as["labels"]["filter"] == "mean"
    gaussian = data_fingerprint(source, tiny_pipeline("noise2blur", blur={"filter": "gaussian"}))
    taught = data_fingerprint(source, tiny_pipeline("noise2blur"), "ab")
    assert (usual.seen_as["teacher"], taught.seen_as["teacher"]) == (None, "ab")
    assert gaussian.changes_since(usual.state_dict()) == "other labels"
    assert taught.changes_since(usual.state_dict()) == "other teacher"
