"""A trained network of the study, for the playground to begin with."""

from pathlib import Path
from typing import NamedTuple

from minmax_jax.lenet import LeNet
from minmax_jax.plots.arm_view import ArmView
from minmax_jax.study import about, read, robust_lenet
from minmax_jax.study.experiments.robust import NAME, WEIGHT
from minmax_jax.widgets.figure import FigureImage

FOLDER = Path("notebooks/results")
# Seen from the notebooks, from their repository, and from elsewhere if the package is used out of there.
PLACES = (Path("results"), FOLDER, Path(__file__).parents[2] / FOLDER)


class Studied(NamedTuple):
    """The most robust LeNet of the study, on MNIST: in words, itself, and what it withstands as a figure."""

    words: str
    model: LeNet
    figure: FigureImage


def studied() -> Studied:
    """Read it from its result.

    Raises FileNotFoundError where there is none, and what ``mm.study.read`` raises for a damaged one.
    """
    file = next((found for place in PLACES if (found := place / f"{NAME}.nc").is_file()), None)
    if file is None:
        raise FileNotFoundError(f"no result of the study is here ({FOLDER / NAME}.nc, from the repository)")
    table = read(file)
    config = about(table)["config"]
    chosen = config["candidate"]
    seed = int(table.seed[0])
    defence = f"{chosen['defence'].upper()} at eps {chosen['eps']:g}"
    words = f"mnist modern adam, {defence}, {config['epochs']} epochs, seed {seed}"
    view = ArmView({}, seed)
    figure = FigureImage(view.figure)
    view.show(table.rename({f"{WEIGHT}conv1.kernel": "kernel_conv1"}), "The study's most robust network")
    figure.refresh(view.caption)
    return Studied(words, robust_lenet(table, seed), figure)
