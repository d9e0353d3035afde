"""``--resume`` over volumes and images, which carry no UID: a hidden record says what each of them was made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from n2b_ct.batch.output_paths import residual_path
from n2b_ct.cli import run
from n2b_ct.io import output_records
from n2b_ct.io.atomic import RECORDS_DIR
from n2b_ct.io.output_records import read_records
from tests.integration.natural_image_scenes import natural_image_model, random_words, write_words
from tests.integration.scenes import biased_model, tree_of

ENDINGS = (".nii.gz", ".hdr", ".nhdr", ".mha", ".mhd", ".png", ".jpg")
DATA_ENDINGS = {".mhd": ".raw", ".nhdr": ".nhdr.raw", ".hdr": ".img"}


def write_input(path: Path, seed: int = 0) -> Path:
    """Write a volume or an image, whatever the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".png", ".tif", ".jpg"):
        return write_words(path, random_words("gray", 8, seed=seed))
    hu = np.random.default_rng(seed).integers(-100, 100, (3, 9, 11)).astype(np.int16)
    hu[:, :, :4] = -1000
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(hu), str(path))
    return path


def write_models(ending: str) -> None:
    """Write two models for inputs of this kind."""
    for name, gain in (("model.pt", 0.1), ("other.pt", 0.2)):
        if ending in (".png", ".tif", ".jpg"):
            natural_image_model(Path(name), gain=gain)
        else:
            biased_model(Path(name), bias=gain)


