"""Readers on a machine that is cold, or that kills them: good slices are read all the same."""

import json
import os
import subprocess
import sys

import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from n2b_ct.io.dicom import scan as scanning
from n2b_ct.io.dicom.ct_reader import DECODE, decoding, parse_slice
from n2b_ct.io.dicom.reading.transfer_syntaxes import JPEG_XL_LOSSLESS, NATIVE
from n2b_ct.io.dicom.scan import EXAMINE
from n2b_ct.io.sandbox import process
from n2b_ct.io.sandbox.pool import Sandbox
from n2b_ct.io.sandbox.process import Limits
from tests.encodings import LOSSLESS_SYNTAXES, encoded_dataset, lossy_jpeg, save_encoded, with_frame
from tests.enhanced_ct import make_frames, save_enhanced
from tests.helpers import make_ct_dataset, save, save_series, water_ramp

_COLD = """
import sys, time

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            started = time.process_time()
            while time.process_time() - started < 0.5:
                pass

if sys.argv[:1] == ["-c"]:
    sys.meta_path.insert(0, Slow())
"""
_KILLED_ENTRY = """
import json, os, sys
sys.path[:] = json.loads(sys.argv[1])
import n2b_ct.io.dicom.scan as module
from n2b_ct.io.sandbox.worker import main
examine, calls = module.examine, []

def killed_at_its_third_slice(**arguments):
    calls.append(arguments)
    if len(calls) == 3 and len(os.listdir({folder!r})) < 3:
        os.mkdir(os.path.join({folder!r}, str(os.getpid())))
        os.kill(os.getpid(), {number})
    return examine(**arguments)

module.examine = killed_at_its_third_slice
main()
"""
NAMES = {
    "ISO_IR 100": "Müller^Jörg",
    "ISO_IR 144": "Люкceмбypг",
    "ISO_IR 192": "王^小东",
    "GB18030": "王^小东",
    "\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎",
    "\\ISO 2022 IR 149": "Hong^Gildong=洪^吉洞",
}


def words():
    return water_ramp(48, 40).astype("<u2")


def encoded(tmp_path, syntax):
    return save_encoded(encoded_dataset(syntax, words(), bits_stored=12, is_signed=False), tmp_path / f"{syntax}.dcm")


@pytest.fixture
def cold(tmp_path, monkeypatch):
    """Let workers compute for longer than an item may, while they import a module."""

    def make_cold(module):
        folder = tmp_path / "cold"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(_COLD.format(module=module), encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))

    return make_cold


@pytest.fixture
def hasty():
    sandbox = Sandbox(1, Limits(first_cpu_s=0.25, cpu_s=0.25))
    yield sandbox
    sandbox.close()


@pytest.mark.parametrize("module", ["n2b_ct.io.dicom.scan", "pydicom", "pydicom.charset", "numpy"])
def test_no_file_pays_for_a_slow_import_before_its_header_is_read(module, cold, hasty, tmp_path):
    cold(module)
    path = save(make_ct_dataset(), tmp_path / "slice.dcm")
    ((is_header, _),) = hasty.ask(EXAMINE, path=str(path)).note["found"]
    assert is_header


@pytest.mark.parametrize(
    ("module", "syntax"),
    [
        ("n2b_ct.io.dicom.ct_reader", RLELossless),
        ("pydicom.pixels.decoders", JPEGLSLossless),
        ("openjpeg", JPEG2000Lossless),
        ("gdcm", JPEGLosslessSV1),
        ("imagecodecs", JPEG_XL_LOSSLESS),
        ("imagecodecs._jpegxl", JPEG_XL_LOSSLESS),
    ],
)
def test_no_slice_pays_for_a_slow_import_before_it_is_decoded(module, syntax, cold, hasty, tmp_path):
    path = encoded(tmp_path, syntax)
    cold(module)
    assert hasty.ask(DECODE, **decoding(parse_slice(path, with_pixels=False))).note["shape"] == list(words().shape)


def late_imports(task, requests):
    """What reading files imports after the task was prepared, in a process of its own."""
    module, _, function = task.partition(":")
    code = (
        "import importlib, json, sys\n"
        f"module = importlib.import_module({module!r})\n"
        "getattr(module, 'prepare', lambda: None)()\n"
        "before = set(sys.modules)\n"
        f"for request in json.loads({json.dumps(requests)!r}):\n"
        f"    getattr(module, {function!r})(**request)\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)


def test_nothing_is_left_to_import_when_the_time_of_a_slice_to_decode_begins(tmp_path):
    paths = [encoded(tmp_path, syntax) for syntax in LOSSLESS_SYNTAXES if syntax not in NATIVE]
    for syntax, n_bits in (("1.2.840.10008.1.2.4.50", 8), ("1.2.840.10008.1.2.4.51", 12)):
        dataset = make_ct_dataset(stored=words() % 2**n_bits, bits_stored=n_bits, is_signed=False)
        dataset.BitsAllocated = 8 if n_bits == 8 else 16
        paths.append(
            save_encoded(with_frame(dataset, syntax, lossy_jpeg(words() % 2**n_bits, n_bits)), tmp_path / f"{n_bits}")
        )
    assert late_imports(DECODE, [decoding(parse_slice(path, with_pixels=False)) for path in paths]) == []


def test_nothing_is_left_to_import_when_the_time_of_a_header_begins(tmp_path):
    paths = [save_enhanced(tmp_path / "enhanced", make_frames()), encoded(tmp_path, RLELossless)]
    for number, (character_set, name) in enumerate(NAMES.items()):
        named = make_ct_dataset(SpecificCharacterSet=character_set.split("\\"), PatientName=name)
        paths.append(save(named, tmp_path / f"{number}.dcm"))
    for name, content in (("text", b"no DICOM"), ("zip", b"PK\3\4"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        paths.append(tmp_path / name)
    assert late_imports(EXAMINE, [{"path": str(path)} for path in paths]) == []


@pytest.mark.parametrize("number", [9, 15])
def test_workers_that_are_killed_during_a_scan_cost_no_slice(number, tmp_path, monkeypatch):
    (tmp_path / "killed").mkdir()
    entry = _KILLED_ENTRY.format(folder=str(tmp_path / "killed"), number=number)
    monkeypatch.setattr(process, "_ENTRY", entry)
    sandbox = Sandbox(2)
    monkeypatch.setattr(scanning, "shared_sandbox", lambda: sandbox)
    save_series(tmp_path / "series", [2.0 * place for place in range(40)])
    result = scanning.scan(tmp_path / "series")
    sandbox.close()
    assert len(list((tmp_path / "killed").iterdir())) == 3
    assert [record.action for record in result.records] == ["used"] * 40
    assert len(result.series[0]) == 40
