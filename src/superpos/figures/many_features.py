"""What the chapter on many features draws."""

from __future__ import annotations

import torch

from superpos import geometry
from superpos.claims.registry import thresholds
from superpos.codes import rugs
from superpos.figures.axes import against_sparsity, percent_ticks, reference, size_axis
from superpos.figures.explorers import Explorer, real, whole
from superpos.figures.matrices import products
from superpos.figures.palette import ACCENT, DIGON, FAINT, FEATURES, INK, SETS, THIN, sequence
from superpos.figures.style import LOW, MIDDLE, Picture, figure
from superpos.learning import widths
from superpos.measure import spectral
from superpos.optima import crowds
from superpos.stats import span
from superpos.studies import many_features as study
from superpos.studies.many_features import DENSITIES, LOADS, ROOMS, SIZES, STRONG, WEAK, WIDTHS, N

SHOWN_RUG = (64, 16)  # n and m


def rug() -> Picture:
    """Products of features of a rug, and of an antipodal one."""
    n, m = SHOWN_RUG
    fig, axes = figure(1, 2, height=MIDDLE)
    for ax, antipodal in zip(axes, (False, True), strict=True):
        products(ax, rugs.rug(n, m, antipodal=antipodal))
        ax.set_title("antipodal rug" if antipodal else "rug")
    return Picture(
        fig,
        f"The cosines of {n} features in {m} dimensions as two square pictures of nested blocks; "
        "in the second, two diagonals of blue squares mark the opposites.",
        f"Two rugs: the products of {n} features in {m} dimensions. Their patterns are those of "
        "the rows of a Hadamard matrix; losses depend on which products there are, not on their "
        "order.",
    )


def compared(beside, large) -> Picture:
    """Losses of all arrangements against sparsity, for each load."""
    fig, axes = figure(1, len(LOADS), height=MIDDLE, sharey=True)
    trained, sparse = study.trained_loss(large), [1 / p for p in DENSITIES]
    kinds = {
        "linear": ("linear", FAINT, ":"),
        "random": ("random code", FEATURES[4], "-"),
        "rug": ("rug", ACCENT, "-"),
        "antipodal": ("antipodal rug", FEATURES[5], "-"),
        "stack": ("polytopes", DIGON, "-"),
        "gaussian": ("Gaussian, at Welch's bound", INK, "--"),
    }
    for row, (ax, load) in enumerate(zip(axes, LOADS, strict=True)):
        for kind, (label, colour, line) in kinds.items():
            share = beside[kind][row] / beside["variance"]
            ax.plot(sparse, share, color=colour, ls=line, label=label, lw=1.2)
        ax.plot(sparse, trained[row] / beside["variance"], "o", color=INK, ms=4, label="trained")
        against_sparsity(ax)
        ax.set_title(f"n/m = {load}")
    axes[0].set_ylabel("loss over one left out's")
    percent_ticks(axes[0].yaxis)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)

    def less(kind: str, row: int, column: int) -> str:
        share = 1 - float(trained[row, column] / beside[kind][row, column])
        return f"{share:.{1 if abs(share) < 0.01 else 0}%}".replace("-", "−")

    def within(kind: str, row: int, column: int) -> str:
        return less(kind, row, column).removeprefix("−")

    last = len(DENSITIES) - 1
    share = trained / beside["variance"]
    held = geometry.represented(large[LOADS[-1]].W).double().mean(0).sum(-1)
    return Picture(
        fig,
        f"The loss of {N} features by arrangement, against 1/p, for n/m = 2, 4 and 8. At n/m = 4 "
        f"and p = 0.3 trained models lose {share[1, 0]:.0%} of what features left out would, "
        f"polytopes {beside['stack'][1, 0] / beside['variance'][0]:.0%} and the rug "
        f"{beside['rug'][1, 0] / beside['variance'][0]:.0%}; at n/m = 8 and p = 0.01 it is "
        f"{share[2, last]:.0%}, {beside['stack'][2, last] / beside['variance'][last]:.0%} and "
        f"{beside['rug'][2, last] / beside['variance'][last]:.0%}.",
        f"What a feature loses, as a share of what one left out does: {N} features of equal "
        "importance, from dense to sparse inputs. All but the random code and trained models "
        "exactly; dotted: m features with a dimension each; dashed: two statistics, with the least "
        "interference that there is.",
        {
            "dense, polytopes": within("stack", 2, 0),
            "dense, rug": less("rug", 2, 0),
            "sparse, polytopes": less("stack", 2, last),
            "sparse, rug": less("rug", 2, last),
            "sparse, Gaussian": within("gaussian", 2, last),
            "middle, Gaussian": less("gaussian", 1, 1),
            "pairs": within("antipodal", 0, 1),
            "held, dense": f"{held[0]:.0f} of {N}",
            "held, sparse": f"{held[-1]:.0f}",
        },
    )


