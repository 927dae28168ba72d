"""Figures of the theory: convolution as a matrix, measures of fuzziness, flow, sharpening, amplification."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.patches import Rectangle

from minmax_jax.checks import AnyArray
from minmax_jax.convolution import convolve, patches, toeplitz
from minmax_jax.fuzziness import MEASURES, Measure, degree, sharpen
from minmax_jax.intervals import Membership, interval, memberships
from minmax_jax.plots.panels import draw_parts, draw_weights
from minmax_jax.plots.style import COLOURS, STYLES, Figure, new_figure
from minmax_jax.theory import CLOSED, amplifications, closed_form, descend
from minmax_jax.tiles import Tile


def matrices(
    kernel: Float[AnyArray, "kh kw cin cout"], tiles: Sequence[Tile] = ((1, 1), (2, 2), (4, 4))
) -> Figure:
    """The matrix ``toeplitz(kernel, tile)`` of a convolution for several tiles, as pictures of its weights.

    A row is a pixel of the patch that a tile sees, a column one output of the tile and a channel.
    """
    figure, axes = new_figure(3.4 * len(tiles), 3.8, len(tiles))
    limit = float(np.abs(kernel).max())
    for ax, tile in zip(axes, tiles, strict=True):
        matrix = np.asarray(toeplitz(kernel, tile))
        picture = draw_weights(ax, np.where(matrix == 0, np.nan, matrix), limit)
        ax.set_axis_on()
        ax.set(xlabel="output of the tile, channel", aspect="auto")
        ax.xaxis.get_major_locator().set_params(integer=True)
        rows, columns = matrix.shape
        filled = np.count_nonzero(matrix) / matrix.size
        ax.set_title(f"tile {tile[0]} x {tile[1]}: {rows} x {columns},\n{filled:.0%} of it weights")
    axes[0].set_ylabel("pixel of the patch")
    figure.colorbar(picture, ax=axes[-1], shrink=0.8, label="weight w")
    return figure


def tile(
    kernel: Float[AnyArray, "kh kw cin cout"],
    image: Float[AnyArray, "h w cin"],
    tile: Tile = (4, 4),
    place: int = 0,
) -> Figure:
    """How a tile of outputs is computed, ``y = patches_t(x) @ toeplitz_t(W)``: patch, matrix and outputs.

    ``place`` counts the tiles row by row. Outputs are shown up to it, images and outputs by their first
    channel. Raises ValueError for a place that has no tile.
    """
    window, channels = kernel.shape[:2], kernel.shape[3]
    patch = np.asarray(patches(image[None], window, tile=tile))[0]
    down, across, length = patch.shape
    if not 0 <= place < down * across:
        raise ValueError(
            f"place must be in [0, {down * across - 1}], as there are that many tiles, got {place}"
        )
    row, column = divmod(place, across)
    matrix = np.asarray(toeplitz(kernel, tile))[:, ::channels]
    outputs = np.asarray(convolve(image[None], kernel))[0, ..., 0]
    i, j = np.indices(outputs.shape)
    reached = i // tile[0] * across + j // tile[1] <= place

    figure, axes = new_figure(11, 3.7, 4, width_ratios=[1, 0.12, 0.5, 1])
    grey: dict[str, Any] = {"cmap": "gray", "vmin": image.min(), "vmax": image.max()}
    axes[0].imshow(image[..., 0], **grey)
    axes[1].imshow(patch[row, column][:, None], aspect="auto", **grey)
    limits = float(np.abs(matrix).max()), float(np.abs(outputs).max())
    draw_weights(axes[2], np.where(matrix == 0, np.nan, matrix), limits[0])
    draw_weights(axes[3], np.where(reached, outputs, np.nan), limits[1])
    for ax, sides in ((axes[0], [t + k - 1 for t, k in zip(tile, window, strict=True)]), (axes[3], tile)):
        corner = column * tile[1] - 0.5, row * tile[0] - 0.5
        ax.add_patch(Rectangle(corner, sides[1], sides[0], fill=False, color=COLOURS[1], linewidth=2.5))
    for ax, words in zip(axes, ("column", "x", "output of the tile", "column"), strict=True):
        ax.set_axis_on()
        ax.set(xlabel=words)
    axes[0].set(ylabel="row", title="the patch x that a tile sees")
    axes[1].set(ylabel="pixel of the patch", xticks=[])
    axes[2].set(aspect="auto", title=f"times the matrix,\n{length} x {matrix.shape[1]}")
    axes[3].set(ylabel="row", title=f"tile {place + 1} of {down * across} of the outputs y")
    return figure


def measures(p: float = 3.0) -> Figure:
    """Degree of fuzziness f over membership, and its slope, by every measure (``p`` is yager's)."""
    mu = np.linspace(0, 1, 401)
    figure, (left, right) = new_figure(8.6, 3.4, 2)
    for i, measure in enumerate(MEASURES):
        f = np.asarray(degree(mu, measure, p))
        look: dict[str, Any] = {"color": COLOURS[i], "linestyle": STYLES[i], "linewidth": 2, "label": measure}
        left.plot(mu, f, **look)
        right.plot(mu[:-1] + np.diff(mu) / 2, np.diff(f) / np.diff(mu), **look)
    left.set(xlabel="membership μ", ylabel="degree of fuzziness f(μ)")
    right.set(xlabel="membership μ", ylabel="slope f'(μ)", ylim=(-8, 8))
    left.set_title("all are 0 at the ends, 1 at the centre")
    right.set_title("they differ in where they push hardest")
    left.legend(frameon=False, loc="lower center")
    return figure


def sharpening(
    kernel: Float[AnyArray, "..."],
    membership: Membership = "signed",
    factors: Sequence[float] = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0),
) -> Figure:
    """Fuzziness of a kernel whose memberships are moved away from 1/2 by a factor, by every measure."""
    mu = memberships(kernel, interval(kernel, "layer", membership), membership)
    figure, (ax,) = new_figure(5.6, 3.4, 1)
    for i, measure in enumerate(MEASURES):
        course = [float(degree(sharpen(mu, factor), measure).mean()) for factor in factors]
        ax.plot(factors, course, f"o{STYLES[i]}", color=COLOURS[i], label=measure)
    ax.axvline(1, color="0.6", linestyle=":")
    ax.set(xscale="log", xlabel="factor on the distance from the centre, μ - 1/2", ylabel="fuzziness F")
    ax.set_title("moving weights outwards lowers every measure")
    ax.legend(frameon=False)
    return figure


