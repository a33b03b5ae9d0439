"""Direct sums in W: finding them, planes through features, planted ones, regions of hyperplanes."""

from superpos.bundles.find import (
    MOST_ENUMERATED,
    Bundle,
    enumerate_bundles,
    find_bundles,
    row_cosines,
)

__all__ = [
    "MOST_ENUMERATED",
    "Bundle",
    "enumerate_bundles",
    "find_bundles",
    "row_cosines",
]
