"""What the chapter on adversarial robustness draws."""

from __future__ import annotations

import torch

from superpos import IndependentFeatures, Procedure, adversarial, geometry, optima, train
from superpos.adversarial import Attacked, mean_input_norm, vulnerability
from superpos.claims.registry import thresholds
from superpos.figures.axes import against_sparsity, plain_ticks, polytope_lines
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.features import polytope_legend
from superpos.figures.palette import ACCENT, FAINT, INK, MEDIUM, POLYTOPES, THIN, sequence
from superpos.figures.plane import plane
from superpos.figures.style import HIGH, MIDDLE, Picture, Table, figure
from superpos.stats import listed, rank_correlation, span
from superpos.studies import adversarial_robustness as study
from superpos.studies.adversarial_robustness import ATTACK_SIZES, M, N, P, alone_loss

MARKS = thresholds("adv-training", "share", "alone", "learnt")  # of what has no superposition


def attack() -> Picture:
    """The best attack on one output, without superposition and in a pentagon."""
    pentagon = optima.minimise(study.polygon(5), torch.zeros(5), 0.05)
    biases = torch.tensor([0, 0, 0.025, 0.025, 0.025])
    models = {
        "two features, orthogonal": (torch.eye(2, 5), biases),
        "five features, a pentagon": (pentagon.W.float(), pentagon.b.float()),
    }
    x, epsilon = torch.tensor([[0.5, 0, 0, 0, 0]]), torch.tensor(0.3)
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    place, moved = torch.arange(5), {}
    for ax, (name, (W, b)) in zip(axes, models.items(), strict=True):
        step = adversarial.analytic(W, b, x, epsilon, torch.tensor([0]))[0]
        change = torch.relu((x[0] + step) @ W.T @ W + b) - torch.relu(x[0] @ W.T @ W + b)
        ax.bar(place - 0.2, step, 0.38, color=FAINT, label="attack on the input")
        ax.bar(place + 0.2, change, 0.38, color=ACCENT, label="change of the output")
        ax.axhline(0, color=INK, lw=THIN)
        ax.set(title=name, xlabel="feature", xticks=place.tolist(), xticklabels=[1, 2, 3, 4, 5])
        moved[name] = change.square().sum().item() / epsilon.item() ** 2
    axes[0].legend(loc="lower right" if change[0] < 0 else "upper right")
    told = "; ".join(f"{value:.2f} times the attack's for {name}" for name, value in moved.items())
    return Picture(
        fig,
        f"Bars of an attack on feature 1 and of what it changes. The squared change is {told}. In "
        "the pentagon the attack is spread over all five inputs.",
        "The best attack on output 1 where feature 1 has the value 0.5, of length "
        f"$\\varepsilon = {epsilon:.1f}$. Without superposition it moves input 1 only. "
        "In a pentagon it moves all.",
    )


