"""What the chapter on learning dynamics draws."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from superpos import geometry
from superpos.claims.registry import thresholds
from superpos.figures.animations import Animation
from superpos.figures.axes import plain_ticks, square
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.palette import ACCENT, DIGON, FAINT, FINE, INK, THIN
from superpos.figures.style import HIGH, MIDDLE, TALL, Picture, Table, figure
from superpos.learning import dynamics
from superpos.stats import told_rate
from superpos.studies import learning_dynamics as study

COLOURS = [INK] * study.SET + [ACCENT] * study.SET  # of the features of each set
SHOWN = 61  # records of the run that is animated


def is_octahedron(W: Tensor) -> Tensor:
    """Whether models end as the claim on the octahedron says."""
    return study.octahedron(W, **thresholds("dyn-octahedron", "kept", "partner", "right"))


def rests(models) -> dict[str, Tensor]:
    """What plateaus each run has, as the claim on plateaus counts them."""
    return study.plateau_tests(models.W, models.loss, **thresholds("dyn-plateaus"))


def percent(models) -> Tensor:
    """When each record was made, in per cent of the steps."""
    return torch.linspace(0, 100, models.loss.shape[1])


# Energy levels


def levels(uniform) -> Picture:
    """The loss and every D_i of one run."""
    at, loss, D = percent(uniform), uniform.loss[0], uniform.D[0]
    fig, axes = figure(2, 1, height=TALL, sharex=True, height_ratios=[1, 2])
    axes[0].plot(at, loss, color=INK)
    axes[0].set(ylabel="loss", ylim=(0.99 * loss[-1], 1.2 * loss[-1]))
    for course in D.T:
        colour = DIGON if course[-1] > 0.25 else FAINT
        axes[1].plot(at, course, color=colour, lw=THIN, alpha=0.8)
    axes[1].axhline(0.5, color=INK, lw=THIN, ls=":", zorder=0)
    axes[1].axvspan(0, 10, color=FAINT, alpha=0.2, lw=0)
    axes[1].set(ylim=(0, 0.6), ylabel="$D_i$", xlabel="% of the steps", xlim=(0, 100))
    early = D[at >= 10][0]
    rose, fell = (int((sign * (D[-1] - early) > 0.2).sum()) for sign in (1, -1))
    ends = uniform.D[:, -1]
    kept, near = (ends > 0.25).sum(-1), ((ends - 0.5).abs() < 0.05).sum(-1)
    return Picture(
        fig,
        "Above, the loss of one run. Below, D_i of its 100 features. After 10 % of the steps the "
        f"largest is {early.max():.2f}; from there {rose} of them rise by more than 0.2, and "
        f"{fell} fall by as much. Over all runs {kept.double().mean():.1f} features end above 1/4, "
        f"and {near.sum() / kept.sum():.0%} of these within 0.05 of 1/2.",
        "One run: the loss, and the dimensionality of every feature. Green: features that end in a "
        "digon; grey: those that do not. The shaded start is left out of the count of jumps.",
        {"early": f"{early.max():.2f}", "rise": str(rose)},
    )


def windows(uniform, uniform_variants) -> Table:
    """Jumps in longer windows, at a larger rate, with larger batches."""
    window = thresholds("dyn-energy-jumps")["window"]
    rows = {
        f"within {each:.0%} of the steps": described(uniform, each)
        for each in (window, *study.LONGER)
    }
    for name, models in uniform_variants.items():
        rows[f"{name}, within {100 * window:g} %"] = described(models, window)
    columns = ["jumps a run", "loss falls twice as fast", "no window to compare with"]
    return Table([*columns, "largest change of a $D_i$"], rows)


def described(models, window: float) -> list[str]:
    """Jumps a run, the share at which the loss falls faster, and the largest change of a D_i."""
    least, after, times = thresholds("dyn-energy-jumps", "least", "after", "times").values()
    found = study.jumps_of(models, window=window, least=least, after=after)
    each = [jump for run in found for jump in run]
    faster = [jump.drop > 0 and jump.drop >= times * jump.quiet_drop for jump in each]
    alone = [jump.quiet_drop != jump.quiet_drop for jump in each]  # NaN: no quiet window
    largest = study.largest_change(models.D, window=window, after=after)
    return [
        f"{len(each) / len(found):.1f}",
        f"{sum(faster) / len(each):.0%}" if each else "–",
        f"{sum(alone) / len(each):.0%}" if each else "–",
        f"{largest.mean():.2f}",
    ]


# The octahedron


def routes_of(models) -> list[str]:
    """The stages that each run goes through, without its initial values."""
    return [dynamics.route(each[1:]) for each in study.stages(models.W)]


def routes(triples) -> Picture:
    """How many runs take which route."""
    found = routes_of(triples)
    total, common = len(found), Counter(found).most_common(8)
    names = [*(name for name, _ in common), "others"]
    counts = [count for _, count in common]
    counts.append(total - sum(counts))
    fig, ax = figure(height=MIDDLE)
    ax.barh(range(len(names)), counts, color=[INK] * len(common) + [FAINT])
    for row, count in enumerate(counts):
        ax.text(count, row, f"  {count / total:.1%}", va="center")
    ax.set(xlabel="runs", ylim=(len(names) - 0.4, -0.6))
    ax.set_yticks(range(len(names)), names)
    ax.margins(x=0.12)
    linear = study.linear_at_some_time(triples.W).double().mean()
    return Picture(
        fig,
        f"Bars: the routes of {total} runs through the stages. "
        + "; ".join(f"{name} in {count / total:.1%}" for name, count in common[:4])
        + f". There are {len(set(found))} routes in all; {linear:.0%} of the runs pass through "
        "1+1.",
        "Routes: how many dimensions each set spans, from the first record after the initial "
        "values to the end.",
        {"routes": str(len(set(found)))},
    )


def losses(triples, small_triples) -> Picture:
    """The loss of many runs, from the usual initial values and from small ones."""
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    panels = (
        (triples, 4, "usual initial values"),
        (small_triples, red_run(small_triples), "a tenth as large"),
    )
    for ax, (models, run, title) in zip(axes, panels, strict=True):
        relative, at = models.loss / models.loss[:, :1], percent(models)
        for curve in relative[:40]:
            ax.plot(at, curve, color=FAINT, lw=FINE, alpha=0.7)
        ax.plot(at, relative.median(0).values, color=INK)
        ax.plot(at, relative[run], color=ACCENT)
        stage = study.stages(models.W[run])
        entered = (stage[1:] != stage[:-1]).any(-1).nonzero().flatten() + 1
        ax.plot(at[entered], relative[run, entered], "o", color=ACCENT, ms=3.5)
        ax.set(title=title, xlabel="% of the steps", xlim=(0, 50), yscale="log")
    axes[0].set_ylabel("loss, relative to the start")
    plain_ticks(axes[0].yaxis)
    two, first = ([found[name].double().mean() for found in (rests(triples), rests(small_triples))]
                  for name in ("two", "collapsed"))  # fmt: skip
    return Picture(
        fig,
        "Loss curves. With the usual initial values they fall steadily; "
        f"{two[0]:.0%} of the runs have two plateaus before their end and {first[0]:.0%} a first "
        "plateau on which the sets are collapsed. With initial values a tenth as large the curves "
        f"have steps: {two[1]:.0%} and {first[1]:.0%}.",
        "The loss of some forty runs, the median of all (dark), and one run (red) with a dot where "
        "it enters another stage. The second half of training is not shown.",
        {"small, linear": f"{first[1]:.0%}"},
    )


def red_run(models) -> int:
    """The first run that is an octahedron when the animation ends."""
    return int(is_octahedron(models.W[:, SHOWN - 1]).int().argmax())


def trajectories(triples) -> Picture:
    """Paths of the features through space, in a run of each of the three commonest routes."""
    found = routes_of(triples)
    wanted = [name for name, _ in Counter(found).most_common(3)]
    chosen = [found.index(name) for name in wanted]
    fig, axes = figure(1, 3, height=MIDDLE)
    for ax, run, name in zip(axes, chosen, wanted, strict=True):
        path = turned(triples.W[run])
        for i, colour in enumerate(COLOURS):
            ax.plot(*path[:, :, i].T, color=colour, lw=THIN, alpha=0.8)
            ax.plot(*path[0, :, i], "o", mfc="none", color=colour, ms=4)
            ax.plot(*path[-1, :, i], "o", color=colour, ms=6)
        cosine = geometry.cosines(triples.W[run, -1])
        for i, j in (cosine > -0.5).triu(1).nonzero().tolist():  # the edges, at the end
            ax.plot(*path[-1, :, [i, j]], color=FAINT, lw=THIN, zorder=0)
        square(ax, 1.25)
        ax.set_title(name, fontsize=8)
    ends = sum(is_octahedron(triples.W[chosen, -1]).tolist())
    return Picture(
        fig,
        "Paths of the six features through space in three runs, from their initial values to the "
        "corners of an octahedron, in which each feature of one set stands opposite one of the "
        f"other: {ends} of these three end so.",
        "Paths of the features, one run for each of the three commonest routes. Dark: set $A$; "
        "red: set $B$; open: initial values; full: the end.",
    )


def turned(W: Tensor, azimuth: float = 30.0) -> Tensor:
    """The models of a run as points of the page, seen from the same side: (records, 2, 6)."""
    return geometry.seen_from(geometry.aligned(W, W[-1]), azimuth)


def formation(small_triples, steps) -> Picture:
    """The red run, moving: its features in space, turning slowly, and its loss."""
    run = red_run(small_triples)
    W, loss = small_triples.W[run, :SHOWN], small_triples.loss[run, :SHOWN]
    loss, done = loss / loss[0], torch.arange(SHOWN) * (steps // 100)
    fig, axes = figure(1, 2, height=HIGH)
    square(axes[0], 1.3)
    axes[1].plot(done, loss, color=FAINT)
    axes[1].set(yscale="log", xlabel="steps", ylabel="loss, relative to the start")
    plain_ticks(axes[1].yaxis)
    stage = study.stages(W)
    labels = [
        f"step {step:,}, stage {a}+{b}"
        for step, (a, b) in zip(done.tolist(), stage.tolist(), strict=True)
    ]
    animation = Animation(fig, labels, seconds=10)
    azimuth = torch.linspace(-30, 60, SHOWN)
    path = geometry.seen_from(geometry.aligned(W, small_triples.W[run, -1]), azimuth)
    for i, colour in enumerate(COLOURS):
        x, y = path[:, 0, i], path[:, 1, i]
        spokes = [torch.stack([0 * place, place], 1) for place in (x, y)]
        animation.add(axes[0], *spokes, color=colour)
        animation.add(axes[0], x[:, None], y[:, None], color=colour, **_DOT)
    animation.add(axes[1], done[:, None].float(), loss[:, None], color=ACCENT, **_DOT)
    end = "an octahedron." if is_octahedron(W[-1]) else "no octahedron yet."
    return Picture(
        animation,
        "The six features of one run in space, beside its loss. They leave the origin together, "
        f"each set along one direction, then spread: {dynamics.route(stage)}. At the end they form "
        + end,
        "The red run with small initial values of {numref}`dyn-losses`, until 60 % of the steps. "
        "Press ▶ or move the slider; it turns a little, so that space can be seen.",
    )


_DOT = {"marker": "o", "ls": "", "ms": 7}


def variants(triples, small_triples, triple_variants, density) -> Table:
    """How often octahedron and plateaus appear in other settings."""
    cases = {f"p = {density:g}, as above": triples, "initial values ÷ 10": small_triples}
    return Table(
        [
            "octahedron",
            "two plateaus before the end",
            "two plateaus, with the last",
            "first one linear",
        ],
        {name: counted(models) for name, models in {**cases, **triple_variants}.items()},
    )


def counted(models) -> list[str]:
    """How often the octahedron, two plateaus and a linear first plateau appear."""
    found = rests(models)
    seen = (is_octahedron(models.W[:, -1]), *(found[name] for name in _COUNTED))
    return [told_rate(each) for each in seen]


_COUNTED = ("two", "counting the last", "collapsed")


def explorer(triples) -> Picture:
    """A recorded run at any step, from any side."""
    at, stages = percent(triples), study.stages(triples.W)

    def draw(seed, percent, azimuth):
        fig, axes = figure(1, 2, height=MIDDLE)
        loss = triples.loss[seed]
        path = turned(triples.W[seed], azimuth)[: percent + 1]
        for i, colour in enumerate(COLOURS):
            axes[0].plot(*path[:, :, i].T, color=colour, lw=THIN, alpha=0.6)
            end = path[-1, :, i]
            axes[0].plot(*torch.stack([0 * end, end]).T, color=colour)
            axes[0].plot(*end, "o", color=colour, ms=6)
        square(axes[0], 1.4)
        axes[1].plot(at, loss, color=FAINT)
        axes[1].plot(at[percent], loss[percent], "o", color=ACCENT)
        axes[1].set(yscale="log", xlabel="% of the steps", ylabel="loss")
        plain_ticks(axes[1].yaxis)
        a, b = stages[seed, percent].tolist()
        return fig, (
            f"Seed {seed} after {percent} % of the steps: the sets span {a} and {b} dimensions, "
            f"and the loss is {loss[percent] / loss[0]:.1%} of what it was at the start."
        )

    return Explorer(
        draw,
        seed=whole("seed", 1, 0, len(triples.loss) - 1),
        percent=whole("% of the steps", 12, 0, 100),
        azimuth=real("seen from (degrees)", 30.0, -180.0, 180.0, 5.0),
    ).picture(
        "The explorer at its first setting: the features of one run with the paths they came by, "
        "and its loss.",
        live=("toy", {"n": 6, "m": 3, "S": 0.97, "decay": 1, "sets": "correlated"}),
    )
