"""No name and no argument of a file makes a constructor reach the network, a file or a program."""

from __future__ import annotations

import inspect
import os
import socket
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest
import torch
from monai.networks import nets
from pydantic import ValidationError
from torch import nn

from n2b_ct.config.networks import DenoiserSection
from n2b_ct.errors import ConfigError
from n2b_ct.networks import build, build_network, count_parameters, size_multiple
from n2b_ct.networks.build import MONAI_NETWORKS
from n2b_ct.networks.restricted import MOST_MODULES, MOST_PARAMETERS, restricted
from n2b_ct.registry import NETWORKS

LEVELS = {"channels": [4, 8, 16], "strides": [2, 2]}
SMALL = {
    "NoiseScaledUNet": {"n_features": 4, "depth": 3, "max_features": 8, "noise_features": 4},
    "SimpleUNet": {"n_features": 4},
    "NoiseExtractor": {"start": "identity"},
    "DnCNN": {"n_features": 4},
    "BayesDenoiser": {"n_features": 4, "use_bayes": False},
    "AttentionUnet": LEVELS,
    "AutoEncoder": {"channels": [4, 8, 16], "strides": [1, 1, 1]},
    "BasicUNet": {"features": [4, 4, 4, 4, 4, 4], "act": ["leakyrelu", {"negative_slope": 0.2}]},
    "DynUNet": {"kernel_size": [3, 3, 3], "strides": [1, 2, 2], "upsample_kernel_size": [2, 2], "filters": [4, 8, 8]},
    "FlexibleUNet": {"backbone": "resnet10", "decoder_channels": [8, 8, 8, 8, 8]},
    "HighResNet": {},
    "LocalNet": {"num_channel_initial": 4, "extract_levels": [0, 1]},
    "MedNeXt": {"init_filters": 2},
    "RegUNet": {"num_channel_initial": 4, "depth": 2},
    "Restormer": {"dim": 8},
    "SegResNet": {"norm": ["GROUP", {"num_groups": 2}]},
    "SegResNetDS": {"init_filters": 8},
    "SwinUNETR": {"feature_size": 12},
    "UNet": {**LEVELS, "act": "PRELU", "norm": "BATCH"},
    "VNet": {},
}
ADDRESS = "http://127.0.0.1:18932/beacon"
REACHING = ("socket.", "urllib.", "subprocess.", "os.mkdir", "shutil.")


