"""One derived instance from one source, through files, and the small parts that such sources are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from n2b_ct.io.dicom.ct_reader import read_slice
from n2b_ct.io.dicom.derived_series import write_dataset_atomically
from n2b_ct.io.dicom.writing.derivation import WriteOptions
from n2b_ct.io.dicom.writing.derived_slice import derive_slice
from tests.helpers import make_context, make_derivation, save

NATIVE = {"explicit": ExplicitVRLittleEndian, "implicit": ImplicitVRLittleEndian, "big endian": ExplicitVRBigEndian}


def derive(folder: Path, source: Dataset, options: WriteOptions | None = None, shift_hu: float = 0.0) -> Dataset:
    """Write a source as ``source.dcm``, derive from it, write that as ``derived.dcm``, and read it back."""
    derive_written(save(source, folder / "source.dcm"), folder / "derived.dcm", options, shift_hu)
    return pydicom.dcmread(folder / "derived.dcm")


def derive_written(source: Path, target: Path, options: WriteOptions | None = None, shift_hu: float = 0.0) -> bytes:
    """Derive from a file, and return the bytes of what is written."""
    ct_slice = read_slice(source)
    derivation = make_derivation(options=options or WriteOptions())
    derived = derive_slice(ct_slice, ct_slice.hu + np.float32(shift_hu), derivation, make_context(derivation))
    write_dataset_atomically(derived.dataset, target)
    return target.read_bytes()


def item(**values: object) -> Dataset:
    """A sequence item."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset
