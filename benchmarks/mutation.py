"""Would the tests notice? Change the code a little, many times over, and count the changes that no test complains of.

    python -m benchmarks.mutation [--n 600] [--seed 15] [--processes 1] [--keep DIR]

Needs the extra ``mutation`` (``pip install 'n2b-ct[mutation]'``). ``mutmut`` makes the changes ("mutants": another
operator, number, word or argument) of every function in ``n2b_ct/methods``, ``inference``, ``training`` and ``hu.py``,
and runs the unit tests that reach the changed function; ``[tool.mutmut]`` in ``pyproject.toml`` says which. All mutants
of ``hu.py`` are tried, and ``--n`` of the others, drawn by the seed. A mutant that makes a test fail, hang or crash is
killed; one that no test reaches has survived. Works on a copy of the tracked files; ``--keep`` keeps it, for
``mutmut show NAME``. Results: ``benchmarks/results/mutation.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.results_files import write_results

REPOSITORY = Path(__file__).resolve().parent.parent
_ALWAYS = "n2b_ct.hu."
_SURVIVED = {"survived", "no tests", "suspicious", "skipped"}
_N_SHOWN = 40
_RESULT = re.compile(r"^\s*(\S+__mutmut_\d+): (.+)$", re.MULTILINE)


def main() -> int:
    arguments = _arguments()
    with nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        _copy_tracked_files(copy)
        _mutmut(copy, "run", "--max-children", str(arguments.processes), f"{_ALWAYS}*")
        everything = sorted(_results(copy))
        names = _sample(everything, arguments.n, arguments.seed)
        _mutmut(copy, "run", "--max-children", str(arguments.processes), *names)
        results = {name: said for name, said in _results(copy).items() if name in set(names)}
        survivors = [name for name in names if results[name] in _SURVIVED]
        changes = {name: _change(copy, name) for name in survivors}
    document = {
        "command": f"python -m benchmarks.mutation --n {arguments.n} --seed {arguments.seed}",
        "n_mutants": len(everything),
        "n_tried": len(names),
        "n_killed": len(names) - len(survivors),
        "killed_fraction": 1.0 - len(survivors) / len(names),
        "outcomes": dict(Counter(results.values())),
        "files": _by_file(results),
        "survivors": changes,
    }
    write_results("mutation", document, _table(document))
    return 0


def _copy_tracked_files(copy: Path) -> None:
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)  # noqa: S603
    for name in filter(None, listed.stdout.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, copy / name)


def _mutmut(copy: Path, *words: str) -> str:
    """Run mutmut in the copy, with one thread a process, and return what it prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    command = [sys.executable, "-m", "mutmut", *words]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"mutmut {words[0]}: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def _results(copy: Path) -> dict[str, str]:
    return dict(_RESULT.findall(_mutmut(copy, "results", "--all", "true")))


def _sample(names: Iterable[str], n: int, seed: int) -> list[str]:
    always = [name for name in names if name.startswith(_ALWAYS)]
    others = [name for name in names if not name.startswith(_ALWAYS)]
    drawn = random.Random(seed).sample(others, min(n, len(others)))  # noqa: S311 - a sample, no secret
    return sorted([*always, *drawn])


def _change(copy: Path, name: str) -> str:
    """Return the lines that a mutant takes out and puts in."""
    lines = _mutmut(copy, "show", name).splitlines()
    return "\n".join(line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))


def _file_of(name: str) -> str:
    return "/".join(name.split(".")[:-1]) + ".py"


def _by_file(results: Mapping[str, str]) -> dict[str, dict[str, int]]:
    files: dict[str, Counter[str]] = defaultdict(Counter)
    for name, said in results.items():
        files[_file_of(name)]["tried"] += 1
        files[_file_of(name)]["killed"] += said not in _SURVIVED
    return {file: dict(counts) for file, counts in sorted(files.items())}


def _table(document: Mapping[str, Any]) -> str:
    files, survivors = document["files"], document["survivors"]
    rows = [f"| `{file}` | {counts['tried']} | {counts['killed']} |" for file, counts in files.items()]
    lines = [
        f"{document['n_killed']} of {document['n_tried']} mutants killed: {document['killed_fraction']:.1%}, of "
        f"{document['n_mutants']} there are. `{document['command']}`",
        "",
        "| file | tried | killed |",
        "|---|---|---|",
        *rows,
        "",
        f"The first {min(_N_SHOWN, len(survivors))} that survived; all are in `mutation.json`:",
        "",
    ]
    for name, change in list(survivors.items())[:_N_SHOWN]:
        lines += [f"`{name}`", "```diff", *change.splitlines(), "```"]
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=600, help="mutants beside those of hu.py")
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--processes", type=int, default=1, help="mutants at once")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="the copy to work in, which stays")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
