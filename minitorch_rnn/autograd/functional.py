"""Derivatives of functions, with PyTorch's names: vjp, jvp, jacobian, hessian, hvp, vhp.

Each evaluates `func` once, on fresh leaves that hold the values of the inputs, and differentiates
that graph. The caller's tensors, their `.grad` and their graphs stay as they are, and it makes no
difference whether the inputs require a gradient or whether recording is on. How they are taken is
in `evaluation`; `grad`, of which they are made, in `gradients`.
"""

from collections.abc import Callable
from typing import Any

from minitorch_rnn.autograd.evaluation import evaluated, packed
from minitorch_rnn.engine import enable_grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The outputs of func, and v times its Jacobian, by one walk back.

        y = func(x_0, x_1, …),   vjp_j = sum_i v_i ∂y_i/∂x_j

    Args:
        func: takes a Tensor for each input and returns one, or a tuple of them, of any shapes.
        inputs: x, a floating-point Tensor, array or number; several in a tuple or list.
        v: for each output a Tensor or array of its shape, in a tuple if the outputs are several;
            None is 1 for one output of one element.
        create_graph: make outputs and result differentiable, in the inputs and in v.
        strict: raise where an output does not depend on an input, instead of giving zeros; with
            `create_graph` also where the result does not.

    Returns:
        The outputs as func returned them, and a result of the shape and dtype of each input, in a
        tuple if `inputs` is one.

    Raises:
        GraphError: if v is missing, or by `strict`.
        ShapeError: if v has another shape than the output.
        DTypeError: if an input is not floating-point or an output not a Tensor.

    Source: torch.autograd.functional.vjp.

    >>> from minitorch_rnn.autograd import vjp
    >>> vjp(lambda x: x * x, 3.0)
    (tensor(9.), tensor(6.))
    """
    with enable_grad():
        at = evaluated("vjp", func, inputs, create_graph, strict)
        return at.outputs(), packed(at.pulled(v), at.many_in)


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The outputs of func, and its Jacobian times v: the derivative in the direction v.

        y = func(x_0, x_1, …),   jvp_i = sum_j ∂y_i/∂x_j v_j

    The walk back, x̄(g) = Jᵀ g, is linear in the cotangent g, whatever the operations. So J v is the
    gradient of <x̄(g), v> with respect to g, at any g: two walks, and no further rule.

    Args:
        func, inputs, create_graph, strict: as in `vjp`.
        v: for each input a Tensor or array of its shape, in a tuple if the inputs are several;
            None is 1 for one input of one element.

    Returns:
        The outputs as func returned them, and a result of the shape and dtype of each output.

    Raises:
        GraphError, ShapeError, DTypeError: as `vjp`.

    Source: torch.autograd.functional.jvp.

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.autograd import jvp
    >>> jvp(lambda x: (x * x, x.sum()), tensor([1.0, 2.0]), tensor([1.0, 10.0]))[1]
    (tensor([ 2., 40.]), tensor(11.))
    """
    with enable_grad():
        at = evaluated("jvp", func, inputs, create_graph, strict)
        return at.outputs(), packed(at.pushed(v), at.many_out)


def jacobian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False
) -> Any:
    """Every derivative of every element of the outputs, by one walk back for each of these.

        y = func(x_0, x_1, …),   J_ij = ∂y_i/∂x_j

    Args:
        func, inputs, create_graph, strict: as in `vjp`. With `create_graph` a Jacobian can be
            differentiated again, by `jacobian` itself too.

    Returns:
        A Tensor of shape (*y.shape, *x.shape), of the dtype of x; for several outputs a tuple of
        those, for several inputs too, and for both a tuple of tuples: `J[i][j]`.

    Raises:
        GraphError, DTypeError: as `vjp`.

    Source: torch.autograd.functional.jacobian.

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.autograd import jacobian
    >>> jacobian(lambda x: x * x.sum(), tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    with enable_grad():
        at = evaluated("jacobian", func, inputs, create_graph, strict)
        return packed([packed(row, at.many_in) for row in at.rows()], at.many_out)


def hessian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False
) -> Any:
    """All second derivatives of a scalar function: the Jacobian of its gradient.

        y = func(x_0, x_1, …),   H_ij = ∂²y / ∂x_i ∂x_j

    Args:
        func: as in `vjp`, with a single output of a single element.
        inputs, create_graph, strict: as in `vjp`.

    Returns:
        A Tensor of shape (*x.shape, *x.shape); for several inputs a tuple of tuples: `H[i][j]` has
        shape (*x_i.shape, *x_j.shape).

    Raises:
        ShapeError: if func returns more than one number.
        GraphError, DTypeError: as `vjp`.

    Source: torch.autograd.functional.hessian.

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.autograd import hessian
    >>> hessian(lambda x: (x**3).sum() + x.prod(), tensor([1.0, 2.0]))
    tensor([[ 6.,  1.],
            [ 1., 12.]])
    """
    with enable_grad():
        at = evaluated("hessian", func, inputs, create_graph, strict).gradient()
        return packed([packed(row, at.many_in) for row in at.rows()], at.many_out)


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The output of a scalar function, and its Hessian times v, without making the Hessian.

        hvp_i = sum_j ∂²y / ∂x_i ∂x_j v_j:   how the gradient changes in the direction v

    Three walks, of which `vhp` needs two; where second derivatives are continuous both are equal.

    Args:
        func, inputs, create_graph, strict: as in `hessian`.
        v: for each input a Tensor or array of its shape, as in `jvp`.

    Returns:
        The output as func returned it, and a result of the shape of each input.

    Raises:
        ShapeError: if func returns more than one number, or if v has another shape than the input.
        GraphError, DTypeError: as `vjp`.

    Source: torch.autograd.functional.hvp.

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.autograd import hvp
    >>> hvp(lambda x: (x**3).sum(), tensor([1.0, 2.0]), tensor([1.0, 10.0]))
    (tensor(9.), tensor([  6., 120.]))
    """
    with enable_grad():
        at = evaluated("hvp", func, inputs, create_graph, strict)
        return at.outputs(), packed(at.gradient().pushed(v), at.many_in)


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The output of a scalar function, and v times its Hessian, without making the Hessian.

        vhp_j = sum_i v_i ∂²y / ∂x_i ∂x_j:   the gradient of <v, ∂y/∂x>

    Args, Returns, Raises: as `hvp`.

    Source: torch.autograd.functional.vhp.

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.autograd import vhp
    >>> vhp(lambda x, y: (x * x * y).sum(), (tensor([1.0]), tensor([2.0])), ([1.0], [0.0]))[1]
    (tensor([4.]), tensor([2.]))
    """
    with enable_grad():
        at = evaluated("vhp", func, inputs, create_graph, strict)
        return at.outputs(), packed(at.gradient().pulled(v), at.many_in)
