"""Draw the digital piglet as scans show it: ``docs/images/piglet_levels.png``.

    python -m benchmarks.piglet_figure

Five levels of one animal; noise-free, at full dose and at 5 %.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from n2b_ct.hu import WINDOWS
from n2b_ct.phantom.piglet import simulate_slice
from n2b_ct.phantom.piglet_plan import PigletPlan

FIGURE = Path(__file__).parent.parent / "docs" / "images" / "piglet_levels.png"
LEVELS = ((118.0, "brain"), (300.0, "lung"), (392.0, "abdomen"), (446.0, "abdomen"), (505.0, "bone"))
"""Distance from the nose, mm, and the window."""
TILE_PX = 256
MARGIN_PX = (40, 36)
"""Rows and columns cut off at either side before the slice is shrunk."""


def main() -> None:
    """Simulate, window, tile, write."""
    columns = [_column(PigletPlan(), z_mm, window) for z_mm, window in LEVELS]
    Image.fromarray(np.hstack(columns)).save(FIGURE, optimize=True)


def _column(plan: PigletPlan, z_mm: float, window: str) -> np.ndarray:
    """Show one level without noise, at full dose and at 5 %, one below the other."""
    noise_free, images = simulate_slice(plan, int(z_mm / plan.spacing_mm))
    shown = (noise_free, images[plan.doses.index(1.0)], images[plan.doses.index(0.05)])
    return np.vstack([_tile(image, window) for image in shown])


def _tile(image_hu: np.ndarray, window: str) -> np.ndarray:
    """Map a window to gray and shrink."""
    low, width = WINDOWS[window].lower_hu, WINDOWS[window].width_hu
    gray = np.uint8(np.clip((image_hu - low) / width, 0.0, 1.0) * 255)
    (rows, cols), size = MARGIN_PX, len(gray)
    part = Image.fromarray(gray[rows : size - rows, cols : size - cols])
    return np.asarray(part.resize((TILE_PX, TILE_PX * part.height // part.width), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
