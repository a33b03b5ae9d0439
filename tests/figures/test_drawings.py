from __future__ import annotations

import math
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from markdown_it import MarkdownIt
from matplotlib.colors import to_hex, to_rgb
from torch import Tensor

from superpos import geometry
from superpos.codes import thomson
from superpos.errors import InvalidArgument
from superpos.figures import axes as lines
from superpos.figures import features, maps, matrices, palette, plane, style
from superpos.learning import onehot
from superpos.optima import phases
from superpos.studies import phase_change

TOLD = {"name": "a-figure", "alt": "A line from 0 to 1.", "caption": "The *line*, $n < 2$."}


@pytest.fixture(autouse=True)
def _with_settings_of_their_own():
    with mpl.rc_context():
        yield


@pytest.fixture
def displayed(monkeypatch):
    """What is displayed: bundles with their metadata, as a kernel would send them."""
    found = []

    def display(bundle, *, raw, metadata=None):
        assert raw
        found.append((bundle, metadata or {}))

    monkeypatch.setattr(style, "display", display)
    return found


def polygon(k: int) -> Tensor:
    angle = torch.arange(k) * 2 * math.pi / k
    return torch.stack([angle.cos(), angle.sin()])


DIGON = torch.tensor([[1.0, -1.0]])
TETRAHEDRON = torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / 3**0.5
TURNED = torch.tensor([[1.0, -1.0], [1.0, 1.0]]) / 2**0.5 @ polygon(4)
ANTIPRISM = torch.cat([
    torch.cat([polygon(4), TURNED], dim=1) * (2 / 3) ** 0.5,
    torch.tensor([[1.0] * 4 + [-1.0] * 4]) / 3**0.5,
])  # fmt: skip
POLYTOPES = {
    "tetrahedron": TETRAHEDRON,
    "triangle": polygon(3),
    "digon": DIGON,
    "pentagon": polygon(5),
    "square antiprism": ANTIPRISM,
}


def draw(kind: str = "plane"):
    """A figure of each kind, always the same."""
    W = torch.randn(2, 7, generator=torch.Generator().manual_seed(0))
    fig, axes = style.figure(1, 2)
    if kind == "plane":
        plane.plane(axes[0], W, torch.arange(7.0))
        matrices.products(axes[1], W, torch.zeros(7))
        lines.scale_bar(fig, axes, palette.PRODUCTS, low=-1, high=1, label="WᵀW")
    elif kind == "graph":
        features.feature_graph(axes[0], torch.block_diag(W, polygon(3), DIGON))
        features.strips(axes[1], {"some": W[0], "others": W[1]})
        features.polytope_legend(fig)
    elif kind == "sets":
        plane.plane(axes[0], W[:, :6], size=3)
        features.feature_graph(axes[1], W[:, :6], size=2)
        lines.set_lines(axes[1], 6, 2)
    else:
        features.dimensionality_scatter(axes[0], torch.tensor([1.0, 10.0]), torch.stack([W, W]))
    return fig


KINDS = ["plane", "graph", "sets", "scatter"]


# Showing


def test_a_figure_is_shown_as_svg_with_its_texts_beside_it(displayed):
    style.show(draw(), **TOLD)
    (bundle, metadata), (caption, of) = displayed
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert ElementTree.fromstring(bundle["image/svg+xml"]).tag.endswith("svg")
    assert bundle["text/plain"] == TOLD["alt"]
    assert metadata == {"superpos": TOLD}
    assert caption == {"text/markdown": f"*{TOLD['caption']}*", "text/plain": TOLD["caption"]}
    assert of == {"superpos": {"caption_of": "a-figure"}}


@pytest.mark.parametrize("text", ["name", "alt", "caption"])
@pytest.mark.parametrize("value", ["", " \n", None, 5])
def test_a_figure_without_one_of_its_texts_is_refused_by_name(displayed, text, value):
    told = re.escape(f"{text} is {value!r}: every figure needs a text")
    with pytest.raises(InvalidArgument, match=told):
        style.show(style.figure()[0], **TOLD | {text: value})
    assert displayed == []


