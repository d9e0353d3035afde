"""Volumes beside CT: what is no CT is left where it is, by every command, and said."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml

from n2b_ct.cli import run
from tests.integration.scenes import biased_model, identity_model, tree_of
from tests.volume_scenes import ct, labels, pet, save_words

LPS_MM = np.diag([-0.8, -0.8, 2.5, 1.0])
CT_FILES = ["imagesTr/case_001_0000.nii.gz", "s0001/ct.nii.gz"]
SKIPPED = {
    "labelsTr/case_001.nii.gz": "label_map",
    "s0001/Segmentation.seg.nrrd": "label_map",
    "s0001/segmentations/liver.nii.gz": "label_map",
    "s0001/segmentations/spleen.nii.gz": "label_map",
    "s0001/suv_pet.nii.gz": "not_ct",
}


def whole(values: np.ndarray) -> np.ndarray:
    return np.rint(values).astype(np.int16)


@pytest.fixture
def benchmark_set(tmp_path, monkeypatch) -> Path:
    """A tree as nnU-Net and TotalSegmentator lay theirs out; the spleen was not found."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "set"
    for name in CT_FILES:
        save_words(root / name, whole(ct()))
    save_words(root / "labelsTr" / "case_001.nii.gz", labels(2).astype(np.uint8))
    save_words(root / "s0001" / "segmentations" / "liver.nii.gz", labels(1).astype(np.uint8))
    save_words(root / "s0001" / "segmentations" / "spleen.nii.gz", np.zeros_like(labels(1), dtype=np.uint8))
    save_words(root / "s0001" / "Segmentation.seg.nrrd", labels(5).astype(np.uint8))
    save_words(root / "s0001" / "suv_pet.nii.gz", pet())
    return root


def denoise(source: Path, *options: str) -> int:
    model = biased_model(Path("biased.pt"))
    return run(["denoise", str(source), "out", "--model", str(model), "--json", "out.json", *options])


def told(root: Path) -> dict[str, tuple[str, str]]:
    files = json.loads(Path("out.json").read_text())["files"]
    return {str(Path(one["path"]).relative_to(root)): (one["action"], one["reason"]) for one in files}


@pytest.mark.parametrize("options", [(), ("--assume-hu",), ("--residual",)])
def test_a_tree_s_label_maps_and_pet_are_left_out_and_listed(benchmark_set, capsys, options):
    assert denoise(benchmark_set, *options) == 0
    residuals = [name.replace(".nii.gz", "-residual.nii.gz") for name in CT_FILES if "--residual" in options]
    assert sorted(tree_of(Path("out"))) == sorted(["imagesTr", "s0001", *CT_FILES, *residuals])
    assert told(benchmark_set) == {
        **dict.fromkeys(CT_FILES, ("used", "")),
        **{name: ("skipped", reason) for name, reason in SKIPPED.items()},
    }
    errors = capsys.readouterr().err
    assert "skipped: " in errors
    assert "must hold HU, not labels, got 3 whole values" in errors
    assert "(and 3 more)" in errors
    assert "widen" not in errors


def test_an_offset_makes_no_ct_of_them(benchmark_set):
    for name in CT_FILES:
        save_words(benchmark_set / name, whole(ct() + 1024).clip(0))
    assert denoise(benchmark_set) == 2
    assert {reason for _, reason in told(benchmark_set).values()} == {"maybe_not_hu", "label_map", "not_ct"}
    assert denoise(benchmark_set, "--volume-offset-hu", "-1024") == 0
    assert {name for name, (action, _) in told(benchmark_set).items() if action == "used"} == set(CT_FILES)


@pytest.mark.parametrize("name", SKIPPED)
def test_a_label_map_or_pet_given_by_name_ends_with_one_line_that_says_why(benchmark_set, capsys, name):
    assert denoise(benchmark_set / name) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: {Path(name).name}: must hold HU, not ")
    assert not Path("out").exists()


def test_values_that_may_not_be_hu_fail_alone_without_assume_hu(benchmark_set, capsys):
    save_words(benchmark_set / "plus.mha", whole(ct() + 1024).clip(0))
    assert denoise(benchmark_set) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert "plus.mha: must hold HU, got" in line
    assert "pass --volume-offset-hu -1024 if they are HU + 1024, --assume-hu if they are HU, or leave it out" in line
    assert not Path("out/plus.mha").exists()
    assert denoise(benchmark_set, "--assume-hu", "--resume") == 0
    assert "warning: " in capsys.readouterr().err
    assert Path("out/plus.mha").exists()


def manifest(root: Path, name: str, **changes: object) -> str:
    values = {
        "format": 1,
        "name": "set",
        "series": {"a": {"path": CT_FILES[0]}, "b": {"path": CT_FILES[1]}, "c": {"path": name, **changes}},
        "splits": {"default": {"rule": "series", "clean": ["a"], "noisy": ["c"], "test": ["b"]}},
        "shared_patient": "a test",
    }
    (root / "set.yaml").write_text(yaml.safe_dump(values))
    pipeline = {
        "name": "p",
        "data": {"manifest": "set.yaml", "window": [-160, 240]},
        "method": {"name": "supervised"},
        "training": {"iterations": 1, "patch_px": 16},
    }
    (root / "p.yaml").write_text(yaml.safe_dump(pipeline))
    return str(root / "p.yaml")


