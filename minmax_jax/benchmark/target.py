"""A robust model to attack: the same weights for both sides, adversarially trained in a minute or two."""

from importlib.util import find_spec
from typing import Any, cast

import numpy as np
from flax import nnx

from minmax_jax.benchmark.rows import ATTACKED, EPS
from minmax_jax.data import Dataset, load
from minmax_jax.defences import recipe
from minmax_jax.lenet import LeNet
from minmax_jax.robustness import robustness
from minmax_jax.training import fit, saved

EPOCHS = 2
LIMIT = 1e-4  # of the largest logit: what another order of sums can do


def trained(data: Dataset) -> LeNet:
    """A LeNet after adversarial training at ``EPS``."""
    options = recipe("adversarial", data, EPS, epochs=EPOCHS)
    run = fit(LeNet(rngs=nnx.Rngs(0)), data, **options, snapshots=2, progress=False)
    return cast(LeNet, run.model)


def difference(model: nnx.Module, images: Any) -> float:
    """How far PyTorch's logits are from ours, as a share of the largest."""
    import torch

    from minmax_jax.benchmark.torch_models import twin_of

    with torch.inference_mode():
        theirs = twin_of(model)(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    ours = np.asarray(model(images))
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())


def prepare(file: str) -> dict[str, Any]:
    """Train a model, write it to a file, and say how good it is.

    "objections" are what keeps it from being attacked by both sides, one line each.
    """
    data = load("mnist")
    model = trained(data)
    saved.save(model, file)
    test = data.test[:ATTACKED]
    report = robustness(model, test, [0, EPS], attacks=["pgd"], progress=False)
    clean, robust = report.accuracy.sel(attack="pgd").values.tolist()
    found = difference(model, test.images) if find_spec("torch") else 0.0
    wrong = f"logits differ by {found:.2g} of their size, and may differ by {LIMIT:g}"
    objections = [] if found <= LIMIT else [wrong]
    return {"clean": clean, "robust": robust, "difference": found, "objections": objections}
