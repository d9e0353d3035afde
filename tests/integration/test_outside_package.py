"""The example of docs/write-your-own-method.md, installed as a package: it trains from YAML, and its model denoises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

from n2b_ct.cli import run
from n2b_ct.io.dicom.ct_reader import read_series
from n2b_ct.io.dicom.scan import scan
from n2b_ct.registry import LABEL_FILTERS, METHODS, NETWORKS
from tests.conftest import REPOSITORY
from tests.integration.scenes import TINY_NETWORK, error_lines, tree_of, write_yaml_file
from tests.outside_package import lay_package

PAGE = (REPOSITORY / "docs" / "write-your-own-method.md").read_text(encoding="utf-8")
SMALL = f"method.denoiser.name={TINY_NETWORK['name']}", f"method.denoiser.arguments={TINY_NETWORK['arguments']}"


def block(language: str) -> str:
    """The page's one block of a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return found


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Where the page's package is installed."""
    project = tomllib.loads(block("toml"))["project"]
    return lay_package(tmp_path / "site", project["name"], project["entry-points"], my_denoising=block("python"))


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch):
    """Return what makes an installed package known here, until the test is over."""
    for registry in (METHODS, LABEL_FILTERS, NETWORKS):
        registry.names()
        monkeypatch.setattr(registry, "_members", dict(registry._members))

    before = set(sys.modules)
    yield monkeypatch.syspath_prepend
    for module in set(sys.modules) - before:
        if (getattr(sys.modules[module], "__file__", None) or "").endswith(
            ("my_denoising.py", "kite.py", "payload.py")
        ):
            del sys.modules[module]


