"""Put a trained run in the place of the shipped model ``base``: weights, version, digest, facts, model card.

    python -m benchmarks.ship_base RUN

The weights are the run's ``model.pt``, the moving average of the denoiser's. Commit the three files that it writes.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from n2b_ct.config.sections import DenoisingSection
from n2b_ct.errors import ModelError, OutputError, explain
from n2b_ct.inference.model import VERSION_FACT, Model, load_model, save_model
from n2b_ct.inference.shipped import BASE, CARD_FILE, FACTS_FILE, MOST_BYTES, WEIGHTS_FILE, base_dir, sha256_of
from n2b_ct.io.atomic import write_text_atomically
from n2b_ct.io.json_files import read_json
from n2b_ct.phantom.training_slices import PIXELS_MM

STRENGTH = 0.8
"""Keeps texture: docs/decisions/0024-strength-by-the-noise-that-stays.md."""

BASE_TRAINED_FOR = {"noise_std_hu": [3.0, 90.0], "pixel_mm": list(PIXELS_MM)}
"""Of runs of ``pipelines/base.yaml`` whose file does not say it yet."""

_BEGIN, _END = "<!-- facts: written by benchmarks/ship_base.py -->", "<!-- end of facts -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder or a model file")
    parser.add_argument("--version", help="of the weights; the next whole number if not given")
    parser.add_argument("--strength", type=float, default=STRENGTH, help=f"default strength; {STRENGTH} if not given")
    parser.add_argument("--half", action="store_true", help="store float16, where float32 is too large")
    options = parser.parse_args()
    facts = ship(options.run, base_dir(), version=options.version, strength=options.strength, half=options.half)
    print(json.dumps(facts, indent=2))


def ship(
    run: Path, folder: Path, *, version: str | None = None, strength: float | None = None, half: bool = False
) -> dict[str, Any]:
    """Write weights, facts and the card's table of facts into a folder; returns the facts.

    Raises:
        ModelError: The run is no model of CT, or not one of finite weights.
        OutputError: The weights are too large to be shipped; nothing is written.
    """
    model = load_model(run)
    version = version or _next_version(folder)
    share = model.denoising.strength if strength is None else strength
    weights, staged = folder / WEIGHTS_FILE, folder / f"new-{WEIGHTS_FILE}"
    folder.mkdir(parents=True, exist_ok=True)
    digest = save_model(
        staged,
        weights={key: value.half() if half else value for key, value in model.denoiser.state_dict().items()},
        section=model.section,
        input_scale=model.window,
        name=BASE,
        method=model.method,
        facts={"trained_for": BASE_TRAINED_FOR, **model.facts, VERSION_FACT: version},
        denoising=DenoisingSection(strength=share),
    )
    try:
        _require_shippable(staged, digest)
        staged.replace(weights)
    finally:
        staged.unlink(missing_ok=True)
    facts = _facts(weights, load_model(weights))
    write_text_atomically(folder / FACTS_FILE, json.dumps(facts, indent=2) + "\n")
    if (folder / CARD_FILE).is_file():
        _fill_card(folder / CARD_FILE, facts)
    return facts


def _require_shippable(path: Path, digest: str) -> None:
    n_bytes = path.stat().st_size
    if n_bytes > MOST_BYTES:
        got, remedy = f"{n_bytes / 1e6:.1f} MB", "pass --half, or train a smaller network"
        raise OutputError(explain(path.name, f"must have at most {MOST_BYTES / 1e6:.0f} MB", got, remedy))
    if load_model(path).digest != digest:
        raise ModelError(explain(path.name, "must be read as it was written", "another digest", "report it"))


def _facts(weights: Path, model: Model) -> dict[str, Any]:
    return {
        "name": BASE,
        "version": model.version,
        "sha256": sha256_of(weights),
        "n_bytes": weights.stat().st_size,
        "model_digest": model.digest,
        "method": model.method,
        "network": model.section.model_dump(mode="json"),
        "n_parameters": sum(one.numel() for one in model.denoiser.parameters()),
        "window_hu": [model.window.lower_hu, model.window.upper_hu],
        "strength": model.denoising.strength,
        "training": {key: value for key, value in model.facts.items() if key != VERSION_FACT},
    }


def _next_version(folder: Path) -> str:
    if not (folder / FACTS_FILE).is_file():
        return "1"
    number = re.match(r"\d+", str(read_json(folder / FACTS_FILE).get("version", "")))
    return str(int(number[0]) + 1) if number else "1"


def _fill_card(card: Path, facts: dict[str, Any]) -> None:
    """Rewrite the card's table of facts."""
    iterations, seed = (facts["training"].get(key, "?") for key in ("iterations", "seed"))
    rows = {
        "version": facts["version"],
        "SHA-256 of base.pt": f"`{facts['sha256']}`",
        "size": f"{facts['n_bytes'] / 1e6:.2f} MB, {facts['n_parameters']:,} parameters",
        "network": f"{facts['network']['name']} ({facts['network']['output']})",
        "window": f"{facts['window_hu'][0]:g} to {facts['window_hu'][1]:g} HU; pixels outside never change",
        "method": f"`{facts['method']}`, {iterations} iterations, seed {seed}",
        "default strength": f"{facts['strength']:g}",
    }
    table = "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])
    before, _, rest = card.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    write_text_atomically(card, f"{before}{_BEGIN}\n{table}\n{_END}{after}")


if __name__ == "__main__":
    main()