def rise(models, sizes, n_features, n_hidden, n_seeds) -> Picture:
    """Vulnerability against sparsity, and against features per dimension for several sizes."""
    fig, axes = figure(1, 2, height=HIGH, sharey=True)
    vulnerable = models.added + models.enlarged
    per_dimension = 1 / geometry.dimensions_per_feature(models.W)
    lines = {
        "vulnerability": (vulnerable, ACCENT, "-"),
        "what attacks add": (models.added, ACCENT, "--"),
        "features per dimension": (per_dimension, INK, "-"),
    }
    for name, (values, colour, style) in lines.items():
        with_spread(axes[0], models.inverse_p, values, colour, style=style, label=name)
    against_sparsity(axes[0])
    axes[0].set(yscale="log", ylabel="times as without superposition")
    axes[0].legend(loc="upper left")
    plain_ticks(axes[0].yaxis)
    every = {(n_features, n_hidden): models} | sizes
    for k, ((n, m), one) in enumerate(every.items()):
        count = (1 / geometry.dimensions_per_feature(one.W)).mean(0)
        total = (one.added + one.enlarged).mean(0)
        colour = sequence(k, len(every))
        axes[1].plot(count, total, "o", ms=4.5, color=colour, label=f"n = {n}, m = {m}")
    line = torch.linspace(1, per_dimension.max().item(), 2)
    axes[1].plot(line, line, color=INK, lw=MEDIUM)
    line = torch.linspace(1, vulnerable.max().sqrt().item(), 2)
    axes[1].plot(line, line**2, color=INK, lw=MEDIUM, ls=":")
    axes[1].set(xscale="log", xlabel="features per dimension, 1/D*")
    axes[1].legend(loc="lower right", handletextpad=0.1)
    plain_ticks(axes[1].xaxis)
    mean, added, count = vulnerable.mean(0), models.added.mean(0), per_dimension.mean(0)
    top = mean.argmax()
    lengths = geometry.squared_norms(models.W)
    leverage = adversarial.leverage(models.W).square().sum(-1) / lengths.sum(-1) / per_dimension
    return Picture(
        fig,
        f"Left, against 1/p from 1 to 100: features per dimension rise from {count[0]:.2f} to "
        f"{count[-1]:.1f}, vulnerability from {mean[0]:.2f} to {mean[top]:.0f} at 1/p = "
        f"{models.inverse_p[top]:.0f} and {mean[-1]:.0f} at 100; what attacks add follows the "
        f"features per dimension, from {added[0]:.2f} to {added[-1]:.1f}. Right, vulnerability "
        f"against features per dimension for {len(every)} sizes of models: a rising band "
        "between the features per dimension and a little above their square, out of which the "
        "sparsest models fall where all features are represented.",
        "Vulnerability to attacks of 0.1 of the mean input norm. Left: mean, lowest and highest "
        f"of {n_seeds} models with $n = {n_features}$, $m = {n_hidden}$. Right: means of several "
        "sizes at the same sparsities; lines: $1/D^*$ (solid) and its square (dotted).",
        {"leverage": span(leverage, ".3f")},
    )


def with_spread(ax, x, trials, colour, *, label: str, style: str = "-") -> None:
    """Draw the mean of trials ``(trials, k)``, and shade from the lowest to the highest."""
    ax.fill_between(x, trials.amin(0), trials.amax(0), color=colour, alpha=0.15, lw=0)
    ax.plot(x, trials.mean(0), style, color=colour, label=label)


def attack_table(other_attacks, some) -> Table:
    """Vulnerability to each kind of attack."""
    found = other_attacks.by_name
    gain = found["projected gradient"] / found["best analytic attack (the verdicts)"] - 1
    return Table(
        [f"1/p = {value:.3g}" for value in some.inverse_p.tolist()],
        {name: [f"{value:.2f}" for value in row.tolist()] for name, row in found.items()},
        "vulnerability",
        {
            "gain": span(gain, "+.0%"),
            "silence": f"{other_attacks.silence:.3f}",
        },
    )


def features(single_features, some) -> Picture:
    """Vulnerability of single outputs against 1/D_i."""
    D, kept = geometry.feature_dimensionality(some.W), geometry.represented(some.W)
    fig, axes = figure(1, 2, height=HIGH, sharey=True)
    correlation = {}
    parts = {"feature active": single_features.active, "feature silent": single_features.silent}
    for ax, (name, own) in zip(axes, parts.items(), strict=True):
        for k in range(1, len(some.inverse_p)):
            of = kept[:, k] & own[:, k].isfinite()
            ax.plot(
                1 / D[:, k][of], own[:, k][of], "o", ms=2.6, alpha=0.6, mew=0, rasterized=True,
                color=sequence(k, len(some.inverse_p)), label=f"1/p = {some.inverse_p[k]:.3g}",
            )  # fmt: skip
        pool = kept[:, 1:] & own[:, 1:].isfinite()
        inverse = (1 / D[:, 1:])[pool]
        correlation[name] = rank_correlation(own[:, 1:][pool][None], inverse).item()
        line = torch.tensor([1.0, inverse.max().item()])
        ax.plot(line, line, color=INK, lw=MEDIUM)
        ax.set(title=name, xlabel="$1/D_i$", xscale="log")
        plain_ticks(ax.xaxis)
    axes[0].set(ylabel="vulnerability of its output", yscale="symlog")
    axes[0].set_yticks([0, 1, 10, 100], ["0", "1", "10", "100"])
    axes[0].set_ylim(0, None)
    axes[1].legend(loc="upper right", markerscale=2.5, handletextpad=0.1)
    within = [
        rank_correlation(single_features.active[:, k][own][None], (1 / D[:, k])[own]).item()
        for k in range(1, len(some.inverse_p))
        for own in [kept[:, k] & single_features.active[:, k].isfinite()]
    ]
    told_within = listed(within).replace("-", "−")
    active, silent = (own[:, -1][kept[:, -1]].nanmedian() for own in parts.values())
    return Picture(
        fig,
        "Vulnerability of single outputs against 1/D_i. Over all sparsities together it grows with "
        f"1/D_i where the feature is active (rank correlation {correlation['feature active']:.2f}; "
        f"within each of them {told_within}), to a median of {active:.0f} with the sparsest "
        f"inputs; where it is silent it falls ({correlation['feature silent']:.2f}), to "
        f"{silent:.1f}.",
        "Each dot is a represented feature. Line: what its dimensionality says for unit length, "
        "$1/D_i$.",
        {"within": told_within},
    )


