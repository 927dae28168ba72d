"""A report on one network: accuracy under attack, signs of masking, units, fuzziness; a page to keep."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from minmax_jax.attacks.ball import Norm
from minmax_jax.attacks.registry import WORST, Attack
from minmax_jax.checks import SEEDS, check_count, check_flag, check_type
from minmax_jax.data import Dataset, Split
from minmax_jax.evaluation import Model, split_model
from minmax_jax.fuzziness import MEASURES, fuzziness_table
from minmax_jax.intervals import MEMBERSHIPS
from minmax_jax.kernels import kernels
from minmax_jax.minmax import effective_taps, near_zero
from minmax_jax.models.parameters import find_kernels
from minmax_jax.objective import TRAINABLE_READINGS
from minmax_jax.robustness import masking as check_for_masking
from minmax_jax.robustness import robustness
from minmax_jax.robustness.first_units import FirstConvolution, first_convolution, first_units
from minmax_jax.robustness.masking_report import Masking, percent
from minmax_jax.robustness.report import DEFAULT
from minmax_jax.storage.archive import write_text
from minmax_jax.storage.names import as_new_file

if TYPE_CHECKING:
    import xarray as xr

    from minmax_jax.plots.style import Figure

FEW = 4  # layers that a sentence names one by one
RANK = 4  # of the kernel of a convolution of images


@dataclass(frozen=True, repr=False, eq=False)
class Report:
    """What ``report`` found of a network: shown by a notebook, printed as text, and saved as a page.

    ``name`` is that of the network. ``robustness`` is what ``mm.robustness`` gives, ``masking`` what
    ``mm.masking`` does. ``fuzziness`` has ``fuzziness`` by (layer, reading, membership, measure), and
    ``near_zero`` and ``effective_taps`` by layer; ``units`` has ``unstable`` by (filter, eps) and ``live`` by
    filter, of the first convolution. ``filters`` are the weights of that convolution, or of the first by
    name. What could not be had is None; ``left_out`` says why.
    """

    name: str
    robustness: "xr.Dataset"
    masking: Masking | None
    fuzziness: "xr.Dataset | None"
    units: "xr.Dataset | None"
    filters: Mapping[str, Float[Array, "kh kw cin cout"]]
    left_out: tuple[str, ...]

    @property
    def findings(self) -> dict[str, str]:
        """What was found, in a sentence for each part: robustness, masking, units, fuzziness."""
        found = {"robustness": _of_robustness(self.robustness)}
        if self.masking is not None:
            found["masking"] = self.masking.summary
        if self.units is not None:
            found["units"] = _of_units(self.units, self.robustness)
        if self.fuzziness is not None:
            found["fuzziness"] = _of_fuzziness(self.fuzziness)
        return found

    @property
    def figures(self) -> "dict[str, Figure]":
        """The figures, drawn anew: accuracy over eps; units that can be switched; filters."""
        from minmax_jax import plots  # heavy to import, so only where it is used
        from minmax_jax.plots.why import unstable_shares

        found = {"robustness": plots.robustness(self.robustness)}
        if self.units is not None:
            shares = {self.units.attrs["layer"]: self.units.unstable.mean("filter").values.tolist()}
            radii = self.units.eps.values.tolist()
            found["units"] = unstable_shares(shares, self.units.attrs["images"], radii)
        if self.filters:
            found["filters"] = plots.filters(self.filters)
        return found

    @property
    def circumstances(self) -> str:
        """Data, model, images, attacks and seed in a sentence."""
        notes = self.robustness.attrs
        attacks = ", ".join(str(one) for one in self.robustness.attack.values if one != WORST)
        return (
            f"{notes['images']} images of {notes['dataset']}, attacks {attacks} by norm {notes['norm']}, "
            f"seed {notes['seed']}; intervals of {notes['level']:.0%} over images"
        )

    def to_html(self) -> str:
        """The page: one HTML file with its figures, which asks no server for anything."""
        from minmax_jax.publish.report_page import page  # heavy to import, so only where it is used

        return page(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file such as "report.html", whole or not at all, and return the file's path.

        Raises TypeError for what is no name, and OSError if the file cannot be written.
        """
        file = as_new_file("path", path)
        write_text(file, self.to_html())
        return file

    def __repr__(self) -> str:
        lines = [f"{self.name}: {self.circumstances}", *(f"- {one}" for one in self.findings.values())]
        return "\n".join([*lines, *(f"- left out: {one}" for one in self.left_out)])

    def _repr_html_(self) -> str:
        from minmax_jax.publish.report_page import body

        return body(self)


