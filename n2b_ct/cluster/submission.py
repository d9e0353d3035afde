"""Tasks carried out by the workers of a Dask scheduler."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import n2b_ct
from n2b_ct.batch.tasks import Done, Executor, Task
from n2b_ct.batch.work import Work
from n2b_ct.cluster.connection import connected, lost
from n2b_ct.cluster.ground import count_attempts, shared_output_marker
from n2b_ct.cluster.order import Order
from n2b_ct.cluster.placing import preferred_workers
from n2b_ct.cluster.worker import carry_out, require_fit
from n2b_ct.errors import ClusterError, N2BError, OutputError, explain
from n2b_ct.inference.model import Model
from n2b_ct.io.atomic import recover

if TYPE_CHECKING:
    from distributed import Client, Future

LOOK_EVERY_S = 5.0
"""How long it must be quiet before tasks that no worker has are looked for."""

N_RETRIES = 3
"""How often a task is begun again, after a worker died over it or turned out to be unfit."""

_N_AHEAD_MIN, _N_AHEAD_PER_THREAD = 256, 4
_GONE = (OSError, TimeoutError, CancelledError)


@contextmanager
def on_cluster(scheduler: str, model_path: Path, device: str = "auto") -> Iterator[Executor]:
    """Connect to a scheduler, whose workers then do the tasks.

    Args:
        scheduler: Its address, such as ``tls://host:8786``.
        model_path: Where workers find the model, absolute.
        device: What each worker computes on; ``auto`` is decided there.

    Raises:
        ConfigError: The extra is not installed, or a worker lacks the device.
        ClusterError: The scheduler cannot be reached or was lost, or a worker does not see input, model or output.
        ModelError: A worker sees another model.
    """
    with connected(scheduler) as client:

        def carry_out_there(tasks: Sequence[Task], work: Work[Model]) -> list[Done]:
            with shared_output_marker([place for task in tasks for place in work.places(task.target)]) as mark:
                order = _order(work, tasks[0].path, mark, (model_path, device))
                try:
                    _require_fit_workers(client, order)
                    return _Submission(client, order, tasks, work).results()
                except _GONE as error:
                    raise lost(scheduler) from error

        yield carry_out_there


def _order(work: Work[Model], input_path: Path, mark: Path, model: tuple[Path, str]) -> Order:
    model_path, device = model
    return Order(
        model_path=model_path,
        model_digest=work.model.digest,
        device=device,
        options=work.options,
        created=work.created,
        input_path=input_path,
        mark=mark,
        topic=f"n2b-ct-{secrets.token_hex(8)}",
        version=n2b_ct.__version__,
    )


def _require_fit_workers(client: Client, order: Order) -> None:
    """Ask every worker that is there before anything begins; who joins later asks itself."""
    for address, answer in sorted(client.run(require_fit, order, on_error="return").items()):
        if isinstance(answer, N2BError):
            raise answer
        if isinstance(answer, ImportError):
            message = explain(f"worker {address}", "must have n2b-ct installed", answer.name, "install the same there")
            raise ClusterError(message) from answer


@dataclass(frozen=True, slots=True)
class _Advanced:
    """A worker tells of slices."""

    index: int
    n_slices: int
    what: str


@dataclass(frozen=True, slots=True)
class _Ended:
    """A task is done, failed or lost."""

    index: int
    future: Future[Done]


class _Submission:
    """Hands tasks out and takes in what comes back.

    Only some tasks more than there are threads are with the scheduler at a time: the whole of an archive would fill
    its memory with lists of files.
    """

    def __init__(self, client: Client, order: Order, tasks: Sequence[Task], work: Work[Model]) -> None:
        self._client, self._order, self._tasks, self._work = client, order, tasks, work
        self._news: SimpleQueue[_Advanced | _Ended] = SimpleQueue()
        self._futures: dict[int, Future[Done]] = {}
        self._with_preference: set[int] = set()
        self._without_worker: set[int] = set()
        self._n_submitted = self._n_again = 0
        self._n_seen = [0] * len(tasks)

    def results(self) -> list[Done]:
        """Wait for all, in the order of the tasks."""
        done: dict[int, Done] = {}
        self._client.subscribe_topic(self._order.topic, self._hear)
        self._submit()
        while len(done) < len(self._tasks):
            try:
                news = self._news.get(timeout=LOOK_EVERY_S)
            except Empty:
                self._free_stranded()
                continue
            if isinstance(news, _Advanced):
                self._advance(news.index, news.n_slices, news.what)
            elif self._futures.get(news.index) is news.future and not self._is_begun_again(news.index):
                done[news.index] = self._result(news.index)
                self._advance(news.index, self._tasks[news.index].n_slices, done[news.index].outcome.output.name)
                self._submit()
        return [done[index] for index in range(len(self._tasks))]

    def _submit(self) -> None:
        """Keep the workers busy."""
        workers = self._client.nthreads()
        n_ahead = max(_N_AHEAD_MIN, _N_AHEAD_PER_THREAD * sum(workers.values()))
        while self._n_submitted < len(self._tasks) and len(self._futures) < n_ahead:
            index = self._n_submitted
            self._hand_out(index, preferred_workers(self._tasks[index].neighbourhood, workers))
            self._n_submitted += 1

    def _hand_out(self, index: int, preferred: Sequence[str]) -> None:
        future = self._client.submit(
            carry_out,
            self._order,
            self._tasks[index],
            index,
            key=f"{self._order.topic}-{index}-{self._n_again}",
            retries=N_RETRIES,
            workers=preferred or None,
            allow_other_workers=bool(preferred),
            pure=False,
        )
        self._futures[index] = future
        if preferred:
            self._with_preference.add(index)
        future.add_done_callback(lambda ended: self._news.put(_Ended(index, ended)))

    def _free_stranded(self) -> None:
        """Hand out again what lost its worker when no other was there.

        The scheduler keeps such a task for the workers that it preferred, and they do not come back under their old
        addresses. Only what was without a worker twice in a row counts: a task may be between two workers.
        """
        assigned = {key for keys in self._client.processing().values() for key in keys}
        pending = {index for index, future in self._futures.items() if future.status == "pending"}
        without = {index for index in pending & self._with_preference if self._futures[index].key not in assigned}
        for index in without & self._without_worker:
            stranded = self._futures[index]
            self._hand_out_again(index)
            stranded.cancel()
        self._without_worker = without

    def _is_begun_again(self, index: int) -> bool:
        """Whether a task for which workers died goes on: the scheduler blames all that a dead worker had before it.

        Only a worker that had begun the task can have died over it, and that is noted with the mark.
        """
        future = self._futures[index]
        was_killed = future.status == "error" and _is_death(future.exception())
        if not was_killed or count_attempts(self._order.mark, index) > N_RETRIES:
            return False
        self._hand_out_again(index)
        return True

    def _hand_out_again(self, index: int) -> None:
        """Give a task to whoever is there; a key that failed cannot be used twice."""
        self._n_again += 1
        self._with_preference.discard(index)
        self._hand_out(index, ())

    def _result(self, index: int) -> Done:
        """Fetch what became of a task; one whose worker died before that is waited for anew."""
        future, task = self._futures.pop(index), self._tasks[index]
        if future.status == "error":
            return self._failed(task, future.exception())
        try:
            return future.result()
        except _GONE:
            raise
        except Exception as error:  # whatever happened to the worker, the others go on
            return self._failed(task, error)

    def _failed(self, task: Task, error: BaseException | None) -> Done:
        """Word why no worker could do a task, and clean up behind the last of them."""
        for place in self._work.places(task.target):
            with suppress(OutputError):
                recover(place)
        if isinstance(error, N2BError):
            return task.failed(error)
        got = "none that survived it" if _is_death(error) else type(error).__name__
        remedy = "look into the workers' logs; memory is the usual reason"
        return task.failed(ClusterError(explain(task.subject, "must be done by some worker", got, remedy)))

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take in an event; a task that was begun again tells of its slices once more."""
        told = event[1]
        self._news.put(_Advanced(told["task"], told["n_slices"], told["what"]))

    def _advance(self, index: int, n_slices: int, what: str) -> None:
        n_more = n_slices - self._n_seen[index]
        if n_more > 0:
            self._n_seen[index] = n_slices
            self._work.steps.advance(n_more, what)


def _is_death(error: BaseException | None) -> bool:
    from distributed.scheduler import KilledWorker

    return isinstance(error, KilledWorker)