@pytest.fixture
def reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whatever reaches out ends up here; nothing gets anywhere."""
    tried: list[str] = []

    def refuse(*_args: object, **_more: object) -> None:
        tried.append(inspect.stack()[1].function)
        raise AssertionError("reached out")

    for place, name in (
        (socket, "socket"),
        (socket, "create_connection"),
        (socket, "getaddrinfo"),
        (urllib.request, "urlopen"),
        (subprocess, "Popen"),
        (torch.hub, "download_url_to_file"),
        (torch.hub, "load_state_dict_from_url"),
        (torch, "load"),
    ):
        monkeypatch.setattr(place, name, refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tried


def all_names() -> list[str]:
    """Everything of monai.networks.nets that is a class, and whatever is called like one of its networks."""
    modules = [nets, *(value for value in vars(nets).values() if inspect.ismodule(value))]
    return sorted({name for module in modules for name, value in vars(module).items() if inspect.isclass(value)})


def filled(name: str) -> dict[str, object]:
    """Arguments for a class as an attacker would fill them: every text is an address."""
    found = getattr(nets, name, None)
    parameters = inspect.signature(found).parameters.values() if inspect.isclass(found) else ()
    texts = {one.name: ADDRESS for one in parameters if "str" in str(one.annotation) or "url" in one.name}
    return {**texts, **{one.name: True for one in parameters if "pretrained" in one.name and "bool" in str(one)}}


def test_every_class_of_monai_is_built_in_peace_or_refused(reached, tmp_path):
    names = [*all_names(), *MONAI_NETWORKS]
    outcomes = {}
    for name in names:
        for arguments in ({}, filled(name), {"pretrained_url": ADDRESS}, SMALL.get(name, {})):
            try:
                build_network(name, arguments)
                outcomes[name] = "built"
            except ConfigError:
                outcomes.setdefault(name, "refused")
    assert reached == []
    assert list(tmp_path.iterdir()) == []
    assert len(outcomes) > 80
    assert {name for name, outcome in outcomes.items() if outcome == "built"} <= set(MONAI_NETWORKS)


@pytest.mark.parametrize("name", NETWORKS.names())
def test_every_network_that_is_offered_maps_an_image_to_an_image(name):
    network = build_network(name, SMALL[name]).eval()
    x = torch.rand(1, 1, 2 * max(size_multiple(network), 16), 3 * max(size_multiple(network), 16))
    assert network(x).shape == x.shape


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(build, "find_spec", lambda _name: None)
    with pytest.raises(
        ConfigError, match=r"network.name: needs the package einops for SwinUNETR, .*pip install einops"
    ):
        build_network("SwinUNETR", {})


def test_the_list_of_networks_is_that_of_this_monai():
    assert all(issubclass(NETWORKS.get(name), nn.Module) for name in MONAI_NETWORKS)


# ── The second door ──


def _connect() -> None:
    socket.create_connection(("127.0.0.1", 9))


def _look_up() -> None:
    socket.getaddrinfo("localhost", 80)


def _make_socket() -> None:
    socket.socket()


def _fetch() -> None:
    urllib.request.urlopen("http://127.0.0.1:9/")


def _write() -> None:
    Path("beacon").write_text("here")


def _read() -> None:
    Path("/etc/hostname").read_text()


def _run() -> None:
    os.system("true")  # noqa: S605


def _make_folder() -> None:
    Path("beacon").mkdir()


@pytest.mark.parametrize("reach", [_connect, _look_up, _make_socket, _fetch, _write, _read, _run, _make_folder])
def test_a_constructor_that_reaches_out_is_stopped(reach, monkeypatch, tmp_path):
    class Beacon(nn.Module):
        def __init__(self, in_channels: int = 1) -> None:
            super().__init__()
            reach()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(NETWORKS._members, "Beacon", Beacon)
    with pytest.raises(ConfigError, match=r"network Beacon: must be built from its arguments alone, got a call of"):
        build_network("Beacon")
    assert list(tmp_path.iterdir()) == []


def test_what_one_thread_builds_does_not_bind_another(tmp_path):
    with restricted("test"):
        other = threading.Thread(target=lambda: (tmp_path / "mine").write_text("written"))
        other.start()
        other.join()
    assert (tmp_path / "mine").read_text() == "written"


def test_a_network_of_too_many_weights_is_refused_before_they_are_made():
    with pytest.raises(ConfigError, match=rf"network SimpleUNet: must have at most {MOST_PARAMETERS:,} weights"):
        build_network("SimpleUNet", {"n_features": 2048, "max_features": 2048, "depth": 3})


def test_what_a_network_keeps_beside_its_weights_counts_too(monkeypatch):
    class Keeping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kept", torch.empty(MOST_PARAMETERS + 1, dtype=torch.uint8))

    monkeypatch.setitem(NETWORKS._members, "Keeping", Keeping)
    with pytest.raises(ConfigError, match=rf"network Keeping: must have at most {MOST_PARAMETERS:,} values kept"):
        build_network("Keeping")


def test_a_u_net_halves_an_image_eight_times_at_most():
    with pytest.raises(ConfigError, match=r"SimpleUNet\.depth: must be at most 9, got 60; lower it"):
        build_network("SimpleUNet", {"n_features": 1, "max_features": 1, "depth": 60})


def test_a_network_of_too_many_layers_is_refused(monkeypatch):
    class Long(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Identity() for _ in range(MOST_MODULES + 1))

    monkeypatch.setitem(NETWORKS._members, "Long", Long)
    with pytest.raises(ConfigError, match=rf"network Long: must have at most {MOST_MODULES:,} layers"):
        build_network("Long")


def test_large_networks_that_people_use_are_within_the_bounds():
    network = build_network("UNet", {"channels": [64, 128, 256, 512, 1024], "strides": [2] * 4, "num_res_units": 2})
    assert count_parameters(network) > 10_000_000


# ── What a file may say ──


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"pretrained_url": ADDRESS}, "pretrained_url must not be given"),
        ({"pretrained": False}, "pretrained must not be given"),
        ({"path_or_repo_id": "bert"}, "path_or_repo_id must not be given"),
        ({"filename": "a"}, "filename must not be given"),
        ({"save_dir": "a"}, "save_dir must not be given"),
        ({"weights": 1}, "weights must not be given"),
        ({"norm": ["batch", {"checkpoint_file": 1}]}, "checkpoint_file must not be given"),
        ({"act": "/etc/passwd"}, "act must be a number or a word that networks know"),
        ({"act": "relu" * 40}, "act must be a number or a word that networks know"),
        ({"n_features": 10**9}, "n_features must be at most 2048"),
        ({"n_features": -(10**400)}, "n_features must be at most 2048"),
        ({"kernels": [3, 10**6]}, "kernels must be at most 63"),
        ({"window_size": 17}, "window_size must be at most 16"),
        ({"depth": 65}, "depth must be at most 64"),
        ({"channels": [1] * 33}, "channels must hold at most 32 values"),
        ({"channels": [[[[[1]]]]]}, "channels must be nested at most 3 deep"),
        ({"a b": 1}, "a b must be the name of an argument"),
        ({f"n{k}": 1 for k in range(33)}, "must hold at most 32 values"),
    ],
)
def test_what_no_network_may_be_handed_is_refused_with_its_name(arguments, said):
    with pytest.raises(ValidationError, match=said):
        DenoiserSection(arguments=arguments)
    with pytest.raises(ConfigError, match=r"network\.arguments\.") as caught:
        build_network("SimpleUNet", arguments)
    assert len(str(caught.value)) < 2000


def test_a_section_refuses_filters_beyond_any_image():
    with pytest.raises(ValidationError, match=r"lowpass_kernel_px\n.*less than or equal to 255"):
        DenoiserSection(lowpass_kernel_px=1_000_000_001)
    assert DenoiserSection(lowpass_kernel_px=255).lowpass_kernel_px == 255
