"""The order of the backward pass: every node after all its users."""

import collections

import numpy as np

from minitorch_rnn.teaching.exercises.exercise import Call, Case, Exercise

__all__ = ["EXERCISE"]


def _recurrent(T):
    """The graph of a recurrent network: h(t) of x(t), W and h(t-1); div of all Y(t)."""
    inputs = {"W": (), "h-1": ()}
    for t in range(T):
        inputs |= {f"x{t}": (), f"h{t}": (f"x{t}", "W", f"h{t - 1}"), f"Y{t}": (f"h{t}",)}
    return inputs | {"div": tuple(f"Y{t}" for t in reversed(range(T))), "unused": (f"h{T - 1}",)}


def _drawn(seed, n):
    rng = np.random.default_rng(seed)
    inputs = {"n0": ()}
    for i in range(1, n):
        chosen = rng.choice(i, size=min(i, int(rng.integers(1, 4))), replace=False)
        inputs[f"n{i}"] = tuple(f"n{j}" for j in sorted(chosen))
    names = list(rng.permutation(list(inputs)))  # the order of the dictionary gives nothing away
    return {str(name): inputs[name] for name in names}


def _case(about, inputs, end):
    return Case(
        Call("backward_order", {"inputs": inputs, "end": end}),
        about if len(inputs) > 8 else f"inputs = {inputs}, end = {end!r}",
        judge=lambda answer, operations: _complaint(inputs, end, answer),
    )


def _reached(inputs, end):
    found, waiting = {end}, [end]
    while waiting:
        new = set(inputs[waiting.pop()]) - found
        found |= new
        waiting += new
    return found


def _early(inputs, order):
    """A node that comes before one of its users, and that user."""
    place = {node: i for i, node in enumerate(order)}
    for user in order:
        for node in inputs[user]:
            if place[node] < place[user]:
                return node, user
    return None


def _complaint(inputs, end, answer):
    if not isinstance(answer, list | tuple) or not all(isinstance(n, str) for n in answer):
        return f"The result is {answer!r:.60}; it must be a list of names."
    unknown = [n for n in answer if n not in inputs]
    if unknown:
        return f"{unknown[0]!r} is in your list and not in the graph."
    needed = _reached(inputs, end)
    ((twice, times),) = collections.Counter(answer).most_common(1) or [("", 0)]
    if times > 1:
        return (
            f"{twice!r} stands in your list {times} times: a node with two "
            "users is met twice and must be listed once, after the second."
        )
    missing = sorted(needed - set(answer))
    if missing:
        of_data = all(not inputs[n] for n in missing)
        which = "data, which have no inputs, get a gradient too" if of_data else "follow all inputs"
        return f"{missing[0]!r} is missing from your list: {which}."
    extra = sorted(set(answer) - needed)
    if extra:
        return f"{extra[0]!r} has no part in {end!r}: begin there, and follow the inputs only."
    early = _early(inputs, answer)
    if early is None:
        return None
    if _early(inputs, answer[::-1]) is None:
        return (
            "Your order is right backwards: it is that of the forward pass. The backward pass "
            f"begins at {end!r}."
        )
    node, user = early
    return (
        f"{node!r} comes before {user!r}, which uses it: its gradient would be sent on before the "
        f"part from {user!r} has been added. A node must wait for all its users."
        + (f" Your order: {', '.join(answer)}." if len(answer) <= 10 else "")
    )


def _cases():
    diamond = {"x": (), "h0": ("x",), "h1": ("x", "h0"), "div": ("h1", "h0")}
    other = {"x": (), "h0": ("x",), "h1": ("h0", "x"), "div": ("h0", "h1")}
    return [
        _case("", {"x": ()}, "x"),
        _case("", {"x": (), "div": ("x", "x")}, "div"),
        _case("", diamond, "div"),
        _case("", other, "div"),
        _case("a recurrent network of 3 steps", _recurrent(3), "div"),
        *(_case(f"a random graph of {n} nodes", _drawn(n, n), f"n{n - 1}") for n in (9, 12, 30)),
        _case("a recurrent network of 1,100 steps", _recurrent(1100), "div"),
    ]


EXERCISE = Exercise(
    name="topological-order",
    title="the order of the backward pass",
    slides="80-84",
    level=2,
    hints=(
        "Going down from `end` and listing what you meet is not enough: a node may be met by one "
        "user long before another. What would you have to know to see that it is complete?",
        "Count for every node how many nodes use it (of those that can be reached from `end`). "
        "Whenever you list a node, take one off the count of each of its inputs.",
        "ready = [end]; while ready: user = ready.pop(); order.append(user); for node in "
        "inputs[user]: users[node] -= 1; if users[node] == 0: ready.append(node)",
    ),
    afterwards="In a recurrent network W is used in every step, so it comes last of all: only then "
    "has every step added its part to dW. An engine can also number nodes as they are made and "
    "always take the newest.",
    cases=_cases,
)
