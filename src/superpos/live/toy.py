"""The instrument in a notebook: weights go into it, and come out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from superpos.errors import InvalidArgument, need
from superpos.live.source import SOURCE

need("live", "anywidget", "traitlets")
import anywidget  # noqa: E402  # pyright: ignore[reportMissingImports]
import traitlets  # noqa: E402

SETTINGS = ("n", "m", "S", "decay", "density", "sets", "rate", "seed")
MOST_FEATURES = 12


class _Array(traitlets.TraitType):
    """An array of numbers here, lists in the browser; nothing is an empty list there."""

    def __init__(self, *axes: str) -> None:
        self.axes = axes
        super().__init__(default_value=None, allow_none=True)
        self.tag(sync=True, to_json=self._to_json, from_json=self._from_json)

    def validate(self, obj: Any, value: Any) -> np.ndarray | None:
        if value is None:
            return None
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        array = np.array(value, dtype=np.float64)
        if array.ndim != len(self.axes) or not np.isfinite(array).all():
            raise InvalidArgument(
                f"{self.name} has shape {array.shape}: finite numbers, ({', '.join(self.axes)}), "
                "of one model are needed"
            )
        if "m" in self.axes and len(array) not in (2, 3):
            raise InvalidArgument(f"{self.name} has m = {len(array)}: 2 or 3 can be drawn")
        if not 2 <= array.shape[-1] <= MOST_FEATURES:
            raise InvalidArgument(
                f"{self.name} has n = {array.shape[-1]}: 2 to {MOST_FEATURES} can be drawn"
            )
        return array

    @staticmethod
    def _to_json(value: np.ndarray | None, _widget: Any) -> list:
        return [] if value is None else value.tolist()

    @staticmethod
    def _from_json(value: list, _widget: Any) -> np.ndarray | None:
        return np.array(value, dtype=np.float64) if value else None


class Toy(anywidget.AnyWidget):
    """A toy model to play with in a notebook.

    Trained weights that are set show, and are the start of a descent; those of a descent that
    rests, or is stopped, stand in `W` and `b`.

    Parameters
    ----------
    W, b
        Of one model, ``(m, n)`` and ``(n,)``, with n of 2 to 12 and m of 2 or 3; by default the
        seed's start.
    **settings
        ``n`` and ``m``; the sparsity ``S``; ``decay``, the importance of a feature in that of the
        one before; ``density``, the first feature's p in that of the others; ``sets``:
        "independent", "correlated" or "anticorrelated" (pairs); the learning ``rate``; and the
        ``seed``.

    Attributes
    ----------
    W, b
        Arrays, float64, of what is shown; None before anything is.
    settings
        As above, by name.
    found, counts
        What the instrument says of the model, and of the last 200 starts.

    Raises
    ------
    InvalidArgument
        If a setting has another name, or weights are not as above.

    Examples
    --------
    >>> toy = Toy(W=torch.eye(2, 5), S=0.8)
    >>> toy.W.shape, toy.settings
    ((2, 5), {'S': 0.8})
    """

    _esm = SOURCE.read_text("utf-8")
    settings = traitlets.Dict().tag(sync=True)
    W = _Array("m", "n")
    b = _Array("n")
    found = traitlets.Unicode().tag(sync=True)
    counts = traitlets.Unicode().tag(sync=True)

    def __init__(self, W: Any = None, b: Any = None, **settings: Any) -> None:
        unknown = settings.keys() - set(SETTINGS)
        if unknown:
            raise InvalidArgument(
                f"{', '.join(sorted(unknown))}: no such setting; there are {', '.join(SETTINGS)}"
            )
        super().__init__(W=W, b=b, settings=settings)
