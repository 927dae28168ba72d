"""The crew of a sweep: workers that train groups side by side, on all devices and hosts."""

import io
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from minmax_jax.data import Dataset
from minmax_jax.jobs.parallel import cores
from minmax_jax.sweeps.vmapped import Arrays, Pictures

Train = Callable[[int, Pictures, Callable[[], bool]], Arrays | None]


class SweepProgress(NamedTuple):
    """How far a sweep is: groups finished, epochs of groups done, and seconds taken and left by estimate.

    With several processes, each counts its own groups.
    """

    groups: int
    of_groups: int
    epochs: int
    of_epochs: int
    seconds: float
    seconds_left: float


def workers(devices: Sequence[jax.Device]) -> list[jax.Device]:
    """One worker for each device; the cores of a CPU are shared out among its devices."""
    if devices[0].platform != "cpu":
        return list(devices)
    return list(devices) * max(1, cores() // len(devices))


class Crew:
    """Workers, one thread each, that train the groups of a sweep on their devices."""

    def __init__(self, places: Sequence[jax.Device], data: Dataset, train: Train):
        self.places, self.train = places, train
        arrays = data.train.images, data.train.labels, data.test.images, data.test.labels
        on_host = [jnp.asarray(array) for array in arrays]
        self.pictures = {device: Pictures(*jax.device_put(on_host, device)) for device in set(places)}
        self.stop = threading.Event()
        self.done: dict[int, Arrays] = {}
        self.events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

    def work(
        self,
        groups: int,
        found: dict[int, Arrays],
        epochs: int,
        progress: bool | Callable[[SweepProgress], Any],
    ) -> dict[int, Arrays]:
        """Train this process's share of the groups that were not ``found``; the arrays of all it has."""
        mine = [index for index in range(groups) if index % jax.process_count() == jax.process_index()]
        self.done = {index: found[index] for index in mine if index in found}
        todo: queue.SimpleQueue[int] = queue.SimpleQueue()
        for index in mine:
            if index not in found:
                todo.put(index)
        busy = min(len(self.places), todo.qsize())
        threads = [
            threading.Thread(target=self._worker, args=(device, todo), daemon=True)
            for device in self.places[:busy]
        ]
        ticks, total, begin = 0, todo.qsize() * epochs, time.monotonic()
        with _reporting(progress, len(mine), len(self.done), total) as report:
            try:
                for thread in threads:
                    thread.start()
                while busy:
                    kind, what = self.events.get()
                    busy -= kind in ("end", "error")
                    if kind == "error":
                        raise what
                    ticks += kind == "epoch"
                    if kind != "end" and not self.stop.is_set():
                        seconds = time.monotonic() - begin
                        left = seconds / max(ticks, 1) * (total - ticks)
                        if report(SweepProgress(len(self.done), len(mine), ticks, total, seconds, left)):
                            self.stop.set()
            except KeyboardInterrupt:
                pass  # what is finished is returned
            finally:
                self.stop.set()
                for thread in threads:
                    if thread.ident is not None:  # not started yet when Ctrl-C came
                        thread.join()
        return self.done

    def _worker(self, device: jax.Device, todo: "queue.SimpleQueue[int]") -> None:
        def tick() -> bool:
            self.events.put(("epoch", None))
            return self.stop.is_set()

        try:
            with jax.default_device(device):
                while not self.stop.is_set() and not todo.empty():
                    try:
                        index = todo.get_nowait()
                    except queue.Empty:
                        break
                    arrays = self.train(index, self.pictures[device], tick)
                    if arrays is not None:
                        self.done[index] = arrays
                        self.events.put(("group", index))
        except BaseException as error:  # raised again in the caller's thread
            self.events.put(("error", error))
        else:
            self.events.put(("end", None))


def gather(done: dict[int, Arrays], groups: int) -> dict[int, Arrays]:
    """The arrays of all groups in every process, each from the one that trained it.

    All processes of ``jax.distributed`` have to call it; a single process has them all.
    """
    if jax.process_count() == 1:
        return done
    from jax.experimental.multihost_utils import broadcast_one_to_all

    everywhere: dict[int, Arrays] = {}
    for index in range(groups):
        mine = index % jax.process_count() == jax.process_index()
        packed = _pack(done[index]) if mine and index in done else np.zeros(0, np.uint8)
        size = int(broadcast_one_to_all(np.int64(packed.size), is_source=mine))
        content = packed if mine else np.zeros(size, np.uint8)
        if size:
            everywhere[index] = _unpack(np.asarray(broadcast_one_to_all(content, is_source=mine)))
    return everywhere


def _pack(arrays: Arrays) -> np.ndarray:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return np.frombuffer(stream.getvalue(), np.uint8)


def _unpack(content: np.ndarray) -> Arrays:
    with np.load(io.BytesIO(content.tobytes()), allow_pickle=False) as arrays:
        return dict(arrays)


@contextmanager
def _reporting(
    progress: bool | Callable[[SweepProgress], Any], groups: int, done: int, epochs: int
) -> Iterator[Callable[[SweepProgress], Any]]:
    """A function to call with each ``SweepProgress``: a bar (True), nothing (False), or the caller's."""
    if callable(progress):
        yield progress
        return
    from tqdm.auto import tqdm

    with tqdm(total=epochs, unit="epoch", disable=not progress) as bar:
        bar.set_postfix(groups=f"{done}/{groups}")

        def draw(now: SweepProgress) -> None:
            bar.set_postfix(groups=f"{now.groups}/{now.of_groups}", refresh=False)
            bar.update(now.epochs - bar.n)

        yield draw