def polytope_table(polytopes) -> Table:
    """What attacks do to exact optima."""
    heads = ["1/D_i", "leverage²", "active", "silent", "all outputs", "projected gradient"]
    rows = {name: [f"{value:.2f}" for value in row] for name, row in polytopes.items()}
    return Table(heads, rows, "p = 0.1")


def training(hardened, n_seeds_training) -> Picture:
    """D_i and losses of models trained under attack."""
    fig, axes = figure(1, 2, height=HIGH)
    D = geometry.feature_dimensionality(hardened.W)
    long = study.longest(hardened.W, share=MARKS["share"])
    jitter = torch.rand(D.shape, generator=torch.Generator().manual_seed(0)) * 0.07 - 0.035
    place = (ATTACK_SIZES[:, None] + jitter)[long]
    axes[0].plot(place, D[long], "o", ms=1.8, alpha=0.25, mew=0, color=INK, rasterized=True)
    polytope_lines(axes[0], labels=False)
    size = "attack / mean input norm"
    axes[0].set(ylim=(0, 1.05), xlabel=size, ylabel="$D_i$ of long features")
    polytope_legend(fig)
    with_spread(axes[1], ATTACK_SIZES, hardened.clean, INK, label="clean inputs")
    with_spread(axes[1], ATTACK_SIZES, hardened.attacked, ACCENT, label="attacked inputs")
    axes[1].axhline(alone_loss(P), color=INK, lw=MEDIUM, ls=":")
    axes[1].set(xlabel=size, ylabel="loss", ylim=(0, None))
    axes[1].legend(loc="lower right")
    medians = (
        f"{D[:, k][long[:, k]].median():.2f} at {ATTACK_SIZES[k]:.1f}" for k in (0, 3, 6, 8, 10)
    )
    return Picture(
        fig,
        "Left: D_i against the size of the attacks in training. Medians of the long features: "
        + ", ".join(medians)
        + ". Right: the loss on clean inputs rises from "
        f"{hardened.clean[:, 0].mean():.2f} to {hardened.clean[:, 10].mean():.2f} at 1.0; six "
        f"orthogonal features would have {alone_loss(P):.2f}.",
        f"Models trained under attack, $n = {N}$, $m = {M}$, $p = {P}$, {n_seeds_training} seeds "
        "a size. Left: all features with at least half of the largest $\\|W_i\\|^2$. Right: mean, "
        "lowest and highest loss; dotted: the clean loss of six orthogonal features of unit "
        "length.",
    )


def balance_table(balance) -> Table:
    """Where a pair and a single feature cost the same under attack."""
    rows = {
        f"p = {p}": [f"{length:.2f}", f"{length / norm:.2f}"]
        for p, (length, norm) in balance.items()
    }
    return Table(["ε", "ε / mean input norm"], rows, "balance")


def arrangements(arrangement_costs) -> Picture:
    """What each arrangement costs under attack, beyond orthogonal features."""
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    titles, cross = ("no attack on features left out", "attacks on all features"), []
    for ax, cost, title in zip(axes, arrangement_costs, titles, strict=True):
        for name, loss in cost.items():
            if name != "none":
                colour = POLYTOPES[name][1]
                ax.plot(ATTACK_SIZES, loss - cost["none"], color=colour, label=name)
        ax.axhline(0, color=INK, lw=MEDIUM)
        ax.set(title=title, xlabel="attack / mean input norm")
        worse = torch.stack([loss >= cost["none"] for loss in cost.values()]).all(0)
        cross.append(ATTACK_SIZES[worse.int().argmax()].item())
    axes[0].set_ylabel("loss beyond orthogonal features")
    axes[1].legend(loc="lower right")
    return Picture(
        fig,
        "Loss under attack of pentagons, digons, triangles and tetrahedra, less that of "
        "orthogonal features, against the attack's size: negative for small ones. None is below "
        f"orthogonal from {cross[0]:.1f} on if features left out cannot be attacked, and from "
        f"{cross[1]:.1f} on if they can.",
        "Where superposition stops paying: the lowest loss under attack of copies of each "
        f"polytope, less that of orthogonal features. $n = {N}$, $m = {M}$, $p = {P}$.",
    )