def report(
    model: Model,
    data: Split | Dataset,
    eps: Sequence[float] = (0.0, 0.05, 0.1, 0.2, 0.3),
    *,
    weights: Any = None,
    attacks: Sequence[str] | Mapping[str, Attack] = DEFAULT,
    norm: Norm = "linf",
    images: int = 250,
    check_masking: bool = True,
    batch_size: int = 250,
    seed: int = 0,
    progress: bool = True,
) -> Report:
    """What there is to say of a network of one's own; ``mm.report(model, data).save("report.html")``.

    Accuracy over eps is that of ``mm.robustness``; signs of masking are those of ``mm.masking``, at the
    largest radius at which half of the images classified as labelled withstand all attacks, or else at the
    smallest. Fuzziness is that of each convolution kernel. Units are those of the convolution that sees the
    images: the share that a perturbation in L-inf can take across their threshold, exactly. Of LeNet, with
    all defaults, this takes one to two minutes on two cores; without the checks for masking ten seconds.

    Args:
        model: any jittable callable from images to logits; a Flax NNX module is taken in evaluation mode.
        data: a split, or a data set of which the test images are used.
        eps: radii of the balls, as for ``mm.robustness``.
        weights: where the model is a function, its parameters, as ``mm.kernels`` takes them, such as the
            "params" of a module of Flax Linen; None takes those of a Flax NNX module.
        attacks: names, or your own functions by name, as for ``mm.robustness``.
        norm: by which eps is measured, "linf", "l2" or "l1"; by "l1" masking is left out.
        images: how many images count, drawn by the seed; all if there are fewer.
        check_masking: whether to look for signs of masking, which takes most of the time.
        batch_size: images that are computed together.
        seed: of the choice of images, and of the attacks' random numbers.
        progress: whether to draw bars.

    Returns:
        A ``Report``. What cannot be had of a model, such as the fuzziness of one without convolutions, is
        left out, and ``left_out`` says so.

    Raises:
        ValueError, TypeError: as ``mm.robustness`` does, and as ``mm.kernels`` does for ``weights``.
    """
    check_flag("check_masking", check_masking)
    seed, images = check_count("seed", seed, **SEEDS), check_count("images", images)
    split = data.test if isinstance(data, Dataset) else data
    check_type("data", split, Split)
    split_model(model)  # what is no model is an error before any work
    left_out: list[str] = []
    found = _kernels(model, weights, left_out)
    split = _drawn(split, images, seed)
    chosen = split if isinstance(data, Split) else Dataset(data.name, data.train, split, data.class_names)
    shared: dict[str, Any] = {"norm": norm, "batch_size": batch_size, "seed": seed, "progress": progress}
    name = _name(model)
    table = robustness(model, chosen, eps, attacks=attacks, **shared).assign_attrs(model=name)
    masking = _masking(model, chosen, table, shared, left_out) if check_masking else None
    if not check_masking:
        left_out.append("signs of masking, as check_masking was False.")
    first, units = _units(model, split, table, batch_size, left_out)
    shown = {first.name: first.kernel} if first else dict(list(found.items())[:1])
    return Report(name, table, masking, _fuzziness(found), units, shown, tuple(left_out))


def _name(model: Any) -> str:
    """The class of a module, or the name of a function if it has one."""
    name = str(getattr(model, "__name__", type(model).__name__))
    return "function" if name == "<lambda>" else name


def _drawn(split: Split, images: int, seed: int) -> Split:
    """So many images of a split, in its order; the first ones might all be of one class."""
    if images >= len(split):
        return split
    return split[np.sort(np.random.default_rng(seed).choice(len(split), images, replace=False))]


def _kernels(model: Any, weights: Any, left_out: list[str]) -> dict[str, Array]:
    if weights is not None:
        return kernels(weights)
    if not isinstance(model, nnx.Module):
        left_out.append("fuzziness, as the model is a function: give its parameters as weights.")
    elif next(find_kernels(model, (RANK,)), None) is None:
        left_out.append("fuzziness, as the model has no convolution kernel.")
    else:
        return kernels(model)
    return {}


