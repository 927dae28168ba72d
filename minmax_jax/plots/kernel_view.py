"""A small kernel and all that follows from its taps: output, memberships, fuzziness, worst case."""

import numpy as np
from jaxtyping import Float

from minmax_jax.fuzziness import Measure, degree
from minmax_jax.intervals import Interval, Membership, memberships
from minmax_jax.plots.panels import draw_parts, draw_weights
from minmax_jax.plots.style import COLOURS, Figure, View, lay_out_once, new_figure
from minmax_jax.theory import amplification, amplification_parts

LIMIT = 1.0  # by default taps lie in [-1, 1]


class KernelView(View):
    """A kernel of one channel: its taps, their memberships on the curve f, and the worst case in parts.

    The interval is [-limit, limit] by signed membership and [0, limit] by magnitude, whatever the taps are,
    so that one tap moves no other. ``patch`` is what the kernel looks at, the x of ``y = <w, x>``.
    """

    def __init__(self, patch: Float[np.ndarray, "kh kw"], limit: float = LIMIT):
        self.patch, self.limit = np.asarray(patch, np.float32), limit
        self.figure, axes = new_figure(10.4, 3.8, 3, width_ratios=(1, 1.2, 1))
        self.taps, self.degrees, self.parts = axes
        zeros = np.zeros_like(self.patch)
        self.picture = draw_weights(self.taps, zeros, limit)
        self.figure.colorbar(self.picture, ax=self.taps, location="left", shrink=0.7, label="weight w")
        self.numbers = [
            self.taps.text(j, i, "", ha="center", va="center", fontsize="small")
            for i, j in np.ndindex(zeros.shape)
        ]
        self.lower, self.upper = draw_parts(self.parts, [0], [0.0], [0.0])
        self.parts.set(xticks=[], xlabel="||w||₁, times eps the worst case of y")
        self.parts.set(ylabel="L1 norm of the taps", ylim=(0, 1.3 * limit * zeros.size))
        self.parts.legend(frameon=False, fontsize="small")
        self.degrees.set(xlabel="membership μ", ylabel="degree of fuzziness f(μ)", ylim=(-0.05, 1.1))
        (self.curve,) = self.degrees.plot([], [], color=COLOURS[5])
        (self.dots,) = self.degrees.plot([], [], "o", color="black")
        self.degrees.set_xlim(-0.03, 1.03)
        lines, bars = (self.curve, self.dots), (*self.lower, *self.upper, self.parts.spines["bottom"])
        self.figure.move(self.picture, *self.numbers, *lines, *bars, *(ax.title for ax in axes))

    def show(
        self,
        kernel: Float[np.ndarray, "kh kw"],
        membership: Membership = "signed",
        measure: Measure = "entropy",
        eps: float = 0.1,
    ) -> Figure:
        """Draw a kernel with taps within the limit. Raises ValueError for another shape than the patch's."""
        taps = np.asarray(kernel, np.float32)
        if taps.shape != self.patch.shape:
            raise ValueError(f"kernel must have the patch's shape, {self.patch.shape}, got {taps.shape}")
        low = -self.limit if membership == "signed" else 0.0
        span = Interval(np.array(low, np.float32), np.array(self.limit, np.float32))
        mu = np.asarray(memberships(taps, span, membership)).ravel()
        f = np.asarray(degree(mu, measure))
        y, column = float((taps * self.patch).sum()), taps.reshape(-1, 1)
        worst = float(amplification(column, eps)[0])
        energy, fuzzy = (float(one[0]) for one in amplification_parts(column)) if taps.any() else (0.0, 0.0)
        self.picture.set_data(taps)
        for text, tap in zip(self.numbers, taps.ravel(), strict=True):
            text.set_text(f"{tap:+.2f}")
            text.set_color("white" if abs(tap) > 0.6 * self.limit else "black")
        grid = np.linspace(0, 1, 201)
        self.curve.set_data(grid, np.asarray(degree(grid, measure)))
        self.dots.set_data(mu, f)
        self.lower[0].set_height(energy)
        self.upper[0].set(y=energy, height=fuzzy)
        self.taps.title.set_text(f"y = <w, x> = {y:+.2f}")
        self.degrees.title.set_text(f"F = {f.mean():.3f}\n({membership}, {measure})")
        self.parts.title.set_text(f"y moves by up to\neps ||w||₁ = {worst:.2f} at eps {eps:g}")
        self.caption = (
            f"y is {y:+.2f} and can be moved by {worst:.2f} at eps {eps:g}; fuzziness is {f.mean():.3f} "
            f"({membership}, {measure}). Of the L1 norm {energy + fuzzy:.2f}, the energy of the taps makes "
            f"{energy:.2f} necessary, and their fuzziness (by magnitude, in [0, max|w|]) adds {fuzzy:.2f}."
        )
        lay_out_once(self.figure)
        return self.figure
