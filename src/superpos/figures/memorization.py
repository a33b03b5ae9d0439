"""What the chapter on memorization draws."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from superpos import Procedure, geometry
from superpos.claims.registry import thresholds
from superpos.figures.axes import band, plain_ticks
from superpos.figures.explorers import Explorer, whole
from superpos.figures.features import cloud
from superpos.figures.palette import ACCENT, FAINT, INK, THIN
from superpos.figures.plane import plane
from superpos.figures.style import MIDDLE, TALL, Picture, Table, figure
from superpos.learning import memorization
from superpos.stats import told
from superpos.studies.memorization import long_features, regular_polygon

KINDS = ("examples $h_j$", "features $W_i$")
COLUMNS = ("‖W‖²", "loss at x = 0", "training loss", "test loss")
LONGEST = 60  # as many vectors are drawn in a plane
ALL_COLOUR, BATCH_COLOUR = ACCENT, INK


def few_planes(few, few_hidden, n_seeds_few) -> Picture:
    """Examples and features of the best run at each small T."""
    marks = thresholds("mem-examples", "within", "narrow", "wide")
    polygons = [regular_polygon(h, **marks) for h in few_hidden]
    rates = [f"{int(each.sum())} of {n_seeds_few}" for each in polygons]
    best = few.train.argmin(1).tolist()
    rows = zip(few.T.tolist(), rates, few_hidden, few.W, best, strict=True)
    return Picture(
        columns_of_planes(
            [(f"T = {T}\n{rate} runs: a polygon", h[k], W[k]) for T, rate, h, W, k in rows]
        ),
        "Three columns for T = 3, 5 and 8. Above, the hidden vectors of the examples form a "
        "triangle, a pentagon and an octagon; below, the features are bundles of many short "
        "vectors in the same directions. The examples form a regular polygon in "
        f"{', '.join(rates)} runs.",
        "The run with the lowest training loss for each $T$. Above, the hidden vectors $h_j$ "
        f"of the training examples; below, the {LONGEST} longest features $W_i$.",
        {f"T = {T}": rate for T, rate in zip(few.T.tolist(), rates, strict=True)},
    )


def more_planes(full, full_hidden, batches, batches_hidden, largest) -> Picture:
    """Examples and features of the first seed, at three larger T."""
    W = batches.W[-1, 0]
    kept = long_features(W, share=thresholds("mem-features")["long"])
    length = W.norm(dim=0)
    thirty, most = full.T.tolist().index(30), full.T.tolist().index(300)
    rows = [
        ("T = 30", full_hidden[thirty][0], full.W[thirty, 0]),
        ("T = 300", full_hidden[most][0], full.W[most, 0]),
        (f"T = {largest}", batches_hidden[-1][0], W),
    ]
    return Picture(
        columns_of_planes(rows),
        "Three columns. At T = 30 some examples are long and stand in several directions, others "
        "are near 0. At T = 300 neither examples nor features form a polygon. At "
        f"T = {largest} {kept.sum()} features are long, {length[kept].min():.2f} to "
        f"{length[kept].max():.2f}, the next is {length[~kept].max():.2f} long, and the "
        "longest hidden vectors lie along them.",
        "The first seed at three $T$, with all examples at every step ($T = 30$, 300) and "
        f"with 64. The {LONGEST} longest hidden vectors above, the {LONGEST} longest features "
        "below.",
    )


def dimensionalities(full, full_hidden, batches, batches_hidden, largest) -> Picture:
    """The dimensionality of every example and every feature, against T."""
    later = [k for k, T in enumerate(batches.T.tolist()) if full.T[-1] < T]
    T = [*full.T.tolist(), *batches.T[later].tolist()]
    h = [*full_hidden, *(batches_hidden[k] for k in later)]
    W = [*full.W, *batches.W[later]]
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    of_examples, of_features = (
        _spread(ax, T, vectors, name)
        for ax, vectors, name in zip(axes, (h, W), ("examples", "features"), strict=True)
    )
    axes[0].set_ylabel("dimensionality")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center")
    rows = zip(T, of_features, strict=True)
    return Picture(
        fig,
        "Dimensionalities against T, of examples and of features. The largest of an example falls "
        f"from {of_examples[0]:.2f} at T = 3 to {of_examples[-1]:.4f} at T = {largest}. The "
        "largest of a feature "
        + ", ".join(f"is {D:.3f} at T = {k}" for k, D in rows if k in (3, 30, 300, largest))
        + ".",
        "Dimensionality of each example (left) and each feature (right), one seed, at 10⁻⁶ where "
        "it is smaller; lines: the largest, averaged over seeds.",
    )


def _spread(ax, T: Sequence[int], vectors: Sequence[Tensor], title: str) -> list[float]:
    """Draw the dimensionality of all vectors at each T; return the largest, over seeds."""
    values = [geometry.feature_dimensionality(each) for each in vectors]
    largest = [each.amax(-1).mean().item() for each in values]
    ax.plot(T, largest, color=ACCENT, label="largest, mean over seeds")
    for place, each in zip(T, values, strict=True):
        cloud(ax, place, each[0].clamp_min(1e-6), width=0.12)
    ax.set(xscale="log", yscale="log", ylim=(7e-7, 1), xlabel="T", title=title)
    return largest


def losses(full, batches, n_seeds) -> Picture:
    """Loss on new examples and on those trained on, against T."""
    fig, axes = figure(1, 2)
    for name, models, colour in (
        ("all examples at every step", full, ALL_COLOUR),
        ("64 at every step", batches, BATCH_COLOUR),
    ):
        style = {"color": colour, "ms": 4}
        band(axes[0], models.T, models.test.T, color=colour, alpha=0.2)
        axes[0].plot(models.T, models.test.median(1).values, "o-", label=name, **style)
        axes[1].plot(models.T, models.train.median(1).values, "o-", **style)
    for ax, title in zip(axes, ("new examples", "training examples"), strict=True):
        ax.axhline(1, color=FAINT, lw=THIN, zorder=0)
        ax.set(xscale="log", xlabel="T", title=title)
    axes[0].set(yscale="log", ylabel="loss")
    plain_ticks(axes[0].yaxis)
    axes[1].set_ylim(0, None)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return Picture(
        fig,
        "Loss on new examples against T: with all examples at every step the median over seeds "
        f"is {_medians(full, 2)}; with 64 at every step {_medians(batches, 3)}.",
        "Loss on new examples (left) and on the training examples (right): median, and on the "
        f"left the range, over {n_seeds} seeds. With 64 a step the rate is twice as high, and "
        "there are half as many steps again. Grey: the loss of a model that returns 0.",
    )


def _medians(models, digits: int) -> str:
    middle = zip(models.T.tolist(), models.test.median(1).values, strict=True)
    return ", ".join(f"{value:.{digits}f} at T = {T}" for T, value in middle)


def all_table(full) -> Table:
    """Lengths and losses by T, with all examples at every step."""
    return Table(COLUMNS, _described(full), "all at every step")


def batch_table(batches) -> Table:
    """The same with 64 examples at every step."""
    return Table(COLUMNS, _described(batches), "64 at every step")


def _described(models) -> dict[str, list[str]]:
    """‖W‖² and the loss of the input 0, by number of examples, in words."""
    squares = models.W.square().sum((-2, -1)).mean(1)
    silent = models.b.relu().square().sum(-1).mean(1)
    return {
        f"T = {T}": [f"{size:.0f}", f"{rest:.3f}", f"{train:.3f}", told(test)]
        for T, size, rest, train, test in zip(
            models.T.tolist(), squares, silent, models.train.mean(1), models.test, strict=True
        )
    }


def size_table(sizes, largest) -> Table:
    """Losses, and how many features are long, at other sizes."""
    share = thresholds("mem-features")["long"]
    rows = {
        name: [
            *(f"{value:.3f}" for value in found.test),
            " and ".join(map(str, long_features(found.W, share=share).sum(-1).tolist())),
        ]
        for name, found in sizes.items()
    }
    heads = ["T = 3", "T = 300", f"T = {largest}", "features at the largest T"]
    return Table(heads, rows, "test loss at")


def explorer(sparsity, weight_decay) -> Picture:
    """One model, by sliders."""
    p = 1 - sparsity

    def draw(T, n_features, steps, seed):
        examples = memorization.draw(n_features, T, p, seed=seed)
        how = Procedure(steps=steps, learning_rate=0.02, weight_decay=weight_decay, batch_size=64)
        W, b = memorization.descend(examples, 2, seed=seed, procedure=how)
        new = memorization.draw(n_features, 1000, p, seed=seed, test=True)
        losses = [memorization.loss(W, b, part).item() for part in (examples, new)]
        fig, axes = figure(1, 2)
        for ax, vectors, name in zip(axes, (examples.hidden(W), W), KINDS, strict=True):
            _longest(ax, vectors)
            ax.set_title(name)
        return fig, (
            f"{T} examples of {n_features} features, {steps} steps: the loss is {losses[0]:.3f} on "
            f"them and {losses[1]:.3f} on new ones."
        )

    return Explorer(
        draw,
        T=whole("examples T", 5, 2, 300),
        n_features=whole("features n", 5000, 500, 20000),
        steps=whole("steps", 1500, 100, 20000),
        seed=whole("seed", 0, 0, 50),
    ).picture("The explorer at its first setting: hidden vectors of the examples, and features.")


def columns_of_planes(rows: Sequence[tuple[str, Tensor, Tensor]]):
    """Two planes for each title: hidden vectors of examples above, features below."""
    fig, axes = figure(2, len(rows), height=TALL)
    for column, (title, *both) in zip(axes.T, rows, strict=True):
        for ax, vectors in zip(column, both, strict=True):
            _longest(ax, vectors)
        column[0].set_title(title)
    for ax, name in zip(axes[:, 0], KINDS, strict=True):
        ax.set_ylabel(name)
    return fig


def _longest(ax, vectors: Tensor) -> None:
    """Draw the longest of some vectors of the plane."""
    length = vectors.norm(dim=0)
    shown = vectors[:, length.argsort(descending=True)[:LONGEST]]
    plane(ax, shown, limit=1.15 * length.max().item())
