"""What the chapter on the phase change draws."""

from __future__ import annotations

import torch
from torch import Tensor

from superpos import geometry
from superpos.claims.registry import thresholds
from superpos.figures.axes import plain_ticks, reference
from superpos.figures.explorers import Explorer, real
from superpos.figures.maps import contours, heat, kind_legend, phase_map
from superpos.figures.palette import ACCENT, DIGON, INK, THIN, sequence
from superpos.figures.plane import plane
from superpos.figures.style import HIGH, MIDDLE, Picture, Table, figure
from superpos.optima import phases
from superpos.stats import span
from superpos.studies import phase_change as study
from superpos.studies.phase_change import JOINT, NO_KIND

CUTS = (0.8, 0.6, 0.45)  # densities at which the onset is cut
PAIR = phases.TWO_FEATURES.index("antipodal pair")
PAIRS = ("pairs", "pairs: opposite", "pairs: alike")  # how many find it, by how weights start
STAR = {"color": ACCENT, "ms": 11, "mec": "white", "mew": 0.8}


def two_features(two, coarse, trained) -> Picture:
    """The diagram of candidates, of exact optima and of trained models."""
    theory, exact = study.candidate(two), phases.kind(two.W)
    most, _ = study.majority(trained)
    fig, axes = figure(1, 3, height=MIDDLE, sharey=True)
    panels = {
        "candidates": (two, theory),
        "exact optimum": (two, exact),
        f"{len(trained.loss)} trained models": (coarse, most),
    }
    diagrams(axes, panels, phases.TWO_FEATURES)
    kind_legend(fig, phases.TWO_FEATURES[: NO_KIND + bool((most == NO_KIND).any())])
    agree = (theory == exact).double().mean()
    told, kinds = study.candidate(coarse), phases.kind(trained.W)
    shown = (most == told).double().mean()
    pair = (told == PAIR).expand(kinds.shape)
    alike = trained.start.prod(-1)[..., 0] > 0
    found = [(kinds[of] == PAIR).double().mean() for of in (pair, pair & ~alike, pair & alike)]
    return Picture(
        fig,
        "Three diagrams over density p and relative importance r, for two features in one "
        "dimension. In each, the antipodal pair fills the sparse side and reaches into the dense "
        "side as a wedge around r = 1; above it the other feature is left out, below it the extra "
        "one. In that of the trained models single cells of the pair's side are of another kind. "
        f"The candidates and the exact optimum agree in {agree:.1%} of the cells, the trained "
        f"models and the candidates in {shown:.1%}.",
        "$n = 2$, $m = 1$: the candidate with the lowest loss, the exact optimum, and what most of "
        "the trained models are.",
        {name: f"{share:.0%}" for name, share in zip(PAIRS, found, strict=True)},
    )


def diagrams(axes, panels: dict, names) -> None:
    """Draw phase diagrams side by side: of each, by its title, where its cells are, and kinds."""
    for ax, (title, (found, kinds)) in zip(axes, panels.items(), strict=True):
        phase_map(ax, found.p, found.r, kinds, names)
        ax.set_title(title)
        ax.label_outer()


def landscape(landscapes) -> Picture:
    """The loss over both weights, at three densities."""
    fig, axes = figure(1, 3, height=MIDDLE, sharey=True)
    p = landscapes.p.tolist()
    for ax, density, height in zip(axes, p, landscapes.height, strict=True):
        valleys(ax, landscapes.weights, height)
        ax.set_title(f"p = {density:.3f}")
    axes[0].set_ylabel("$W_2$")
    return Picture(
        fig,
        f"Contours of the loss over the two weights at three densities, r = 1/2. At p = {p[0]:.3f} "
        f"the lowest point has one weight at 0; at {p[2]:.3f} it has opposite weights; at "
        f"{p[1]:.3f} both kinds of minima are equally deep, with a ridge between them.",
        "The loss over the weights, each output with its best bias; contours at 2, 5, 10, 20, … % "
        "above the lowest point (star; its mirror image is the same model).",
    )


def valleys(ax, weights: Tensor, height: Tensor) -> Tensor:
    """Draw a landscape with a star at its lowest point, and return that: (W_1, W_2)."""
    lowest = height.min()
    contours(ax, weights, weights, height / lowest - 1)
    row, column = (height == lowest).nonzero()[0].tolist()
    place = torch.tensor([weights[column], weights[row]])
    for x, y in (place, -place):
        ax.plot(x, y, "*", **STAR)
    ax.set(xlabel="$W_1$", aspect="equal")
    return place


