# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. Theory: why would weights leave the centre, and what follows?
#
# The paper explains the Min-Max property by a *simplified formulation of convolution* and the *fuzziness* of
# its parameters. Here you take the argument apart, in six statements.
#
# **What you'll do.** See a convolution as a matrix, slide the taps of a kernel, follow the gradient flow of
# fuzziness, and read off what trained weights did.
#
# **What you'll learn.** Which statement is a theorem, which holds in practice, and why two meanings of
# membership predict opposite effects on robustness.
#
# **What you'll need.** Notebook 1, a derivative, and the exponential. All cells run in half a minute.

# %%
import numpy as np
from flax import nnx

import minmax_jax as mm

# %% [markdown]
# ## Convolution, simplified
#
# One output of a convolution is an inner product, $y = \langle w, x \rangle + b$, of a kernel's column with
# the patch $x$ that it sees. A layer is a product of two matrices: all patches times all columns.

# %%
model = mm.LeNet(rngs=nnx.Rngs(0))
kernel = mm.kernels(model)["conv1"]
images = mm.load("mnist").test.images[:2]
product = mm.patches(images, (5, 5)) @ kernel.reshape(-1, 6)
flax = nnx.Conv(
    1, 6, (5, 5), padding="VALID", use_bias=False, kernel_init=lambda *_: kernel, rngs=nnx.Rngs(0)
)
difference = np.abs(product - flax(images)).max()
print(f"shape {product.shape}; largest difference from Flax {difference:.0e}")

# %% [markdown]
# For tiles of several outputs the matrix grows: each column is the kernel again, shifted. With one tile for
# the whole image it is the doubly block Toeplitz matrix.

# %%
mm.plots.matrices(
    kernel[:3, :3, :, :2],
    tiles=[(1, 1), (2, 2), (4, 4)],
)

# %% [markdown]
# Orange weights are positive, violet ones negative. Tile by tile, with a kernel that finds vertical edges:
# each patch of the image, as one long row of pixels, is multiplied by the same matrix.

# %%
edges = np.outer([1, 4, 6, 4, 1], [-1, -2, 0, 2, 1]).reshape(5, 5, 1, 1) / 16
mm.widgets.Frames(
    lambda tile: mm.plots.tile(edges, images[0], place=tile - 1),
    {"tile": range(1, 37)},
    {"tile": 15},
)

# %% [markdown]
# Slide it: 36 products give the whole output, and no pixel outside the frame influences its tile. Every
# output is linear in weights that lie between bounds, which is all that the argument needs.
#
# ## Fuzziness
#
# A weight in $[a, b]$ has the membership $\mu = (w - a) / (b - a)$. Fuzziness is the mean of a function
# $f(\mu)$ that is 0 at the ends, 1 at the centre, symmetric, and rising in between.

# %%
mm.plots.measures()

# %% [markdown]
# All agree on what is crisp. **Statement 1**: if no weight comes nearer to its centre, no measure rises, and
# the least fuzzy kernels are those whose weights all sit at an end.

# %%
mm.plots.sharpening(
    kernel,
    membership="signed",
)

# %% [markdown]
# So the Min-Max property lowers fuzziness. The reverse is weaker: $F$ is a mean, and can fall while some
# weights return to the centre. By hand, with half of the weights moved outwards, half of them back:

# %%
mu = np.asarray(mm.memberships(kernel, mm.interval(kernel))).ravel()
factor = np.where(np.arange(mu.size) % 2, 0.8, 1.5)
moved = np.clip(0.5 + factor * (mu - 0.5), 0, 1)
for measure in ("entropy", "quadratic", "linear", "yager"):
    before = mm.degree(mu, measure).mean()
    after = mm.degree(moved, measure).mean()
    print(f"{measure:10} F: {before:.3f} -> {after:.3f}")

# %% [markdown]
# ## The flow of fuzziness
#
# **Statement 2.** Descend on fuzziness alone: $d\mu/dt = -f'(\mu)$. For the quadratic measure $f' = -8(\mu
# - \tfrac12)$, so the distance from the centre grows as $e^{8t}$ until it meets an end. The centre is an
# unstable fixed point.

# %%
mm.plots.flow(
    measure="quadratic",
    time=0.3,
)

# %% [markdown]
# Descent in 60 steps (lines) lags a little behind the flow (dots). Entropy has $d\mu/dt = \log_2 (\mu / (1 -
# \mu))$ and no elementary solution; its flow is slower near the centre and faster near the ends:

# %%
mm.plots.flow(
    measure="entropy",
    time=0.3,
)

# %% [markdown]
# ## Theory against practice
#
# Does a *trained* network do this? The study trained LeNets on cross-entropy plus $\lambda F$ from three
# seeds, and compared their weights with the flow of fuzziness alone.

