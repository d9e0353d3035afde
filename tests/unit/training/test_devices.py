"""Devices by name, arithmetic by processor."""

from __future__ import annotations

import pytest
import torch

from n2b_ct.errors import ConfigError
from n2b_ct.training import devices
from n2b_ct.training.devices import autocast_dtype, choose_device, use_threads

CPU = torch.device("cpu")


def test_cpu_is_always_there():
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type in {"cpu", "cuda"}


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == CPU


@pytest.mark.parametrize("name", ["tpu", "", "cuda:x", "cpu cuda"])
def test_another_word_is_said(name):
    with pytest.raises(ConfigError, match="device: must be auto, cpu, cuda or cuda:N, got"):
        choose_device(name)


@pytest.mark.parametrize("name", ["cuda:2", "mps", "meta"])
def test_a_device_that_is_not_there_is_said(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1").index == 1
    with pytest.raises(ConfigError, match=f"must be a device of this machine, got {name}; use auto or cpu"):
        choose_device(name)


def test_threads_are_as_many_as_asked_for_and_left_alone_otherwise():
    before = torch.get_num_threads()
    try:
        use_threads(2)
        use_threads(None)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_no_threads_at_all_are_refused():
    with pytest.raises(ConfigError, match="threads: must be at least 1, got 0; leave it out for one a core"):
        use_threads(0)


def test_precision_is_what_is_asked_for():
    assert autocast_dtype("fp32", CPU) is None
    assert autocast_dtype("bf16", CPU) is torch.bfloat16


@pytest.mark.parametrize("fast", [True, False])
def test_auto_takes_bf16_where_the_processor_multiplies_in_it(fast, monkeypatch):
    monkeypatch.setattr(devices, "_multiplies_bf16", lambda device: fast)
    assert autocast_dtype("auto", CPU) is (torch.bfloat16 if fast else None)
