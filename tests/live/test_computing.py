"""The instrument computes what the package computes."""

from __future__ import annotations

import pytest
import torch

from superpos.features import AnticorrelatedSets, CorrelatedSets, IndependentFeatures
from superpos.live import descend
from superpos.losses import exact_loss
from superpos.optima import minimise

MODELS = 1000
SETS = {"correlated": CorrelatedSets, "anticorrelated": AnticorrelatedSets}
LOSSES = """models => models.map(({place, settings}) => {
  const slopes = new Float64Array(place.length), its = live.toy.tidy(settings);
  const [chance, I] = [live.toy.chances(its), live.toy.importances(its)];
  const loss = live.toy.exactLoss(Float64Array.from(place), its, chance, I, slopes);
  return {loss, slopes: Array.from(slopes)};
})"""


def models(n: int, m: int, kind: str, count: int, draws: torch.Generator):
    """W, b and settings of random models: some with features of length 0, some with ties."""
    W = torch.randn(count, m, n, generator=draws, dtype=torch.float64)
    b = 0.3 * torch.randn(count, n, generator=draws, dtype=torch.float64)
    for k in range(0, count, 5):  # equal slopes, slopes of 0, outputs that are 0 at corners
        W[k], b[k] = W[k].round(), (2 * b[k]).round()
    for k in range(1, count, 5):
        W[k, :, 0], b[k, 0] = 0, 0
        W[k, :, -1] = W[k, :, 1]
    for k in range(2, count, 5):
        W[k, :, -1] = -W[k, :, 0] * (1 + 1e-9)
        b[k] = 0
    sparse, density, decay = (
        torch.rand(3, count, generator=draws, dtype=torch.float64).mul(100).round().div(100)
    )
    settings = [
        {"n": n, "m": m, "sets": kind, "S": S, "density": factor, "decay": ratio}
        for S, factor, ratio in zip(
            sparse.clamp(0, 0.99).tolist(),
            (3 * density + 0.1).mul(100).round().div(100).tolist(),
            (decay / 2 + 0.5).mul(100).round().div(100).tolist(),
            strict=True,
        )
    ]
    return W, b, settings


def features(n: int, kind: str, settings: list[dict]):
    """The same distributions as the package has them: the first entry's density is another."""
    S, factor = (
        torch.tensor([one[name] for one in settings], dtype=torch.float64)
        for name in ("S", "density")
    )
    entries = n if kind == "independent" else n // 2
    p = (1 - S)[:, None].repeat(1, entries)
    p[:, 0] = (p[:, 0] * factor).clamp_max(1)
    return IndependentFeatures(n, p) if kind == "independent" else SETS[kind](entries, 2, p)


def cases():
    kinds = [("independent", n) for n in range(2, 8)]
    kinds += [(kind, n) for kind in SETS for n in (2, 4, 6)]
    return [(kind, n, m) for kind, n in kinds for m in (2, 3)]


def place(W: torch.Tensor, b: torch.Tensor) -> list[float]:
    return torch.cat([W.flatten(), b]).tolist()


