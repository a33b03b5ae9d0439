"""All drawings under one name, for chapters that have no drawings of their own yet."""

from superpos.figures.axes import plain_ticks, polytope_lines, scale_bar, set_lines, size_axis  # noqa: F401
from superpos.figures.features import (  # noqa: F401
    cloud,
    dimensionality_scatter,
    feature_graph,
    polytope_legend,
    strips,
)
from superpos.figures.maps import KINDS, contours, heat, kind_legend, phase_map  # noqa: F401
from superpos.figures.matrices import neuron_bars, products, shares, stacks, weights  # noqa: F401
from superpos.figures.plane import arrangement, output_plane, plane, planes, zones  # noqa: F401
from superpos.figures.style import (  # noqa: F401
    ACCENT,
    DIGON,
    FAINT,
    FEATURES,
    IMPORTANCE,
    INK,
    INTERFERENCE,
    PENTAGON,
    POLYTOPES,
    PRODUCTS,
    SETS,
    SETTINGS,
    display_figure,
    figure,
    sequence,
    set_colours,
    shades,
    show,
    show_table,
    svg,
)
