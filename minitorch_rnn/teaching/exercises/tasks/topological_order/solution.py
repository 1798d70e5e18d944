# minitorch-rnn exercise: topological-order
"""Kahn's algorithm: a node is ready when the last of its users has been passed."""


def backward_order(inputs, end):
    """All nodes that `end` depends on, each after everything that uses it."""
    users = {end: 0}  # of every node that can be reached, how many use it
    waiting = [end]
    while waiting:
        for node in inputs[waiting.pop()]:
            if node not in users:
                users[node] = 0
                waiting.append(node)
            users[node] += 1
    order, ready = [], [end]
    while ready:
        user = ready.pop()
        order.append(user)
        for node in inputs[user]:
            users[node] -= 1
            if users[node] == 0:
                ready.append(node)
    return order