# %%
result = mm.study.read("results/theory.nc")
notes = mm.study.about(result)
print(notes["command"])
print("seeds", notes["config"]["seeds"])

# %%
mm.plots.explained(result)

# %% [markdown]
# $R^2$ is 1 where the loss does not matter. At $\lambda = 10$ `conv1` goes its own way; from 100 on,
# fuzziness decides (in 100 steps of plain descent, in the fixed interval).
#
# **Statement 3.** Without the term, the loss moves weights: $y = a \sum x + (b - a) \langle \mu, x \rangle$
# has the gradient $(b - a)\, E[\delta\, x_i]$ in $\mu_i$. While its sign stays the same, $\mu_i$ moves one
# way, and $F$ falls once it has passed 1/2. Each dot is a weight; the farther right, the more often its
# gradient asked for growth.

# %%
mm.plots.drift(
    result,
    seed=0,
)

# %% [markdown]
# In `conv1` weights go where a steady gradient sends them. In `conv2` many end up on the other side. In
# numbers: the share of weights that `agree` with their gradient, among all and among the tenth with the
# `steadiest` sign. `steadiness` is the median over weights of the absolute mean of the gradient's sign,
# which is 1 where the sign never changed. Means over three seeds:

# %%
shares = mm.study.agreement(result)
shares.mean("seed").to_dataframe().round(2)

# %% [markdown]
# Even at equal steadiness, fewer agree in `conv2`. Adam divides every step by the size of recent gradients,
# so that their mean need not say where a weight goes: a possible reason, not tested here. The mechanism
# fits one layer, and part of the other.
#
# ## A kernel in your hands
#
# Slide the taps. Left, the kernel and its output $y$ for a patch that rises from dark to bright; middle,
# each tap's membership on the curve $f$; right, how far $y$ moves if every pixel may change by eps. That
# worst case is $\varepsilon \|w\|_1$: each pixel moves by eps towards the sign of its tap. (The bar's $F$
# is always the quadratic one, by magnitude.)

# %%
explorer = mm.widgets.KernelExplorer(
    kernel=[[-0.5, 0, 0.5], [-1, 0, 1], [-0.5, 0, 0.5]],
)
explorer

# %% [markdown]
# Move all taps to $\pm 1$: signed fuzziness is 0, and the worst case is the largest possible. Move small
# taps to 0 instead: fuzziness by magnitude falls, and so does the worst case. The starting kernel, without
# sliders:

# %%
explorer.wait()
explorer.figure.figure

# %% [markdown]
# ## The identity behind it
#
# **Statement 4** (this study's). With magnitudes $\mu = |w| / m$, $m = \max |w|$, and quadratic fuzziness,
#
# $$\|w\|_1 = \frac{\|w\|_2^2}{m} + \frac{n\,m}{4} F .$$
#
# Proof: $4\mu(1-\mu) = 4|w|/m - 4 w^2/m^2$; take the mean and solve for $\|w\|_1$. At given energy and cap,
# the worst case is smallest where every tap is off or at the cap. By *signed* membership on $[-m, m]$,
# though, $F = 1 - \|w\|_2^2 / (n m^2)$, so $\|w\|_1 \ge n m (1 - F)$: less fuzziness raises the least
# possible worst case. One word, two readings, opposite predictions. By hand, for the first filter:

# %%
w = np.asarray(kernel[..., 0]).ravel()
n, m = w.size, np.abs(w).max()
magnitude = mm.degree(np.abs(w) / m, "quadratic").mean()
signed = mm.degree((w + m) / (2 * m), "quadratic").mean()
print(f"L1 norm   {np.abs(w).sum():.4f}")
print(f"identity  {(w**2).sum() / m + n * m / 4 * magnitude:.4f}")
print(f"signed F  {signed:.4f} and {1 - (w**2).sum() / (n * m**2):.4f}")

# %%
mm.plots.amplification(model, eps=0.1)

# %% [markdown]
# In a fresh LeNet about two fifths of the worst case is due to fuzziness.
#
# ## Adversarial training is an L1 penalty
#
# **Statement 5.** An attack of radius $\varepsilon$ lowers the margin of a linear read-out by exactly
# $\varepsilon \|w\|_1$. Training against it penalises the L1 norm, which sends small weights to zero:
# robustness may cause the property, rather than follow from it. Here is a check that the margin falls by
# that much, away from the ends of the pixels' range:

# %%
read_out = nnx.Linear(28 * 28, 2, rngs=nnx.Rngs(0))
linear = nnx.Sequential(lambda x: x.reshape(len(x), -1), read_out)
grey, label = np.full((1, 28, 28, 1), 0.5, np.float32), np.array([0])
attacked = mm.attacks.fgsm(linear, grey, label, eps=0.1)