def flow(
    measure: Measure = "quadratic", time: float = 0.3, starts: Sequence[float] = tuple(np.arange(1, 20) / 20)
) -> Figure:
    """Memberships over time in the gradient flow of fuzziness: descent in steps, and the closed form.

    ``time`` is the number of steps times their rate. For entropy and yager only descent is drawn.
    """
    mu, steps = np.array(starts), 60
    paths = [mu]
    for _ in range(steps):
        paths.append(descend(paths[-1], measure, time / steps, 1))
    times = np.linspace(0, time, steps + 1)
    figure, (ax,) = new_figure(5.6, 3.6, 1)
    lines = ax.plot(times, paths, color=COLOURS[0], linewidth=1.2)
    names, handles = ["gradient descent"], [lines[0]]
    if measure in CLOSED:
        some = times[::10]
        exact = np.stack([closed_form(mu, measure, float(one)) for one in some])
        handles += ax.plot(some, exact, "o", color=COLOURS[1], markersize=3.5)[:1]
        names += ["closed form"]
    ax.set(xlabel="time t (steps times rate)", ylabel="membership μ")
    left = float(np.mean((paths[-1] > 0) & (paths[-1] < 1)))
    ax.set_title(f"{measure}: at t = {time:g}, {1 - left:.0%} of these are at an end")
    ax.legend(handles, names, loc="center right")
    return figure


def amplification(weights: Any, eps: float = 1.0) -> Figure:
    """Worst case ``eps ||w||_1`` of every kernel column, in the parts that energy and fuzziness make.

    ``weights`` is a Flax model, a pytree of kernels, or one kernel.
    """
    table = amplifications(weights, eps)
    layers = list(dict.fromkeys(table.layer.values.tolist()))
    figure, axes = new_figure(4.3 * len(layers), 3.4, len(layers))
    for ax, layer in zip(axes, layers, strict=True):
        rows = table.isel(column=table.layer.values == layer)
        draw_parts(ax, rows.channel.values, rows.energy.values, rows.fuzzy.values)
        share = float(rows.fuzzy.sum() / rows.worst_case.sum())
        ax.set_title(f"{layer}: fuzziness makes\n{share:.0%} of the worst case")
        ax.set(xlabel="output channel", ylim=(0, 1.35 * float(rows.worst_case.max())))
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(frameon=False, fontsize="small")
    axes[0].set_ylabel(f"worst case of an output\nat eps {eps:g}")
    return figure
