"""What is in the zoo: models by name, with their inputs and certificates."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from superpos import checks
from superpos.compute import streams
from superpos.compute.streams import Purpose
from superpos.errors import InvalidArgument
from superpos.features import (
    AnticorrelatedSets,
    BooleanFeatures,
    CorrelatedSets,
    Examples,
    FeatureDistribution,
    IndependentFeatures,
    SignedFeatures,
)
from superpos.models import LINEAR, RELU_HIDDEN, RELU_OUTPUT, Model
from superpos.neurons.computation import ABSOLUTE_VALUE, PAIRWISE_AND
from superpos.zoo import layouts
from superpos.zoo.certificates import Certificate, with_error

FOLDER = Path(__file__).parent
WEIGHTS, CERTIFICATES = "models.safetensors", "certificates.json"

FREE_DECODER = Model("ReLU output, free decoder", tied=False)
"""ReLU(Vᵀ W x + b)."""

MODELS = {
    model.name: model
    for model in (LINEAR, RELU_OUTPUT, RELU_HIDDEN, FREE_DECODER, ABSOLUTE_VALUE, PAIRWISE_AND)
}
_INPUTS = {
    kind.__name__: kind
    for kind in (
        IndependentFeatures,
        SignedFeatures,
        BooleanFeatures,
        CorrelatedSets,
        AnticorrelatedSets,
    )
}


@dataclass(frozen=True, eq=False)
class Specimen:
    """A model of the zoo.

    Attributes
    ----------
    name, group
        What it is called, and with which others it stands.
    about, made
        What it is and how it was made, a sentence each.
    model, parameters
        The model, and its parameters: ``W`` ``(m, n)``, ``b`` ``(n,)``, ``V`` ``(m, n)`` where the
        decoder is free.
    features, importance
        The inputs that it is for, and I ``(n,)``.
    certificate
        What is known of its loss.

    Examples
    --------
    >>> pentagon = load("pentagon")
    >>> pentagon.W.shape, pentagon.certificate.standing
    (torch.Size([2, 5]), 'minimum')
    >>> pentagon.reconstruct(pentagon.inputs(100)).shape
    torch.Size([100, 5])
    """

    name: str
    group: str
    about: str
    made: str
    model: Model
    parameters: dict[str, Tensor]
    features: FeatureDistribution
    importance: Tensor
    certificate: Certificate

    @property
    def W(self) -> Tensor:
        """The encoder, ``(m, n)``: column i is feature i."""
        return self.parameters["W"]

    @property
    def b(self) -> Tensor:
        """The output biases, ``(n,)``."""
        return self.parameters["b"]

    @property
    def n(self) -> int:
        """The number of features."""
        return self.W.shape[-1]

    @property
    def m(self) -> int:
        """The number of hidden dimensions."""
        return self.W.shape[-2]

    def inputs(self, count: int, *, seed: int = 0) -> Tensor:
        """Return inputs as the model was made for: ``(count, n)``.

        Of a model with given examples they are these, whatever is asked for.
        """
        checks.whole_number("count", count)
        checks.whole_number("seed", seed, least=0)
        draws = streams.generator(seed, Purpose.EVALUATION)
        u = torch.rand(count, self.features.uniforms, generator=draws)
        return self.features.inputs(u.to(self.W))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the outputs for inputs ``(..., batch, n)``."""
        return self.model.reconstruct(self.parameters, x)

    def state_dict(self, layout: str = "superpos") -> dict[str, Tensor]:
        """Return the parameters as others store them.

        Parameters
        ----------
        layout
            One of `LAYOUTS`.

        Raises
        ------
        InvalidArgument
            If there is no such layout, or the model computes what it cannot say.

        Examples
        --------
        >>> load("pentagon").state_dict("authors")["W"].shape
        torch.Size([1, 5, 2])
        """
        return layouts.state_dict(self.model, self.parameters, layout)

    @property
    def told_inputs(self) -> str:
        """The distribution of the inputs, in a few words."""
        return _told_inputs(_entries()[self.name])

    def __str__(self) -> str:
        """Return what there is to tell of it: a few lines."""
        lines = [
            f"{self.name}: {self.n} features in {self.m} dimensions, {self.told_inputs}",
            f"{self.about} {self.made}",
            str(self.certificate),
        ]
        return "\n".join(lines)


@cache
def _entries() -> dict[str, dict[str, Any]]:
    return json.loads((FOLDER / CERTIFICATES).read_text("utf-8"))


def names() -> list[str]:
    """Return the names of all models, group by group.

    Examples
    --------
    >>> names()[:3]
    ['digon', 'triangle', 'tetrahedron']
    """
    return list(_entries())