# %%
w = read_out.kernel[:, 0] - read_out.kernel[:, 1]  # of the margin
lost = (linear(grey) - linear(attacked)) @ np.array([1, -1])
print(f"the margin fell by {lost[0]:.3f}; eps times the L1 norm: {0.1 * np.abs(w).sum():.3f}")

# %% [markdown]
# And LeNet? These are the factors by which training under PGD at eps 0.1 changed the L1 norms of its
# convolutions, over five paired seeds:

# %%
table = mm.study.regularised("results")
norms = np.log(table.l1.sel(layer=["conv1", "conv2"]))
factor = np.exp(mm.study.adversarial_training_effect(table, norms)[["mean", "low", "high"]])
factor.squeeze("arm", drop=True).to_dataframe().round(2)

# %% [markdown]
# They shrink, most in the first layer. So does fuzziness by magnitude in the layer's interval (notebook 3).
#
# ## Crisp filters make crisp units
#
# **Statement 6.** A unit $\sigma(\langle w, x\rangle + b)$ has its threshold where $y = \langle w, x\rangle +
# b = 0$. No perturbation of radius $\varepsilon$ takes it to the other side while $|y| > \varepsilon
# \|w\|_1$: its *margin* $|y| / \|w\|_1$, in units of the pixels, says how far every pixel would have to
# move. The scale of $w$ does not matter. For a filter of one tap with the threshold $\theta$ it is $|x -
# \theta|$, which in a picture of dark and bright pixels is large nearly everywhere; for many taps it is the
# distance of a weighted mean of pixels, which is often small.
#
# So one tap with a threshold between them is best at telling dark from bright. Call $\mu =
# \mathrm{sigmoid}(y / (\tau \|w\|_1))$ the membership of a unit in its upper side. Its fuzziness, less the
# fuzziness of its mean, is minus the information that the side still carries under noise of scale $\tau$ in
# every pixel: `mm.terms.UnitFuzziness`. Here are first convolutions of the study, as trained plainly, with
# that term in the loss (notebook 3), and one tap made by hand:

# %%
study = mm.study.read("results/crisp_by_loss.nc").isel(seed=0)
layers = {
    name: (study.kernel_conv1.sel(arm=arm).values, study.bias_conv1.sel(arm=arm).values)
    for name, arm in {"plain": "classic, none", "the term": "classic, units 100"}.items()
}
tap = np.zeros((5, 5, 1, 1), np.float32)
tap[2, 2] = 20.0
layers["one tap, by hand"] = tap, np.array([-10.0], np.float32)
mm.plots.filters(
    {name: kernel for name, (kernel, _) in layers.items()},
)

# %% [markdown]
# The term has found single taps from random weights. How many of their units can a perturbation switch?

# %%
data = mm.load("mnist")
mm.plots.unstable(
    layers,
    data.test.images[:200],
)

# %% [markdown]
# Plainly trained filters have their thresholds near zero, where all dark pixels are: nearly every unit can
# be switched by a tenth of the pixels' range. By hand, and as found, only those on the edges of a digit.
#
# Slide it yourself; a steep slope keeps a unit that holds from moving at all:

# %%
mm.widgets.UnitExplorer(
    data,
)

# %% [markdown]
# ## In practice
#
# All of this takes the kernels of any Flax model. Look at the identity in your own network first: where
# fuzziness makes up little of the worst case, lowering it cannot gain much.

# %%
own = nnx.Conv(3, 4, (3, 3), rngs=nnx.Rngs(0))
table = mm.certify.amplifications(own, eps=8 / 255)
table.to_dataframe().round(3)

# %% [markdown]
# ## Exercises
#
# Alter one knob at a time.
#
# 1. `mm.plots.measures(p=1)`: which measure does yager become? And for `p=2`?
# 2. `mm.plots.flow(measure="linear")`. Why do all lines have the same slope?
# 3. `mm.widgets.KernelExplorer(np.ones((1, 2)))`: two taps. Which pairs have the same worst case?
#
# ## Further reading
#
# - A. De Luca, S. Termini, *A definition of a nonprobabilistic entropy in the setting of fuzzy sets theory*,
#   Information and Control 20, 1972.
# - A. Madry et al., [Towards Deep Learning Models Resistant to Adversarial
#   Attacks](https://arxiv.org/abs/1706.06083), 2018.
# - H. Shen, S. Chen, R. Wang, [A Study on the Uncertainty of Convolutional Layers in Deep Neural
#   Networks](https://arxiv.org/abs/2011.13719), 2020.
#
# **Time to run**: 26 seconds on two quiet cores.