@pytest.mark.parametrize("text", ["name", "alt", "caption"])
def test_no_text_can_be_left_out(text):
    with pytest.raises(TypeError, match=f"'{text}'"):
        style.show(
            style.figure()[0], **{name: value for name, value in TOLD.items() if name != text}
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_drawn_again_has_the_same_bytes(kind):
    first = style.svg(draw(kind))
    style.svg(draw("plane"))
    assert style.svg(draw(kind)) == first
    assert "<dc:date>" not in first


def test_a_figure_shown_again_has_the_same_bytes():
    fig = draw()
    assert style.svg(fig) == style.svg(fig)


def test_the_same_bytes_come_whatever_matplotlib_is_set_to_by_then():
    first, again = draw(), draw()
    expected = style.svg(first)
    mpl.rcdefaults()  # as another library may, between drawing and showing
    assert style.svg(again) == expected


def scene(projection: str | None = None):
    """A figure drawn by calls on it and its axes, as in a notebook's cell."""
    fig, axes = style.figure(1, 2, subplot_kw={"projection": projection})
    axes[0].plot([0, 1], [0, 1], label="a line")
    axes[0].set(title="title", xlabel="x")
    axes[0].legend(title="lines")
    drawn = axes[1].scatter([0, 1], [1, 0], c=[0, 1])
    bar = fig.colorbar(drawn, ax=axes[1], label="bar")
    bar.ax.plot([0, 1], [0, 1])
    bar.ax.set_title("title")
    axes[1].tick_params(labelsize=7)
    axes[1].xaxis.set_major_locator(mpl.ticker.MaxNLocator(3))
    fig.suptitle("above all")
    fig.text(0.5, 0.5, "words")
    later = fig.add_axes((0.8, 0.8, 0.1, 0.1))
    later.annotate("words", (0, 0), arrowprops={})
    if projection is None:
        twin = axes[0].twinx()
        twin.plot([0, 1], [1, 0])
        twin.set_title("right", loc="right")
    return fig


@pytest.mark.parametrize("projection", [None, "polar", "3d"])
def test_what_is_drawn_after_a_figure_is_made_has_the_style_too(projection):
    with style.applied():
        expected = style.svg(scene(projection))
    found = style.svg(scene(projection))
    assert found == expected
    mpl.rcParams.update({"font.size": 30, "lines.linewidth": 9, "legend.frameon": True})
    assert style.svg(scene(projection)) == expected


@pytest.mark.parametrize("kind", [*KINDS, "scene"])
def test_drawing_leaves_matplotlib_set_as_it_was(kind):
    mpl.rcParams.update({"font.size": 30, "svg.hashsalt": None})
    before = dict(mpl.rcParams)
    fig = scene() if kind == "scene" else draw(kind)
    assert mpl.rcParams == before
    style.svg(fig)
    assert mpl.rcParams == before
    with pytest.raises(AttributeError, match="nonsense"):
        fig.axes[0].set_title("words", nonsense=1)
    assert mpl.rcParams == before


def test_threads_that_draw_leave_matplotlib_set_as_it_was():
    before, expected = dict(mpl.rcParams), style.svg(scene())
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: style.svg(scene()), range(8)))
    assert set(found) == {expected}
    assert mpl.rcParams == before


