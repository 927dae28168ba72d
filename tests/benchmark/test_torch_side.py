"""PyTorch's side is our network, in another order of axes, and does the work that it says it does."""

import jax
import numpy as np
import pytest
from flax import nnx

from helpers.peers import NEEDED
from helpers.small import digits, lenet, train
from minmax_jax.benchmark import networks
from minmax_jax.benchmark.jax_side import Plain
from minmax_jax.benchmark.rows import BATCH, DEVICE, EPS, ROWS, Size

pytestmark = [*NEEDED, pytest.mark.slow]

SIZE = Size(runs=1, images=256, epochs=2, repeats=1)


@pytest.mark.parametrize("make", [lenet, lambda seed: Plain(2, rngs=nnx.Rngs(seed))], ids=["lenet", "plain"])
def test_its_network_has_our_parameters_and_logits(make):
    import torch

    from minmax_jax.benchmark.torch_models import Twin, plain, twin_of

    model, images = make(1), digits().test.images
    with torch.no_grad():
        theirs = twin_of(model)(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    np.testing.assert_allclose(theirs.numpy(), model(images), atol=1e-5)
    fresh = plain(2) if isinstance(model, Plain) else Twin()
    assert [one.shape for one in twin_of(model).parameters()] == [one.shape for one in fresh.parameters()]


# Agreement


def test_both_sides_agree_in_every_form_and_what_differs_is_named():
    from minmax_jax.benchmark.agreement import LIMITS, differences, objections

    found = differences()
    assert objections(found) == []
    assert len(found) == 4 and all({*one} == {*LIMITS} for one in found.values())
    form, *_ = found
    for value in (0.5, float("nan")):
        (objection,) = objections(found | {form: found[form] | {"gradient": value}})
        assert form in objection and f"gradient differs by {value:g}" in objection


def test_weights_in_the_wrong_order_are_noticed(monkeypatch):
    from minmax_jax.benchmark import agreement

    def flattened_as_ours(params):
        right = form(params)
        return right | {"dense1.weight": np.asarray(params["dense1"]["kernel"]).T}

    form = agreement.in_torch_form
    monkeypatch.setattr("minmax_jax.benchmark.torch_models.in_torch_form", flattened_as_ours)
    found = agreement.objections(agreement.differences())
    assert any("gradient in the images" in one for one in found) and any("losses" in one for one in found)


# Work on a CPU


def test_batches_are_whole_and_hold_every_image_once_an_epoch():
    import torch

    from minmax_jax.benchmark.torch_step import batches

    numbers = torch.arange(650)
    epoch = [int(y) for _, labels in batches(numbers[:, None].float(), numbers, 128, 5) for y in labels]
    assert len(epoch) == 640 == len(set(epoch))
    images, labels = next(batches(numbers[:, None].float(), numbers, 128, 1))
    assert (images[:, 0] == labels).all()


def test_the_attack_stays_in_its_ball_and_is_never_worse_than_none():
    import torch

    from minmax_jax.benchmark.torch_models import twin_of
    from minmax_jax.benchmark.torch_side import correct, project_gradient
    from minmax_jax.benchmark.torch_step import tensors

    images, labels = tensors(digits().test[:50], "contiguous")
    net = twin_of(train(epochs=6).model)
    attacked = project_gradient(net.requires_grad_(False), images, labels, images.clone())
    assert float((attacked - images).abs().max()) <= EPS + 1e-6
    assert float(attacked.min()) >= 0 and float(attacked.max()) <= 1
    right, still = ((net(x).argmax(1) == labels) for x in (images, attacked))
    assert not (still & ~right).any() and int(still.sum()) < int(right.sum()) == correct(
        net, images, labels, 15
    )
    assert torch.equal(images, tensors(digits().test[:50], "contiguous")[0]) and torch.is_grad_enabled()


def test_every_row_with_a_peer_is_measured_in_its_fastest_form():
    from minmax_jax.benchmark import torch_side
    from minmax_jax.benchmark.torch_step import FORMS, name_of

    rows = [row for row in (ROWS | DEVICE).values() if row.peer and not row.needs]
    assert {row.measure for row in rows} <= {*torch_side.MEASURES}
    result = torch_side.train(BATCH, SIZE)
    assert result.seconds > 0 and result.choice in [name_of(*form) for form in FORMS]


@pytest.mark.processes
def test_processes_train_at_the_same_time_and_one_that_fails_is_an_error():
    from minmax_jax.benchmark.torch_step import FORMS
    from minmax_jax.benchmark.torch_workers import steps_each, walls

    found = walls(2, SIZE)
    assert len(found) == len(FORMS) and min(found) > 0 and steps_each(SIZE) == 1
    with pytest.raises(RuntimeError, match="printed '' instead of 'ready'"):
        walls(1, Size(runs=1, images=BATCH - 1, epochs=1, repeats=1))  # too few images for a batch


# Work on an accelerator


def test_models_of_a_stack_train_as_each_does_alone():
    import torch

    from minmax_jax.benchmark.torch_models import Twin
    from minmax_jax.benchmark.torch_stack import stack_of, stack_step
    from minmax_jax.benchmark.torch_step import stepper, tensors

    # In doubles: Adam's first steps are of the size 1e-3 whatever the gradient, so they show its rounding.
    nets = [Twin().double() for _ in range(3)]
    images, labels = tensors(digits().train[: 3 * BATCH], "contiguous")
    images = images.double()
    for chunk in (None, 2):
        weights = stack_of(nets, "cpu")
        step = stack_step(weights, chunk)
        for _ in range(2):
            step(images.unflatten(0, (3, BATCH)), labels.unflatten(0, (3, BATCH)))
        for i in range(3):
            alone = Twin().double()
            alone.load_state_dict(nets[i].state_dict())
            one = stepper(alone, "contiguous", True)
            for _ in range(2):
                one(images[i * BATCH :][:BATCH], labels[i * BATCH :][:BATCH])
            for name, parameter in alone.named_parameters():
                difference = (parameter - weights[name][i]).abs().detach()
                assert float((difference > 1e-6).double().mean()) < 0.01, name
                assert not torch.allclose(parameter, nets[i].get_parameter(name), atol=1e-5), name
    assert torch.is_grad_enabled()


def test_an_accelerators_rows_run_on_a_cpu_too(monkeypatch):
    from minmax_jax.benchmark import torch_stack

    monkeypatch.setattr(torch_stack, "STEPS", 1)
    monkeypatch.setattr(torch_stack, "CHUNKS", (None, 2, 256))
    assert torch_stack.alone(SIZE, "cpu").seconds > 0
    result = torch_stack.stacked(3, SIZE, "cpu")
    assert np.isfinite(result.seconds) and result.choice.startswith("torch.func.vmap")


@pytest.mark.parametrize("number", range(3))
def test_networks_of_ones_own_are_the_same_size_on_both_sides(number):
    import torch

    from minmax_jax.benchmark import torch_networks

    ours = networks.NETWORKS[number](rngs=nnx.Rngs(0))
    theirs = torch_networks.NETWORKS[number]()
    sizes = sorted(leaf.size for leaf in jax.tree.leaves(nnx.state(ours, nnx.Param)))
    assert sizes == sorted(leaf.numel() for leaf in theirs.parameters())
    images = networks.noise(number, 2 * networks.CLASSES).train.images[:2]
    assert (
        theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).shape == ours(images).shape == (2, 10)
    )