def load(
    name: str, *, dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu"
) -> Specimen:
    """Return a model of the zoo by its name.

    Parameters
    ----------
    name
        One of `names`.
    dtype
        Of the parameters. Those with an exact certificate are kept in float64: a gradient norm of
        1e-10 is that of ``dtype=torch.float64``, and rounding to float32 adds about 1e-7.
    device
        Where to put them.

    Returns
    -------
    Specimen

    Raises
    ------
    InvalidArgument
        If there is no model of that name, or the dtype is not one of real numbers.

    Examples
    --------
    >>> print(load("pentagon"))
    pentagon: 5 features in 2 dimensions, p = 0.05
    ...
    """
    from safetensors import safe_open

    entries = _entries()
    if not isinstance(name, str) or name not in entries:
        raise InvalidArgument(f"name is {checks.shortly(name)}: there are {', '.join(entries)}")
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise InvalidArgument(f"dtype is {dtype!r}: one of real numbers is needed")
    entry = entries[name]
    with safe_open(FOLDER / WEIGHTS, "pt") as file:
        stored = {
            key.removeprefix(f"{name}/"): file.get_tensor(key).to(device, dtype)
            for key in file.keys()  # noqa: SIM118, it is no mapping
            if key.startswith(f"{name}/")
        }
    x = stored.pop("x", None)
    model = MODELS[entry["model"]]
    n = stored["b"].shape[-1]
    return Specimen(
        name=name,
        group=entry["group"],
        about=entry["about"],
        made=entry["made"],
        model=model,
        parameters={key: stored[key] for key in model.shapes(n, stored["W"].shape[0])},
        features=_features(entry["inputs"], x).to(torch.device(device)),
        importance=torch.tensor(entry["importance"], dtype=dtype, device=device).expand(n),
        certificate=Certificate(**entry["certificate"]),
    )


def _features(told: Mapping[str, Any], x: Tensor | None) -> FeatureDistribution:
    kind = told["kind"]
    if kind == Examples.__name__:
        assert x is not None
        return Examples(x)
    return _INPUTS[kind](**{name: value for name, value in told.items() if name != "kind"})


def _told_inputs(entry: Mapping[str, Any]) -> str:
    told = entry["inputs"]
    p = f"p = {told['probability']:g}" if "probability" in told else ""
    words = {
        "IndependentFeatures": p,
        "SignedFeatures": f"signed, {p}",
        "BooleanFeatures": f"boolean, {p}",
        "CorrelatedSets": f"{told.get('sets')} correlated sets, {p}",
        "AnticorrelatedSets": f"{told.get('sets')} anticorrelated sets, {p}",
        "Examples": f"{told.get('count')} examples",
    }[told["kind"]]
    return words if entry["importance"] == [1.0] else f"{words}, unequal I"


@dataclass(frozen=True)
class Row:
    """A line of the table: what is known of a model, in words."""

    name: str
    group: str
    about: str
    size: str
    inputs: str
    loss: str
    gap: str
    standing: str
    shape: str


class Table(list[Row]):
    """The models of the zoo, a row each: a list that prints as a table, in notebooks too."""

    _HEAD = ("name", "n → m", "inputs", "loss", "gap", "standing", "shape")

    def __str__(self) -> str:
        """Return it as text, group by group, in columns."""
        cells = [self._HEAD, *map(_cells, self)]
        widths = [max(len(row[k]) for row in cells) for k in range(len(self._HEAD))]

        def line(row: tuple[str, ...]) -> str:
            columns = zip(row, widths, strict=True)
            return "  ".join(cell.ljust(width) for cell, width in columns).rstrip()

        lines = [line(self._HEAD)]
        for group, rows in self.groups():
            lines += ["", group, *(line(_cells(row)) for row in rows)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self._HEAD)
        body = []
        for group, rows in self.groups():
            body.append(f'<tr><th colspan="{len(self._HEAD)}">{html.escape(group)}</th></tr>')
            for row in rows:
                cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(row))
                body.append(f"<tr>{cells}</tr>")
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"

    def groups(self) -> Iterator[tuple[str, list[Row]]]:
        """Yield the groups in their order, each with its rows."""
        for group in dict.fromkeys(row.group for row in self):
            yield group, [row for row in self if row.group == group]


def table() -> Table:
    """Return what is in the zoo, as a table that prints.

    The gap is that to the lowest loss known, as a share of it; "?" where a lower one was not looked
    for.

    Examples
    --------
    >>> print(str(table()).splitlines()[3][:30])
    digon                 2 → 1
    >>> [row.name for row in table() if row.standing == "saddle"]
    ['cube', 'saddle-nothing', 'saddle-line']
    """
    return Table(_row(name, entry) for name, entry in _entries().items())


def _row(name: str, entry: Mapping[str, Any]) -> Row:
    found = Certificate(**entry["certificate"])
    return Row(
        name=name,
        group=entry["group"],
        about=entry["about"],
        size=f"{entry['n']} → {entry['m']}",
        inputs=_told_inputs(entry),
        loss=with_error(found.loss, found.error),
        gap=f"{found.share_above}, proved" if found.proof else found.share_above,
        standing=found.standing,
        shape=found.shape,
    )


def _cells(row: Row) -> tuple[str, ...]:
    return row.name, row.size, row.inputs, row.loss, row.gap, row.standing, row.shape
