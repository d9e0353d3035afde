"""CT slices from Python arrays in HU, validated, as the series of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from n2b_ct.data.manifest_series import DatasetSeries
from n2b_ct.data.roles import Roles, RoleSlice
from n2b_ct.errors import DataError, explain
from n2b_ct.hu import LARGEST_HU

_NUMPY_FLOATS = (torch.float16, torch.float32, torch.float64)

Arrays = Sequence[np.ndarray | Tensor] | np.ndarray | Tensor


def array_roles(
    noisy: Arrays, clean: Arrays = (), *, references: Arrays = (), validation: Arrays = (), truths: Arrays = ()
) -> Roles:
    """Return slices by role from arrays or tensors in HU, ``[rows, cols]`` or ``[slices, rows, cols]`` each.

    Neighbours in a three-dimensional array are neighbours in the patient, one slice thickness apart. The arrays are not
    copied: do not change them while they are in use.

    Args:
        noisy: Low-dose slices to learn from, one array or several; sizes may differ.
        clean: Normal-dose slices, never paired with the noisy ones.
        references: The same slices as ``noisy`` at normal dose, for supervised training; the same shapes.
        validation: Low-dose slices for validation.
        truths: The same slices as ``validation`` at normal dose.

    Raises:
        DataError: An array is not two- or three-dimensional, is empty, holds no numbers of HU, or does not match its
            reference; one line for each.
    """
    given = {"noisy": noisy, "clean": clean, "references": references, "validation": validation, "truths": truths}
    problems: list[str] = []
    listed = {name: _checked(arrays, name, problems) for name, arrays in given.items()}
    for name, of in (("references", "noisy"), ("truths", "validation")):
        problems += [] if problems else _mismatches(name, listed[name], of, listed[of], is_needed=name == "truths")
    if problems:
        raise DataError("\n".join(problems))
    series = {name: [_series(f"{name}[{k}]", one) for k, one in enumerate(found)] for name, found in listed.items()}
    return Roles(
        clean=_slices(series["clean"]),
        noisy=_slices(series["noisy"], series["references"]),
        validation=_slices(series["validation"], series["truths"]),
        test=(),
    )


def hu_values(given: object, name: str) -> np.ndarray:
    """Return HU as a NumPy array, of the same memory where that can be.

    Args:
        given: A NumPy array or a dense tensor: floats, or signed integers of 16 bits or more; ``[rows, cols]`` or
            ``[slices, rows, cols]``. Unsigned integers are most likely stored words of a file.
        name: The parameter, for the message.

    Raises:
        DataError: It is something else, is empty, or holds values that no HU can be.
    """
    array = plain_array(given, name)
    if array.ndim not in (2, 3) or not array.size:
        shape = f"shape {list(array.shape)}"
        remedy = "pass a slice or a volume" if array.size else "pass at least one pixel"
        raise DataError(explain(name, "must be [rows, cols] or [slices, rows, cols]", shape, remedy))
    if array.dtype.kind not in "fi" or array.dtype.itemsize < 2:
        remedy = "convert stored words to HU first" if array.dtype.kind == "u" else "convert it"
        raise DataError(explain(name, "must hold floats or signed integers of 16 bits or more", array.dtype, remedy))
    if n_broken := array.size - int(np.count_nonzero(np.isfinite(array))):
        got, remedy = f"{n_broken} NaN or infinite values", "repair or leave out their slices"
        raise DataError(explain(name, "HU must be finite", got, remedy))
    lowest, highest, remedy = float(array.min()), float(array.max()), "convert values to HU first"
    if (largest := max(abs(lowest), abs(highest))) > LARGEST_HU:
        raise DataError(explain(name, f"must lie within ±{LARGEST_HU:g}", f"{largest:g}", remedy))
    if array.dtype.kind == "f" and 0.0 <= lowest < highest <= 1.0:
        raise DataError(explain(name, "must be HU", "values from 0 to 1, a normalised image's", remedy))
    return array


def plain_array(given: object, name: str) -> np.ndarray:
    """Return a NumPy array or a dense tensor as a NumPy array; floats that NumPy lacks become float32.

    Raises:
        DataError: It is something else.
    """
    if isinstance(given, Tensor) and given.layout == torch.strided and not (given.is_complex() or given.is_meta):
        dense = given.detach().cpu().as_subclass(Tensor).resolve_neg()
        return (dense if given.dtype in _NUMPY_FLOATS or not given.is_floating_point() else dense.float()).numpy()
    if isinstance(given, np.ndarray) and not isinstance(given, np.ma.MaskedArray):
        return np.asarray(given)
    kind = f"{given.dtype} {given.layout}" if isinstance(given, Tensor) else type(given).__name__
    raise DataError(explain(name, "must be a NumPy array or a dense, real torch tensor", kind, "convert it"))


def _checked(arrays: Arrays, name: str, problems: list[str]) -> list[np.ndarray]:
    """Return the arrays that can be slices in HU; adds a line to the problems for each of the others."""
    found = []
    is_one = isinstance(arrays, np.ndarray | Tensor | str | Mapping) or not isinstance(arrays, Iterable)
    for k, one in enumerate([arrays] if is_one else arrays):
        try:
            found.append(hu_values(one, f"{name}[{k}]"))
        except DataError as error:
            problems.append(str(error))
    return found


def _mismatches(
    name: str, arrays: Sequence[np.ndarray], of: str, noisy: Sequence[np.ndarray], *, is_needed: bool
) -> list[str]:
    """Check by their shapes that arrays are counterparts of the noisy ones; return a line for each problem."""
    if not arrays and not is_needed:
        return []
    if len(arrays) != len(noisy):
        return [
            explain(name, f"must hold one array for each of {of} ({len(noisy)})", len(arrays), "pass them in pairs")
        ]
    return [
        explain(
            f"{name}[{k}]",
            f"must have the shape of {of}[{k}], {list(own.shape)}",
            list(one.shape),
            "pass them in pairs",
        )
        for k, (one, own) in enumerate(zip(arrays, noisy, strict=True))
        if one.shape != own.shape
    ]


def _series(name: str, array: np.ndarray) -> DatasetSeries:
    hu = array.reshape(-1, *array.shape[-2:])
    positions = tuple(float(k) for k in range(len(hu)))
    return DatasetSeries(name, None, hu, positions, f"array:{name}", (hu.shape[1], hu.shape[2]))


def _slices(series: Sequence[DatasetSeries], references: Sequence[DatasetSeries] = ()) -> tuple[RoleSlice, ...]:
    if not references:
        return tuple(RoleSlice(one, k) for one in series for k in range(len(one)))
    pairs = zip(series, references, strict=True)
    return tuple(RoleSlice(one, k, reference, k) for one, reference in pairs for k in range(len(one)))
