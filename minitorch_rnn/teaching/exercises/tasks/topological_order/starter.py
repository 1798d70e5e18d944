# minitorch-rnn exercise: topological-order
"""The order of the backward pass.

A graph of computations: `inputs[n]` is the tuple of the nodes that n was made
of; data have (). The divergence is the node `end`. In

    inputs = {"x": (), "h0": ("x",), "h1": ("x", "h0"), "div": ("h1", "h0")}

h0 has two users, h1 and div. Its gradient is complete only when both have sent
their parts; sent on earlier, a part would be missing. So the backward pass has
to come to every node after ALL nodes that use it:

    div, h1, h0, x

    result    a list of the nodes that `end` was made of, directly or not, and
              `end` itself first; each once, and each after all its users

The graph of 1,100 time steps is 1,100 nodes deep: Python's recursion does not
reach that far, a loop does.

Fill in `backward_order`, then:

    minitorch-rnn exercise check topological_order.py
"""


def backward_order(inputs, end):
    """All nodes that `end` depends on, each after everything that uses it."""
    raise NotImplementedError
