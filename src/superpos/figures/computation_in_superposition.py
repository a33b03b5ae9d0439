"""What the chapter on computation in superposition draws."""

from __future__ import annotations

import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from torch import Tensor

from superpos import Procedure, SignedFeatures, neurons, train
from superpos.claims.registry import thresholds
from superpos.figures.axes import plain_ticks, scale_bar
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.features import cloud
from superpos.figures.matrices import neuron_bars, weights
from superpos.figures.palette import (
    ACCENT,
    DIGON,
    FAINT,
    FEATURES,
    IMPORTANCE,
    INK,
    MEDIUM,
    PENTAGON,
    PRODUCTS,
)
from superpos.figures.style import HIGH, MIDDLE, Picture, Table, figure
from superpos.neurons import computation
from superpos.neurons.computation import ABSOLUTE_VALUE
from superpos.stats import best_of_each, listed, told_rate
from superpos.studies import computation_in_superposition as study

PARTS = thresholds("abs-superposed", "dense", "both", "sparse")


def plain(plain, outcome) -> Picture:
    """The weights of the best model of three features."""
    shown = outcome("abs-plain").shown
    best = plain.loss[:, 0].argmin()
    W, V = computation.scaled(plain.W[best, 0], plain.V[best, 0])
    order = (W.abs().argmax(-1) - 0.25 * W.sum(-1).sign()).argsort()
    fig, axes = figure(1, 2, width=6.4, height=HIGH)
    weights(axes[0], W[order])
    weights(axes[1], V[order])
    axes[0].set(title="weights in, $W_1$", xlabel="feature", ylabel="neuron")
    axes[1].set(title="weights out, $W_2$", xlabel="output")
    scale_bar(fig, axes, PRODUCTS, low=-1, high=1, label="weight")
    rest = W.abs().sort(-1).values[:, :-1].max()
    return Picture(
        fig,
        "Two grids of six neurons by three features. Each feature has one neuron with an input "
        "weight of +1 and one with −1, and both have an output weight of 1 to the same feature; "
        f"the largest other input weight is {rest:.3f}. {int(shown.sum())} of {len(shown)} runs "
        "end like this.",
        "The best run, each neuron scaled so that its largest input weight has size 1.",
    )


def kinds_of(large) -> tuple[Tensor, Tensor, Tensor]:
    """Which features neurons serve; which neurons are pure; which are polysemantic."""
    served = computation.serving(large.W, large.V)
    return served, neurons.monosemantic(served), neurons.polysemantic(served)


def stacks(large, n_seeds) -> Picture:
    """The neurons of one seed at every p."""
    served, pure, mixed = kinds_of(large)
    slopes = computation.slopes(large.W[0], large.V[0])
    fig, axes = figure(4, 2, height=8.2)
    for k, ax in enumerate(axes.flat[:-1]):
        neuron_bars(ax, slopes[k], served[0, k], shades=40)
        counts = f"{pure[0, k].sum()} pure, {mixed[0, k].sum()} polysemantic"
        ax.set_title(f"p = {study.PROBABILITY[k]:g}: {counts}")
    for ax in axes[:, 0]:
        ax.set_ylabel("slope")
    axes[-1, 0].set_xlabel("neurons")
    axes[-1, 1].set_axis_off()
    bar = ScalarMappable(Normalize(0, 40), IMPORTANCE.reversed())
    fig.colorbar(
        bar, ax=axes[-1, 1], orientation="horizontal", fraction=0.3, aspect=14,
        label="feature (0 is the most important)",
    )  # fmt: skip

    def means(kind):
        return listed(kind.sum(-1).double().mean(0), ".1f")

    return Picture(
        fig,
        "Seven panels of stacked columns, one for each of forty neurons. At p = 1 "
        f"{int(pure[0, 0].sum())} columns have one colour; as p falls more and more have several, "
        f"on a grey ground, {int(mixed[0, -1].sum())} of them at p = 0.001. Over {n_seeds} seeds "
        f"there are on average {means(pure)} pure and {means(mixed)} polysemantic neurons at the "
        "seven p.",
        "$n = 100$, $m = 40$, one seed. A column is a neuron: its slopes, coloured by feature. "
        "Polysemantic neurons have a grey ground.",
    )


