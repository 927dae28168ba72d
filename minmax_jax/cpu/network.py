"""A Flax network whose convolutions and max-pools run, on a CPU, as those of this folder.

The network itself stays as it is: when it is called, JAX writes down what it computes, and this is computed
again with two operations exchanged.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

import jax
from flax import nnx
from jax.extend import core
from jaxtyping import Array

from minmax_jax.checks import check_module
from minmax_jax.cpu.convolution import conv_general_dilated, is_native
from minmax_jax.cpu.pool import reduce_window_max

EXCHANGED: dict[str, Callable[..., Array]] = {
    "conv_general_dilated": conv_general_dilated,
    "reduce_window_max": reduce_window_max,
}
CALL = "jit"  # of a function that is written down within another

AS_WRITTEN = "runs_as_written"  # an attribute, so that it goes wherever the model goes


def native(model: nnx.Module) -> nnx.Module:
    """A copy of a model whose convolutions and max-pools run as JAX has them, wherever it is called.

    On CPUs, ``fit``, ``sweep``, attacks and reports otherwise take forms of them whose gradients are many
    times as fast, and equal up to rounding. Raises TypeError for what is no Flax module.
    """
    check_module("model", model)
    copy = nnx.clone(model)
    setattr(copy, AS_WRITTEN, True)
    return copy


def simplify(model: nnx.Module) -> nnx.Module:
    """The same module, its convolutions and max-pools from now on computed as those of this folder.

    The module is changed: its class becomes one derived from its own. Modules without an ``nnx.Conv``, or
    whose attribute ``runs_as_written`` is true, stay as they are, as do all on GPUs and TPUs.
    Identity: its outputs and their gradients are those it had, up to rounding.
    """
    chosen = not is_native() and not getattr(model, AS_WRITTEN, False)
    if chosen and any(isinstance(node, nnx.Conv) for _, node in nnx.iter_graph(model)):
        object.__setattr__(model, "__class__", _simplified(type(model)))
    return model


@cache  # one for each, as jit compiles for a class
def _simplified(kind: Any) -> type[nnx.Module]:
    """A class of modules that differs from ``kind`` in how a call is computed."""

    def call(self: nnx.Module, *args: Any, **options: Any) -> Any:
        definition, state = nnx.split(self)
        before, structure = jax.tree.flatten(state)

        def pure(leaves: Sequence[Array]) -> tuple[Any, Any]:
            """The output and what has become of the state: a call may change it, as batch statistics."""
            model = nnx.merge(definition, jax.tree.unflatten(structure, leaves))
            outputs = kind.__call__(model, *args, **options)
            return outputs, nnx.state(model)

        written, shapes = jax.make_jaxpr(pure, return_shape=True)(before)
        outputs, after = shapes
        if jax.tree.structure(after) != cast(Any, structure):  # with a variable that only itself can keep
            return kind.__call__(self, *args, **options)
        found = _evaluate(written.jaxpr, written.consts, before)
        split = len(found) - len(before)
        pairs = zip(written.jaxpr.outvars[split:], written.jaxpr.invars, strict=True)
        if any(new is not old for new, old in pairs):
            nnx.update(self, jax.tree.unflatten(structure, found[split:]))
        return jax.tree.unflatten(jax.tree.structure(outputs), found[:split])

    return type(kind.__name__, (kind,), {"__call__": call, "__module__": kind.__module__})


def _evaluate(program: core.Jaxpr, constants: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """The outputs of what JAX has written down, with operations exchanged as ``EXCHANGED`` says."""
    values: dict[Any, Any] = dict(zip(program.constvars, constants, strict=True))
    values |= zip(program.invars, inputs, strict=True)

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, core.Literal) else values[variable]

    for equation in program.eqns:
        arguments = [read(variable) for variable in equation.invars]
        name = equation.primitive.name
        if name in EXCHANGED:
            results = [EXCHANGED[name](*arguments, **equation.params)]
        elif name == CALL:
            inner = equation.params["jaxpr"]
            results = _evaluate(inner.jaxpr, inner.consts, arguments)
        else:
            results = _as_it_is(equation, arguments, program.debug_info)
        values |= zip(equation.outvars, results, strict=True)
    return [read(variable) for variable in program.outvars]


def _as_it_is(equation: core.JaxprEqn, arguments: Sequence[Any], debug_info: Any) -> list[Any]:
    """The results of one operation, as a program of its own."""
    given = {
        variable: argument
        for variable, argument in zip(equation.invars, arguments, strict=True)
        if not isinstance(variable, core.Literal)
    }
    alone = core.Jaxpr((), list(given), equation.outvars, [equation], equation.effects, debug_info)
    return core.jaxpr_as_fun(core.ClosedJaxpr(alone, ()))(*given.values())
