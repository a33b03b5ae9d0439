"""The loss: importance-weighted squared error, summed over features, expected over inputs."""

from superpos.losses.exact import (
    check_few_features,
    error_by_active_set,
    exact_loss,
    loss_by_active_set,
)
from superpos.losses.linear import active_moments, linear_errors, linear_loss
from superpos.losses.sampled import (
    batch_loss,
    common_loss,
    even_loss,
    expected_loss,
    own_input_loss,
)
from superpos.losses.sparse import k_sparse

__all__ = [
    "active_moments",
    "batch_loss",
    "check_few_features",
    "common_loss",
    "error_by_active_set",
    "even_loss",
    "exact_loss",
    "expected_loss",
    "k_sparse",
    "linear_errors",
    "linear_loss",
    "loss_by_active_set",
    "own_input_loss",
]