def against_polytopes(exactly) -> Picture:
    """Losses over those of the best stack of polytopes, exactly, of `exactly['n']` features."""
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    sparse = [1 / p for p in study.DENSITIES_EXACT]
    for ax, kind in zip(axes, ("rug", "antipodal"), strict=True):
        for row, load in enumerate(exactly["loads"]):
            colour = sequence(row, len(study.LOADS_EXACT))
            ratio = exactly[kind][row] / exactly["stack"][row]
            ax.plot(sparse, ratio, "o-", color=colour, ms=3, label=f"n/m = {load}")
        reference(ax, y=[1.0])
        against_sparsity(ax)
        ax.set(yscale="log", title="rug" if kind == "rug" else "antipodal rug")
        ax.set_yticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
        ax.minorticks_off()
    axes[0].set_ylabel("loss over that of polytopes")
    axes[1].legend()
    wins = exactly["rug"] < exactly["stack"]
    pairs = exactly["antipodal"] < exactly["stack"] * (1 - 1e-6)
    where = [
        f"n/m = {exactly['loads'][row]} and p = {study.DENSITIES_EXACT[column]:g}"
        for row, column in wins.nonzero().tolist()
    ]
    least = (exactly["rug"] / exactly["stack"]).min()
    return Picture(
        fig,
        f"The exact losses of {exactly['n']} features as rugs over those as polytopes, against "
        f"1/p. The rug loses less in {int(wins.sum())} of {wins.numel()} settings, down to "
        f"{least:.2f} times as much; the antipodal rug in {int(pairs.sum())}.",
        "Rugs against the best stack of polytopes, at each load; below the dotted line the rug "
        "loses less.",
        {
            "rug wins": f"{int(wins.sum())} of {wins.numel()}",
            "where": "; ".join(where) or "nowhere",
        },
    )


def spectra(large, small) -> Picture:
    """How nearly features are eigenvectors, in trained models and in exact optima."""
    fig, axes = figure(1, 2, height=LOW)
    for row, (load, one) in enumerate(large.items()):
        values = torch.linalg.eigvalsh(one.W[0] @ one.W[0].mT).flip(-1)
        shown = values[1] / values[1].mean()
        place = torch.linspace(0, 1, len(shown))
        axes[0].plot(place, shown, color=sequence(row, len(LOADS)), label=f"n/m = {load}")
    axes[0].set(ylim=(0, 1.6), xlabel="eigenvalue, from the largest", ylabel="over their mean")
    axes[0].set_xticks([])
    axes[0].legend()
    long, full, local = thresholds("many-localised")["long"], [], []
    for found in small.values():
        full += spectral.saturation(found.W).tolist()
        local += [
            float(spectral.localisation(W)[W.norm(dim=0) >= long].min())
            for W in found.W
            if (W.norm(dim=0) >= long).any()
        ]
    worst = min(local, default=0.0)
    axes[1].plot(full, local, "o", color=INK, ms=4, alpha=0.6)
    axes[1].set(xlabel="capacity used", ylabel="least localised feature")
    axes[1].locator_params(nbins=4)
    return Picture(
        fig,
        f"Left, the eigenvalues of W Wᵀ of trained models at p = {DENSITIES[1]}, which are nearly "
        f"equal. Right, exact optima of few features: of {len(full)} the one that uses capacity "
        f"least uses {min(full):.1%}, and the least localised feature has {worst:.3f}.",
        "Left: eigenvalues of $W W^T$ of trained models, at p = 0.1: a flat line is a tight frame. "
        "Right: exact optima, by how much of their capacity they use.",
        {"least full": f"{min(full):.1%}"},
    )


def by_width(wide) -> Picture:
    """Loss against m, for each law of frequencies and each sign of decay."""
    fig, axes = figure(1, 2, height=MIDDLE, sharey=True)
    n, tail = wide[WEAK].n, wide[WEAK].left_out
    for ax, decay, title in zip(
        axes, (STRONG, WEAK), ("negative decay", "positive decay"), strict=True
    ):
        for k, name in enumerate(study.laws()):
            colour = FEATURES[k]
            ax.plot(WIDTHS, wide[decay].loss[:, k], "o-", color=colour, ms=4, label=name)
            if decay == WEAK:
                ax.plot(WIDTHS, tail[:, k], ":", color=colour, lw=THIN)
        size_axis(ax, WIDTHS, "dimensions m")
        ax.set(yscale="log", title=title)
    axes[0].plot(WIDTHS, [3 / m for m in WIDTHS], "--", color=INK, lw=THIN, label="∝ 1/m")
    axes[0].set_ylabel("loss")
    axes[0].legend(fontsize=7.5)
    alpha = widths.exponent(wide[STRONG].loss, WIDTHS)
    lower = (wide[STRONG].loss < wide[WEAK].loss).double().mean()
    first, then = (widths.exponent(wide[STRONG].loss[k : k + 2], WIDTHS[k : k + 2]) for k in (0, 1))
    return Picture(
        fig,
        f"The loss of {n} features against m, for six laws of frequencies. With negative "
        f"decay it falls with exponents from {alpha.min():.2f} to {alpha.max():.2f}; it is below "
        f"that with positive decay in {lower:.0%} of the settings.",
        f"Models of {n} features, one active on average. Left: negative decay; dashed: the slope "
        "of 1/m. "
        "Right: positive decay; dotted: what is lost if the m most frequent ones are all that is "
        "represented.",
        {
            "least": f"{alpha.min():.2f}",
            "greatest": f"{alpha.max():.2f}",
            "lower": f"{lower:.0%}",
            "first": span(first),
            "then": span(then),
        },
    )


