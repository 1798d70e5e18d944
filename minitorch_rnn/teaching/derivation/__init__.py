"""How the explicit BPTT of a column is written out: names, flow, source, equations and a test.

`flow` finds out what has to be computed, `names` what it is called, `layout` how lines are broken.
`forward` and `backward` write one function each and `source` the file; `latex` writes the equations
and `proof` the test. `teaching.derive` is what users call.
"""

__all__: list[str] = []