def kinds(large) -> Picture:
    """Neurons by kind, and how important pure and shared features are."""
    served, pure, mixed = kinds_of(large)
    fig, axes = figure(1, 2, height=MIDDLE)
    heights = [kind.sum(-1).double().mean(0).numpy() for kind in (pure, mixed)]
    axes[0].stackplot(
        study.PROBABILITY.numpy(), heights, labels=["pure", "polysemantic"], colors=[INK, PENTAGON],
        alpha=0.85, lw=0,
    )  # fmt: skip
    axes[0].set(ylabel="neurons", ylim=(0, 40))
    axes[0].legend(loc="lower left", labelcolor="white")
    rank, told = torch.arange(100.0), []
    groups = zip(computation.pure_features(served), ("pure", "shared"), strict=True)
    for (kind, name), colour in zip(groups, (INK, PENTAGON), strict=True):
        ranks = (kind * rank).sum(-1) / kind.sum(-1)
        axes[1].plot(study.PROBABILITY, ranks.T, "o", color=colour, ms=3, alpha=0.35)
        usual = kind.any(-1).double().mean(0) >= 0.5  # a line where half of the seeds have any
        line = torch.where(usual, ranks.nanmean(0), torch.nan)
        axes[1].plot(study.PROBABILITY, line, color=colour, label=f"{name} features")
        told.append(ranks.nanmean(0)[3])
    axes[1].set(ylabel="mean rank of importance")
    axes[1].legend(loc="upper left")
    for ax in axes:
        ax.set(xscale="log", xlim=(1.1, 0.0009), xlabel="p")
    few, many = heights
    return Picture(
        fig,
        f"Left, the numbers of pure and polysemantic neurons against p: {few[0]:.0f} pure at "
        f"p = 1, {few[3]:.0f} pure and {many[3]:.0f} polysemantic at p = 0.03, {few[-1]:.1f} and "
        f"{many[-1]:.1f} at p = 0.001. Right, the mean rank of the pure and of the shared "
        "features: the pure ones are the more important, at p = 0.03 of mean rank "
        f"{told[0]:.1f} against {told[1]:.1f}.",
        "Left: neurons by kind, averaged over seeds. Right: how important the features are that "
        "have pure neurons only, and those that share one (rank 0 is the most important; dots are "
        "seeds, lines their means where at least half have such features).",
    )


def clearest_motif(large, spots, partly) -> tuple[int, ...]:
    """Seed, density and neuron of the motif whose disturbance is nearest to the paper's."""
    candidates = spots.complete & partly[..., None]
    if not candidates.any():  # as may happen in a quick run
        return 0, 3, 0
    size = torch.where(candidates, 1 - (spots.disturbance - 4).abs(), -torch.inf)
    return tuple(int(v) for v in torch.unravel_index(size.argmax(), size.shape))


def motif(large, outcome) -> Picture:
    """The weights of one motif, and what becomes of the disturbance."""
    spots = computation.find_motifs(large.W, large.V)
    at = clearest_motif(large, spots, outcome("abs-asymmetric").seen.partly)
    k, (i, j, l) = at[2], (int(v[at]) for v in (spots.strong, spots.weak, spots.inhibitor))
    W, V, b = (values[at[:2]] for values in (large.W, large.V, large.b))
    unit = W[k, i].abs() / 2  # the paper's scale: 2 in
    W, V = W.clone(), V.clone()
    for neuron, scale in ((k, unit), (l, W[l, i].abs().clamp_min(1e-9) / 2)):
        W[neuron] /= scale
        V[neuron] *= scale
    t = torch.linspace(0, 1, 51)
    alone = torch.relu(W[:, i] * W[k, i].sign() * t[:, None]) * V[:, j]
    fig, axes = figure(1, 2, height=MIDDLE)
    values = torch.stack([W[k, i], W[k, j], V[k, i], V[k, j], W[l, i], V[l, j]])
    names = [f"in {i}", f"in {j}", f"out {i}", f"out {j}", f"in {i}", f"out {j}"]
    places = [0, 1, 2, 3, 4.6, 5.6]
    axes[0].bar(places, values.numpy(), 0.75, color=[INK] * 4 + [ACCENT] * 2)
    axes[0].axhline(0, color=INK, lw=MEDIUM)
    axes[0].set_xticks(places, names, rotation=45)
    axes[0].set(ylabel="weight", title=f"neuron {k} (dark) and its inhibitor {l}")
    axes[1].plot(t, alone[:, k], color=INK, label=f"neuron {k} alone")
    axes[1].plot(t, alone[:, [k, l]].sum(-1), color=ACCENT, label=f"with {l}")
    axes[1].plot(t, alone.sum(-1) + b[j], color=DIGON, label="all neurons and $b$")
    axes[1].axhspan(min(0, axes[1].get_ylim()[0]), 0, color=FAINT, alpha=0.25, lw=0)
    axes[1].legend(loc="upper left")
    axes[1].set(xlabel=f"size of $x_{{{i}}}$, active alone", xlim=(0, 1))
    axes[1].set_ylabel(f"output {j} before the ReLU")
    return Picture(
        fig,
        f"Left, bars of weights. Neuron {k} takes feature {i} in with {values[0]:.2f} and feature "
        f"{j} with {values[1]:.2f}; it gives them out with {values[2]:.2f} and {values[3]:.2f}. "
        f"Neuron {l} takes feature {i} in with {values[4]:.2f} and gives output {j} "
        f"{values[5]:.2f}. Right, output {j} while feature {i} alone is active at 1: "
        f"{alone[-1, k]:.2f} from neuron {k} alone, {alone[-1, [k, l]].sum():.2f} with its "
        f"inhibitor, {alone[-1].sum() + b[j]:.2f} from all neurons with the bias, which the ReLU "
        "cuts to 0.",
        f"A motif in a model at $p = {study.PROBABILITY[at[1]]:g}$. Left: its weights, neurons "
        f"scaled as in the paper. Right: the disturbance of output {j}; what is in the grey region "
        "the ReLU removes.",
    )


