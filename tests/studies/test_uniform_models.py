"""Models of the paper's own size: what is kept of them."""

from __future__ import annotations

import pytest
import torch

from superpos.optima.ladder import stack
from superpos.studies import uniform_models
from superpos.studies.uniform_models import KINDS, M, N, keep, kept, of
from superpos.studies.uniform_superposition import ahead


@pytest.fixture(scope="module")
def models():
    return kept()


def test_all_kinds_are_kept_by_growing_sparsity(models):
    assert list(models) == list(KINDS)
    for some in models.values():
        k = len(some.inverse_p)
        assert (some.inverse_p.diff() > 0).all()
        assert (some.dimensions.shape, some.saved.shape) == ((k,), (k,))
        assert some.dimensionality.shape == (k, N)
        # Σ D_i is at most the number of dimensions
        assert (some.dimensionality.nan_to_num().sum(-1) <= M * 1.01).all()


@pytest.mark.parametrize("inverse_p", [1.467799, 2.511886, 3.162278])
def test_the_best_are_stacks_of_the_best_polytope_where_these_are_the_best(models, inverse_p):
    place = (models["best"].inverse_p - inverse_p).abs().argmin()
    at = models["best"].inverse_p[place : place + 1]
    made = stack(N, M, 1 / at.item())
    again = of(at, made.W[None], made.b[None])
    assert again.dimensions == pytest.approx(models["best"].dimensions[place].item(), rel=1e-4)
    assert again.saved == pytest.approx(models["best"].saved[place].item(), rel=2e-3)
    D, before = again.dimensionality[0], models["best"].dimensionality[place]
    assert torch.equal(D.isfinite().sum(), before.isfinite().sum())
    assert torch.allclose(D[D.isfinite()], before[before.isfinite()], atol=1e-3)


def test_nothing_saves_more_than_the_best_known(models):
    """Sampled losses, to their error."""
    best = models["best"]
    for kind in ("published", "patient"):
        for at, saved in zip(models[kind].inverse_p, models[kind].saved, strict=True):
            near = (best.inverse_p / at).log().abs()
            if near.min() < 0.02:
                assert saved < best.saved[near.argmin()] + 0.02
    assert ahead(best, models["patient"]).endswith(" of 24")


def test_what_is_kept_can_be_read_again(models, tmp_path):
    keep(models, tmp_path / "some.safetensors")
    for kind, some in kept(tmp_path / "some.safetensors").items():
        for name, value in vars(some).items():
            assert torch.equal(value.nan_to_num(), getattr(models[kind], name).nan_to_num())
    assert uniform_models.FILE.stat().st_size < 150_000
