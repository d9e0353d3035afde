"""pydicom is quiet for as long as anybody needs it, in whatever order threads come and go."""

from __future__ import annotations

import logging
import warnings
from contextlib import ExitStack

import pytest

from n2b_ct.io.dicom.elements import quiet_pydicom


def is_quiet() -> bool:
    try:
        warnings.warn("odd value", UserWarning, stacklevel=1)
    except UserWarning:
        return False
    return logging.getLogger("pydicom").disabled


def test_it_is_quiet_inside_only():
    assert not is_quiet()
    with quiet_pydicom():
        assert is_quiet()
        with quiet_pydicom():
            assert is_quiet()
        assert is_quiet()
    assert not is_quiet()


def test_the_first_to_come_may_be_the_first_to_go():
    reader, writer = ExitStack(), ExitStack()
    filters = list(warnings.filters)
    reader.enter_context(quiet_pydicom())
    writer.enter_context(quiet_pydicom())
    reader.close()
    assert is_quiet()
    writer.close()
    assert not is_quiet()
    assert list(warnings.filters) == filters


def test_an_error_ends_the_silence():
    with pytest.raises(ZeroDivisionError, match="division"), quiet_pydicom():
        _ = 1 / 0
    assert not is_quiet()