def chance(outcome, n_seeds) -> Picture:
    """Motifs of each seed beside those of its shuffles."""
    seen = outcome("abs-asymmetric").seen
    counts, by_chance = seen.counts[2], seen.by_chance[:, 2].double()
    fig, ax = figure(height=MIDDLE)
    order = counts.argsort()
    low, high = by_chance.quantile(torch.tensor([0.025, 0.975]).double(), dim=0)
    ax.vlines(range(n_seeds), low[order], high[order], color=FAINT, lw=6, label="shuffles (95 %)")
    ax.plot(counts[order], "o", color=ACCENT, label="trained")
    ax.set(xlabel="seeds, in order", ylabel="motifs", xticks=[], ylim=(0, None))
    ax.legend(loc="upper left")
    return Picture(
        fig,
        "Motifs in the partly superposed models of each seed, with the range of the shuffles. The "
        f"trained models have {counts.double().mean():.1f} on average, the shuffles "
        f"{by_chance.mean():.1f}; {int(seen.shown[2].sum())} of {n_seeds} seeds have more than "
        "95 % of their shuffles.",
        "The number of motifs in the partly superposed models of each seed, and in shuffles of "
        "them.",
    )


def motif_table(outcome) -> Table:
    """How many neurons of each kind there are at each density, beside the shuffles."""
    seen, rows = outcome("abs-asymmetric").seen, {}
    for k, p in enumerate(study.PROBABILITY.tolist()):
        partly = seen.partly[:, k]
        if partly.any():
            kept = (seen.found[:, :, k] * partly).sum(-1).tolist()
            drawn = (seen.shuffled[..., k] * partly).sum(-1).double().mean(0).tolist()
            beside = [f"{now} ({then:.1f})" for now, then in zip(kept, drawn, strict=True)]
            rows[f"p = {p:g}"] = [
                f"{int(partly.sum())}", f"{int(seen.two[k])}", f"{kept[0]}", *beside[1:],
            ]  # fmt: skip
    heads = ["models", "serve two", "asymmetric", "repaired (shuffled)", "by one neuron (shuffled)"]
    return Table(heads, rows)


def repair_table(large, outcome) -> Table:
    """Which of a neuron's two disturbances are repaired, unequal neurons beside more equal ones."""
    spots = computation.find_motifs(large.W, large.V)
    served, _, _ = kinds_of(large)
    both = (served.sum(-1) == 2) & outcome("abs-asymmetric").seen.partly[..., None]
    back = spots.back_rest <= 0.1 * spots.back

    def repaired(chosen):
        return [
            str(int(chosen.sum())),
            f"{spots.disturbance[chosen].median():.1f}",
            f"{spots.repaired[chosen].double().mean():.0%}",
            f"{spots.back[chosen].median():.1f}",
            f"{back[chosen].double().mean():.0%}",
        ]

    rows = {
        "unequal, 2 to 1 or more": repaired(both & spots.asymmetric),
        "more equal": repaired(both & ~spots.asymmetric),
    }
    heads = ["neurons", "disturbs the weak", "repaired", "disturbs the strong", "repaired"]
    return Table(heads, rows, "neurons that serve two features")