def two_branches(half, followed) -> Picture:
    """Losses and slopes of the two branches that cross at r = 1/2."""
    fig, axes = figure(1, 2, height=MIDDLE)
    at, looks = followed.at, {"antipodal pair": DIGON, "extra left out": INK}
    for k, (name, colour) in enumerate(looks.items()):
        keep = phases.kind(followed.W[k]) == phases.TWO_FEATURES.index(name)  # until it ends
        axes[0].plot(at[keep], followed.loss[k][keep] / at[keep], color=colour, label=name)
        axes[1].plot(at[keep], followed.slope[k][keep], color=colour, label=name)
    for ax, label in zip(axes, ("loss / p", "derivative of the loss by p"), strict=True):
        reference(ax, x=[half.at.item()])
        ax.set(xlabel="density p", ylabel=label)
    axes[0].legend()
    slopes = half.slope.tolist()
    return Picture(
        fig,
        "Left, the loss over p of two branches of solutions at r = 1/2 against p: they cross at "
        f"p = {half.at:.4f}, and both go on beyond. Right, their derivatives, which differ there "
        f"by {slopes[0] - slopes[1]:.4f}: {slopes[0]:.4f} for the pair, {slopes[1]:.4f} with the "
        "extra feature left out.",
        "$r = 1/2$: both branches of minima, followed through the crossing (dashed).",
    )


def onset(entering) -> Picture:
    """How long the extra feature is where inputs are dense."""
    p, r, extra, step = entering.p, entering.r, entering.extra, entering.first_step
    fig, axes = figure(1, 2, width_ratios=[1.35, 1])
    heat(axes[0], p, r, extra, label="|$W_2$| of the optimum")
    axes[0].plot(p, phases.onset(p), color=DIGON, label="$r_c(p)$")
    axes[0].set(xlabel="density p", ylabel="relative importance r", xlim=(1, 0.4), ylim=(0.4, 1))
    axes[0].legend(loc="lower left")
    for k, value in enumerate(CUTS):
        row = (p - value).abs().argmin()
        colour = sequence(k, len(CUTS))
        axes[1].plot(r, extra[row], color=colour)
        end = (r[-1].item(), extra[row, -1].item())
        axes[1].annotate(
            f"p = {value:g}", end, (4, 0), textcoords="offset points", color=colour, va="center"
        )
        axes[1].axvline(phases.onset(p[row]).item(), color=colour, lw=THIN, ls=":")
    axes[1].set(xlabel="relative importance r", ylabel="|$W_2$|")
    abrupt = step >= 0.5
    later = p[~abrupt & (extra.diff(dim=1).amax(1) >= 0.2) & (p < 0.85)].tolist()
    return Picture(
        fig,
        "Left, the length of the extra feature in the exact optimum, for dense inputs and r up to "
        f"1, with the line r_c(p). For p above {entering.continuous:.2f} it starts from 0 on the "
        "line and grows, but for a small jump in the densest corner; below, it jumps before the "
        "line is reached, at "
        f"p = {p[abrupt].max():.2f} by {step[abrupt][0]:.2f}. Right, three cuts: at p = 0.8 it "
        "rises gradually; at 0.6 gradually, and then it jumps; at 0.45 it jumps from 0.",
        "How the extra feature enters. Left: its length in the exact optimum, and where leaving it "
        "out stops being a minimum (line). Right: three cuts; dotted: $r_c$.",
        {
            "continuous": f"{entering.continuous:.2f}",
            "later": f"{max(later, default=entering.continuous):.2f}",
        },
    )


def three_features(three) -> Picture:
    """The diagram of candidates and of exact optima, for three features."""
    theory, exact = study.candidate(three, features=3), phases.kind(three.W)
    fig, axes = figure(1, 2, height=HIGH, sharey=True)
    panels = {"candidates": (three, theory), "exact optimum": (three, exact)}
    diagrams(axes, panels, phases.THREE_FEATURES)
    kind_legend(fig, phases.THREE_FEATURES)
    share = study.shares(exact, len(phases.THREE_FEATURES))
    another = share[phases.THREE_FEATURES.index("another left out")]
    return Picture(
        fig,
        "Two diagrams for three features in two dimensions. The candidates have four regions: "
        "extra left out (dense, unimportant), another left out (dense, important), extra paired "
        f"and others paired. They agree with the exact optimum in "
        f"{(exact == theory).double().mean():.1%} of the cells. In the exact diagram another "
        f"feature is left out in {another:.1%} of the cells, and a joint solution of all three "
        f"wins in {share[JOINT]:.1%}, a small region of dense inputs near r = 1.",
        "$n = 3$, $m = 2$: the candidate with the lowest loss, and the exact optimum.",
    )


