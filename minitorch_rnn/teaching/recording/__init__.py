"""One run of the engine, operation by operation, with the explicit BPTT's numbers beside it."""

from minitorch_rnn.teaching.recording.recorded import Recording, record

__all__ = ["Recording", "record"]
