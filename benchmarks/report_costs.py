"""What a dose report spends its time on.

    python -m benchmarks.report_costs [--slices 32] [--threads 2]

Makes a small digital piglet (512x512, five doses), reports on all of its test slices with a network of the default size
and the default baselines, once with a watch and once under a profile. Results:
``benchmarks/results/report_costs.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.denoise_input import write_model
from benchmarks.profiles import largest_costs
from benchmarks.results_files import write_results
from n2b_ct import api
from n2b_ct.training.devices import processor_name

COMMAND = "python -m benchmarks.report_costs"
SIZE_PX = 512


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        api.simulate("piglet", root / "piglet", n_slices=arguments.slices, size_px=SIZE_PX)
        model = write_model(root)
        started = time.perf_counter()
        api.report("piglet.yaml", {"network": model}, root / "report", data_root=root / "piglet")
        wall_s = time.perf_counter() - started
        with patch("n2b_ct.evaluation.measuring.ThreadPoolExecutor", _InThisThread):
            costs = largest_costs(
                lambda: api.report("piglet.yaml", {"network": model}, root / "profiled", data_root=root / "piglet")
            )
    document = {
        "command": f"{COMMAND} --slices {arguments.slices} --threads {arguments.threads}",
        "processor": processor_name(),
        "threads": arguments.threads,
        "wall_s": round(wall_s, 1),
        "largest_costs": costs,
    }
    write_results("report_costs", document, _table(document))


class _InThisThread(Executor):
    """Does at once what a pool of threads would do beside: a profile sees one thread."""

    def __init__(self, _n_threads: int) -> None:
        pass

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*arguments, **named))
        return done


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=32, help="of each dose; the report shows those of its split")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def _table(document: dict[str, Any]) -> str:
    lines = [
        f"`{document['command']}`; {document['processor']}, {document['threads']} threads; the whole report took "
        f"{document['wall_s']} s.",
        "",
        "| largest costs of a report | calls | share of the time |",
        "| --- | --- | --- |",
    ]
    lines += [f"| `{one['function']}` | {one['n_calls']} | {one['share']:.0%} |" for one in document["largest_costs"]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
