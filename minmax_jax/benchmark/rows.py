"""The rows of the benchmark: which work is timed, and how much of it."""

from dataclasses import dataclass, replace

BATCH = 128
PGD_STEPS = 40
RESTARTS = 2  # of PGD in `robustness`
EPS = 0.3
ATTACKED = 1000  # images, of a whole attack
NEEDS = ("torch", "torchattacks")


@dataclass(frozen=True)
class Size:
    """How much is measured: alternations, images of an epoch, epochs of the longer run, repeated calls.

    ``target`` is the file of the model to attack, where a row attacks a trained one.
    """

    runs: int
    images: int
    epochs: int
    repeats: int
    target: str = ""


MAIN = Size(runs=5, images=25_600, epochs=3, repeats=5)
GROWTH = Size(runs=2, images=12_800, epochs=2, repeats=3)
QUICK = Size(runs=3, images=3_200, epochs=3, repeats=3)
WHOLE = Size(runs=3, images=3_200, epochs=2, repeats=2)  # of whole attacks, seconds each
LONG = Size(runs=1, images=3_200, epochs=2, repeats=1)  # of work that takes many minutes


@dataclass(frozen=True)
class Row:
    """Work that is timed, once for each case: ``measure`` names its function, on each side.

    ``axis`` says what the cases count, in a row that shows how cost grows. A row that ``needs`` packages
    compares with their code, and is left out where one is missing. A ``long`` row takes up to an hour and
    attacks a trained model; it is measured only when it is named.
    """

    work: str
    measure: str
    cases: tuple[int, ...]
    axis: str = ""
    peer: bool = True
    needs: tuple[str, ...] = ()
    long: bool = False

    def size(self, quick: bool, runs: int | None) -> Size:
        """How much of this row is measured."""
        usual = QUICK if quick else GROWTH if self.axis else MAIN
        size = LONG if self.long else WHOLE if self.needs else usual
        return replace(size, runs=runs or size.runs)


ROWS = {
    "train": Row("one training step, batch 128", "train", (BATCH,)),
    "pgd": Row("one step of `mm.attacks.pgd`, batch 128", "pgd", (BATCH,)),
    "robustness": Row("one step of PGD in `mm.robustness`, batch 128", "robustness", (BATCH,)),
    "evaluation": Row("evaluating 10,000 images", "evaluation", (10_000,)),
    "small": Row("one training step of a small network of `nnx.Conv`", "own", (0,)),
    "small_pgd": Row("one step of `mm.attacks.pgd` on it", "own_pgd", (0,)),
    "resnet": Row("one training step of a ResNet-8, 32 x 32 x 3", "own", (1,)),
    "resnet_pgd": Row("one step of `mm.attacks.pgd` on it", "own_pgd", (1,)),
    "separable": Row("one training step of a depthwise-separable network, 32 x 32 x 3", "own", (2,)),
    "separable_pgd": Row("one step of `mm.attacks.pgd` on it", "own_pgd", (2,)),
    "pgd40": Row("PGD of 40 steps on 1,000 images by `mm.robustness`", "pgd40", (ATTACKED,), needs=NEEDS),
    "autoattack": Row(
        "AutoAttack on 1,000 images of a robust model by `mm.robustness`",
        "autoattack",
        (ATTACKED,),
        needs=NEEDS,
        long=True,
    ),
    "sweep": Row("one training step of one model of a sweep of 16", "sweep", (16,)),
    "batch": Row("one training step", "train", (32, 64, 128, 256, 512, 1024), "batch size"),
    # In PyTorch each process trains one model, however many there are: the row sweep has that time.
    "models": Row(
        "one training step of one model", "sweep", (1, 2, 4, 8, 16, 64), "models in the sweep", False
    ),
    "channels": Row(
        "one training step of two convolutions", "channels", (1, 2, 4), "times 6 and 16 channels"
    ),
}
DEVICE = {
    "device": Row("one training step of one model", "device", (1, 16, 256, 4096), "models at once"),
}


def choose(only: str | None, *, quick: bool, device: bool) -> dict[str, Row]:
    """The rows to measure: those named in ``only``, separated by commas, or by default all but long ones.

    ``quick`` leaves growth and whole attacks out of the default. On a ``device`` other than a CPU there are
    other rows. Raises ValueError for an unknown name.
    """
    known = DEVICE if device else ROWS
    if only is None:
        usual = {name: row for name, row in known.items() if not row.long}
        return {n: row for n, row in usual.items() if device or not (quick and (row.axis or row.needs))}
    names = [name.strip() for name in only.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"unknown row {', '.join(unknown)}: --only must name some of {', '.join(known)}")
    if not names:
        raise ValueError(f"--only is empty: it must name some of {', '.join(known)}")
    return {name: known[name] for name in names}