def _masking(
    model: Model, data: Split | Dataset, table: "xr.Dataset", shared: dict[str, Any], left_out: list[str]
) -> Masking | None:
    """The checks at the radius where robustness is claimed; None, with a reason, where there are none."""
    radii = [float(radius) for radius in table.eps.values if radius > 0]
    if shared["norm"] == "l1":
        left_out.append("signs of masking, as there are no checks by norm l1.")
    elif not radii:
        left_out.append("signs of masking, as no eps is above 0.")
    elif not table.clean_accuracy:
        left_out.append("signs of masking, as no image is classified as labelled.")
    else:
        worst = table.accuracy.sel(attack=WORST)
        claimed = [one for one in radii if float(worst.sel(eps=one)) >= table.clean_accuracy / 2]
        found = check_for_masking(model, data, max(claimed, default=radii[0]), **shared)
        return replace(found, notes={**found.notes, "model": table.attrs["model"]})
    return None


def _units(
    model: Model, split: Split, table: "xr.Dataset", batch_size: int, left_out: list[str]
) -> "tuple[FirstConvolution | None, xr.Dataset | None]":
    if not isinstance(model, nnx.Module):
        left_out.append("units, as only a Flax NNX module tells which of its layers sees the images.")
        return None, None
    first = first_convolution(model, split.images.shape[1:])
    if first is None:
        left_out.append("units, as no plain convolution of the model sees the images as they are.")
        return None, None
    radii = np.linspace(0, 0.5, 26)
    if table.norm == "linf":
        radii = np.union1d(radii, table.eps.values)
    return first, first_units(first, split.images, radii.tolist(), batch_size)


def _fuzziness(found: Mapping[str, Array]) -> "xr.Dataset | None":
    """Fuzziness of each kernel by each reading that needs no history, membership and measure."""
    import xarray as xr  # heavy to import, so only where it is used

    if not found:
        return None
    axes = ("layer", "reading", "membership", "measure")
    tables = np.stack([np.asarray(fuzziness_table(one, TRAINABLE_READINGS)) for one in found.values()])
    rows = [np.asarray(one, np.float32)[None] for one in found.values()]
    return xr.Dataset(
        {
            "fuzziness": (axes, tables, {"long_name": "fuzziness F of a kernel"}),
            "near_zero": ("layer", [near_zero(one)[0] for one in rows]),
            "effective_taps": ("layer", [effective_taps(one)[0] for one in rows]),
            "shape": ("layer", ["×".join(map(str, one.shape[1:])) for one in rows]),
        },
        dict(zip(axes, ([*found], list(TRAINABLE_READINGS), list(MEMBERSHIPS), list(MEASURES)), strict=True)),
    )


def _of_robustness(table: "xr.Dataset") -> str:
    worst = table.sel(attack=WORST)
    under = [
        f"{percent(float(one.accuracy))} [{', '.join(f'{100 * float(end):.3g}' for end in one.interval)}] "
        f"at eps {float(one.eps):g}"
        for one in (worst.sel(eps=radius) for radius in worst.eps.values if radius > 0)
    ]
    withstood = f"; all attacks are withstood by {', '.join(under)}" if under else ""
    return f"Of the images {percent(table.clean_accuracy)} are classified as labelled{withstood}."


def _of_units(units: "xr.Dataset", table: "xr.Dataset") -> str:
    share = units.unstable.mean("filter")
    radii = [radius for radius in table.eps.values if radius > 0] if table.norm == "linf" else [0.1, 0.3]
    under = [f"{percent(float(share.sel(eps=one, method='nearest')))} at eps {one:g}" for one in radii]
    live = f"{int(units.live.sum())} of its {units.sizes['filter']} filters are live"
    which = f"Units of {units.attrs['layer']} that a perturbation can take across their threshold"
    return f"{which}: {', '.join(under)}; {live}." if under else f"In {units.attrs['layer']}, {live}."


def _of_fuzziness(table: "xr.Dataset") -> str:
    values = table.fuzziness.sel(reading="layer", membership="signed", measure="entropy").to_series()
    if len(values) > FEW:
        by = f"{values.min():.3f} to {values.max():.3f} over {len(values)} convolutions"
    else:
        by = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
    return f"Fuzziness F of weights (layer, signed, entropy; 0.721 for uniform ones): {by}."
