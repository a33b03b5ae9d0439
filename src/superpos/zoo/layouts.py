"""A model's parameters as others store them: each layout is a state dict that loads elsewhere.

Only what a layout can say is written in it: the model that is loaded there computes the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

import torch
from torch import Tensor

from superpos import checks
from superpos.errors import InvalidArgument
from superpos.models import Model, checked_parameters, identity

Parameters = Mapping[str, Tensor]


def state_dict(model: Model, parameters: Parameters, layout: str = "superpos") -> dict[str, Tensor]:
    """Return a model's parameters under the names, and with the axes, of a layout.

    Parameters
    ----------
    model, parameters
        One model: ``W`` ``(m, n)``, ``b`` ``(n,)``, ``V`` ``(m, n)`` where the decoder is free.
    layout
        One of `LAYOUTS`.

    Returns
    -------
    dict
        Copies, contiguous. `superpos.weights.from_state_dict` reads each of them back.

    Raises
    ------
    InvalidArgument
        If one of these is not as above, or the model computes what the layout cannot say.

    Examples
    --------
    >>> from superpos import RELU_OUTPUT
    >>> pentagon = {"W": torch.ones(2, 5), "b": torch.zeros(5)}
    >>> for layout in LAYOUTS:
    ...     state = state_dict(RELU_OUTPUT, pentagon, layout)
    ...     print(layout, {name: tuple(value.shape) for name, value in state.items()})
    superpos {'W': (2, 5), 'b': (5,)}
    authors {'W': (1, 5, 2), 'b_final': (1, 5)}
    saelens {'W_enc': (2, 5), 'W_dec': (5, 2), 'b_enc': (5,), 'b_dec': (2,)}
    spd {'linear1.weight': (2, 5), 'linear2.weight': (5, 2), 'linear2.bias': (5,)}
    """
    if not isinstance(layout, str) or layout not in LAYOUTS:
        raise InvalidArgument(
            f"layout is {checks.shortly(layout)}: it must be one of {', '.join(LAYOUTS)}"
        )
    made = LAYOUTS[layout](model, checked_parameters(model, parameters, one=True))
    return {name: value.detach().clone(memory_format=torch.contiguous_format)
            for name, value in made.items()}  # fmt: skip


def _superpos(model: Model, parameters: Parameters) -> Parameters:
    return parameters


def _authors(model: Model, parameters: Parameters) -> Parameters:
    if not _is_plain(model) or not model.tied:
        _refuse(model, "authors", "a tied decoder, a hidden layer without a function")
    return {"W": parameters["W"].mT[None], "b_final": parameters["b"][None]}


def _saelens(model: Model, parameters: Parameters) -> Parameters:
    if not _is_plain(model):
        _refuse(model, "saelens", "a hidden layer without a function, which is what it encodes")
    W, b = parameters["W"], parameters["b"]
    return {
        "W_enc": parameters.get("V", W),
        "W_dec": W.mT,
        "b_enc": b,
        "b_dec": W.new_zeros(W.shape[0]),
    }


def _spd(model: Model, parameters: Parameters) -> Parameters:
    if not _is_plain(model):
        _refuse(model, "spd", "a hidden layer without a function, ReLU outputs")
    W = parameters["W"]
    return {
        "linear1.weight": W,
        "linear2.weight": parameters.get("V", W).mT,
        "linear2.bias": parameters["b"],
    }


def _is_plain(model: Model) -> bool:
    return (
        model.hidden is identity
        and model.output is torch.relu
        and model.target is identity
        and not model.hidden_bias
    )


def _refuse(model: Model, layout: str, needs: str) -> NoReturn:
    raise InvalidArgument(
        f"layout is {layout!r}, which is for models with {needs}; this is {model.name!r}. "
        "'superpos' takes any"
    )


LAYOUTS: dict[str, Callable[[Model, Parameters], Parameters]] = {
    "superpos": _superpos,
    "authors": _authors,
    "saelens": _saelens,
    "spd": _spd,
}
"""How `Specimen.state_dict` may store a model.

``superpos`` has W ``(m, n)``, b, and V where the decoder is free; ``authors`` is that of the
paper's notebook, W ``(instances, n, m)`` and b_final. ``saelens`` is the autoencoder of the
*hidden* layer that the model itself contains: its latents are the model's outputs, for
W_enc is the decoder and b_enc the bias, and W_dec has the features' directions. ``spd`` is the
target model of stochastic parameter decomposition, two linear layers.
"""
