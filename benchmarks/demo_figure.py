"""The README's figure, composed of the figures of ``make demo``'s report.

python -m benchmarks.demo_figure demo/report docs/images/demo_5_percent.png
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIDE_PX, GAP_PX, CAPTION_PX = 300, 6, 30
TITLES = {
    "input": "5 % dose",
    "gaussian": "Gaussian blur",
    "nlm": "non-local means",
    "n2b": "Noise2Blur",
    "reference": "full dose",
}


def main(report_dir: Path, target: Path) -> None:
    figures = report_dir / "figures"
    last = max(path.name[:8] for path in figures.glob("panel_*.png"))  # the lowest dose comes last
    methods = [method for method in TITLES if list(figures.glob(f"{last}_?_{method}.png"))]
    rows = ("", "_zoom", "_residual")
    width = len(methods) * (SIDE_PX + GAP_PX) + GAP_PX
    sheet = Image.new("L", (width, CAPTION_PX + len(rows) * (SIDE_PX + GAP_PX)), 0)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=18)
    for col, method in enumerate(methods):
        left = GAP_PX + col * (SIDE_PX + GAP_PX)
        draw.text((left + 4, 4), TITLES[method], fill=255, font=font)
        for row, part in enumerate(rows):
            found = sorted(figures.glob(f"{last}_?_{method}{part}.png"))
            if found:
                tile = Image.open(found[0]).convert("L").resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
                sheet.paste(tile, (left, CAPTION_PX + row * (SIDE_PX + GAP_PX)))
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
