"""A scheduler behind TLS: certificates made here, processes that really check them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import distributed  # noqa: F401 (its defaults are part of Dask's configuration)
import pytest
import trustme

from n2b_ct import api
from n2b_ct.cli.tree_result import time_of
from n2b_ct.cluster.connection import connected
from n2b_ct.errors import ClusterError, ConfigError
from tests.conftest import REPOSITORY
from tests.integration.fleet import HOSTS, Fleet, fleet_of
from tests.integration.scenes import biased_model, tissue_hu, write_series

WHEN = "2026-03-04T05:06:07+00:00"
TLS = "DASK_DISTRIBUTED__COMM__TLS__"


def certificates(folder: Path) -> dict[str, str]:
    """Make an authority, and one certificate of it for all three; the environment that docs/cluster.md sets."""
    folder.mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own = authority.issue_cert(*HOSTS)
    own.cert_chain_pems[0].write_to_path(folder / "own.pem")
    own.private_key_pem.write_to_path(folder / "own.key")
    settings = {f"{TLS}CA_FILE": str(folder / "ca.pem")}
    for who in ("CLIENT", "SCHEDULER", "WORKER"):
        settings |= {f"{TLS}{who}__CERT": str(folder / "own.pem"), f"{TLS}{who}__KEY": str(folder / "own.key")}
    return {**settings, "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"}


@contextmanager
def configured(settings: dict[str, str]) -> Iterator[None]:
    """Configure Dask in this process as these environment variables would."""
    keys = {key.removeprefix("DASK_").lower().replace("__", ".").replace("_", "-"): settings[key] for key in settings}
    with dask.config.set({key: True if value == "True" else value for key, value in keys.items()}):
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def ours(place: Path) -> dict[str, str]:
    return certificates(place / "ours")


@pytest.fixture(scope="module")
def theirs(place: Path) -> dict[str, str]:
    return certificates(place / "theirs")


@pytest.fixture(scope="module")
def fleet(place: Path, ours: dict[str, str]) -> Iterator[Fleet]:
    with fleet_of(1, place / "fleet", "tls", **ours) as fleet:
        yield fleet


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_command_denoises_by_tls_what_it_denoises_here(fleet, ours, tmp_path):
    write_series(tmp_path / "in" / "s1", tissue_hu(1, n_slices=3), uid=1)
    model = biased_model(tmp_path / "model.pt")
    words = ["denoise", "in", "there", "--model", "model.pt", "--created", WHEN, "--scheduler", fleet.address]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **ours}
    command = [sys.executable, "-m", "n2b_ct", *words]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"done    {tmp_path}/there/s1: 3 slices, removed noise 0.0 HU\n")

    api.denoise(tmp_path / "in", tmp_path / "here", model=model, created=time_of(WHEN))
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")


def test_a_client_without_a_certificate_is_told_what_it_needs(fleet, ours):
    for settings in ({}, {key: value for key, value in ours.items() if "CLIENT" not in key}):
        with (
            configured(settings),
            pytest.raises(ConfigError, match=rf"needs a client's certificate, got none; set {TLS}CA_FILE"),
            connected(fleet.address),
        ):
            pass


def test_a_certificate_that_is_not_there_is_told(fleet, ours):
    gone = {key: value.replace("own", "gone") for key, value in ours.items()}
    with (
        configured(gone),
        pytest.raises(ConfigError, match="its certificates must be PEM files that can be read, got No such file"),
        connected(fleet.address),
    ):
        pass


def test_another_authority_is_told(fleet, theirs):
    with (
        configured(theirs),
        pytest.raises(ClusterError, match="must hold a certificate of the authority configured here"),
        connected(fleet.address),
    ):
        pass


def test_a_client_of_another_authority_is_refused_by_the_scheduler(fleet, ours, theirs):
    with (
        configured({**theirs, f"{TLS}CA_FILE": ours[f"{TLS}CA_FILE"]}),
        pytest.raises(ClusterError, match="and trust the one shown to it, got no agreement; give both sides"),
        connected(fleet.address),
    ):
        pass


def test_who_comes_without_tls_gets_no_answer(fleet):
    address = fleet.address.replace("tls://", "tcp://")
    with (
        pytest.raises(ClusterError, match=r"must answer, got no scheduler within .*; .* tcp:// or tls:// too"),
        connected(address),
    ):
        pass
