"""The instrument in a notebook: what passes between Python and the browser."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from superpos.errors import InvalidArgument
from superpos.live import SOURCE

pytest.importorskip("anywidget", reason="superpos[live] is not installed")

from superpos.live import Toy

W = torch.tensor([[1.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def test_trained_weights_go_in_as_tensors_and_to_the_browser_as_lists():
    toy = Toy(W=W.requires_grad_(), b=torch.zeros(3), S=0.8)
    state = toy.get_state()
    assert isinstance(toy.W, np.ndarray)
    assert state["W"] == W.tolist()
    assert state["b"] == [0.0, 0.0, 0.0]
    assert state["settings"] == {"S": 0.8}
    assert state["_esm"] == SOURCE.read_text("utf-8")


def test_what_the_browser_found_comes_out_as_arrays():
    toy, seen = Toy(), []
    toy.observe(lambda change: seen.append(change["new"].shape), "W")
    assert toy.W is None
    assert toy.get_state()["W"] == []
    toy.set_state({"W": [[1, 2], [3, 4]], "b": [0.5, 0], "found": "right angle"})
    assert toy.W.tolist() == [[1, 2], [3, 4]]
    assert toy.b.dtype == np.float64
    assert (seen, toy.found) == ([(2, 2)], "right angle")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"W": torch.eye(4)}, "m = 4"),
        ({"W": torch.ones(2, 13)}, "n = 13"),
        ({"W": torch.ones(1, 2, 5)}, r"\(1, 2, 5\)"),
        ({"W": torch.full((2, 5), torch.nan)}, "finite"),
        ({"b": torch.zeros(1)}, "n = 1"),
        ({"sparsity": 0.9}, "sparsity: no such setting"),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_sentence(wrong, told):
    with pytest.raises(InvalidArgument, match=told):
        Toy(**wrong)