def command(*arguments: str, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``n2b-ct`` in a process of its own, beside the packages of a folder."""
    path = os.pathsep.join(str(one) for one in (site, REPOSITORY) if one is not None)
    given = [sys.executable, "-m", "n2b_ct", *arguments]
    return subprocess.run(given, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)


def training(world: Path, *settings: str) -> list[str]:
    return ["train", str(world), "--data-root", str(world.parent / "data"), *(f"--set={one}" for one in settings)]


def test_the_example_has_at_most_sixty_lines():
    assert len(block("python").splitlines()) <= 60


def test_a_method_of_an_installed_package_trains_from_yaml_and_its_model_denoises(world, site):
    values = yaml.safe_load(world.read_text()) | yaml.safe_load(block("yaml"))
    write_yaml_file(world, values)
    done = command(*training(world, *SMALL), "--out", "run", site=site)
    assert done.returncode == 0, done.stderr
    assert "trained r2r for 12 iterations" in done.stdout
    resolved = yaml.safe_load(Path("run/pipeline.yaml").read_text())["method"]
    assert (resolved["name"], resolved["noise_std"], resolved["alpha"]) == ("r2r", 0.05, 0.5)
    # its network ships with n2b-ct, so the model needs the package no more
    done = command("denoise", str(world.parent / "data" / "test"), "denoised", "--model", "run")
    assert done.returncode == 0, done.stderr
    assert tree_of(Path("denoised")) == ["slice000.dcm", "slice001.dcm", "slice002.dcm"]
    noisy, denoised = (
        read_series(scan(folder).series[0]).hu for folder in (world.parent / "data" / "test", Path("denoised"))
    )
    assert np.isfinite(denoised).all()
    assert not np.array_equal(noisy, denoised)


def test_a_filter_of_an_installed_package_makes_the_labels(world, site, in_this_process):
    in_this_process(site)
    chosen = "method.blur={filter: fourier, limit_per_px: 0.04}"
    assert run([*training(world, chosen), "--out", "run"]) == 0
    resolved = yaml.safe_load(Path("run/pipeline.yaml").read_text())["method"]
    assert resolved["blur"] == {"filter": "fourier", "limit_per_px": 0.04}


def test_a_wrong_value_of_an_installed_method_is_told_like_any_other(world, site, in_this_process, capsys):
    in_this_process(site)
    assert run([*training(world, "method={name: r2r, alpha: 3}"), "--check"]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    assert line == ("error: tiny.yaml: method.alpha: input should be less than or equal to 2, got 3; correct it")


def test_a_package_that_raises_when_it_is_imported_is_named_in_one_line_and_the_rest_works(
    world, tmp_path, in_this_process, capsys
):
    groups = {f"n2b_ct.{group}": {"kite": "kite:Kite"} for group in ("methods", "label_filters", "networks")}
    in_this_process(lay_package(tmp_path / "site", "kites", groups, kite="raise RuntimeError('no string\\nat all')"))
    for setting, key in (
        ("method={name: kite}", "tiny.yaml: method.name"),
        ("method.blur={filter: kite}", "tiny.yaml: method.blur.filter"),
        ("method.denoiser.name=kite", "network.name"),
    ):
        assert run([*training(world, setting), "--check"]) == 2
        (line,) = error_lines(capsys.readouterr().err)
        assert line == (
            f"error: {key}: kite must be importable from the installed package kites, got RuntimeError: no string; "
            "repair or uninstall that package"
        )
    assert run([*training(world), "--check"]) == 0
    assert run([*training(world, "method.name=kit"), "--check"]) == 2
    assert (
        "must be one of dbsn, noise2blur, noise2noise, noise2void, noise_insertion, supervised, "
        "upi, kite, got kit; did you mean kite?" in (capsys.readouterr().err)
    )


NETWORK = """
import torch


class Kite(torch.nn.Module):
    multiple, output_forms, output_forms_reason = 4, ("direct",), "which has a tail"

    def __init__(self, in_channels=1, width=2, reads="no"):
        super().__init__()
        self.layer = torch.nn.Conv2d(in_channels, in_channels, 2 * width + 1, padding=width)
        if reads == "yes" or width == 3:
            open("/etc/hostname").close()

    def forward(self, x):
        return self.layer(x)
"""


def test_a_network_of_an_installed_package_is_built_under_the_rules_for_files(world, tmp_path, in_this_process, capsys):
    in_this_process(lay_package(tmp_path / "site", "kites", {"n2b_ct.networks": {"Kite": "kite:Kite"}}, kite=NETWORK))
    network = "method.denoiser={name: Kite, arguments: {%s}, output: %s}"
    assert run([*training(world, network % ("width: 1", "direct"), "method.collapse_ratio=null"), "--out", "run"]) == 0
    assert run(["denoise", str(world.parent / "data" / "test"), "denoised", "--model", "run"]) == 0
    capsys.readouterr()
    for arguments, output, line in (
        ("reads: 'yes'", "direct", "reads must be a number or a word that networks know, such as relu"),
        ("width: 3", "direct", "network Kite: must be built from its arguments alone, got a call of open"),
        ("width: 5000", "direct", "width must be at most 2048"),
        ("breadth: 1", "direct", "network.arguments.breadth: must be one of in_channels, width, reads, got 1"),
        ("", "lowpass", "network.output: must be direct for Kite, which has a tail, got lowpass; use direct"),
    ):
        assert run([*training(world, network % (arguments, output)), "--check"]) == 2
        assert line in capsys.readouterr().err
    assert run([*training(world, network % ("", "direct"), "training.patch_px=30"), "--check"]) == 2
    assert "training.patch_px: must be a multiple of 4 for this denoiser, got 30" in capsys.readouterr().err


def test_what_is_installed_as_a_method_and_is_none_is_refused(world, tmp_path, in_this_process, capsys):
    groups = {"n2b_ct.methods": {"kite": "kite:Kite"}}
    in_this_process(lay_package(tmp_path / "site", "kites", groups, kite="class Kite: pass"))
    assert run([*training(world, "method={name: kite}"), "--check"]) == 2
    (line,) = error_lines(capsys.readouterr().err)
    wanted = "kite of the installed package kites must be a class derived from Method, with a Config derived from"
    assert line.startswith(f"error: tiny.yaml: method.name: {wanted} MethodConfig, got the class Kite; repair or")


@pytest.mark.parametrize("name", ["payload", "payload:Payload", "payload.Payload", "../payload.py"])
@pytest.mark.parametrize("key", ["method.name", "method.blur.filter", "method.denoiser.name"])
def test_a_file_alone_never_makes_the_program_import_a_module(world, tmp_path, in_this_process, capsys, key, name):
    (tmp_path / "payload.py").write_text(f"open({str(tmp_path / 'was here')!r}, 'w').close()\nclass Payload: pass\n")
    in_this_process(tmp_path)
    assert run([*training(world, f"{key}={name}"), "--check"]) == 2
    assert "must be one of" in capsys.readouterr().err
    assert "payload" not in sys.modules
    assert not (tmp_path / "was here").exists()
