"""The way to a scheduler, where there is none."""

from __future__ import annotations

import socket
import sys

import pytest

from n2b_ct import api
from n2b_ct.cluster import connection
from n2b_ct.cluster.connection import connected
from n2b_ct.config.networks import DenoiserSection
from n2b_ct.data.natural_images import NaturalImageScale
from n2b_ct.errors import ClusterError, ConfigError
from n2b_ct.inference.model import load_model, save_model
from n2b_ct.networks.build import build_denoiser
from tests.integration.scenes import biased_model


def test_without_the_extra_its_name_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(ConfigError, match=r"needs the package .*; pip install 'n2b-ct\[cluster\]'"),
        connected("tcp://h:1"),
    ):
        pass


@pytest.mark.parametrize("address", ["", "host", "tcp://host", "http://host:80", "tcp://:1"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ConfigError, match=r"scheduler: must be an address, got .*; write tls"), connected(address):
        pass


def test_where_nobody_answers_it_is_told(monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_WITHIN_S", 0.2)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        with (
            pytest.raises(ClusterError, match=r"must answer, got no scheduler within 0\.2 s; start one"),
            connected(address),
        ):
            pass


def test_workers_load_the_model_themselves(tmp_path):
    model = load_model(biased_model(tmp_path / "model.pt"))
    with pytest.raises(ConfigError, match="workers load the model themselves, got a loaded one; pass the path"):
        api.denoise(tmp_path, tmp_path / "out", model=model, scheduler="tcp://127.0.0.1:1")


def test_images_are_done_here(tmp_path):
    section = DenoiserSection(name="SimpleUNet", output="residual", arguments={"n_features": 2, "depth": 2})
    weights, gray = build_denoiser(section).state_dict(), NaturalImageScale("gray")
    save_model(
        tmp_path / "m.pt", weights=weights, section=section, input_scale=gray, name="toy", method="none", facts={}
    )
    with pytest.raises(ConfigError, match="scheduler: is for CT series and volumes, got a model of images"):
        api.denoise(tmp_path, tmp_path / "out", model=tmp_path / "m.pt", scheduler="tcp://127.0.0.1:1")


def test_threads_are_the_workers_own(tmp_path):
    with pytest.raises(ConfigError, match="threads: does not go with scheduler=…, got 2; set OMP_NUM_THREADS where"):
        api.denoise(tmp_path, tmp_path / "out", model=tmp_path / "model.pt", scheduler="tcp://h:1", threads=2)
