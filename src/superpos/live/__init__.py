"""A toy model to play with, in a page or a notebook: the instrument, which is one JavaScript file.

`SOURCE` computes and draws by itself, without Python: exact losses and their slopes as
`superpos.losses.exact_loss` has them, to rounding, and descents on them. `VIEWS`, for pages, adds
the zones of features drawn by hand, the phase diagram and the ladder of polytopes. `descend` is its
descent in Python, for many starts at once. `Toy` shows the instrument in a notebook, and needs the
extra ``superpos[live]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from superpos.live.descending import descend
from superpos.live.source import SOURCE, VIEWS

if TYPE_CHECKING:
    from superpos.live.toy import Toy

__all__ = ["SOURCE", "VIEWS", "Toy", "descend"]


def __getattr__(name: str) -> Any:
    """Import `Toy` when it is first used: pages need no anywidget."""
    if name == "Toy":
        from superpos.live.toy import Toy

        return Toy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