def test_another_process_draws_the_same_bytes():
    code = (
        "import sys, torch; from superpos.figures import features, style; fig, ax = style.figure();"
        "features.feature_graph(ax, torch.eye(1, 7).roll(3, -1) + 0.8);"
        "sys.stdout.buffer.write(style.svg(fig).encode())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    fig, ax = style.figure()
    features.feature_graph(ax, torch.eye(1, 7).roll(3, -1) + 0.8)
    assert style.svg(fig).encode() == other


def test_no_figure_stays_open(displayed):
    before = plt.get_fignums()
    for kind in KINDS:
        style.show(draw(kind), **TOLD)
    assert plt.get_fignums() == before


def test_a_figure_has_the_books_style_whatever_was_set_before():
    mpl.rcParams.update({"font.size": 30, "axes.spines.top": True, "figure.facecolor": "black"})
    fig, ax = style.figure(width=5, height=2)
    assert fig.get_size_inches().tolist() == [5, 2]
    assert ax.xaxis.label.get_size() == 9
    assert not ax.spines["top"].get_visible()
    assert to_hex(fig.get_facecolor()) == "#ffffff"
    grid = style.figure(2, 3, sharex=True)[1]
    assert grid.shape == (2, 3)
    assert grid[0, 0].get_shared_x_axes().joined(grid[0, 0], grid[1, 2])


# Tables


def test_a_table_has_its_heads_and_a_row_for_each_name(displayed):
    rows = {"ours": ["1 of 2", "$n = 3$"], "theirs": ["0 of 2", "—"]}
    style.Table(["pairs", "size"], rows, "run").show(name="runs")
    ((bundle, _),) = displayed
    assert bundle["text/plain"] == bundle["text/markdown"]
    tokens = MarkdownIt("commonmark").enable("table").parse(bundle["text/markdown"])
    cells = [
        (before.tag, token.content) for before, token in pairwise(tokens) if token.type == "inline"
    ]
    heads = [("th", text) for text in ("run", "pairs", "size")]
    assert cells == heads + [
        ("td", text) for name, row in rows.items() for text in (name, *row)
    ]  # fmt: skip


# Colours


def lightness(colour) -> float:
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in to_rgb(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("name", POLYTOPES)
def test_a_polytope_stands_at_its_dimensionality(name):
    value, _ = palette.POLYTOPES[name]
    found = geometry.feature_dimensionality(POLYTOPES[name])
    assert found.tolist() == pytest.approx([value] * len(found), rel=1e-5)


def test_every_polytope_has_a_colour_of_its_own():
    colours = [to_rgb(colour) for _, colour in palette.POLYTOPES.values()]
    colours += [to_rgb(colour) for colour in (palette.INK, palette.FAINT)]
    apart = [math.dist(one, other) for one in colours for other in colours if one is not other]
    assert min(apart) > 0.2
    assert list(palette.POLYTOPES) == list(POLYTOPES)


def test_the_more_important_the_darker():
    _, ax = style.figure()
    plane.plane(ax, polygon(5), torch.tensor([0.9**i for i in range(5)]))
    shades = [lightness(line.get_color()) for line in ax.lines if line.get_marker() == "o"]
    assert shades == sorted(shades)
    assert len(set(shades)) == 5
    _, ax = style.figure()
    plane.plane(ax, polygon(5), torch.ones(5))
    assert len({line.get_color() for line in ax.lines if line.get_marker() == "o"}) == 1


def test_products_are_on_a_scale_of_two_colours_that_is_white_at_0():
    low, middle, high = (to_rgb(palette.PRODUCTS(value)) for value in (0.0, 0.5, 1.0))
    assert min(middle) > 0.95
    assert low[2] > low[0]  # blue is negative
    assert high[0] > high[2]  # red is positive


def test_sparser_settings_are_darker_and_none_is_too_faint_to_see():
    shades = [lightness(palette.sequence(k, 4)) for k in range(4)]
    assert shades == sorted(shades, reverse=True)
    assert shades[0] < 0.75
    assert palette.sequence(0, 1) == palette.sequence(0, 4)


def test_the_legend_names_each_polytope_in_its_colour():
    fig, _ = style.figure()
    features.polytope_legend(fig)
    (legend,) = fig.legends
    found = {
        text.get_text(): handle.get_color()
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
    }
    expected = {name: colour for name, (_, colour) in palette.POLYTOPES.items()}
    assert found == {"dimension of its own": palette.INK} | expected


# Pictures of models


def test_each_feature_is_a_line_from_the_origin_in_the_plane():
    W = torch.tensor([[1.0, -0.5, 0.0], [0.0, 1.25, 0.0]])
    _, ax = style.figure()
    plane.plane(ax, W)
    lines = [line.get_xydata().tolist() for line in ax.lines]
    for x, y in W.T.tolist():
        assert [[0, 0], [x, y]] in lines
        assert [[x, y]] in lines
    assert ax.get_aspect() == 1
    assert ax.get_xlim() == ax.get_ylim() == (-1.6, 1.6)


def test_overlaid_models_have_a_colour_each():
    W = torch.tensor([[[1.0, -0.5], [0.0, 1.25]], [[0.75, -0.25], [0.125, 1.0]]])
    _, ax = style.figure()
    plane.planes(ax, W)
    of_models = ax.lines[2:]  # after the two axes
    for k, model in enumerate(W):
        mine = [line for line in of_models if line.get_color() == palette.sequence(k, 2)]
        ends = {tuple(line.get_xydata()[-1].tolist()) for line in mine}
        assert ends == {tuple(end) for end in model.T.tolist()}


@pytest.mark.parametrize("shape", [(3, 5), (2,), (4, 2, 5)])
def test_a_plane_needs_two_dimensions_and_one_model(shape):
    _, ax = style.figure()
    with pytest.raises(InvalidArgument, match=r"W has shape \(.*\): .*\(.*n\)"):
        plane.plane(ax, torch.ones(shape))


def test_products_biases_and_lengths_stand_in_the_rows_of_their_features():
    W = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.5, 0.0]])
    b = torch.tensor([0.0, -0.2, 0.4, 0.5])
    _, ax = style.figure()
    matrices.products(ax, W, b)
    square, column = ax.images
    assert square.get_array().tolist() == geometry.gram(W).tolist()
    assert column.get_array().tolist() == b[:, None].tolist()
    for image in (square, column):
        assert image.norm(0) == 0.5  # 0 is the white middle of the scale
        assert (image.norm.vmin, image.norm.vmax) == (-1, 1)
        bottom, top = image.get_extent()[2:]
        assert (bottom, top) == (4, 0)
    bars = ax.patches
    assert [bar.get_y() + bar.get_height() / 2 for bar in bars] == pytest.approx(
        [0.5, 1.5, 2.5, 3.5]
    )
    (unit,) = (line.get_xdata()[0] for line in ax.lines)  # where bars of length 1 end
    start = bars[0].get_x()
    lengths = [bar.get_width() / (unit - start) for bar in bars]
    assert lengths == pytest.approx([1, 1, 1.5, 0], abs=1e-6)
    assert len({bar.get_x() for bar in bars}) == 1
    alone, shared = bars[2].get_facecolor(), bars[0].get_facecolor()
    assert alone == palette.INTERFERENCE(0.0)
    assert shared == palette.INTERFERENCE(1.0)
    assert ax.get_ylim() == (4, 0)  # feature 0 is at the top


