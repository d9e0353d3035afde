"""Options that commands share, so that one name means one thing everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SkipBadSlices = Annotated[
    bool, typer.Option("--skip-bad-slices", help="Leave bad slices out; by default they fail their series.")
]
AssumeHU = Annotated[bool, typer.Option("--assume-hu", help="Vouch that values are HU where a file does not say so.")]
VolumeOffsetHU = Annotated[
    float, typer.Option("--volume-offset-hu", help="Added to the values of NIfTI, NRRD and MetaImage to get HU.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of the processor; one a core if not given.")]
DataRoot = Annotated[Path | None, typer.Option(help="Where the data lies.")]
Select = Annotated[str | None, typer.Option(help="Regular expression on SeriesDescription.")]
KeepProved = Annotated[
    bool, typer.Option("--resume", help="Keep outputs that are what this run would make; do the others.")
]
ReplaceOutputs = Annotated[bool, typer.Option("--overwrite", help="Replace whatever is in the places of outputs.")]
ReplaceReport = Annotated[bool, typer.Option("--overwrite", help="Replace a report that is there.")]
Created = Annotated[
    str | None, typer.Option(metavar="ISO-TIME", help="Time to write, for equal bytes; now if not given.")
]
