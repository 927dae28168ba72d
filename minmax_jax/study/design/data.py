"""The data of the study: every data set is split into a training, a validation and a test part."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from minmax_jax.data import Dataset, Split, load
from minmax_jax.jobs.once import once
from minmax_jax.storage.digests import digest

VALIDATION = 5000  # images at the end of the training set, on which choices are made


@dataclass(frozen=True)
class StudyData:
    """``data`` holds the training images, and as its test images those that results are reported on."""

    data: Dataset
    validation: Split

    @cached_property
    def checksum(self) -> str:
        """Checksums of all images and labels that are used."""
        parts = [self.data.train, self.data.test, self.validation]
        return "; ".join(digest(array) for part in parts for array in (part.images, part.labels))

    def with_random_labels(self, seed: int) -> Dataset:
        """The data with its training labels in random order: classes keep their sizes, nothing to learn."""
        train = self.data.train
        labels = np.random.default_rng(seed).permutation(train.labels)
        return Dataset(self.data.name, Split(train.images, labels), self.data.test, self.data.class_names)


def images_of(part: Split, seed: int, seeds: Sequence[int], count: int) -> Split:
    """So many images of a part for one of the seeds: others for each."""
    first = seeds.index(seed) * count
    return part[first : first + count]


@once
def study_data(name: str, small: bool = False) -> StudyData:
    """A data set by its name, split for the study; if ``small``, 1,280 training and 250 other images of each.

    Raises what ``mm.load`` raises.
    """
    whole = load(name)
    rest = len(whole.train) - VALIDATION
    train, validation, test = whole.train[:rest], whole.train[rest:], whole.test
    if small:
        train, validation, test = train[:1280], validation[:250], test[:250]
    return StudyData(Dataset(whole.name, train, test, whole.class_names, whole.provenance), validation)
