"""Volumes in a tree: denoised in their own form beside the series, offset honoured, failures told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from n2b_ct.batch import file_tasks
from n2b_ct.batch.outcomes import TreeResult
from n2b_ct.batch.output_paths import residual_path
from n2b_ct.batch.run_options import DenoiseOptions
from n2b_ct.batch.trees import denoise_tree
from n2b_ct.errors import OutputError
from n2b_ct.inference.model import Model, load_model
from tests.integration.scenes import biased_model, identity_model, tree_of

ENDINGS = (".nii", ".nii.gz", ".hdr", ".nrrd", ".nhdr", ".mha", ".mhd")
BIAS_HU = 40  # the model adds it to every pixel inside its window


def save(path: Path, offset: int = 0) -> np.ndarray:
    """Soft tissue with air beside it, stored as HU + offset, ``[slices, rows, cols]``."""
    hu = np.random.default_rng(0).integers(-100, 100, (3, 9, 11)).astype(np.int16)
    hu[:, :, :4] = -1000
    image = SimpleITK.GetImageFromArray((hu + offset).astype(np.int16))
    image.SetSpacing((0.7, 0.7, 3.0))
    image.SetOrigin((1 / 3, -7, 30))
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path))
    return hu


def words(path: Path) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


@pytest.fixture
def biased(tmp_path: Path) -> Model:
    return load_model(biased_model(tmp_path / "biased.pt"))


def denoise(tmp_path: Path, model: Model, **options) -> TreeResult:
    return denoise_tree(tmp_path / "in", tmp_path / "out", model, DenoiseOptions(**options))


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_identity_model_changes_no_voxel_and_no_geometry(tmp_path, ending):
    save(tmp_path / "in" / "a" / f"v{ending}", offset=1000)
    model = load_model(identity_model(tmp_path / "identity.pt"))
    result = denoise(tmp_path, model, volume_offset_hu=-1000)
    assert [(one.status, one.n_slices, one.n_clipped_pixels) for one in result.outcomes] == [("done", 3, 0)]
    source, out = tmp_path / "in" / "a" / f"v{ending}", tmp_path / "out" / "a" / f"v{ending}"
    np.testing.assert_array_equal(words(out), words(source))
    before, after = SimpleITK.ReadImage(str(source)), SimpleITK.ReadImage(str(out))
    for ask in ("GetSpacing", "GetOrigin", "GetDirection", "GetPixelID"):
        assert getattr(before, ask)() == getattr(after, ask)()


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_window_is_met_only_with_the_offset_told(tmp_path, biased, ending):
    hu = save(tmp_path / "in" / f"v{ending}", offset=1000)
    told = denoise(tmp_path, biased, volume_offset_hu=-1000).outcomes[0]
    changed = np.where(hu > -160, hu + BIAS_HU, hu) + 1000
    np.testing.assert_array_equal(words(tmp_path / "out" / f"v{ending}"), changed)
    assert told.problems == ()
    silent = denoise(tmp_path, biased, if_present="replace").outcomes[0]
    assert (silent.status, silent.reason) == ("failed", "maybe_not_hu")
    assert "pass volume_offset_hu=-1024" in silent.detail
    np.testing.assert_array_equal(words(tmp_path / "out" / f"v{ending}"), changed)
    assumed = denoise(tmp_path, biased, if_present="replace", assume_hu=True).outcomes[0]
    assert assumed.problems == ("maybe_not_hu",)
    assert "should hold HU, as assume_hu=True says" in assumed.warnings[0]


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_residual_lies_beside_its_volume_and_both_are_resumed(tmp_path, biased, ending):
    save(tmp_path / "in" / f"v{ending}")
    denoise(tmp_path, biased, residual=True)
    residual = residual_path(tmp_path / "out" / f"v{ending}")
    assert residual.name == f"v-residual{ending}"
    assert sorted(np.unique(words(residual))) == [-BIAS_HU, 0]
    before = {name: (tmp_path / "out" / name).read_bytes() for name in tree_of(tmp_path / "out")}
    with pytest.raises(OutputError, match="must not be there yet"):
        denoise(tmp_path, biased, residual=True)
    residual.unlink()
    assert denoise(tmp_path, biased, residual=True, if_present="skip").outcomes[0].status == "done"
    assert {name: (tmp_path / "out" / name).read_bytes() for name in tree_of(tmp_path / "out")} == before
    assert denoise(tmp_path, biased, residual=True, if_present="skip").outcomes[0].status == "present"


def test_every_form_in_one_folder_comes_back_apart(tmp_path, biased):
    for ending in (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"):
        save(tmp_path / "in" / f"v{ending}")
    # the data file is that of the .mhd beside it
    header = "NRRD0004\ntype: short\ndimension: 3\nsizes: 11 9 3\nendian: little\nencoding: raw\ndata file: v.raw\n"
    (tmp_path / "in" / "v.nhdr").write_text(header)
    result = denoise(tmp_path, biased)
    assert [one.status for one in result.outcomes] == ["done"] * 6
    assert {record.action for record in result.records} == {"used"}
    assert len(result.records) == 7
    expected = words(tmp_path / "out" / "v.mhd")
    for ending in ENDINGS:
        np.testing.assert_array_equal(words(tmp_path / "out" / f"v{ending}"), expected)


def test_a_volume_that_cannot_be_trusted_fails_alone_and_progress_ends(tmp_path, biased, monkeypatch):
    for name in ("a.nii", "b.mhd", "c.nrrd"):
        save(tmp_path / "in" / name)
    (tmp_path / "in" / "b.raw").unlink()
    told: list[tuple[int, int]] = []
    real = file_tasks.read_volume

    def read(path, **options):
        if path.name == "c.nrrd":
            raise MemoryError
        return real(path, **options)

    monkeypatch.setattr(file_tasks, "read_volume", read)
    result = denoise_tree(
        tmp_path / "in", tmp_path / "out", biased, DenoiseOptions(), lambda done, total, _: told.append((done, total))
    )
    assert [(one.status, one.reason) for one in result.outcomes] == [
        ("done", ""),
        ("failed", "unreadable"),
        ("failed", "memory_limit"),
    ]
    assert told[-1] == (7, 7)
    assert tree_of(tmp_path / "out") == ["a.nii"]