def ands(logic, by_hand, n_seeds_and) -> Picture:
    """How many ANDs are computed, and how much of their variance is left."""
    fig, axes = figure(1, 2, height=MIDDLE)
    number = (logic.left <= study.COMPUTED).sum(-1).double()
    for k, p in enumerate(study.DENSITY.tolist()):
        cloud(axes[0], p, number[:, k] + torch.linspace(-0.12, 0.12, n_seeds_and))
    computed = (by_hand <= study.COMPUTED).sum(-1)
    axes[0].plot(study.DENSITY, number.mean(0), color=ACCENT, label="trained")
    axes[0].plot(study.DENSITY, computed, color=DIGON, ls="--", label="by hand")
    axes[0].axhline(5, color=FAINT, lw=MEDIUM, zorder=0)
    axes[0].annotate("one a neuron", (0.018, 5.12), color=INK)
    axes[0].set(ylabel="ANDs computed", ylim=(0, 10.5))
    axes[0].legend(loc="lower right")
    share = study.AND_IMPORTANCE[::2] / study.AND_IMPORTANCE.sum()
    half = share[5:].sum()
    left, hand = ((values * share).sum(-1) for values in (logic.left, by_hand))
    axes[1].plot(study.DENSITY, left.mean(0), color=ACCENT, label="trained")
    axes[1].plot(study.DENSITY, hand, color=DIGON, ls="--", label="by hand")
    axes[1].axhline(half, color=FAINT, lw=MEDIUM, zorder=0)
    axes[1].annotate("five exact, five left out", (0.03, half + 0.015), color=INK)
    axes[1].set(ylabel="share of the variance left", ylim=(0, 0.8))
    for ax in axes:
        ax.set(xscale="log", xlim=(0.6, 0.0025), xlabel="p")
    counts = (
        f"{c:.1f} at p = {p:g}"
        for c, p in zip(number.mean(0).tolist(), study.DENSITY.tolist(), strict=True)
    )
    return Picture(
        fig,
        "Left, how many of ten ANDs five neurons compute against p: on average "
        + ", ".join(counts)
        + ". Right, the share of the variance left, weighted by importance: "
        f"{left.mean(0)[0]:.2f} at p = 0.5, as with five ANDs exact and five left out "
        f"({half:.2f}), and {left.mean(0)[-1]:.3f} at p = 0.003; the code by hand leaves "
        f"{hand[0]:.1f} and {hand[-1]:.3f}.",
        "Ten ANDs in five neurons: how many are computed (dots are seeds), and how much of the "
        "outputs' variance is left. Dashed: the code of {eq}`eq-code`.",
        {"dense": f"{number[:, 0].mean():.1f}", "sparse": f"{number[:, -1].mean():.1f}"},
    )


def and_neurons(logic) -> Picture:
    """The five neurons of a typical seed, dense and sparse."""
    serves = computation.and_serving(logic.W, logic.V)
    slopes = torch.minimum(logic.W[..., ::2], logic.W[..., 1::2]) * logic.V[..., ::2]
    each = serves.sum(-1).double().mean(-1)
    typical = (each[:, 0] - each[:, 0].mean()).abs().argmin()
    fig, axes = figure(1, 2, height=MIDDLE)
    for ax, k in zip(axes, study.ENDS, strict=True):
        neuron_bars(ax, slopes[typical, k], serves[typical, k])
        ax.set(title=f"p = {study.DENSITY[k]:g}", xlabel="neurons")
    axes[0].set_ylabel("slope")
    scale_bar(fig, axes, IMPORTANCE.reversed(), low=0, high=9, label="AND")
    return Picture(
        fig,
        "Stacks of the ANDs that each of five neurons serves, one seed. Over all seeds a neuron "
        f"serves {each[:, 0].mean():.1f} ANDs on average at p = 0.5 and {each[:, -1].mean():.1f} "
        "at p = 0.003.",
        "The five neurons of a typical seed: the slopes that they give the ANDs they serve.",
    )


def plain_table(plain_variants) -> Table:
    """How often three features get two neurons each, in other settings."""
    rows = {}
    for name, run in plain_variants.items():
        shown = computation.two_sided(run.W[:, 0], run.V[:, 0])
        best = best_of_each(run.loss[:, 0], shown, 10)
        rows[name] = [told_rate(shown), told_rate(best)]
    return Table(["one run", "best of ten"], rows)