def within_sets(sets, sets_at_best) -> Picture:
    """Interference within sets against dimensions, at best and with decay."""
    fig, axes = figure(1, len(SIZES), height=MIDDLE, sharey=True)
    shown = (1, 2)  # places of p
    for ax, size in zip(axes, SIZES, strict=True):
        for k in shown:
            p = study.DENSITIES_SETS[k]
            best = [study.helped(sets_at_best[size, m], size)[0][k].item() for m in ROOMS]
            plain, decayed = (
                [study.helped(sets[size, m, decay].W, size)[0].mean(0)[k].item() for m in ROOMS]
                for decay in (0.0, study.DECAY)
            )
            ax.plot(ROOMS, best, "o-", color=SETS[k], ms=4, label=f"p = {p:g}, at best")
            ax.plot(ROOMS, plain, "o--", color=SETS[k], ms=3, lw=THIN, label="trained")
            ax.plot(ROOMS, decayed, "o:", color=SETS[k], ms=3, label="trained with decay")
        reference(ax, x=[size], y=[0.0])
        ax.set(xlabel="dimensions m", title=f"two sets of {size}")
        ax.set_xticks(ROOMS)
    axes[0].set_ylabel("mean $W_i \\cdot W_j / \\|W_i\\|^2$ in sets")
    axes[0].legend(fontsize=7.5)
    at = {
        (size, m): study.helped(sets_at_best[size, m], size)[0][2].item()
        for size in SIZES
        for m in ROOMS
    }
    return Picture(
        fig,
        "The mean product of features of one set, over their mean squared length, against m. At "
        f"p = 0.1 sets of three have {at[3, 2]:.2f} in two dimensions, {abs(at[3, 3]):.2f} in "
        f"three and {at[3, 4]:.2f} in four; sets of four {at[4, 3]:.2f} in three, "
        f"{abs(at[4, 4]):.2f} in four and {at[4, 5]:.2f} in five.",
        "How much members of a set help each other: in the best optima found, and on average in "
        "models trained without and with weight decay. The upright line: a dimension for each "
        "member of a set.",
        {
            "three in two": f"{at[3, 2]:.2f}",
            "three in three": f"{abs(at[3, 3]):.2f}",
            "three in four": f"{at[3, 4]:.2f}",
        },
    )


def explorer() -> Picture:
    """A rug and a random code beside Gaussian interference, by sliders."""

    def draw(doublings, load, sparsity, seed):
        n = 2**doublings
        m, p = n // load, 1 / sparsity
        fig, axes = figure(1, 2, height=LOW)
        code = rugs.rug(n, m, seed=seed)
        cosines = (code.mT @ code)[0, 1:]
        axes[0].hist(cosines.tolist(), bins=40, color=ACCENT)
        axes[0].set(xlabel="cosine with others", ylabel="features")
        loads = [1.5, 2, 3, 4, 6, 8, 12, 16]
        variance = p / 3 - p**2 / 4
        axes[1].plot(loads, crowds.gaussian(p, loads).loss / variance, color=INK)
        found = float(crowds.gaussian(p, float(load)).loss / variance)
        axes[1].plot([load], [found], "o", color=ACCENT)
        axes[1].set(xlabel="n/m", ylabel="loss over one left out's", ylim=(0, 1))
        return fig, (
            f"Of {n} features in {m} dimensions, each active with p = {p:.3f}, Gaussian "
            f"interference costs {found:.0%} of leaving a feature out; the rug's largest cosine is "
            f"{float(cosines.max()):.2f}."
        )

    return Explorer(
        draw,
        doublings=whole("n = 2 to the power", 8, 6, 10),
        load=whole("n/m", 4, 2, 16),
        sparsity=real("1/p", 10.0, 1.5, 300.0, 0.5),
        seed=whole("seed", 0, 0, 50),
    ).picture(
        "The explorer at its first setting: the cosines of a rug, and what interference costs.",
        live=("toy", {"n": 12, "m": 3, "S": 0.9}),
    )