def test_a_model_without_biases_is_a_square_alone():
    _, ax = style.figure()
    matrices.products(ax, torch.eye(2, 3))
    assert len(ax.images) == 1
    assert list(ax.patches) == []
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 3), (3, 0))


def test_strips_have_every_value_in_the_row_of_its_group():
    groups = {
        "some": torch.tensor([0.0, 0.1, 0.3]),
        "none": torch.tensor([]),
        "others": torch.tensor([0.2, 0.5]),
    }
    _, ax = style.figure()
    features.strips(ax, groups)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(groups)
    assert ax.get_yticks().tolist() == [0, 1, 2]
    for row, (dots, values) in enumerate(zip(ax.collections, groups.values(), strict=True)):
        x, y = dots.get_offsets().T
        assert np.array_equal(x, values.numpy())
        assert (abs(y - row) < 0.3).all()
    first, _, others = (dots.get_facecolor() for dots in ax.collections)
    assert to_hex(first[0]) != to_hex(others[0])
    low, high = ax.get_xlim()
    assert low < 0
    assert high > 0.5
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first is at the top


def test_the_lines_of_the_polytopes_are_at_their_values_and_named():
    _, ax = style.figure()
    lines.polytope_lines(ax)
    found = {(line.get_ydata()[0], line.get_color()) for line in ax.lines}
    assert found == set(palette.POLYTOPES.values())
    named = {text.get_text(): (text.xy[1], text.get_color()) for text in ax.texts}
    fractions = dict(zip(palette.POLYTOPES, ("3/4", "2/3", "1/2", "2/5", "3/8"), strict=True))
    assert named == {
        f"{name} {fractions[name]}": entry for name, entry in palette.POLYTOPES.items()
    }
    _, bare = style.figure()
    lines.polytope_lines(bare, labels=False)
    assert len(bare.lines) == 5
    assert len(bare.texts) == 0


