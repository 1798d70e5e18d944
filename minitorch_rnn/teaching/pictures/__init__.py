"""Pictures for teaching: shapes on a canvas, and what is drawn with them."""

from minitorch_rnn.teaching.pictures.picture import Picture, text_width

__all__ = ["Picture", "text_width"]
