"""No patient's name or identifier leaves a data set: not in a table, a message, a log, a JSON or a file's name."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from n2b_ct.cli import run
from n2b_ct.io.dicom.elements import quiet_pydicom
from n2b_ct.io.dicom.scan import scan
from tests.bad_input import cut, inserted_before_pixels, nested_sequences, patched
from tests.encodings import encoded_dataset
from tests.helpers import make_ct_dataset, save, water_ramp
from tests.integration.scenes import manifest_values, tissue_hu, with_noise, write_series, write_yaml_file

MARKER, BIRTH_DATE = "Geheimnis", "19070809"
PATIENT: dict[str, Any] = {
    "PatientName": f"{MARKER}^Anna",
    "PatientID": f"ID-{MARKER}-7",
    "IssuerOfPatientID": f"{MARKER} hospital",
    "OtherPatientIDs": [f"{MARKER}-1", f"{MARKER}-2"],
    "OtherPatientNames": f"{MARKER}^Maria",
    "PatientBirthName": f"{MARKER}^Berta",
    "PatientMotherBirthName": f"{MARKER}^Clara",
    "PatientBirthDate": BIRTH_DATE,
    "PatientAddress": f"{MARKER} street 1",
    "PatientTelephoneNumbers": f"{MARKER}-0123",
    "PatientComments": f"{MARKER} was here",
    "MedicalRecordLocator": f"{MARKER}-9",
    "EthnicGroup": MARKER,
    "ResponsiblePerson": f"{MARKER}^Dora",
    "ReferringPhysicianName": f"{MARKER}^Doctor",
}
BAD: dict[str, dict[str, Any]] = {
    "no_rescale": {"RescaleSlope": None},
    "not_hu": {"RescaleType": "US"},
    "high_bit": {"HighBit": 15},
    "bits": {"BitsAllocated": 32},
    "large": {"Rows": 60000, "Columns": 60000},
    "colour": {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
    "capture": {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
    "scout": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    "no_uid": {"SeriesInstanceUID": ""},
    "no_place": {"ImagePositionPatient": None},
    "bad_place": {"ImageOrientationPatient": ["1", "0", "0", "1", "0", "0"]},
    "no_pixels": {"PixelData": None},
    "charset": {"SpecificCharacterSet": "ISO_IR 6"},
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of slices of one patient, good and bad in many ways."""
    root = tmp_path / "in"
    other = Dataset()
    other.PatientID, other.TypeOfPatientID = f"{MARKER}-3", "TEXT"
    for number, (name, changes) in enumerate({"good": {}, **BAD}.items()):
        options = {"series_uid": f"1.2.3.{number}", "OtherPatientIDsSequence": [other], **PATIENT, **changes}
        save(make_ct_dataset(**options), root / name / "slice")
    for name in ("cut_header", "cut_pixels", "nested", "number", "charset_2", "pair", "rle"):
        save(make_ct_dataset(**{"series_uid": f"1.2.4.{len(name)}", **PATIENT}), root / name / "slice")
    cut(root / "cut_header" / "slice", 700)
    cut(root / "cut_pixels" / "slice", -700)
    inserted_before_pixels(root / "nested" / "slice", nested_sequences(40, undefined_length=True))
    patched(root / "number" / "slice", b"DS\x06\x00-1024 ", b"DS\x06\x00-1,02 ")
    patched(root / "charset_2" / "slice", b"ISO_IR 100", b"ISO_IR 999")
    save(make_ct_dataset(**{"series_uid": "1.2.4.4", **PATIENT}, stored=water_ramp(first=5)), root / "pair" / "other")
    rle = encoded_dataset(RLELossless, water_ramp(), bits_stored=12, is_signed=False, series_uid="1.2.5", **PATIENT)
    cut(save(rle, root / "rle" / "slice"), -60)
    return root


def assert_silent(text: str) -> None:
    """Hold that nothing of the patient is in a text."""
    assert text
    assert MARKER.lower() not in text.lower()
    assert BIRTH_DATE not in text


@pytest.mark.parametrize("options", [[], ["--json"], ["--files"], ["--repair-uids"], ["--assume-hu"]])
def test_inspect_names_no_patient(tree, capsys, caplog, options):
    with caplog.at_level(logging.DEBUG):
        assert run(["inspect", str(tree), *options]) == 1
    told = capsys.readouterr()
    assert_silent(told.out + told.err + caplog.text)


@pytest.mark.parametrize("debug", [False, True])
def test_denoise_names_no_patient(tree, tmp_path, identity, capsys, caplog, debug):
    arguments = ["denoise", str(tree), str(tmp_path / "out"), "--model", str(identity), "--residual"]
    with caplog.at_level(logging.DEBUG):
        assert run([*arguments, "--json", str(tmp_path / "out.json")], debug=debug) == 1
    told = capsys.readouterr()
    assert_silent(told.out + told.err + caplog.text)
    assert_silent((tmp_path / "out.json").read_text(encoding="utf-8"))
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert_silent("\n".join(map(str, written)))
    with quiet_pydicom():
        assert {str(pydicom.dcmread(path).PatientName) for path in written} == {PATIENT["PatientName"]}


def test_index_names_no_patient(tree, tmp_path, capsys):
    assert run(["index", str(tree), "--out", str(tmp_path / "manifest.yaml")]) == 0
    told = capsys.readouterr()
    assert_silent(told.out + told.err)
    assert_silent((tmp_path / "manifest.yaml").read_text(encoding="utf-8"))


def test_the_tree_holds_errors_of_many_kinds(tree):
    reasons = {record.reason for record in scan(tree).records}
    assert len(reasons) >= 15, sorted(reasons)
    assert_silent(repr(scan(tree)))


def test_a_run_folder_holds_nothing_of_the_patients_it_was_trained_on(world, tmp_path, capsys, caplog):
    data, told = tmp_path / f"root-{MARKER}", {**PATIENT, "SeriesDescription": f"{MARKER} thorax"}
    values = manifest_values()
    for number, name in enumerate(values["series"]):
        hu = with_noise(tissue_hu(number), number) if name in ("noisy", "test") else tissue_hu(number)
        options = {**told, "PatientID": f"{MARKER}-{number if number not in (1, 2) else 1}"}
        write_series(data / f"{MARKER}^{name}", hu, uid=60 + number, **options)
        values["series"][name] |= {"path": f"{MARKER}^{name}", "where": {"SeriesDescription": MARKER}}
    write_yaml_file(world.parent / "patients.yaml", values | {"shared_patient": "a test"})
    with caplog.at_level(logging.DEBUG):
        assert run(["train", str(world), "--data-root", str(data), "--out", "run"]) == 0
    said = capsys.readouterr()
    assert_silent(said.out + said.err + caplog.text)
    holding = {path.name for path in Path("run").rglob("*") if path.is_file() and holds(path, MARKER)}
    assert holding == {"pipeline.yaml"}  # where the data lies, as the guide says
    pipeline = Path("run/pipeline.yaml").read_text()
    assert_silent(pipeline.replace(str(data), ""))
    assert not any(holds(path, BIRTH_DATE) for path in Path("run").rglob("*") if path.is_file())


def holds(path: Path, word: str) -> bool:
    """Whether a file's bytes hold a word, in 8 or 16 bits a letter, whatever its case."""
    content = path.read_bytes().lower()
    return any(word.lower().encode(encoding) in content for encoding in ("utf-8", "utf-16-le"))
