"""The explicit BPTT of a column as source that can be read and run, as equations, and as a test.

derive(column).source    NumPy alone, line by line, as one would write it on the board
derive(column).latex     the same as equations, for amsmath
derive(column).test      a test for pytest: the source and the graph agree
"""

from __future__ import annotations

import os
import pathlib
import tempfile
from dataclasses import dataclass

from minitorch_rnn.column import ACTIVATIONS, Column
from minitorch_rnn.errors import ColumnError, RunError
from minitorch_rnn.teaching.derivation.latex import document, latex
from minitorch_rnn.teaching.derivation.names import module_name
from minitorch_rnn.teaching.derivation.proof import proof
from minitorch_rnn.teaching.derivation.source import source

__all__ = ["Derivation", "derive"]


@dataclass(frozen=True)
class Derivation:
    """What `derive` wrote. In a notebook it shows its equations and its source.

    Attributes:
        source: a file with ``forward(params, x)``, which returns Y and a trace, and
            ``backward(params, trace, dY)``, which returns the gradients of all parameters and
            inputs by name. It imports NumPy and nothing else.
        latex: the equations of both passes, in two ``align*`` of amsmath.
        test: a file for pytest, which looks for the source beside it.
        name: of the source as a module; the files are called after it.

    >>> from minitorch_rnn.column import elman
    >>> derivation = derive(elman(2, 3, 1))
    >>> derivation.name, "import" in derivation.source.replace("import numpy as np", "")
    ('elman_bptt', False)
    """

    source: str
    latex: str
    test: str
    name: str

    def write(
        self, folder: str | os.PathLike[str], overwrite: bool = False
    ) -> tuple[pathlib.Path, ...]:
        """Write all three into a folder, which is made if it is not there.

        Args:
            folder: where to.
            overwrite: whether files of these names may be replaced.

        Returns:
            The paths of the source, the equations and the test.

        Raises:
            RunError: if one of the files exists, and then none is written; or if the folder cannot
                be written.

        >>> import tempfile
        >>> from minitorch_rnn.column import elman
        >>> [path.name for path in derive(elman(2, 3, 1)).write(tempfile.mkdtemp())]
        ['elman_bptt.py', 'elman_bptt.tex', 'test_elman_bptt.py']
        """
        home = pathlib.Path(folder)
        files = {
            home / f"{self.name}.py": self.source,
            home / f"{self.name}.tex": document(self.latex),
            home / f"test_{self.name}.py": self.test,
        }
        for path in files:
            if path.is_dir() or (os.path.lexists(path) and not overwrite):
                raise RunError(
                    f"{path}: exists already, and nothing was written; choose another folder, or "
                    "say that it may be replaced (--overwrite)."
                )
        try:
            home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".derive-", dir=home) as beside:
                for path, text in files.items():
                    (pathlib.Path(beside) / path.name).write_bytes(text.encode())
                for path in files:  # only now that all of them are whole
                    os.replace(pathlib.Path(beside) / path.name, path)
        except OSError as cause:
            raise RunError(
                f"{cause.filename or home}: cannot be written: {cause.strerror}."
            ) from cause
        return tuple(files)

    def __str__(self) -> str:
        return self.source

    def _repr_latex_(self) -> str:
        return self.latex

    def _repr_markdown_(self) -> str:
        return f"{self.latex}\n```python\n{self.source}```\n"


def derive(column: Column) -> Derivation:
    """Write out the backpropagation through time of a column.

        dz_h1 = dh1[t] * (1 - h1[t] ** 2)
        dW_h1_h1 += dz_h1.T @ h1[t - 1]
        dh1[t - 1] = dz_h1 @ W_h1_h1

    The source holds what this network needs and nothing else: a loop over t for every direction of
    time, ``=`` where an error is the first to arrive and ``+=`` where others have, a comment in
    place of a gradient where a link is blocked. Batches of sequences, (T, B, n).

    Raises:
        TypeError: if `column` is not a Column.
        ColumnError: if it has an activation of one's own, which is a function and not a formula.

    Source: slides 72 and 94, for any architecture by slide 95.

    >>> from minitorch_rnn.column import state_space
    >>> for line in derive(state_space(2, 3, 1)).source.split("\\n"):
    ...     if "dh1[t" in line:
    ...         print(line.strip())
    dh1[t] += dz_Y @ W_h1_Y  # note the addition: t + 1 has written here
    dz_h1 = dh1[t] * (1 - h1[t] ** 2)  # through tanh
    dh1[t - 1] = dz_h1 @ W_h1_h1  # the first to write here; t = 0 gives dh1(-1)
    """
    if not isinstance(column, Column):
        raise TypeError(f"derive: got {column!r:.80}; a Column is needed.")
    for node in column.nodes:
        if not isinstance(node.activation, str):
            raise ColumnError(
                f"derive: node {node.name!r} of {column.name!r} has the activation "
                f"{node.activation.name!r}, a Python function of your own, of which no formula can "
                f"be written. Derive the column with one of {', '.join(ACTIVATIONS)} in its place, "
                f"and put your own function and its slope into the lines that compute "
                f"{node.name} and dz_{node.name}."
            )
    name = module_name(column)
    return Derivation(source(column), latex(column), proof(column, name), name)