def slope_table(large, n_shuffles) -> Table:
    """The parts of abs-superposed and the motif, if a neuron serves from another slope on."""
    rows = {}
    for least in (0.1, 0.25, 0.5):
        served = computation.serving(large.W, large.V, least=least)
        partly = computation.partly_superposed(served)
        parts = study.regimes(served, **PARTS)

        def motifs(V, least=least, partly=partly):
            found = computation.find_motifs(large.W, V, least=least)
            return (found.complete.sum(-1) * partly).sum(-1)

        drawn = torch.stack(
            [
                motifs(computation.shuffled(large.W, large.V, seed=seed, least=least))
                for seed in range(n_shuffles // 5)
            ]
        )
        rows[f"slope of {least:g}"] = [
            *(f"{part.double().mean():.0%}" for part in parts.values()),
            f"{motifs(large.V).double().mean():.1f} ({drawn.double().mean():.1f})",
        ]
    return Table([*parts, "motifs a seed (shuffled)"], rows)


def starts(starts) -> Picture:
    """What the start of training does to the loss."""
    fig, ax = figure(width=6.4, height=MIDDLE)
    for place, (name, values) in enumerate(starts.items()):
        ax.plot(study.PROBABILITY[study.STARTS], values, "o-", color=FEATURES[place], label=name)
    ax.set(xscale="log", yscale="log", xlim=(1.5, 0.0007), xlabel="p", ylabel="loss / loss of 0")
    plain_ticks(ax.yaxis)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return Picture(
        fig,
        "The loss as a share of that of a model which returns 0, at p = 0.001: "
        + "; ".join(f"{name} {values[-1]:.3f}" for name, values in starts.items())
        + ".",
        "Absolute values: what the start and the warm-up do to the loss; three seeds each, and "
        "all of ours.",
    )


def and_table(logic_variants) -> Table:
    """How many ANDs are computed from another start, and in fewer neurons."""
    rows = {
        name: [f"{c:.1f}" for c in (left <= study.COMPUTED).sum(-1).double().mean(0).tolist()]
        for name, left in logic_variants.items()
    }
    numbers = {"three": rows["3 neurons"][-1]}
    return Table(["p = 0.5", "p = 0.003"], rows, numbers=numbers)


def explorer() -> Picture:
    """A model of absolute values, by sliders."""

    def draw(n_features, n_neurons, log_density, seed):
        p = 10**log_density
        run = train(
            SignedFeatures(n_features, p), n_neurons, model=ABSOLUTE_VALUE,
            importance=0.8 ** torch.arange(n_features), seeds=[seed], progress=False,
            procedure=Procedure(steps=1500, learning_rate=0.03, warmup=750, beta2=0.99),
        )  # fmt: skip
        W, V = run.W[0], run.parameters["V"][0]
        served = computation.serving(W, V)
        fig, axes = figure(1, 2, width=6.8, height=MIDDLE)
        neuron_bars(axes[0], computation.slopes(W, V), served)
        axes[0].set(xlabel="neurons", ylabel="slope")
        x = torch.linspace(-1, 1, 81)
        for i in reversed(range(n_features)):
            alone = torch.zeros(81, n_features)
            alone[:, i] = x
            y = ABSOLUTE_VALUE.reconstruct({"W": W, "V": V, "b": run.b[0]}, alone)[:, i]
            axes[1].plot(x, y, color=IMPORTANCE(0.95 - 0.85 * i / max(1, n_features - 1)))
        axes[1].set(xlabel="$x_i$, active alone", ylabel="output $i$")
        pure, mixed = (kind(served).sum() for kind in (neurons.monosemantic, neurons.polysemantic))
        return fig, (
            f"{n_features} features in {n_neurons} neurons at p = {p:.3f}: "
            f"{int(served.any(0).sum())} features are served; {int(pure)} neurons are pure and "
            f"{int(mixed)} polysemantic."
        )

    return Explorer(
        draw,
        n_features=whole("features n", 12, 2, 20),
        n_neurons=whole("neurons m", 8, 2, 20),
        log_density=real("log₁₀ p", -1.0, -3.0, 0.0, 0.1),
        seed=whole("seed", 0, 0, 50),
    ).picture(
        "The explorer at its first setting: what each neuron serves, and each output as its own "
        "feature goes from −1 to 1."
    )
