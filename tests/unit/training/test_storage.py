"""Where images go: by what they take and what is asked for."""

from __future__ import annotations

import pytest
import torch

from n2b_ct.methods.method import BatchNeeds
from n2b_ct.training import storage
from n2b_ct.training.storage import Storage, choose_storage, needed_bytes

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("n_bytes", "cache", "on_disk"),
    [(500, "auto", False), (501, "auto", True), (10**6, "memory", False), (1, "disk", True)],
)
def test_a_file_takes_what_would_fill_more_than_half_of_the_memory(tmp_path, monkeypatch, n_bytes, cache, on_disk):
    monkeypatch.setattr(storage, "memory_bytes", lambda: 1000)
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
    assert storage.memory_bytes() > 2**28