def stronger_table(stronger) -> Table:
    """When superposition is gone in most seeds, at which loss, and when nothing is learnt."""
    heads = [
        "superposition is gone at", "clean loss there", "orthogonal features", "without attacks",
        "nothing is learnt from",
    ]  # fmt: skip
    never = f"not up to {ATTACK_SIZES[-1]:.1f}"
    rows = {}
    for (name, p), run in stronger.items():
        mostly = study.free_of_superposition(run.W, **MARKS).double().mean(0) > 0.5
        nothing = (geometry.squared_norms(run.W).amax(-1) < 0.1).double().mean(0) > 0.5
        clean, k = run.clean.mean(0), mostly.int().argmax()
        rows[f"{name}, p = {p:g}"] = [
            f"{ATTACK_SIZES[k]:.1f}" if mostly.any() else never,
            f"{clean[k]:.3f}" if mostly.any() else "",
            f"{alone_loss(p):.3f}",
            f"{clean[0]:.3f}",
            f"{ATTACK_SIZES[nothing.int().argmax()]:.1f}" if nothing.any() else never,
        ]
    return Table(heads, rows, numbers={"enough": rows[f"climbing, p = {P:g}"][0]})


def size_table(models, sizes, short, n_features, n_hidden) -> Table:
    """The numbers of the first two claims at other sizes, and after shorter training."""
    every = {(n_features, n_hidden): models} | sizes
    compared = {f"n = {n}, m = {m}": one for (n, m), one in every.items()}
    compared["the first, a third of the steps"] = short
    rows = {}
    for name, one in compared.items():
        total, count = one.added + one.enlarged, 1 / geometry.dimensions_per_feature(one.W)
        ratio = total / count
        rows[name] = [
            f"{(total.amax(-1) / total[:, 0]).mean():.1f}",
            f"{rank_correlation(total, count).mean():.2f}",
            span(ratio),
        ]
    heads = ["highest over p = 1", "rank correlation with 1/D*", "vulnerability over 1/D*"]
    return Table(heads, rows)


def explorer() -> Picture:
    """A few features in a plane, trained without and with an adversary."""

    def draw(n_features, p, size, climbs, seed):
        own = IndependentFeatures(n_features, p)
        lengths = torch.tensor([0.0, size]) * mean_input_norm(own)
        procedure = Procedure(steps=1500, learning_rate=0.02)
        run = train(Attacked(own, lengths, climbs), 2, seeds=[seed], procedure=procedure)
        W, b = run.W[0], run.b[0]
        weak = torch.stack([vulnerability(W[k], b[k], own) for k in range(2)]).tolist()
        fig, axes = figure(1, 2, width=6.4, height=MIDDLE)
        titles = ("clean training", f"attacks of {size:.2f}")
        for ax, one, title, value in zip(axes, W, titles, weak, strict=True):
            plane(ax, one, limit=1.3 * max(1.0, one.norm(dim=0).max().item()))
            ax.set_title(f"{title}\nvulnerability {value:.1f}")
        count = 1 / geometry.dimensions_per_feature(W)
        return fig, (
            f"{n_features} features in a plane at p = {p:.2f}. Trained on clean inputs: "
            f"{count[0]:.2f} features per dimension, vulnerability {weak[0]:.1f}. With attacks of "
            f"{size:.2f} of the mean input norm: {count[1]:.2f}, {weak[1]:.1f}."
        )

    return Explorer(
        draw,
        n_features=whole("features n", 6, 2, 10),
        p=real("probability p", 0.1, 0.01, 1.0, 0.01),
        size=real("attack / mean norm", 0.5, 0.0, 1.5, 0.05),
        climbs=whole("steps of climbing", 0, 0, 5),
        seed=whole("seed", 0, 0, 50),
    ).picture(
        "The explorer at its first setting: the features without and with attacks in training."
    )
