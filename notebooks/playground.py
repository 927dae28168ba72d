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
# # Playground: train it, compare it, break it
#
# **What you'll do.** Choose a preset, or data, network and what the loss asks for; press *Train* and watch;
# compare what your networks withstand; attack them on a test image or on a digit that you draw.
#
# **What you'll learn.** How far the answers of the other notebooks hold for settings of your own.
#
# **What you'll need.** Nothing but this page. An epoch of MNIST takes some seconds, of adversarial training
# about four times as long.

# %%
from flax import nnx

import minmax_jax as mm

# %%
playground = mm.widgets.Playground()
playground

# %% [markdown]
# Before your first run you see the most robust network of the study, and can attack it. *Keep* sets a run
# aside by its name; what all of these withstand is drawn together. *Save* offers figure, history (netCDF)
# and weights (for `mm.open`).
#
# The same can be started by a program, here with a tenth of the training images. Its figure after one epoch
# with a strong term for the property:

# %%
start = mm.widgets.Play(epochs=1, images=6400, strength=30)
small = mm.widgets.Playground(start)
small.job.start()
small.wait()
small.figure.figure

# %% [markdown]
# Solid and dashed lines are the two convolutions; fuzziness falls from the first steps on. The network
# under attack:

# %%
small.attack.figure.figure

# %% [markdown]
# ## Use it on your model
#
# The explorers take any Flax model with convolutions, and any data set of images. Here is a small network
# other than LeNet, to be attacked by hand:

# %%
rngs = nnx.Rngs(0)
own = nnx.Sequential(
    nnx.Conv(1, 8, (5, 5), strides=2, rngs=rngs),
    nnx.relu,
    nnx.Conv(8, 8, (5, 5), strides=2, rngs=rngs),
    nnx.relu,
    lambda x: x.reshape(len(x), -1),
    nnx.Linear(7 * 7 * 8, 10, rngs=rngs),
)

# %%
data = mm.load("mnist")
few = mm.Dataset("mnist-6400", data.train[:6400], data.test[:500], data.class_names)
run = mm.fit(own, few, mm.Objective(strength=3, membership="magnitude"))

# %%
explorer = mm.widgets.AttackExplorer(run.model, few)
explorer

# %%
explorer.wait()
explorer.figure.figure

# %% [markdown]
# Its training, with a slider that also works on a page without Python:

# %%
mm.widgets.TimeFrames(run.history, reading="layer", membership="magnitude")

# %% [markdown]
# `mm.widgets.TimeExplorer(run.history)` has all readings to choose from, and
# `mm.widgets.StrengthExplorer(own, few)` trains it anew for each strength.
#
# ## As an app, as a page
#
# `python -m minmax_jax.publish.app` serves the playground as an app without code;
# `python -m minmax_jax.publish.pages` writes all notebooks as web pages that ask no server for anything.
#
# ## Exercises
#
# Alter one knob at a time.
#
# 1. *strength*: which is the smallest that visibly lowers fuzziness? Which costs a point of accuracy?
# 2. *preset*: train "crisp by hand", "adversarial training" and "plain", and keep each. Where do filters look
#    alike?
# 3. *image*: draw, at eps 0, a digit that is taken for another.
# 4. *number*: slide to an image that withstands PGD at eps 0.1 after plain training. What is special
#    about it?
#
# ## Further reading
#
# - H. Shen, S. Chen, R. Wang, [A Study on the Uncertainty of Convolutional Layers in Deep Neural
#   Networks](https://arxiv.org/abs/2011.13719), 2020.
# - J. Z. Kolter, A. Madry, [Adversarial Robustness: Theory and
#   Practice](https://adversarial-ml-tutorial.org), 2018.
#
# **Time to run**: 20 seconds on two quiet cores.