def test_exact_losses_and_slopes_are_those_of_the_package(opened):
    page, draws, seen = opened(), torch.Generator().manual_seed(0), 0
    for kind, n, m in cases():
        W, b, settings = models(n, m, kind, -(-MODELS // len(cases())), draws)
        W, b = W.requires_grad_(), b.requires_grad_()
        decay = torch.tensor([one["decay"] for one in settings], dtype=torch.float64)
        I = decay[:, None] ** torch.arange(n)
        losses = exact_loss(W, b, features(n, kind, settings), I)
        slopes = torch.autograd.grad(losses.sum(), [W, b])
        sent = [
            {"place": place(*one), "settings": its}
            for *one, its in zip(W.detach(), b.detach(), settings, strict=True)
        ]
        found = page.evaluate(LOSSES, sent)
        for one, loss, by_W, by_b in zip(found, losses.tolist(), *slopes, strict=True):
            assert one["loss"] == pytest.approx(loss, abs=1e-10)
            assert one["slopes"] == pytest.approx(place(by_W, by_b), abs=1e-10)
        seen += len(found)
    assert seen >= MODELS


DESCENTS = """settings => settings.map(some => {
  const its = live.toy.tidy(some), {place, loss} = live.toy.descend(its);
  return {place: Array.from(place), loss, name: live.toy.recognise(place, its).name};
})"""
NAMES = "models => models.map(([place, its]) => live.toy.recognise(place, its).name)"


def test_descents_end_at_polytopes_that_are_optima(opened):
    page, compared = opened(), 0
    for m, n in [(2, 3), (2, 4), (2, 5), (3, 4), (3, 5)]:
        settings = [
            {"n": n, "m": m, "S": S, "decay": decay, "seed": seed, "rate": 0.03}
            for seed, S in enumerate([0.75, 0.8, 0.85, 0.9, 0.95])
            for decay in (0.9, 1.0)
        ]
        found = page.evaluate(DESCENTS, settings)
        ends = torch.tensor([one["place"] for one in found], dtype=torch.float64)
        p = torch.tensor([[1 - one["S"]] for one in settings], dtype=torch.float64)
        decay = torch.tensor([one["decay"] for one in settings], dtype=torch.float64)
        W, b = ends[:, : m * n].reshape(-1, m, n), ends[:, m * n :]
        best = minimise(W, b, IndependentFeatures(n, p), decay[:, None] ** torch.arange(n))
        sent = [[place(*one), its] for *one, its in zip(best.W, best.b, settings, strict=True)]
        assert page.evaluate(NAMES, sent) == [one["name"] for one in found]
        for one, loss in zip(found, best.loss.tolist(), strict=True):
            assert loss <= one["loss"] + 1e-12
            assert one["loss"] == pytest.approx(loss, rel=1e-3)
        compared += len(found)
    assert compared == 50


def test_drawn_inputs_have_the_exact_loss_as_their_mean(opened):
    differences = opened().evaluate("""() => live.toy.SETS.map(sets => {
      const its = live.toy.tidy({n: 5, S: 0.8, density: 2, sets}), I = live.toy.importances(its);
      const at = live.toy.descend(its).place.map(value => value + 0.05);
      const drawn = live.toy.draw(its, 200000, live.toy.random(1));
      const [one, other] = [new Float64Array(at.length), new Float64Array(at.length)];
      const exact = live.toy.exactLoss(at, its, live.toy.chances(its), I, one);
      const loss = live.toy.sampledLoss(at, its, drawn, I, other);
      return [exact, loss - exact, Math.max(...one.map((value, k) => Math.abs(value - other[k])))];
    })""")
    for exact, off, of_slopes in differences:
        assert abs(off) < 0.02 * exact
        assert of_slopes < 0.004


STARTS = """settings => settings.map(some => {
  const its = live.toy.tidy(some), run = live.toy.descend(its, null, true);
  return {start: Array.from(live.toy.start(its)), places: run.places.map(at => Array.from(at))};
})"""


def test_descents_are_the_package_s(opened):
    settings = [{"seed": seed, "S": 0.8} for seed in range(4)]
    found = opened().evaluate(STARTS, settings)
    start = torch.tensor([one["start"] for one in found], dtype=torch.float64)
    W, b = start[:, :10].reshape(-1, 2, 5), start[:, 10:]
    W, b, _ = descend(W, b, 0.2, 0.9 ** torch.arange(5).double(), steps=100)
    for one, *at in zip(found, W, b, strict=True):
        assert len(one["places"]) == 901
        assert one["places"][100] == pytest.approx(place(*at), abs=1e-9)


def test_starts_are_spread_as_the_package_s(opened):
    for n, m in [(5, 2), (10, 3)]:
        settings = [{"n": n, "m": m, "seed": seed} for seed in range(2000)]
        starts = torch.tensor(
            opened().evaluate(
                "all => all.map(one => Array.from(live.toy.start(live.toy.tidy(one))))", settings
            )
        )
        W, b = starts[:, : m * n], starts[:, m * n :]
        variance = 2 / (m * (n + m))
        assert W.square().mean().item() == pytest.approx(variance, rel=0.04)
        assert W.pow(4).mean().item() == pytest.approx(3 * variance**2, rel=0.12)
        assert W.mean().abs() < 0.02 * variance**0.5
        assert torch.corrcoef(W.T).fill_diagonal_(0).abs().max() < 0.1
        assert torch.corrcoef(torch.stack([W[1:, 0], W[:-1, 0]]))[0, 1].abs() < 0.08  # seeds
        assert not b.any()
