"""What a worker does: makes sure that it sees what the others see, loads the model once, carries a task out."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import n2b_ct
from n2b_ct.batch.outcomes import DenoiseOptions
from n2b_ct.batch.tasks import Done, Task
from n2b_ct.batch.work import Steps, Work
from n2b_ct.cluster.ground import count_attempts, note_attempt
from n2b_ct.cluster.order import Order
from n2b_ct.errors import ClusterError, ModelError, explain
from n2b_ct.inference.model import Model, load_model
from n2b_ct.io.progress import Progress
from n2b_ct.training.devices import choose_device

_TELL_EVERY_S = 1.0
_N_DIGEST_CHARACTERS = 12
_loading = threading.Lock()


def require_fit(order: Order) -> None:
    """Refuse to work where the result would not be that of every other worker.

    Raises:
        ClusterError: Another version, or input, model or output are not there under their paths.
        ModelError: Not the model that the run was started with.
        ConfigError: A device that this machine does not have.
    """
    if n2b_ct.__version__ != order.version:
        got = f"n2b-ct {n2b_ct.__version__} on {socket.gethostname()}"
        raise ClusterError(explain("worker", f"must run n2b-ct {order.version}", got, "install the same everywhere"))
    _require_seen("input", order.input_path)
    _require_seen("model", order.model_path)
    _require_seen("output", order.mark)
    _model(order)


def carry_out(order: Order, task: Task, index: int) -> Done:
    """Do one task; what goes wrong with it is in its outcome.

    Raises:
        ClusterError: This worker is not fit for the run; another may be. So for ModelError and ConfigError.
    """
    require_fit(order)
    _require_seen("input", task.path)
    options = _for_attempt(order.options, again=count_attempts(order.mark, index) > 0)
    note_attempt(order.mark, index)
    return task.run(Work(_model(order), options, order.created, Steps(_telling(order.topic, index), task.n_slices)))


def _for_attempt(options: DenoiseOptions, *, again: bool) -> DenoiseOptions:
    """A worker can die when its output is whole already: what lies there then is this run's own and may be replaced.

    Whether something lay there before was asked for all tasks, before the first of them began.
    """
    return replace(options, if_present="replace") if again and options.if_present == "refuse" else options


def _require_seen(what: str, path: Path) -> None:
    if not path.exists():
        shown = path if what != "output" else path.parent
        remedy = "put it on storage that all machines mount under one path"
        got = f"nothing there on {socket.gethostname()}" if what != "output" else f"another on {socket.gethostname()}"
        raise ClusterError(explain(f"{what} {shown}", "must be the same for every worker", got, remedy))


def _model(order: Order) -> Model:
    """The model, loaded once in every process."""
    with _loading:
        return _loaded(order.model_path, order.model_digest, order.device)


@lru_cache(maxsize=1)
def _loaded(path: Path, digest: str, device: str) -> Model:
    model = load_model(path, choose_device(device))
    if model.digest != digest:
        got = f"{model.digest[:_N_DIGEST_CHARACTERS]} on {socket.gethostname()}"
        requirement = f"must be the run's, {digest[:_N_DIGEST_CHARACTERS]}"
        raise ModelError(explain(f"model {path}", requirement, got, "leave a model alone while it is in use"))
    return model


def _telling(topic: str, index: int) -> Progress | None:
    """Tell the submitting side of slices, now and then; that a task is done it learns anyway."""
    from distributed import get_worker

    worker, last = get_worker(), time.monotonic()

    def tell(done: int, _total: int, what: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _TELL_EVERY_S:
            last = time.monotonic()
            worker.log_event(topic, {"task": index, "n_slices": done, "what": what})

    return tell