def test_the_names_of_the_polytopes_do_not_cover_each_other():
    fig, ax = style.figure(height=3.6)
    ax.set_ylim(0, 1.05)  # as the scatter has it
    lines.polytope_lines(ax)
    fig.draw_without_rendering()
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    assert len(boxes) == 5
    for lower, upper in pairwise(boxes):
        assert lower.y1 < upper.y0


def test_a_component_has_the_colour_of_its_polytope():
    parts = [*POLYTOPES.values(), torch.eye(1), polygon(7)]
    expected = [colour for _, colour in palette.POLYTOPES.values()]
    expected += [palette.INK, palette.FAINT]  # D = 1, and 2/7 which is no polytope's
    _, ax = style.figure()
    features.feature_graph(ax, torch.block_diag(*parts))
    found = sorted(
        (len(dots.get_offsets()), to_hex(dots.get_facecolor()[0])) for dots in ax.collections
    )
    sizes = [part.shape[1] for part in parts]
    assert found == sorted(
        (size, to_hex(colour)) for size, colour in zip(sizes, expected, strict=True)
    )


def test_a_polytopes_colour_reaches_to_0_03_of_its_dimensionality():
    def colour(cosine: float) -> str:
        # two features of length 1 have D = 1/(1 + cos²)
        W = torch.tensor([[1.0, cosine], [0.0, (1 - cosine**2) ** 0.5]])
        _, ax = style.figure()
        features.feature_graph(ax, W)
        return to_hex(ax.collections[0].get_facecolor()[0])

    at = [(1 / D - 1) ** 0.5 for D in (0.531, 0.529, 0.501, 2 / 3, 3 / 4)]
    assert [colour(cosine) for cosine in at] == [
        to_hex(shade)
        for shade in (palette.FAINT, palette.DIGON, palette.DIGON, palette.FAINT, palette.FAINT)
    ]  # two features are no triangle, and no tetrahedron, whatever their D


def test_a_graph_has_a_dot_a_feature_and_a_line_an_edge_wide_as_the_product():
    W = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.2, 1.0, 0.1]])
    _, ax = style.figure()
    features.feature_graph(ax, W)
    (dots,) = ax.collections
    places = dots.get_offsets().tolist()
    assert len(places) == 3  # the last one is not represented
    assert len(ax.lines) == 2
    assert sorted(line.get_linewidth() for line in ax.lines) == pytest.approx([0.68, 1.8])
    for line in ax.lines:
        assert all(end in places for end in line.get_xydata().tolist())
    (wide,) = (line for line in ax.lines if line.get_linewidth() > 1)
    assert wide.get_xydata().tolist() == [places[0], places[1]]
    _, strict = style.figure()
    features.feature_graph(strict, W, threshold=0.3)
    assert len(strict.lines) == 1


