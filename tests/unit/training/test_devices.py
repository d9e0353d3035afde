"""Devices by name, arithmetic by processor."""

from __future__ import annotations

import pytest
import torch

from n2b_ct.errors import ConfigError
from n2b_ct.training import devices
from n2b_ct.training.devices import autocast_dtype, choose_device, device_name, processor_name, use_threads

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
    with pytest.raises(ConfigError, match="threads: must be at least 1, got 0; leave it out for one per core"):
        use_threads(0)


def test_precision_is_what_is_asked_for():
    assert autocast_dtype("fp32", CPU) is None
    assert autocast_dtype("bf16", CPU) is torch.bfloat16


@pytest.mark.parametrize("fast", [True, False])
def test_auto_takes_bf16_where_the_processor_multiplies_in_it(fast, monkeypatch):
    monkeypatch.setattr(devices, "_multiplies_bf16", lambda device: fast)
    assert autocast_dtype("auto", CPU) is (torch.bfloat16 if fast else None)


def test_devices_that_cannot_be_had_are_said_on_one_line():
    with pytest.raises(ConfigError, match=r"^device: must be auto, cpu, cuda or cuda:N, got tpu; use auto$"):
        choose_device("tpu")
    with pytest.raises(ConfigError, match=r"^device: must be a device of this machine, got meta; use auto or cpu$"):
        choose_device("meta")


def test_one_thread_is_enough():
    before = torch.get_num_threads()
    try:
        use_threads(1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("has_instructions", [True, False])
@pytest.mark.parametrize("is_supported", [True, False])
def test_a_processor_multiplies_in_bf16_when_it_has_the_instructions_and_torch_uses_them(
    monkeypatch, has_instructions, is_supported
):
    monkeypatch.setattr(devices, "_has_bf16_instructions", lambda: has_instructions)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: is_supported)
    expected = torch.bfloat16 if has_instructions and is_supported else None
    assert autocast_dtype("auto", CPU) is expected


@pytest.mark.parametrize("is_supported", [True, False])
def test_a_gpu_is_asked_whether_it_multiplies_in_bf16(monkeypatch, is_supported):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: is_supported)
    assert autocast_dtype("auto", torch.device("cuda")) is (torch.bfloat16 if is_supported else None)


@pytest.mark.parametrize("avx512", [True, False])
@pytest.mark.parametrize("amx", [True, False])
def test_either_set_of_instructions_is_enough(monkeypatch, avx512, amx):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert devices._has_bf16_instructions() is (avx512 or amx)


def test_the_processors_model_is_read_from_what_the_system_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(devices.platform, "processor", lambda: "x86")
    monkeypatch.setattr(devices.platform, "machine", lambda: "machine")
    facts = tmp_path / "cpuinfo"
    assert processor_name(facts) == "x86"
    facts.write_bytes(b"vendor_id\t: \xff\nmodel name\t:  Acme: \xb5 9000 \nmodel name\t: second\n")
    assert processor_name(facts) == "Acme: \ufffd 9000"
    facts.write_bytes(b"vendor_id: none\n")
    assert processor_name(facts) == "x86"
    monkeypatch.setattr(devices.platform, "processor", lambda: "")
    assert processor_name(facts) == "machine"


def test_a_device_is_called_by_its_own_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    monkeypatch.setattr(devices, "processor_name", lambda: "CPU")
    assert device_name(torch.device("cuda", 1)) == "GPU 1"
    assert device_name(CPU) == "CPU"