@pytest.fixture(params=ENDINGS)
def ending(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One form, with two inputs of it: a and b."""
    monkeypatch.chdir(tmp_path)
    write_models(request.param)
    for seed, name in enumerate("ab"):
        write_input(Path("in") / f"{name}{request.param}", seed)
    return request.param


@pytest.fixture
def out(ending: str) -> Path:
    """Where the first of them goes."""
    return Path("out") / f"a{'.png' if ending == '.jpg' else ending}"


def denoise(*more: str, out: str = "out", model: str = "model.pt") -> int:
    return run(["denoise", "in", out, "--model", model, "--json", "told.json", "--device", "cpu", *more])


def told() -> list[dict[str, Any]]:
    return json.loads(Path("told.json").read_text())["series"]


def statuses() -> list[tuple[str, str]]:
    return [(one["status"], one["reason"]) for one in told()]


def digest(folder: str) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def assert_redone(why: str, *options: str, model: str = "model.pt", first_only: bool = True) -> None:
    """Resume, and hold that the end is that of an uninterrupted run, records included."""
    assert denoise("--resume", *options, model=model) == 0
    assert statuses() == [("done", ""), ("present" if first_only else "done", "")]
    assert "output_replaced" in told()[0]["problems"]
    assert why in told()[0]["detail"]
    assert denoise(*options, out="fresh", model=model) == 0
    assert digest("out") == digest("fresh")
    assert denoise("--resume", *options, model=model) == 0
    assert statuses() == [("present", "")] * 2


def assert_foreign(name: str, *options: str) -> None:
    before = digest("out")
    assert denoise("--resume", *options) == 1
    assert [reason for _, reason in statuses()] == ["output_foreign", ""]
    assert f", got {name}; move it away, or pass --overwrite" in told()[0]["detail"]
    assert {path: content for path, content in digest("out").items() if path in before} == before


def test_another_model_makes_it_again(ending, out):
    assert denoise() == 0
    assert_redone("another model", model="other.pt", first_only=False)


def test_another_strength_makes_it_again(ending, out):
    assert denoise() == 0
    assert_redone("another strength, option", "--strength", "0.5", first_only=False)


def test_an_input_that_changed_is_done_again(ending, out):
    assert denoise() == 0
    write_input(Path("in") / f"a{ending}", seed=7)
    assert_redone("its input has changed")


def test_a_residual_that_is_missing_or_stale_makes_both_again(ending, out):
    assert denoise("--residual") == 0
    assert denoise("--residual", "--resume") == 0
    assert statuses() == [("present", "")] * 2
    residual_path(out).unlink()
    assert_redone("", "--residual")
    assert denoise("--resume", "--strength", "0.5") == 0
    assert denoise("--residual", "--resume", "--strength", "0.5") == 0
    assert statuses() == [("done", "")] * 2


def test_an_output_that_somebody_edited_is_left_alone(ending, out, capsys):
    assert denoise() == 0
    out.write_bytes(b"edited")
    capsys.readouterr()
    assert denoise() == 2
    said = capsys.readouterr().err
    assert f"{out}: must not be there yet, got {out.name}, which is not n2b-ct's; move it away" in said
    assert_foreign(out.name)


def test_an_output_without_its_record_is_nobodys(ending, out):
    write_input(Path("made") / out.name, seed=9)
    out.parent.mkdir()
    for path in Path("made").iterdir():
        path.rename(Path("out") / path.name)
    data = Path("out") / f"a{DATA_ENDINGS.get(ending, '.none')}"
    assert_foreign(f"{out.name} and 1 more" if data.exists() else out.name)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"format": 1, "entries": [{}]}', b"[" * 50_000, b"\xff"])
def test_a_damaged_record_is_none(tmp_path, monkeypatch, damage):
    monkeypatch.chdir(tmp_path)
    write_models(".nii")
    for name in "ab":
        write_input(Path("in") / f"{name}.nii")
    assert denoise() == 0
    (record,) = [path for path in records() if "a.nii" in names_of(path)]
    record.write_bytes(damage)
    assert_foreign("a.nii")


def records() -> list[Path]:
    return sorted(Path("out", RECORDS_DIR).iterdir())


def names_of(record: Path) -> list[str]:
    """Which outputs a record is of, by the digests of their bytes."""
    digests = [one["files"].get(".nii") for one in json.loads(record.read_text())["entries"]]
    found = {path.name: output_records.content_digest(path) for path in Path("out").glob("*.nii")}
    hidden = {name: output_records.hidden_sibling(Path("out") / name, "").name for name in found}
    return [name for name in found if found[name] in digests and record.stem == hidden[name]]


@pytest.mark.parametrize("ending", DATA_ENDINGS, indirect=True)
def test_an_output_of_two_files_is_whole_with_both_only(ending, out):
    assert denoise() == 0
    data = Path("out") / f"a{DATA_ENDINGS[ending]}"
    data.unlink()
    assert_redone("not all of its files were there")
    data.write_bytes(b"mine")
    assert_foreign(data.name)
    out.unlink()
    assert_foreign(data.name)


def test_a_data_file_of_the_old_output_goes_with_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_models(".mhd")
    write_input(Path("in/a.mhd"))
    assert denoise() == 0
    assert tree_of(Path("out")) == ["a.mhd", "a.raw"]
    image = SimpleITK.ReadImage("in/a.mhd")
    SimpleITK.WriteImage(image, "in/a.mhd", useCompression=True)
    Path("in/a.raw").unlink()
    assert denoise("--resume") == 0
    assert tree_of(Path("out")) == ["a.mhd", "a.zraw"]


@pytest.mark.parametrize("ending", [".nii.gz", ".mhd", ".png"], indirect=True)
@pytest.mark.parametrize("n_renames", range(1, 6))
def test_whatever_a_kill_between_record_and_output_leaves_can_be_told(ending, out, monkeypatch, n_renames):
    assert denoise() == 0
    n_seen = 0
    rename = Path.replace

    def replace(path: Path, target: Path) -> Path:
        nonlocal n_seen
        n_seen += 1
        if n_seen > n_renames:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replace)
        code = denoise("--resume", "--strength", "0.5")
    assert code == 130
    assert denoise("--resume", "--strength", "0.5") == 0
    assert denoise("--strength", "0.5", out="fresh") == 0
    assert digest("out") == digest("fresh")


def test_a_record_names_nobody_and_lies_beside_the_output_only(ending, out):
    before = digest("in")
    Path("in/Doe_Jane").mkdir()
    write_input(Path("in/Doe_Jane") / f"doe{ending}")
    before = digest("in")
    assert denoise("--residual") == 0
    assert digest("in") == before
    (record, _) = sorted(Path("out/Doe_Jane", RECORDS_DIR).iterdir())
    assert "doe" not in (record.name + record.read_text()).lower()
    assert str(Path.cwd()) not in record.read_text()


def test_records_are_no_input(ending, out, capsys):
    assert denoise() == 0
    Path("in").rename("before")
    Path("out").rename("in")
    assert denoise(out="again") == 0
    files = [Path(one["path"]) for one in json.loads(Path("told.json").read_text())["files"]]
    assert [path for path in files if RECORDS_DIR in path.parts] == []
    assert run(["inspect", "in", "--json", "inspected.json"]) in (0, 2)
    assert RECORDS_DIR not in Path("inspected.json").read_text() if Path("inspected.json").exists() else True
    assert RECORDS_DIR not in capsys.readouterr().out


def test_the_offset_of_volumes_is_part_of_their_identity(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_models(".nii")
    write_input(Path("in/a.nii"))
    assert denoise() == 0
    assert denoise("--resume", "--volume-offset-hu", "10") == 0
    assert statuses() == [("done", "")]


def test_a_volume_without_assume_hu_is_refused_although_its_output_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_models(".nii")
    image = SimpleITK.ReadImage(str(write_input(Path("in/a.nii"))))
    SimpleITK.WriteImage(image + 1000, "in/a.nii")
    assert denoise("--assume-hu") == 0
    first, before = told(), digest("out")
    assert denoise("--resume", "--assume-hu") == 0
    assert (statuses(), told()[0]["problems"]) == ([("present", "")], first[0]["problems"])
    assert denoise("--resume") != 0
    assert statuses() == [("failed", "maybe_not_hu")]
    assert digest("out") == before


def test_the_place_of_another_input_is_not_this_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_models(".nii")
    for name in "ab":
        write_input(Path("in") / f"{name}.nii", seed=ord(name))
    assert denoise() == 0
    Path("out/b.nii").replace("out/a.nii")
    assert_foreign("a.nii")


def test_present_volumes_count_what_is_in_the_output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_models(".nii")
    write_input(Path("in/a.nii"))
    assert denoise() == 0
    assert denoise("--resume") == 0
    assert [(one["status"], one["n_slices"]) for one in told()] == [("present", 3)]


def test_a_folder_in_the_place_of_a_file_is_named(ending, out):
    out.mkdir(parents=True)
    assert_foreign(out.name)


def test_entries_with_paths_in_them_are_not_believed(tmp_path):
    place = tmp_path / "v.nii"
    place.write_bytes(b"x")
    write: Callable[[Path], object] = lambda path: path.write_bytes(b"y")  # noqa: E731
    output_records.write_with_record(place, {"input": "1"}, write, overwrite=True)
    assert [one.made_of for one in read_records(place)] == [{"input": "1"}]
    (record,) = (tmp_path / RECORDS_DIR).iterdir()
    record.write_text(record.read_text().replace('".nii"', '"/../../x"'))
    assert read_records(place) == []
