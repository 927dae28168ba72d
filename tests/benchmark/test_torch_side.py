"""PyTorch's side does the work that it says it does."""

import numpy as np
import pytest

from helpers.peers import NEEDED
from helpers.small import digits
from minmax_jax.benchmark.rows import BATCH, DEVICE, EPS, ROWS, Size

pytestmark = NEEDED

SIZE = Size(runs=1, images=256, epochs=2, repeats=1)


@pytest.fixture
def net():
    from helpers.small import train
    from minmax_jax.benchmark.torch_models import twin_of

    return twin_of(train(epochs=2, snapshots=2).model)


def test_it_measures_every_row_that_has_a_peer():
    from minmax_jax.benchmark import torch_attacks as peer_attacks
    from minmax_jax.benchmark import torch_side as peer

    for row in (ROWS | DEVICE).values():
        if row.peer:
            assert row.measure in (peer_attacks if row.needs else peer).MEASURES


def test_batches_are_whole_and_hold_every_image_once_an_epoch():
    import torch

    from minmax_jax.benchmark.torch_side import batches

    numbers = torch.arange(650)
    epoch = [int(y) for _, labels in batches(numbers[:, None].float(), numbers, 128, 5) for y in labels]
    assert len(epoch) == 640 == len(set(epoch))
    images, labels = next(batches(numbers[:, None].float(), numbers, 128, 1))
    assert (images[:, 0] == labels).all()


def test_training_lowers_the_loss(net):
    import torch

    from minmax_jax.benchmark.torch_side import FORMS, stepper, tensors

    for layout, fused in FORMS:
        images, labels = tensors(digits().train[:BATCH], layout)
        step, loss = stepper(net, layout, fused), torch.nn.functional.cross_entropy
        before = loss(net(images), labels)
        for _ in range(5):
            step(images, labels)
        assert bool(loss(net(images), labels) < before)


def test_the_attack_stays_in_its_ball_and_is_never_worse_than_none(net):
    import torch

    from minmax_jax.benchmark.torch_side import project_gradient, tensors

    images, labels = tensors(digits().test[:50], "contiguous")
    attacked = project_gradient(net.requires_grad_(False), images, labels, images.clone())
    assert float((attacked - images).abs().max()) <= EPS + 1e-6
    assert float(attacked.min()) >= 0 and float(attacked.max()) <= 1
    right, still = ((net(x).argmax(1) == labels) for x in (images, attacked))
    assert not (still & ~right).any() and float(still.float().mean()) < float(right.float().mean())
    assert torch.equal(images, tensors(digits().test[:50], "contiguous")[0])


def test_it_counts_what_we_count(net):
    import torch

    from helpers.small import train
    from minmax_jax.benchmark.torch_side import correct, tensors
    from minmax_jax.evaluation import accuracy

    images, labels = tensors(digits().test, "contiguous")
    share = correct(net, images, labels, 50) / len(labels)
    assert share == pytest.approx(accuracy(train(epochs=2, snapshots=2).model, digits().test), abs=0.01)
    assert torch.is_grad_enabled()


def test_the_fastest_form_is_named():
    from minmax_jax.benchmark import torch_side as peer

    assert peer.best([peer.Result(2.0, choice="slow"), peer.Result(1.0, choice="fast")]).choice == "fast"
    result = peer.train(BATCH, SIZE)
    assert result.seconds > 0 and result.choice in [peer.name_of(*form) for form in peer.FORMS]


def test_a_crew_trains_at_the_same_time():
    from minmax_jax.benchmark import torch_side as peer
    from minmax_jax.benchmark import torch_workers as crew

    walls = crew.walls(2, SIZE)
    assert len(walls) == len(peer.FORMS) and min(walls) > 0 and crew.steps(SIZE) == 1


def test_a_crew_that_fails_is_an_error(monkeypatch):
    from minmax_jax.benchmark import torch_workers as crew

    monkeypatch.setattr(crew, "MEMBER", "print('what?')")
    with pytest.raises(RuntimeError, match="'what\\?' in place of 'ready'"):
        crew.walls(1, SIZE)


def test_models_of_a_stack_train_as_each_does_alone():
    import torch

    from minmax_jax.benchmark import torch_side as peer
    from minmax_jax.benchmark import torch_stack as stack
    from minmax_jax.benchmark.torch_models import Twin

    # In doubles: Adam's first steps are of the size 1e-3 whatever the gradient, so they show its rounding.
    nets = [Twin().double() for _ in range(3)]
    images, labels = peer.tensors(digits().train[: 3 * BATCH], "contiguous")
    images = images.double()
    for chunk in (None, 2):
        weights = stack.stack_of(nets, "cpu")
        step = stack.stack_step(weights, chunk)
        for _ in range(2):
            step(images.unflatten(0, (3, BATCH)), labels.unflatten(0, (3, BATCH)))
        for i in range(3):
            alone = Twin().double()
            alone.load_state_dict(nets[i].state_dict())
            one = peer.stepper(alone, "contiguous", True)
            for _ in range(2):
                one(images[i * BATCH :][:BATCH], labels[i * BATCH :][:BATCH])
            for name, parameter in alone.named_parameters():
                difference = (parameter - weights[name][i]).abs().detach()
                assert float((difference > 1e-6).double().mean()) < 0.01, name
                assert not torch.allclose(parameter, nets[i].get_parameter(name), atol=1e-5), name
    assert torch.is_grad_enabled()


def test_an_accelerators_rows_run_on_a_cpu_too(monkeypatch):
    from minmax_jax.benchmark import torch_stack as stack

    monkeypatch.setattr(stack, "STEPS", 1)
    monkeypatch.setattr(stack, "CHUNKS", (None, 2, 256))
    assert stack.alone(SIZE, "cpu").seconds > 0
    result = stack.stacked(3, SIZE, "cpu")
    assert np.isfinite(result.seconds) and result.choice.startswith("torch.func.vmap")
