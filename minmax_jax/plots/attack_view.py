"""One image under attack: what is added to it, and what a network then answers."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from minmax_jax.plots.style import COLOURS, Figure, View, new_figure

PIXELS = "L-inf, pixel values in [0, 1]"
LEGIBLE = 20  # so many names of classes have room under their bars


class AttackView(View):
    """A figure of an image, its adversarial twin, their difference, and the network's answers to both."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = tuple(class_names)
        self.figure, axes = new_figure(10.8, 3.2, 4, width_ratios=(1, 1, 1, 1.6))
        self.image, self.moved, self.added, self.answers = axes

    def show(
        self,
        image: Float[np.ndarray, "h w c"],
        moved: Float[np.ndarray, "h w c"],
        logits: Float[np.ndarray, "2 classes"],
        label: int | None,
        eps: float,
        attack: str,
    ) -> Figure:
        """Draw the attack on one image.

        Args:
            image: The image, pixels in [0, 1].
            moved: Its adversarial twin.
            logits: The network's for the image and for its twin.
            label: The image's class; None if it is not known, and the attack was against the network's own
                answer.
            eps: The attack's L-inf radius.
            attack: The attack's name.
        """
        names = self.class_names
        chances = np.asarray(jax.nn.softmax(jnp.asarray(logits)))
        before, after = (int(one) for one in logits.argmax(1))
        with self._artists(image.shape) as fresh:
            if fresh:
                self._prepare(image.shape)
            self._draw(image, moved, chances, max(eps, 1e-6))
            self.image.title.set_text(f"answer: {names[before]}")
            self.moved.title.set_text(f"answer: {names[after]}")
            self.moved.title.set_color(COLOURS[1] if after != before else "black")
            self.added.title.set_text(f"added, at most {eps:g}")
        kind = f"labelled {names[label]}" if label is not None else "of no label"
        verdict = f"makes it {names[after]}" if after != before else "does not change that"
        self.caption = (
            f"An image {kind} is taken for {names[before]} ({chances[0, before]:.0%}); {attack} of "
            f"eps {eps:g} ({PIXELS}) {verdict} ({chances[1, after]:.0%})."
        )
        return self.figure

    def _draw(self, image: np.ndarray, moved: np.ndarray, chances: np.ndarray, limit: float) -> None:
        """Change pictures and bars."""
        for picture, pixels in zip(self.pictures, (image, moved), strict=True):
            picture.set_data(np.clip(pixels, 0, 1).squeeze())
        self.change.set_data((moved - image).mean(-1))
        self.change.set_clim(-limit, limit)
        for bars, row in zip(self.bars, chances, strict=True):
            for bar, chance in zip(bars, row, strict=True):
                bar.set_height(100 * chance)

    def _prepare(self, shape: tuple[int, ...]) -> None:
        """Draw all that stays while images of one shape change."""
        axes = (self.image, self.moved, self.added, self.answers)
        for ax in axes:
            ax.clear()
        for ax in axes[:3]:
            ax.set_axis_off()
        blank = np.zeros(shape).squeeze()
        self.pictures = [ax.imshow(blank, cmap="gray", vmin=0, vmax=1) for ax in axes[:2]]
        self.change = self.added.imshow(np.zeros(shape[:2]), cmap="PuOr_r")
        names, places = self.class_names, np.arange(len(self.class_names))
        looks = {"image": COLOURS[0], "under attack": COLOURS[1]}
        self.bars = [
            self.answers.bar(places + place, 0 * places, 0.4, color=looks[name], label=name, hatch=hatch)
            for name, place, hatch in (("image", -0.2, ""), ("under attack", 0.2, "//"))
        ]
        every = -(-len(names) // LEGIBLE)  # of more classes only every so many is named
        long = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > 2 else {}
        self.answers.set_xticks(places[::every], names[::every], **long)
        self.answers.set(xlabel="class", ylabel="softmax (%)", ylim=(0, 118))
        self.answers.legend(frameon=False, ncols=2, loc="upper center", fontsize="small")
        bars = (bar for both in self.bars for bar in both)
        titles = (ax.title for ax in axes[:3])
        self.figure.move(*self.pictures, self.change, *bars, self.answers.spines["bottom"], *titles)
