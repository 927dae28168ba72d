"""The engine: jobs that give named arrays, side by side on all cores and devices, shared among hosts."""

import io
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import jax
import numpy as np

from minmax_jax.jobs.interrupts import CtrlC, stopped_by
from minmax_jax.jobs.parallel import cores, with_cores
from minmax_jax.storage.resume import Store

Arrays = dict[str, np.ndarray]
Tell = Callable[[float], bool]  # is told how much of a job's cost is done; whether the job is to stop
Work = Callable[[int, jax.Device, Tell], Arrays | None]  # None where it was stopped


class Status(NamedTuple):
    """How far this process's jobs are: how many are finished of how many, and what this call has done.

    ``done`` and ``cost`` are what is done and what there was to do when the call began, as the jobs count it.
    """

    finished: int
    jobs: int
    done: float
    cost: float
    seconds: float


def workers(devices: Sequence[jax.Device]) -> list[jax.Device]:
    """One worker for each device; the cores of a CPU are shared out among its devices."""
    if devices[0].platform != "cpu":
        return list(devices)
    return list(devices) * max(1, cores() // len(devices))


class Jobs:
    """Jobs numbered from 0, each with its cost; those that ``store`` has results of are finished already.

    Of n processes of ``jax.distributed``, each takes every n-th job.
    """

    def __init__(self, costs: Sequence[float], store: Store):
        here, processes = jax.process_index(), jax.process_count()
        self.number, self.store = len(costs), store
        self.costs = {i: cost for i, cost in enumerate(costs) if i % processes == here}
        self.finished = {i: arrays for i in self.costs if (arrays := store.read(i)) is not None}
        self.left = sum(cost for i, cost in self.costs.items() if i not in self.finished)
        self.stop = threading.Event()
        self.interrupted = False  # by Ctrl-C, here or in a job; all may have been finished all the same
        self.active = 0  # workers
        self.waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.events: queue.SimpleQueue[tuple[int, float] | BaseException | None] = queue.SimpleQueue()

    def run(
        self,
        work: Work,
        workers: Sequence[jax.Device],
        report: Callable[[Status], Any],
        ended: Callable[[], Any] = lambda: None,
    ) -> dict[int, Arrays]:
        """The arrays of all jobs by number, of those of other processes too, all of which have to call it.

        ``work(number, device, tell)`` does a job in a thread of its own, with ``device`` as jax's default;
        there are as many threads as ``workers``, and each takes the next job when it has finished one.
        ``report`` is called in the caller's thread whenever a job tells of its progress or is finished. If it
        answers with a true value, or at Ctrl-C, all jobs are told to stop, and the arrays of those that are
        finished are returned; a second Ctrl-C does not wait for the jobs to stop. An error of a job or of
        ``report`` is raised once all threads have ended. ``ended`` is called when they have.
        """
        todo = [number for number in self.costs if number not in self.finished]
        for number in todo:
            self.waiting.put(number)
        threads = [
            threading.Thread(target=self._worker, args=(work, device), daemon=True)
            for device in workers[: len(todo)]
        ]
        told, done, self.active = dict.fromkeys(todo, 0.0), 0.0, len(threads)
        begin = time.monotonic()
        try:
            with CtrlC() as ctrl_c:
                for thread in threads:
                    thread.start()
                while self.active:
                    event = self.events.get()
                    ctrl_c.check()
                    if isinstance(event, BaseException):
                        raise event
                    if event is None:
                        self.active -= 1
                        continue
                    number, amount = event
                    done, told[number] = done + amount - told[number], amount
                    seconds = time.monotonic() - begin
                    status = Status(len(self.finished), len(self.costs), done, self.left, seconds)
                    if not self.stop.is_set() and report(status):
                        self.stop.set()
        except KeyboardInterrupt:
            self.interrupted = True  # what is finished is returned
        finally:
            self.stop.set()
            for thread in threads:
                if thread.ident is not None:  # not started yet when Ctrl-C came
                    thread.join()
            ended()
        return gather(self.finished, self.number)

    def _worker(self, work: Work, device: jax.Device) -> None:
        """Do jobs until none is left; the last event is None, or the error that ended it."""
        share = with_cores(lambda: cores() // max(self.active, 1))
        try:
            with _on(device), share, stopped_by(self.stop.is_set):
                while not self.stop.is_set() and not self.waiting.empty():
                    try:
                        number = self.waiting.get_nowait()
                    except queue.Empty:  # another worker was quicker
                        break
                    self._do(number, work, device)
        except BaseException as error:  # raised again in the caller's thread
            self.events.put(error)
        else:
            self.events.put(None)

    def _do(self, number: int, work: Work, device: jax.Device) -> None:
        def tell(done: float) -> bool:
            self.events.put((number, done))
            return self.stop.is_set()

        arrays = work(number, device, tell)
        if arrays is not None:
            self.store.write(number, arrays)
            self.finished[number] = arrays
            self.events.put((number, self.costs[number]))


def _on(device: jax.Device) -> AbstractContextManager[Any]:
    """``device`` as jax's default in this thread; nothing where it is so already.

    Programs are compiled anew for each setting of the default device, and ``side_by_side`` does not use
    other threads under a setting that they would not see.
    """
    default = getattr(jax.config, "jax_default_device", None) or jax.local_devices()[0]
    return nullcontext() if device == default else jax.default_device(device)


def gather(finished: dict[int, Arrays], jobs: int) -> dict[int, Arrays]:
    """The arrays of all jobs in every process, each from the one that did it.

    All processes of ``jax.distributed`` have to call it; a single process has them all.
    """
    if jax.process_count() == 1:
        return finished
    from jax.experimental.multihost_utils import broadcast_one_to_all

    everywhere: dict[int, Arrays] = {}
    for number in range(jobs):
        mine = number % jax.process_count() == jax.process_index()
        packed = _pack(finished[number]) if mine and number in finished else np.zeros(0, np.uint8)
        size = int(broadcast_one_to_all(np.int64(packed.size), is_source=mine))
        content = packed if mine else np.zeros(size, np.uint8)
        if size:
            everywhere[number] = _unpack(np.asarray(broadcast_one_to_all(content, is_source=mine)))
    return everywhere


def on_all_hosts(what: str) -> None:
    """Wait until all processes of ``jax.distributed`` have come here, to ``what``."""
    if jax.process_count() > 1:
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices(what)


def _pack(arrays: Arrays) -> np.ndarray:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return np.frombuffer(stream.getvalue(), np.uint8)


def _unpack(content: np.ndarray) -> Arrays:
    with np.load(io.BytesIO(content.tobytes()), allow_pickle=False) as arrays:
        return dict(arrays)
