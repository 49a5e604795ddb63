"""``python -m igniter`` is the program ``igniter``."""

from ._program import igniter

igniter()
