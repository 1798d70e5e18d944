"""The training step of `bench.layers`, once for every peer; each file imports its peer itself."""
