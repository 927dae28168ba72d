"""How much work attacks have before them, so that a bar can tell the time left."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

BAR = "{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


@dataclass
class Workload:
    """Work on images, each worth as much as the attack at hand has passes through the model."""

    bar: Any
    passes: int = 1

    def begin(self, what: str, passes: int) -> None:
        """Say what is being done from now on, and what an image of it is worth."""
        self.bar.set_description(what)
        self.passes = passes

    def did(self, images: int) -> None:
        """Count images that are finished."""
        self.bar.update(images * self.passes)

    def spared(self, images: int) -> None:
        """Count images that need no work after all."""
        self.bar.total = max(self.bar.total - images * self.passes, self.bar.n)
        self.bar.refresh()


@contextmanager
def workload(total: int, progress: bool) -> Iterator[Workload]:
    """A workload of ``total`` passes, with a bar in a terminal or notebook if ``progress``.

    It takes what was done so far as the measure of the time left, so the first seconds tell little.
    """
    from tqdm.auto import tqdm  # picks the notebook's bar in a notebook

    with tqdm(total=total, bar_format=BAR, disable=not progress) as bar:
        yield Workload(bar)