def test_no_two_components_overlap_and_no_two_features_coincide():
    generator = torch.Generator().manual_seed(0)
    loose = torch.nn.functional.normalize(torch.randn(4, 12, generator=generator), dim=0)
    parts = [loose, *POLYTOPES.values(), *[torch.eye(1)] * 5, *[DIGON] * 4]
    _, ax = style.figure()
    features.feature_graph(ax, torch.block_diag(*parts))
    clouds = [np.asarray(dots.get_offsets()) for dots in ax.collections]
    assert len(clouds) == len(parts)
    boxes = [(*cloud.min(0), *cloud.max(0)) for cloud in clouds]
    for k, (x0, y0, x1, y1) in enumerate(boxes):
        for a0, b0, a1, b1 in boxes[:k]:
            assert x1 < a0 or a1 < x0 or y1 < b0 or b1 < y0
    every = np.concatenate(clouds)
    distance = np.hypot(*(every[:, None] - every).T) + 9 * np.eye(len(every))
    assert distance.min() > 0.05


def test_a_model_that_represents_nothing_has_an_empty_graph():
    fig, ax = style.figure()
    features.feature_graph(ax, torch.zeros(2, 3))
    assert len(ax.collections) == 0
    assert style.svg(fig)


def test_the_scatter_has_each_represented_feature_in_the_column_of_its_setting():
    # setting k: a polygon of k + 3 corners, a feature by itself, one that is not represented
    W = torch.zeros(4, 3, 8)
    for k in range(4):
        W[k, :2, : k + 3] = polygon(k + 3)
        W[k, 2, 6], W[k, 0, 7] = 2, 0.01
    _, ax = style.figure()
    features.dimensionality_scatter(ax, torch.logspace(0, 3, 4), W)
    x, y = np.asarray(ax.collections[0].get_offsets()).T
    column = np.log10(x)
    assert (abs(column - column.round()) < 0.41).all()
    expected = [(k, 2 / (k + 3)) for k in range(4) for _ in range(k + 3)]
    expected += [(k, 1) for k in range(4)]
    found = sorted(zip(column.round().tolist(), y.tolist(), strict=True))
    assert np.array(found) == pytest.approx(np.array(sorted(expected)), abs=1e-3)


def test_the_line_in_the_scatter_is_dimensions_per_feature():
    W = torch.stack([torch.eye(2, 4), torch.cat([torch.eye(2), -torch.eye(2)], dim=1)])
    _, ax = style.figure()
    features.dimensionality_scatter(ax, torch.tensor([1.0, 5.0]), W, labels=False)
    (line,) = (line for line in ax.lines if line.get_label().startswith("D*"))
    assert line.get_xydata().tolist() == [[1, 1], [5, 0.5]]
    assert len(ax.lines) == 1 + len(palette.POLYTOPES)
    assert ax.get_xscale() == "log"


# Axes


def test_a_logarithmic_axis_has_plain_numbers_for_ticks():
    fig, ax = style.figure()
    ax.set(xscale="log", xlim=(1, 100))
    lines.plain_ticks(ax.xaxis)
    fig.draw_without_rendering()
    labels = [
        tick.get_text() for tick in ax.get_xticklabels() if 1 <= tick.get_position()[0] <= 100
    ]
    assert labels == ["1", "2", "5", "10", "20", "50", "100"]
    assert not any(tick.get_text() for tick in ax.get_xticklabels(minor=True))


def test_an_axis_of_sizes_has_a_tick_for_each_and_no_others():
    fig, ax = style.figure()
    lines.size_axis(ax, [15, 30, 60], "m")
    fig.draw_without_rendering()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["15", "30", "60"]
    assert ax.get_xticks().tolist() == [15, 30, 60]
    assert list(ax.get_xticks(minor=True)) == []
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "m")


