"""A volume format of a package outside: found by its entry point, denoised, and told in one line where it is broken."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from n2b_ct.batch.outcomes import TreeResult
from n2b_ct.batch.output_paths import residual_path
from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.batch.trees import denoise_tree
from n2b_ct.inference.model import load_model
from n2b_ct.io.volumes import describe_volume, is_volume, volume_suffixes
from n2b_ct.registry import VOLUME_FORMATS
from tests.integration.scenes import biased_model, identity_model
from tests.outside_package import lay_package
from tests.volume_scenes import ct, save_words

PACKAGE = '''
import numpy as np
from n2b_ct.io.atomic import write_atomically
from n2b_ct.io.volume_formats.base import VolumeFormat
from n2b_ct.io.volume_formats.header import VolumeHeader


class Toy(VolumeFormat):
    """Three lengths in a line of 32 bytes, then 16-bit words."""

    def read_header(self, path):
        with path.open("rb") as file:
            line = file.read(32)
        shape = tuple(int(word) for word in line.split())
        affine = np.diag([-1.0, -1.0, 2.0, 1.0])
        data = {"data_paths": (path,), "data_offset": 32, "header_bytes": line}
        return VolumeHeader(path, "Toy", np.dtype("<i2"), shape, affine, **data)

    def write(self, header, words, out):
        write_atomically(out, lambda file: file.write(header.header_bytes + words.tobytes(order="F")))
'''


BIAS_HU = 40  # what the biased model adds inside its window


def save_toy(path: Path) -> np.ndarray:
    words = np.rint(ct()).astype("<i2")  # [k, j, i]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(" ".join(map(str, words.shape[::-1])).encode().ljust(32) + words.tobytes())
    return words


def toy_words(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(path.read_bytes()[32:], "<i2").reshape(shape)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return what installs a package with one module, whose class Toy reads ``.toy``."""

    def put(source: str) -> None:
        site = tmp_path / "site"
        offered = {"n2b_ct.volume_formats": {".toy": "toy_volumes:Toy"}}
        lay_package(site, "toy-volumes", offered, toy_volumes=source)
        monkeypatch.syspath_prepend(site)

    VOLUME_FORMATS.names()
    monkeypatch.setattr(VOLUME_FORMATS, "_members", dict(VOLUME_FORMATS._members))
    yield put
    sys.modules.pop("toy_volumes", None)


def denoise(tmp_path: Path, model: Path) -> TreeResult:
    return denoise_tree(tmp_path / "in", tmp_path / "out", load_model(model), DenoiseOptions())


def test_an_ending_of_a_package_outside_is_a_volume_s(tmp_path, install):
    assert not is_volume(Path("a.toy"))
    install(PACKAGE)
    assert is_volume(Path("a.TOY"))
    assert ".toy" in volume_suffixes()
    assert residual_path(Path("a.toy")) == Path("a-residual.toy")


def test_a_volume_of_an_outside_format_is_denoised(tmp_path, install):
    install(PACKAGE)
    words = save_toy(tmp_path / "in" / "a.toy")
    info = describe_volume(tmp_path / "in" / "a.toy")
    assert (info.format_name, info.shape, info.spacing_mm) == ("Toy", words.shape, (2.0, 1.0, 1.0))
    assert [one.status for one in denoise(tmp_path, biased_model(tmp_path / "biased.pt")).outcomes] == ["done"]
    changes = toy_words(tmp_path / "out" / "a.toy", words.shape) - words
    assert set(np.unique(changes[np.abs(words) < 100])) == {BIAS_HU}
    assert set(np.unique(changes[words < -900])) == {0}


def test_an_identity_model_changes_no_byte_of_an_outside_format(tmp_path, install):
    install(PACKAGE)
    save_toy(tmp_path / "in" / "a.toy")
    denoise(tmp_path, identity_model(tmp_path / "identity.pt"))
    assert (tmp_path / "out" / "a.toy").read_bytes() == (tmp_path / "in" / "a.toy").read_bytes()


def test_an_outside_format_that_cannot_be_imported_fails_its_own_volumes_alone(tmp_path, install):
    install("raise RuntimeError('no luck')\n")
    save_toy(tmp_path / "in" / "a.toy")
    save_words(tmp_path / "in" / "b.mha", np.rint(ct()).astype(np.int16))
    result = denoise(tmp_path, identity_model(tmp_path / "identity.pt"))
    assert {one.source.name: one.status for one in result.outcomes} == {"a.toy": "failed", "b.mha": "done"}
    (failed,) = [one for one in result.outcomes if one.status == "failed"]
    assert failed.reason == "unreadable"
    expected = r"a.toy: .toy must be importable from the installed package toy-volumes, got RuntimeError"
    assert expected in failed.detail


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("shape = tuple(int", "shape = tuple(dict"),
        ("header.header_bytes + words", "header.header_bytes + str"),
        ("    def write(", "    def read(self, header):\n        yield 1 / 0\n\n    def write("),
        ("    def write(", "    def require_data(self, header):\n        return header[0]\n\n    def write("),
    ],
    ids=["header", "write", "read", "data"],
)
def test_an_outside_format_that_raises_fails_its_own_volumes_alone(tmp_path, install, right, wrong):
    assert right in PACKAGE
    install(PACKAGE.replace(right, wrong))
    save_toy(tmp_path / "in" / "a.toy")
    save_words(tmp_path / "in" / "b.mha", np.rint(ct()).astype(np.int16))
    result = denoise(tmp_path, identity_model(tmp_path / "identity.pt"))
    assert {one.source.name: one.status for one in result.outcomes} == {"a.toy": "failed", "b.mha": "done"}
    (failed,) = [one for one in result.outcomes if one.status == "failed"]
    assert failed.reason == "unreadable"
    assert "a.toy: the format .toy must read and write it, or refuse it, got " in failed.detail
    assert not (tmp_path / "out" / "a.toy").exists()
