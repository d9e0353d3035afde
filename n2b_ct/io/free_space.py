"""Room on the disk, looked at before hours of work rather than after."""

from __future__ import annotations

import shutil
from pathlib import Path

from n2b_ct.errors import OutputError, explain

_N_BYTES_PER_MB = 1_000_000


def require_free_space(place: Path, n_bytes: int) -> None:
    """Refuse work whose result will not fit.

    Args:
        place: Where it goes; need not exist yet.
        n_bytes: What it will take, an estimate.

    Raises:
        OutputError: Less is free, or the place cannot be examined.
    """
    try:
        folder = next(one for one in (place.absolute(), *place.absolute().parents) if one.is_dir())
        n_free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(explain(str(place), "must be writable", error.strerror, "choose another place")) from error
    if n_free < n_bytes:
        needed, free = (f"{n / _N_BYTES_PER_MB:,.1f} MB" for n in (n_bytes, n_free))
        raise OutputError(explain(str(place), f"needs {needed}", f"{free} free", "make room or choose another place"))