def test_a_scale_bar_shows_its_colours_from_low_to_high():
    fig, ax = style.figure()
    lines.scale_bar(fig, ax, palette.IMPORTANCE, low=0.5, high=1, label="importance")
    bar = fig.axes[1]
    assert bar.get_ylim() == (0.5, 1)
    assert bar.get_ylabel() == "importance"


def test_zones_shade_where_an_output_is_active():
    _, axes = style.figure(1, 2)
    W, b = onehot.failure(7)
    plane.zones(axes[0], W, b)
    plane.zones(axes[1], W[:, :6], b[:6])
    filled = [
        [c for c in ax.collections if getattr(c, "filled", False)] for ax in axes
    ]  # seven zones, and six
    assert [len(each) for each in filled] == [7, 6]
    paths = filled[0][0].get_paths()[0]
    edge = -b[0].item() / W[:, 0].norm().item()  # feature 0 points right
    assert paths.vertices[:, 0].min() == pytest.approx(edge, abs=1e-6)


def test_zones_are_of_planes_with_few_features():
    with pytest.raises(InvalidArgument, match=r"W has shape \(3, 4\)"):
        plane.zones(style.figure()[1], torch.zeros(3, 4), torch.zeros(4))


@pytest.mark.parametrize(
    ("W", "b", "shown"), [(*onehot.regular(6), (0, 2, 4)), (*onehot.failure(7), (0, 1, 6))]
)
def test_an_output_plane_holds_the_features_where_their_outputs_are(W, b, shown):
    fig, ax = style.figure(subplot_kw={"projection": "3d"})
    plane.output_plane(ax, W, b, shown)
    fig.draw_without_rendering()
    drawn = torch.tensor(np.array([np.concatenate(line.get_data_3d()) for line in ax.lines]))
    expected = onehot.outputs(W, b)[list(shown)].T
    assert torch.allclose(drawn, expected, atol=1e-9)
    assert np.isfinite(ax.get_w_lims()).all()
    assert np.abs(ax.get_w_lims()).max() < 10


def test_the_part_of_a_polygon_above_an_edge():
    square = torch.tensor([[1.0, 1], [-1, 1], [-1, -1], [1, -1]])
    kept = plane._clipped(square, torch.tensor([1.0, 0.0]), torch.tensor(-0.5))
    assert kept[:, 0].min() == 0.5
    assert kept[:, 0].max() == 1
    assert len(plane._clipped(square, torch.tensor([1.0, 0.0]), torch.tensor(-2.0))) == 0


def test_a_phase_map_shows_each_cell_in_the_colour_of_its_kind():
    _, axes = style.figure()
    p, r = torch.tensor([1.0, 0.1]), torch.tensor([0.1, 1.0, 10.0])
    kinds = torch.tensor([[0, 1, 2], [2, 1, 0]])
    names = ("extra left out", "other left out", "antipodal pair")
    maps.phase_map(axes, p, r, kinds, names)
    (mesh,) = axes.collections
    shown = (
        mesh.get_facecolors()
        if mesh.get_array() is None
        else mesh.cmap(mesh.norm(mesh.get_array()))
    )
    wanted = [mpl.colors.to_rgba(maps.KINDS[names[k]]) for k in kinds.T.flatten().tolist()]
    assert np.allclose(np.reshape(shown, (-1, 4)), wanted)
    assert axes.get_xlim() == pytest.approx((1.0, 0.1))  # sparse is right


def test_every_kind_of_solution_has_a_colour():
    assert {*phases.TWO_FEATURES, *phases.THREE_FEATURES, *phase_change.EXTRA} == set(maps.KINDS)


def test_a_heat_map_starts_at_zero():
    _, axes = style.figure()
    maps.heat(axes, torch.arange(2), torch.arange(3), torch.ones(2, 3), label="loss")
    assert axes.collections[0].norm.vmin == 0
    assert axes.figure.axes[-1].get_ylabel() == "loss"


