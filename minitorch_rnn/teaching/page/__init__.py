"""The page of `explain`: one file of HTML, style and script that steps through a recorded run."""

__all__: list[str] = []
