"""Options that commands share, so that one name means one thing everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

SkipBadSlices = Annotated[
    bool, typer.Option("--skip-bad-slices", help="Leave bad slices out; by default they fail their series.")
]