@pytest.mark.parametrize("name", SKIPPED)
def test_training_on_a_manifest_that_names_one_is_refused_with_a_line(benchmark_set, capsys, name):
    pipeline = manifest(benchmark_set, name, assume_hu=True)
    assert run(["train", pipeline, "--data-root", str(benchmark_set), "--check"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert f"{Path(name).name}: must hold HU, not " in line


def test_a_report_on_a_folder_of_label_maps_says_what_they_are(benchmark_set, capsys):
    folders = ["--candidate", f"a={benchmark_set / 'imagesTr'}", "--reference", str(benchmark_set / "labelsTr")]
    assert run(["evaluate", *folders, "--out", "report"]) == 2
    assert "reference: case_001.nii.gz: must hold HU, not labels" in capsys.readouterr().err


def test_label_maps_beside_ct_do_not_disturb_a_report(benchmark_set, capsys):
    root = str(benchmark_set / "s0001")
    assert run(["evaluate", "--candidate", f"a={root}", "--reference", root, "--window", "abdomen", "--out", "r"]) == 0
    assert "liver" not in capsys.readouterr().err


# ── NIfTI as it is found ──


def nifti(path: Path, words: np.ndarray, slope: float = 1.0, intercept: float = 0.0, kind: type = nibabel.Nifti1Image):
    """Write words ``[slices, rows, cols]`` under a header with this rescale, uncompressed."""
    image = kind(words.transpose(2, 1, 0), LPS_MM, dtype=words.dtype)
    content = bytearray(image.to_bytes())
    if kind is nibabel.Nifti1Image:
        content[112:120] = np.array([slope, intercept], "<f4").tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.fixture
def quirks(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "quirks"
    folder.mkdir()
    words = whole(ct())
    plain = gzip.decompress(nifti(folder / "plain.nii.gz", words).read_bytes())
    (folder / "members.nii.gz").write_bytes(gzip.compress(plain[:5000]) + gzip.compress(plain[5000:]))
    (folder / "zero_tail.nii.gz").write_bytes(gzip.compress(plain) + bytes(512))
    nifti(folder / "int8.nii", np.rint((ct() - 200) / 12).clip(-128, 127).astype(np.int8), 12, 200)
    nifti(folder / "negative_slope.nii.gz", (10 - words).astype(np.int16), -1, 10)
    nifti(folder / "fraction.nii", np.rint((ct() + 1100) / 0.0317).clip(0).astype(np.uint32), 0.0317, -1100)
    nifti(folder / "int64.nii.gz", words.astype(np.int64), kind=nibabel.Nifti2Image)
    shear = LPS_MM.copy()
    shear[0, 2] = 0.9
    nibabel.save(nibabel.Nifti1Image(words.transpose(2, 1, 0), shear), folder / "sheared.nii.gz")
    nibabel.save(nibabel.Nifti1Image(words.transpose(2, 1, 0)[..., None], LPS_MM), folder / "one_of_4d.nii.gz")
    nibabel.save(nibabel.Nifti1Pair(words.transpose(2, 1, 0), LPS_MM), folder / "pair.hdr")
    return folder


def test_odd_niftis_come_back_word_for_word_under_their_own_header(quirks):
    model = identity_model(Path("identity.pt"))
    assert run(["denoise", str(quirks), "out", "--model", str(model)]) == 0
    names = sorted(path.name for path in quirks.iterdir())
    assert tree_of(Path("out")) == names
    for name in names:
        if name != "pair.img":
            before, after = nibabel.load(quirks / name), nibabel.load(Path("out") / name)
            assert after.header.binaryblock == before.header.binaryblock, name
            np.testing.assert_array_equal(after.dataobj.get_unscaled(), before.dataobj.get_unscaled(), err_msg=name)


def test_either_file_of_a_pair_may_be_given(quirks):
    model = identity_model(Path("identity.pt"))
    for number, name in enumerate(("pair.hdr", "pair.img")):
        assert run(["denoise", str(quirks / name), f"out{number}", "--model", str(model), "--json", "out.json"]) == 0
        assert sorted(tree_of(Path(f"out{number}"))) == ["pair.hdr", "pair.img"]
    assert told(quirks) == {"pair.img": ("used", "")}
    assert run(["inspect", str(quirks / "pair.img")]) == 0


def test_odd_niftis_that_cannot_be_used_are_known_to_inspect(quirks, capsys):
    values = ct().astype(np.float32)
    values[:, :8] = np.nan
    save_words(quirks / "nan.nii.gz", values)
    several = np.repeat(whole(ct()).transpose(2, 1, 0)[..., None], 3, axis=3)
    nibabel.save(nibabel.Nifti1Image(several, LPS_MM), quirks / "several.nii.gz")
    colours = np.zeros((8, 8, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colours, LPS_MM), quirks / "rgb.nii.gz")
    capsys.readouterr()
    assert run(["inspect", str(quirks), "--json"]) == 1
    files = json.loads(capsys.readouterr().out)["files"]
    assert {(Path(one["path"]).name, one["action"], one["reason"]) for one in files if one["action"] != "used"} == {
        ("nan.nii.gz", "error", "not_finite"),
        ("several.nii.gz", "error", "not_3d"),
        ("rgb.nii.gz", "skipped", "not_grayscale"),
    }
