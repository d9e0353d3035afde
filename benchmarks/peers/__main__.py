"""Time n2b-ct's default CT network beside other people's denoisers, and its U-Net in other people's runtimes.

    python -m benchmarks.peers [--threads 2] [--environments DIR]

Every peer gets a virtual environment under ``--environments`` (made once), so that none of its packages comes into
ours. All run on the same two slices of 512x512, one after the other, n2b-ct first and last. Results:
``benchmarks/results/peers.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results_files import write_results
from n2b_ct.training.devices import processor_name

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COMMAND = "python -m benchmarks.peers"
TORCH = "torch==2.13.0"
CAREAMICS_NEEDS = (
    "bioimageio-core==0.11.0",
    "lightning==2.6.1",
    "matplotlib",
    "microssim==0.0.5",
    "psutil",
    "tifffile<=2026.3.3",
    "torchmetrics<1.9",
    "zarr>=3,<4",
)
N_SLICES, SIZE_PX = 2, 512


@dataclass(frozen=True)
class Peer:
    """One peer.

    Attributes:
        what: As the table says it.
        script: In this folder.
        packages: What its environment gets.
        without_dependencies: Packages installed alone: their network is all that is used.
        runs_ours: It runs n2b-ct's own network.
    """

    what: str
    script: str
    packages: tuple[str, ...]
    without_dependencies: tuple[str, ...] = ()
    runs_ours: bool = False


PEERS = (
    Peer("ldct-benchmark 0.0.15, RED-CNN", "red_cnn.py", (TORCH, "numpy"), ("ldct-benchmark==0.0.15",)),
    Peer(
        "CAREamics 0.3.5, Noise2Void, predict",
        "careamics_n2v.py",
        (TORCH, *CAREAMICS_NEEDS),
        ("careamics==0.3.5", "torchvision==0.28.0"),  # the torchvision that it allows asks for another torch
    ),
    Peer(
        "ONNX Runtime 1.31.1, n2b-ct's U-Net, float32",
        "onnx_runtime.py",
        (TORCH, "numpy", "onnx==1.23.2", "onnxruntime==1.31.1"),
        runs_ours=True,
    ),
    Peer(
        "OpenVINO 2026.4.1, n2b-ct's U-Net, float32",
        "openvino_runtime.py",
        (TORCH, "numpy", "onnx==1.23.2", "openvino==2026.4.1"),
        runs_ours=True,
    ),
)
OWN = Peer("n2b-ct, default network", "n2b.py", (), runs_ours=True)


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        slices = Path(folder) / "slices.npy"
        np.save(slices, _slices())
        options = [str(slices), str(arguments.threads), str(arguments.turns)]
        rows = [_row(OWN.what, _timed(Path(sys.executable), OWN, options))]
        for peer in PEERS:
            rows.append(_row(peer.what, _timed(_python_of(peer, arguments.environments), peer, options)))
        rows.append(_row(f"{OWN.what}, again", _timed(Path(sys.executable), OWN, options)))
    own = (rows[0]["median_s"] + rows[-1]["median_s"]) / 2
    for row in rows:
        row["to_n2b"] = round(row["median_s"] / own, 2)
    document = {
        "command": f"{COMMAND} --threads {arguments.threads}",
        "processor": processor_name(),
        "threads": arguments.threads,
        "rows": rows,
    }
    write_results("peers", document, _table(document))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--environments", type=Path, default=ROOT / ".peers")
    return parser.parse_args()


def _slices() -> np.ndarray:
    """A disc of water with noise, HU."""
    rng = np.random.default_rng(0)
    rows, cols = np.mgrid[:SIZE_PX, :SIZE_PX] - SIZE_PX / 2
    ground = np.where(rows**2 + cols**2 < (0.4 * SIZE_PX) ** 2, 0.0, -1000.0)
    return (ground + 25.0 * rng.standard_normal((N_SLICES, SIZE_PX, SIZE_PX))).astype(np.float32)


def _python_of(peer: Peer, environments: Path) -> Path:
    folder = environments / peer.script.removesuffix(".py")
    python = folder / "bin" / "python"
    if not (folder / ".ready").is_file():
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *peer.packages], check=True)  # noqa: S603 (our own command)
        if peer.without_dependencies:
            subprocess.run([*pip, "--no-deps", *peer.without_dependencies], check=True)  # noqa: S603 (as above)
        (folder / ".ready").touch()
    return python


def _timed(python: Path, peer: Peer, options: list[str]) -> dict[str, Any]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if peer.runs_ours:
        environment["PYTHONPATH"] = str(ROOT)
    command = [str(python), str(HERE / peer.script), *options]
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)  # noqa: S603 (our own)
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def _row(what: str, answer: dict[str, Any]) -> dict[str, Any]:
    return {"what": what, "median_s": round(answer["median_s"], 4), "torch": answer["torch"]}


def _table(document: dict[str, Any]) -> str:
    lines = [
        f"`{document['command']}`; {document['processor']}, {document['threads']} threads; seconds a slice of "
        f"{SIZE_PX}x{SIZE_PX}, median.",
        "",
        "| what | s a slice | times n2b-ct | torch |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {row['what']} | {row['median_s']} | {row['to_n2b']} | {row['torch']} |" for row in document["rows"]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