def three_trained(trained_three, coarse_three) -> Picture:
    """What becomes of the extra feature in trained models, and how many agree with the theory."""
    marks = thresholds("phase-3-2-trained")
    found = study.becomes(trained_three.W, **marks)
    cheapest = study.candidate(coarse_three, features=3)
    told = study.becomes(phases.candidates(3), **marks)[cheapest]
    most, _ = study.vote(found, trained_three.loss, len(study.EXTRA))
    agree = (found == told).double().mean(0)
    p, r = coarse_three.p, coarse_three.r
    fig, axes = figure(1, 2, height=HIGH, sharex=True, sharey=True)
    heat(axes[1], p, r, 100 * agree, label="%")
    axes[1].set(xlabel="density p", title="models as the theory says")
    phase_map(axes[0], p, r, most, study.EXTRA)
    axes[0].set_title("most of nine models")
    kind_legend(fig, study.EXTRA)
    sparse = p < 0.2
    more, less = (agree[sparse][:, side].mean() for side in (r > 1, r < 1))
    return Picture(
        fig,
        "Two diagrams for three features in two dimensions, by density and importance of the "
        "extra feature. Left, what becomes of it in most trained models: it is left out where it "
        "is dense and unimportant, in superposition where it is sparse and unimportant, and "
        f"mostly alone where it is important; {(most == told).double().mean():.0%} of the cells "
        "are as the candidates say. Right, how many models agree: nearly all where inputs are "
        f"dense, {less:.0%} below r = 1 and {more:.0%} above where they are sparse.",
        "$n = 3$, $m = 2$: what becomes of the extra feature in most of the kept models, and how "
        "many of all models do what the candidates say.",
        {"sparse: more": f"{more:.0%}", "sparse: less": f"{less:.0%}"},
    )


def joint(near) -> Picture:
    """What three joint features save, and what they look like."""
    p, r, gain = near.p, near.r, study.saved(near)
    most = gain[gain.isfinite()].max()
    row, column = (gain == most).nonzero()[0].tolist()
    fig, axes = figure(1, 2, width_ratios=[1.5, 1])
    percent = 100 * gain.clamp_min(0).nan_to_num(0, posinf=0)
    heat(axes[0], p, r, percent, label="loss saved by the joint solution, %")
    axes[0].plot(p[row], r[column], "*", color=ACCENT, ms=STAR["ms"])
    axes[0].set(yscale="log", xlabel="density p", ylabel="relative importance r")
    plain_ticks(axes[0].yaxis)
    W, importance = near.W[row, column], phases.importances(r[column], features=3)
    plane(axes[1], geometry.upright(W.flip(-1)), importance.flip(-1))
    axes[1].set_title(f"p = {p[row]:.2f}, r = {r[column]:.2f}")
    angles = torch.rad2deg(geometry.cosines(W)[[0, 0, 1], [1, 2, 2]].acos()).tolist()
    better = p[(gain > 0).any(1)]
    return Picture(
        fig,
        "Left, where three joint features cost less than the best other arrangement: a lens around "
        f"r = 1 for p from {span(better)}, saving at most {most:.1%} of "
        "the loss. Right, the joint solution where it saves most: angles of "
        f"{', '.join(f'{angle:.0f}°' for angle in angles)}.",
        "The candidate that the paper leaves out: what it saves against the best of the other "
        "arrangements, and what it looks like at the star (extra feature up).",
    )


def procedures(trained, hasty, patient, large_start, coarse) -> Table:
    """How often models have the exact optimum's kind, by procedure and by choice among them."""

    def row(run) -> list[str]:
        kinds = phases.kind(run.W)
        chosen = (kinds, study.majority(run)[0], study.best_kind(run))
        return [
            *(study.agreement(each, coarse) for each in chosen),
            f"{(kinds == NO_KIND).double().mean():.0%}",
        ]

    rows = {
        "published rate and length": row(trained),
        "the same, a tenth of the steps": row(hasty),
        "the book's default": row(patient),
        "default, weights start 4 × as large": row(large_start),
    }
    names = ["single model", "most of nine", "best of ten", "neither kind"]
    short, large = rows["the same, a tenth of the steps"], rows[list(rows)[-1]]
    numbers = dict(zip(("single", "vote", "best"), rows["the book's default"], strict=False))
    numbers |= {"short: half-way": short[-1], "large: half-way": large[-1]}
    return Table(names, rows, "agreement with the exact optimum", numbers)


def explorer(two) -> Picture:
    """The landscape and the place in the diagram, by sliders."""
    weights, exact = torch.linspace(-1.35, 1.35, 61), phases.kind(two.W)

    def draw(log_p, log_r):
        p, r = 10**log_p, 10**log_r
        fig, axes = figure(1, 2)
        place = valleys(axes[0], weights, phases.landscape(weights, weights[:, None], p, r))
        axes[0].set_ylabel("$W_2$")
        phase_map(axes[1], two.p, two.r, exact, phases.TWO_FEATURES)
        axes[1].plot(p, r, "*", **STAR)
        name = phases.TWO_FEATURES[phases.kind(place[None])]
        return fig, (
            f"At p = {p:.3f} and r = {r:.2f} the lowest point has "
            f"W = ({place[0]:.2f}, {place[1]:.2f}): {name}."
        )

    return Explorer(
        draw,
        log_p=real("log₁₀ p", -0.4, -2.0, 0.0, 0.02),
        log_r=real("log₁₀ r", -0.3, -1.0, 1.0, 0.05),
    ).picture(
        "The explorer at its first setting: the loss over the weights, and the place in the "
        "diagram.",
        live=("phases", {}),
    )
