"""One image under attack: what is added to it, and what a network then answers."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from minmax_jax.drawing import COLOURS, Figure, new_figure

PIXELS = "L-inf, pixel values in [0, 1]"


class AttackView:
    """A figure of an image, its adversarial twin, their difference, and the network's answers to both."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = tuple(class_names)
        self.figure, (self.image, self.moved, self.added, self.answers) = new_figure(
            10.8, 3.2, 4, width_ratios=(1, 1, 1, 1.6)
        )
        self.caption = ""

    def show(
        self,
        image: Float[np.ndarray, "h w c"],
        moved: Float[np.ndarray, "h w c"],
        logits: Float[np.ndarray, "2 classes"],
        label: int | None,
        eps: float,
        attack: str,
    ) -> Figure:
        """Draw the attack on one image; ``logits`` are those of the image and of its twin.

        ``label`` is None for an image of no known class: the attack was against the network's own answer.
        """
        chances = np.asarray(jax.nn.softmax(jnp.asarray(logits)))
        before, after = (int(one) for one in logits.argmax(1))
        for ax in (self.image, self.moved, self.added, self.answers):
            ax.clear()
        for ax in (self.image, self.moved, self.added):
            ax.set_axis_off()
        for ax, picture in ((self.image, image), (self.moved, moved)):
            ax.imshow(np.clip(picture, 0, 1).squeeze(), cmap="gray", vmin=0, vmax=1)
        change = (moved - image).mean(-1)
        self.added.imshow(change, cmap="PuOr_r", vmin=-max(eps, 1e-6), vmax=max(eps, 1e-6))
        names = self.class_names
        self.image.set_title(f"answer: {names[before]}")
        fooled = after != before
        self.moved.set_title(f"answer: {names[after]}", color=COLOURS[1] if fooled else "black")
        self.added.set_title(f"added, at most {eps:g}")
        places = np.arange(len(names))
        self.answers.bar(places - 0.2, 100 * chances[0], 0.4, color=COLOURS[0], label="image")
        self.answers.bar(
            places + 0.2, 100 * chances[1], 0.4, color=COLOURS[1], hatch="//", label="under attack"
        )
        self.answers.set_xticks(places, names, rotation=0 if max(map(len, names)) < 3 else 60)
        self.answers.set(xlabel="class", ylabel="softmax (%)", ylim=(0, 118))
        self.answers.legend(frameon=False, ncols=2, loc="upper center", fontsize="small")
        kind = f"labelled {names[label]}" if label is not None else "of no label"
        verdict = f"makes it {names[after]}" if fooled else "does not change that"
        self.caption = (
            f"An image {kind} is taken for {names[before]} ({chances[0, before]:.0%}); {attack} of "
            f"eps {eps:g} ({PIXELS}) {verdict} ({chances[1, after]:.0%})."
        )
        return self.figure
