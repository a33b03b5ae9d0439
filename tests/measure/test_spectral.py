from __future__ import annotations

import pytest
import torch

from superpos.codes import random_code, rugs
from superpos.codes.polytopes import POLYTOPES
from superpos.measure import spectral


def test_orthogonal_tight_frames_of_other_lengths_are_localised_but_not_tight():
    parts = [2 * POLYTOPES["pentagon"].points, POLYTOPES["tetrahedron"].points]
    W = torch.block_diag(*parts)
    assert torch.allclose(spectral.localisation(W), torch.ones(9).double())
    assert spectral.saturation(W).item() == pytest.approx(1)
    assert spectral.tightness(W) < 0.8


def test_a_rug_is_tight_and_a_random_code_is_as_little_as_its_spectrum_tells():
    rug, code = rugs.rug(256, 64), random_code(256, 64)
    assert spectral.tightness(rug).item() == pytest.approx(1)
    assert spectral.localisation(rug).min().item() == pytest.approx(1)
    # the squared sum over the sum of squares of a spectrum of Marchenko and Pastur
    assert spectral.tightness(code).item() == pytest.approx(1 / (1 + 64 / 256), abs=0.02)
    # D_i = 1 / (1 + n/m), by a leverage of m/n on average
    assert spectral.localisation(code).mean().item() == pytest.approx(1 / (1 + 64 / 256), abs=0.02)


def test_a_rotation_changes_nothing_and_absent_features_are_in_no_eigenspace():
    W = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0)).double()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double())
    assert torch.allclose(spectral.localisation(turn.Q @ W), spectral.localisation(W))
    assert (spectral.localisation(W) < 1).all()
    W[..., 0] = 0
    assert (spectral.localisation(W)[..., 0] == 0).all()
    assert (spectral.saturation(W) < 1).all()
