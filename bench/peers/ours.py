"""Our layers, as a user calls them: on the scan road, and unrolled into the graph."""

from collections.abc import Callable
from typing import Any

import minitorch_rnn as mt
from bench.clocks import Host, OnDevice
from bench.step import LeftOut, Problem, Step
from minitorch_rnn import backend
from minitorch_rnn.nn import scan_options
from minitorch_rnn.nn.gpu import persistent


def steps(problem: Problem) -> dict[str, Step]:
    """The layer's two roads."""
    return {"ours": _step(problem, "scan"), "ours, graph": _step(problem, "graph")}


def on_gpu(problem: Problem, products: str) -> dict[str, OnDevice]:
    """The layer on the current backend: its loops on a device, and unrolled into the graph."""
    clock = _Device(backend.current_backend().device)
    roads = {"ours": _with_options(problem, products, "captured")}
    if products == "float32":  # the other roads have no other products
        roads["ours, persistent"] = _persistent(problem)
        roads["ours, graph"] = _step(problem, "graph")
    return {name: OnDevice(step, clock) for name, step in roads.items()}


def on_host(problem: Problem) -> OnDevice:
    """The layer on the CPU, whichever backend is the current one."""
    with mt.use("numpy"):
        return OnDevice(_step(problem, "scan"), Host())


def _with_options(problem: Problem, products: str, loop: str) -> Step:
    step = _step(problem, "scan")

    def run() -> Any:
        with scan_options(products=products, loop=loop):
            return step.run()

    return Step(run, step.gradients)


def _persistent(problem: Problem) -> Step:
    """One that takes no part where the library would run another loop in its place."""
    run, gradients = _with_options(problem, "float32", "persistent")
    assert gradients is not None

    def checked(layer: Any) -> Any:
        here, (_, B, _, H) = backend.current_backend(), problem.sizes
        assert here.device is not None
        mode = "tanh" if problem.kind == "RNN" else problem.kind.lower()
        if not persistent.fits(here.device, mode, B, H, "float32"):
            raise LeftOut("the weights do not fit on the chip")
        return gradients(layer)

    return Step(run, checked)


def _step(problem: Problem, road: str) -> Step:
    _, _, I, H = problem.sizes
    layer: Any = getattr(mt.nn, problem.kind)(I, H, dtype="float32", road=road)
    layer.load_state_dict({f"{name}_l0": w for name, w in problem.weights.items()})
    x, g = mt.tensor(problem.x), mt.tensor(problem.g)

    def run() -> Any:
        layer.zero_grad()
        output, _ = layer(x)
        output.backward(g)
        return layer

    return Step(run, lambda _: {n: getattr(layer, f"{n}_l0").grad.numpy() for n in problem.weights})


class _Device:
    """The clock of our device. Memory: of the pool's arrays; not the workspace of cuBLAS."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self.now, self.seconds = device.now, device.seconds

    def wait(self, found: Any) -> None:
        self._device.synchronize()

    def peak(self, run: Callable[[], Any]) -> int:
        before: int = self._device.allocated()
        with self._device.watched() as memory:
            for _ in range(2):
                run()
        return int(memory.peak) - before