def test_contours_keep_rows_as_heights():
    _, axes = style.figure()
    x, y = torch.linspace(-1, 1, 5), torch.linspace(0, 1, 7)
    maps.contours(axes, x, y, y[:, None] + 0 * x)
    assert axes.get_ylim() == pytest.approx((0, 1))
    assert axes.get_xlim() == pytest.approx((-1, 1))


def test_an_arrangement_shows_each_place_once_and_how_many_share_it():
    for points in (thomson.polygon(5)[:, [0, 0, 1, 2, 3, 4]], torch.eye(3)[:, [0, 0, 1, 2]]):
        points = torch.cat([points, -points], dim=-1) if len(points) == 3 else points
        _, axes = style.figure()
        plane.arrangement(axes, points)
        where, counts = thomson.places(points)
        dots = [line for line in axes.lines if line.get_marker() == "o"]
        assert len(dots) == where.shape[1]
        assert sorted(text.get_text() for text in axes.texts) == ["2"] * counts.count(2)


def test_a_polytope_is_drawn_with_all_its_sides():
    _, axes = style.figure()
    octahedron = torch.cat([torch.eye(3), -torch.eye(3)], dim=-1)
    plane.arrangement(axes, octahedron)
    assert sum(len(line.get_xdata()) == 2 for line in axes.lines) == 12


def test_weights_are_drawn_with_a_row_a_neuron():
    _, axes = style.figure()
    W = torch.tensor([[1.0, 0.0, -0.5], [0.0, 2.0, 0.0]])
    matrices.weights(axes, W)
    (image,) = axes.images
    assert np.array_equal(image.get_array(), W.numpy())
    assert image.get_clim() == (-1, 1)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["1", "2"]


def test_stacks_hold_every_weight_and_add_up():
    _, axes = style.figure()
    W = torch.tensor([[1.0, 0.5, -0.5], [0.25, 2.0, -0.25]])
    serving = torch.tensor([[True, True, False], [False, True, False]])
    matrices.stacks(axes, W, serving)
    bars = [(round(bar.get_x() + 0.36), bar.get_y(), bar.get_height()) for bar in axes.patches]
    for neuron, row in enumerate(W.tolist(), 1):
        own = [(low, height) for at, low, height in bars if at == neuron]
        assert [height for _, height in own] == row
        assert max(low + height for low, height in own) == sum(w for w in row if w > 0)
    colours = [to_hex(tick.get_color()) for tick in axes.get_xticklabels()]
    assert colours == [palette.ACCENT, palette.INK]  # the first neuron is polysemantic
    assert [text.get_text() for text in axes.texts] == ["0", "1", "1"]  # only what is served


def test_shares_begin_where_the_last_one_ended():
    _, axes = style.figure()
    parts = {"a": torch.tensor([0.25, 1.0]), "b": torch.tensor([0.75, 0.0])}
    matrices.shares(axes, ["first", "second"], parts, [palette.INK, palette.ACCENT])
    bars = sorted((round(bar.get_y() + 0.4), bar.get_x(), bar.get_width()) for bar in axes.patches)
    assert bars == [(0, 0.0, 0.25), (0, 0.25, 0.75), (1, 0.0, 1.0), (1, 1.0, 0.0)]


def test_bars_of_neurons_show_what_each_serves_and_ground_those_that_share():
    slopes = torch.tensor([[0.0, 1.0, 0.5], [1.0, 0.0, 0.1], [0.0, 0.0, 0.0]])
    fig, ax = style.figure(1, 1)
    matrices.neuron_bars(ax, slopes, slopes >= 0.25)
    grounds, bars = ax.containers
    assert len(grounds) == 1  # one polysemantic neuron, second by its most important feature
    assert grounds[0].get_x() + grounds[0].get_width() / 2 == pytest.approx(1)
    assert sorted(bar.get_height() for bar in bars) == pytest.approx([0.5, 1, 1])
    assert max(bar.get_y() for bar in bars) == pytest.approx(1)
    assert style.svg(fig)
