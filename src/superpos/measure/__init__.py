"""A dictionary of directions, measured beside what chance would give.

`statistics` reads one matrix, or many of one shape, in blocks; `nulls` draws the matrices that it
is held against; `dictionary` puts both together and says what is unusual; `files` does so for the
weights in a file; `report` tells it, as text or as a page.
"""

from superpos.measure.dictionary import Measurement as Measurement
from superpos.measure.dictionary import measure as measure

__all__ = ["Measurement", "measure"]
