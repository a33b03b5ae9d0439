"""A toy model to play with, in a page or a notebook: the instrument, which is one JavaScript file.

`SOURCE` computes and draws by itself, without Python: exact losses and their slopes as
`superpos.losses.exact_loss` has them, to rounding, and descents on them.
"""

from __future__ import annotations

from pathlib import Path

SOURCE = Path(__file__).with_name("instrument.js")

__all__ = ["SOURCE"]
