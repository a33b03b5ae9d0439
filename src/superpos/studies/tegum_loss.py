"""Tegum loss: when it pays to split the hidden space into orthogonal subspaces.

Jermyn 2022, "Toy Models and Tegum Products", and its comments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from superpos import codes, geometry, sweep, tegum
from superpos.codes import thomson
from superpos.stats import listed, rank_correlation, span
from superpos.studies.study import Outcome, Study, fresh, on_cores

study = Study("tegum_loss")  # nothing is trained

PAIRS = [  # n and d for which one space of d dimensions is possible: y ≤ 1/6 at k = 1
    (10**e, 10**e // ratio)
    for e in (2, 3, 4, 5, 6)
    for ratio in (2, 5, 10, 20, 50, 100)
    if math.log(10**e) / (10**e // ratio) <= 1 / 6
]
SMALL = [0.25 * step for step in range(1, 9)]  # α up to 2
PLOTTED = (10**5, 10**4)  # n and d of the source's plots, by a comment of its author
CONSTANTS_PLOTTED = (1.0, 4.0)  # C: the chapter's, and that of the comment
SIZES = [(n, d) for d in (2, 3, 4) for n in range(d + 1, 13)]  # that are searched
REGISTERED = (0.5, 1.0, 1.5, 2.5, 4.0, 8.0)  # α of the claims
SEARCHED = torch.tensor([0.5, 1, 1.5, 1.6, 1.7, 1.8, 1.9, 2.1, 2.5, 4, 8], dtype=torch.float64)
CODE_DIMENSIONS = 32
DENSITY = torch.tensor([1.0, 0.3, 0.1, 0.03, 0.01], dtype=torch.float64)  # p


# The quadratic bound


@study.experiment
def derivation():
    """The slope of ln L along ln k with the quadratic bound, by sympy.

    By their names in LaTeX: the slope and its derivative in v = ln(n/k); where the slope vanishes;
    the derivative there.
    """
    import sympy

    k, n, d, C, a, v = sympy.symbols("k n d C alpha v", positive=True)
    log_loss = sympy.log(n**2 / k) + a / 2 * sympy.log(C * k / d * sympy.log(n / k))
    along = (k * log_loss.diff(k)).subs(k, n * sympy.exp(-v))
    slope = sympy.simplify(sympy.expand_log(along))
    bend = -slope.diff(v)  # dv = −d ln k
    (stationary,) = sympy.solve(slope, v)
    return {
        r"\frac{d \ln L}{d \ln k}": sympy.apart(slope, v),
        "v^*": stationary,
        r"\frac{d^2 \ln L}{d (\ln k)^2}": bend,
        r"\frac{d^2 \ln L}{d (\ln k)^2}\Big|_{v^*}": sympy.factor(bend.subs(v, stationary)),
    }


@study.experiment
def quadratic(n_settings, first_seed):
    """The quadratic bound at random n, d and α with 1 < k* < d, and at an α below 2 for each.

    By setting: ``star``, k*; ``k`` ``(settings, 1000)`` from 1 to d, and there the ``sign`` of the
    slope, and ``below``, that for the α below 2; ``excess``, ln L at k* above the lowest.
    """
    draw = torch.Generator().manual_seed(first_seed)
    found = []
    while len(found) < n_settings:
        features, alpha = between(10, 1e6, draw), between(2.05, 8, draw)
        star = features * math.exp(-alpha / (alpha - 2))
        if star <= 1:
            continue
        dimensions = between(star, features, draw)
        bound = tegum.Bound(features, dimensions, cubic=False)
        ks = torch.logspace(0, math.log10(dimensions), 1000, dtype=torch.float64)
        sign, below = (bound.slope(ks, x).sign() for x in (alpha, between(0.1, 1.95, draw)))
        excess = bound.log_loss(star, alpha) - bound.log_loss(ks, alpha).min()
        found.append((torch.tensor(star, dtype=torch.float64), ks, sign, below, excess))
    star, k, sign, below, excess = map(torch.stack, zip(*found, strict=True))
    return SimpleNamespace(star=star, k=k, sign=sign, below=below, excess=excess)


def between(low: float, high: float, draw: torch.Generator) -> float:
    """A number between two others, evenly on a logarithmic scale."""
    share = torch.rand((), generator=draw, dtype=torch.float64).item()
    return low * (high / low) ** share


@study.test("tegum-quadratic")
def quadratic_optimum(derivation, quadratic):
    """The loss is lowest at k*; the weaker reading asks for the only stationary point."""
    import sympy

    a = sympy.Symbol("alpha", positive=True)
    _, stationary, _, bend = derivation.values()
    agree = stationary.equals(a / (a - 2)) and bend.equals(-((a - 2) ** 2) / (2 * a))
    changes = quadratic.sign.diff() != 0
    place = changes.int().argmax(-1, keepdim=True)
    left, right = (quadratic.k.gather(-1, place + step)[:, 0] for step in (0, 1))
    there = (left <= quadratic.star) & (quadratic.star <= right)
    only = there & (changes.sum(-1) == 1) & (quadratic.below < 0).all(-1) & agree
    measured = str(bend).replace("alpha", "α") + ", negative for every α"
    return Outcome(only & (quadratic.excess <= 0), only, {"Second derivative at k*": measured})


# The cubic bound


@study.experiment
def cubic():
    """The cubic bound with C = 1 for every pair of n and d.

    ``pairs`` and for each: ``best``, the best k for the α of `SMALL`; ``most``, the largest
    possible k; ``gain``, by which share the loss at α = 2 is below that at k = 1; for 1000 ``k``
    from 1 to d whether the cubic has a ``root`` in [0, 1], by the roots of a polynomial.
    """
    best, most, gain, k, root = [], [], [], [], []
    for n, d in PAIRS:
        bound = tegum.Bound(n, d)
        most.append(bound.domain()[0][1])
        best.append([tegum.optimal_subspaces(n, d, alpha) for alpha in SMALL])
        gain.append(1 - (bound.log_loss(best[-1][-1], 2.0) - bound.log_loss(1.0, 2.0)).exp().item())
        k.append(np.geomspace(1, d, 1000))
        roots = (np.roots([-1 / 3, 1 / 2, 0, -y]) for y in bound.right(k[-1]).tolist())
        root.append([((abs(z.imag) < 1e-6) & (z.real >= 0) & (z.real <= 1)).any() for z in roots])
    best, most, gain = (torch.tensor(each, dtype=torch.float64) for each in (best, most, gain))
    k, root = torch.from_numpy(np.stack(k)), torch.tensor(root)
    return SimpleNamespace(pairs=PAIRS, best=best, most=most, gain=gain, k=k, root=root)


@study.test("tegum-domain")
def domain(cubic, *, least):
    """One k bounds the cubic's range, and leaves every subspace that many dimensions."""
    switches = cubic.root[:, 1:] != cubic.root[:, :-1]
    ends = cubic.k.gather(-1, switches.int().argmax(-1, keepdim=True))[:, 0] / cubic.k[:, -1]
    once = (switches.sum(-1) == 1) & cubic.root[:, 0] & ~cubic.root[:, -1]
    told = span(ends, ".3f")
    return Outcome(once & (ends <= 1 / least), measured={"Largest k, as a share of d": told})


@study.test("tegum-cubic")
def cubic_optimum(cubic, *, factor, gain):
    """The best k is inside, falls with α, and gains little at α = 2."""
    within = ((cubic.best > factor) & (cubic.best < cubic.most[:, None] / factor)).all(-1)
    inside = within & (cubic.best.diff() < 0).all(-1)
    fails = [
        f"({n:g}, {d:g})" for (n, d), holds in zip(cubic.pairs, inside, strict=True) if not holds
    ]
    return Outcome(
        inside & (cubic.gain < gain),
        inside,
        {
            "Loss at α = 2 below that of one space": f"{cubic.gain.min():.0%} to "
            f"{cubic.gain.max():.0%}",
            "(n, d) whose optimum reaches k = 1 at α = 2 or before": ", ".join(fails) or "none",
        },
    )


@study.experiment
def plotted():
    """The cubic bound for the n and d of the source's plots, by C.

    ``best`` ``(constants, alphas)``, the best k for α from 0.5 to 2; ``most``, the largest k.
    """
    alphas = [alpha for alpha in SMALL if alpha >= 0.5]
    best = [[tegum.optimal_subspaces(*PLOTTED, a, C) for a in alphas] for C in CONSTANTS_PLOTTED]
    most = [tegum.Bound(*PLOTTED, C).domain()[0][1] for C in CONSTANTS_PLOTTED]
    best, most = (torch.tensor(each, dtype=torch.float64) for each in (best, most))
    return SimpleNamespace(best=best, most=most)


@study.test("tegum-cubic-2")
def cubic_remark(plotted, *, factor, near):
    """The best k is inside and falls with α; at the smallest α it is near the end of its range."""
    best, most = plotted.best, plotted.most[:, None]
    inside = ((best > factor) & (best < most / factor)).all(-1) & (best.diff() < 0).all(-1)
    share = best / most
    return Outcome(
        inside & (share[:, 0] >= 1 - near),
        inside,
        {
            f"Best k over the largest, C = {C:g}": listed(row, ".3g")
            for C, row in zip(CONSTANTS_PLOTTED, share, strict=True)
        },
    )


@study.experiment
def transition():
    """The ``critical`` α of every pair, and the best k on both sides of it.

    For ten α ``above`` it, up to 10, ten ``under`` it, from 0.25, and ``jump``, just below it.
    """
    critical, above, under, jump = [], [], [], []
    for n, d in PAIRS:
        at = tegum.critical_alpha(n, d)
        critical.append(at)
        for found, low, high in ((above, at * 1.001, 10), (under, 0.25, at * 0.999)):
            alphas = torch.linspace(low, high, 10).tolist()
            found.append([tegum.optimal_subspaces(n, d, alpha) for alpha in alphas])
        jump.append(tegum.optimal_subspaces(n, d, at * (1 - 1e-7)))
    named = {"critical": critical, "above": above, "under": under, "jump": jump}
    return SimpleNamespace(
        **{name: torch.tensor(each, dtype=torch.float64) for name, each in named.items()}
    )


@study.test("tegum-transition")
def critical_alpha(transition, *, one, low, high):
    """One space is best above a critical α and not below; and that α is a little over 2."""
    critical = transition.critical
    transits = (transition.above.amax(-1) <= 1 + one) & (transition.under.amin(-1) > 1)
    return Outcome(
        transits & (critical > low) & (critical <= high),
        transits,
        {
            "Critical α": f"{span(critical, '.3f')}, median {critical.median():.3f}",
            "Best k just below it": f"{transition.jump.min():.4f} to {transition.jump.max():.0f}",
        },
    )


@study.experiment
def constants():
    """The cubic bound with other constants, over the pairs that have one space.

    By C, ``(pairs, 2)``: the critical α, and the largest k as a share of d.
    """
    return {
        C: torch.tensor(
            [
                (tegum.critical_alpha(n, d, C), tegum.Bound(n, d, C).domain()[0][1] / d)
                for n, d in PAIRS
                if C * math.log(n) / d <= 1 / 6
            ],
            dtype=torch.float64,
        )
        for C in (0.1, 0.3, 1, 4, 8)
    }


# What vectors do


@study.experiment
def best_codes(n_code, first_seed):
    """The best codes in 32 dimensions: ``sizes``, ``largest`` and ``typical`` (rms) cosines."""
    sizes = [size for size in (40, 64, 96, 128, 192, 256, 512, 1024) if size <= n_code]
    largest, typical = [], []
    for size in sizes:
        points = None
        for alpha in (4.0, 12.0, 40.0):  # ever closer to the largest cosine alone
            code = thomson.minimise(
                size, CODE_DIMENSIONS, thomson.power(alpha),
                tries=2, seed=first_seed, starts=points, max_steps=150,
            )  # fmt: skip
            points = code.points
            if alpha == 4.0:
                typical.append(codes.typical_cosine(code.best).item())
        largest.append(codes.coherence(points).min().item())
    return SimpleNamespace(sizes=sizes, largest=largest, typical=typical)


@study.experiment
def examples(first_seed):
    """The arrangements that the source's comments speak of, by name."""
    draw = torch.Generator().manual_seed(first_seed)
    frames = torch.linalg.qr(torch.randn(4, 6, 6, generator=draw, dtype=torch.float64))[0]
    return {
        "8 vectors at 45° in a plane": thomson.polygon(8),
        "8 vectors on two axes": torch.eye(2)[:, [0] * 4 + [1] * 4],
        "4 frames in 6 dimensions, 24 vectors": torch.cat(list(frames), dim=-1),
        "4 vectors on each of 6 axes": torch.eye(6).repeat(1, 4),
    }


# The search for the best arrangements


@study.experiment
def arrangements(n_tries, n_steps, first_seed):
    """The best vectors found for every α and size: V is (alpha, pair, 4, 12), with zeros around."""

    def arrangements(alpha, pair):
        V = torch.zeros(len(alpha), len(pair), 4, 12, dtype=torch.float64)
        for row, power in enumerate(alpha.tolist()):
            for column, which in enumerate(pair):
                n, d = SIZES[int(which)]
                V[row, column, :d, :n] = tegum.search(
                    n, d, power, tries=n_tries, seed=first_seed, max_steps=n_steps
                ).best
        return {"V": (["dimension", "feature"], V)}

    grid = {"alpha": SEARCHED, "pair": range(len(SIZES))}
    return sweep(arrangements, grid, executor=on_cores())


@dataclass(frozen=True)
class Compared:
    """The lowest sum found without blocks, and that of the best tegum product."""

    sum: float
    product: float
    blocks: tegum.Blocks

    @property
    def relative(self) -> float:
        """By which share the first is above the second."""
        return self.sum / self.product - 1


@study.experiment
def compared(arrangements):
    """What was found beside the best tegum product of smaller ones, by (α, n, d)."""
    found = {}
    for alpha, row in zip(arrangements.alpha.tolist(), arrangements.V, strict=True):
        known = {}  # the lowest sums of this α: d and n rise
        for (n, d), V in zip(SIZES, row, strict=True):
            total = thomson.energy(V[:d, :n], thomson.power(alpha)).item()
            found[alpha, n, d] = Compared(total, *tegum.best_product(known, n, d))
            known[n, d] = total
    return found


@study.test("tegum-not-only")
def not_only(compared, *, few, many, below):
    """A tegum product is best for small α, and is not for large α."""
    registered = {key: each for key, each in compared.items() if key[0] in REGISTERED}
    split = [each for (alpha, _, _), each in registered.items() if alpha <= few]
    shown = [
        each.relative > -below if alpha <= few else each.relative < -below
        for (alpha, _, _), each in registered.items()
        if alpha <= few or alpha >= many
    ]
    stuck = sum(each.relative > 1e-3 for each in split)
    ratio = [each.relative + 1 for (alpha, _, _), each in compared.items() if alpha == many]
    return Outcome(
        torch.tensor(shown),
        measured={
            f"Searches above the best product, α up to {few}": f"{stuck} of {len(split)}",
            f"At α = {many}, best found over best product": f"{min(ratio):.2f} to {max(ratio):.2f}",
        },
    )


def interference(arrangements, *, edge: float) -> tuple[Tensor, Tensor]:
    """The largest |cos| of the best arrangements, and the share of pairs above ``edge``.

    Both are (pairs of n and d, α): for the α of the claims.
    """
    rows = [arrangements.alpha.tolist().index(alpha) for alpha in REGISTERED]
    largest, share = [], []
    for column, (n, d) in enumerate(SIZES):
        off = ~torch.eye(n, dtype=torch.bool)
        size = [geometry.cosines(arrangements.V[row, column, :d, :n])[off].abs() for row in rows]
        largest.append([each.max().item() for each in size])
        share.append([(each > edge).double().mean().item() for each in size])
    return torch.tensor(largest), torch.tensor(share)


@study.test("tegum-moments")
def moments(arrangements, *, edge, slack, change):
    """As α rises the largest |cos| falls and the share of interfering pairs rises."""
    largest, share = interference(arrangements, edge=edge)
    ends = (largest[:, 0] - largest[:, -1] >= change) & (share[:, -1] - share[:, 0] >= change)
    steady = (largest.diff() <= slack).all(-1) & (share.diff() >= -slack).all(-1)
    return Outcome(
        ends & steady,
        ends,
        {
            "Mean largest |cos|": listed(largest.mean(0)),
            f"Mean share of pairs with |cos| > {edge}": listed(share.mean(0)),
        },
    )


@study.test("tegum-moments-2")
def moments_at_the_ends(arrangements, *, edge, slack):
    """The largest α has the smallest |cos| at most, the smallest α the fewest interfering pairs."""
    largest, share = interference(arrangements, edge=edge)
    falls = largest[:, 0] - largest[:, -1] > slack
    mildest = (largest[:, -1:] <= largest + slack).all(-1) & falls
    fewest = (share[:, :1] <= share + slack).all(-1) & (share[:, -1] - share[:, 0] > slack)
    return Outcome(
        mildest & fewest,
        falls,
        {
            "Largest |cos|, first less last": span(largest[:, 0] - largest[:, -1], ".3f"),
            "Share of interfering pairs, last less first": span(share[:, -1] - share[:, 0], ".3f"),
        },
    )


# The α of the toy model


@study.experiment
def effective(seeds, n_arrangements):
    """The effective α of random arrangements of 5 unit vectors in 3 dimensions.

    With one bias for all features: ``alpha``, its rank ``correlation`` with the loss, whether
    max(cos, 0) fits better (``one_sided``); with a bias for each: ``own_alpha``,
    ``own_correlation``. All are (seed, p).
    """
    names = ("alpha", "correlation", "one_sided", "own_alpha", "own_correlation")

    def effective(seed):
        rows = []
        for which in seed:
            V = random_vectors(int(which), n_arrangements)
            readouts = tegum.readouts(V, DENSITY)
            one = tegum.effective_alpha(V, readouts.loss())
            own = tegum.effective_alpha(V, readouts.loss_with_own_biases())
            rows.append([each.double() for each in (*one, *own[:2])])
        columns = map(torch.stack, zip(*rows, strict=True))
        return {name: (["p"], column) for name, column in zip(names, columns, strict=True)}

    return sweep(effective, {"seed": seeds}, executor=on_cores())


def random_vectors(seed: int, count: int) -> Tensor:
    """Some arrangements of 5 unit vectors in 3 dimensions."""
    draw = torch.Generator().manual_seed(seed)
    V = torch.randn(count, 3, 5, generator=draw, dtype=torch.float64)
    return V / V.norm(dim=-2, keepdim=True)


@study.experiment
def effective_own(seeds, n_arrangements):
    """The effective α of other arrangements where each feature has a bias of its own.

    ``alpha`` and its rank ``correlation`` with the loss: (seed, p).
    """

    def effective_own(seed):
        rows = []
        for which in seed:
            V = random_vectors(int(which), n_arrangements)
            losses = tegum.readouts(V, DENSITY).loss_with_own_biases()
            rows.append(tegum.effective_alpha(V, losses)[:2])
        alpha, correlation = map(torch.stack, zip(*rows, strict=True))
        return {"alpha": (["p"], alpha), "correlation": (["p"], correlation)}

    return sweep(effective_own, {"seed": fresh(seeds)}, executor=on_cores())


@study.test("tegum-regimes-2")
def regimes_own(effective_own, *, critical, correlation):
    """As tegum-regimes, with a bias for each feature."""
    alpha, at = effective_own.alpha, listed(DENSITY, "g")
    return Outcome(
        through(alpha, critical=critical, correlation=correlation),
        alpha[:, -1] > alpha[:, 0],
        {
            f"Median effective α at p = {at}": listed(alpha.median(0).values),
            "Its rank correlation with the loss": listed(
                effective_own.correlation.median(0).values
            ),
            "At p = 1": span(alpha[:, 0]),
        },
    )


def through(alpha: Tensor, *, critical: float, correlation: float) -> Tensor:
    """Whether α, (seeds, densities), rises with sparsity from below a critical value to above."""
    rises = rank_correlation(alpha, 1 / DENSITY) >= correlation
    return (alpha[:, -1] > critical) & (alpha[:, 0] < critical) & rises


@study.test("tegum-regimes")
def regimes(effective, *, critical, correlation):
    """The effective α rises with sparsity, from below the critical value to above it."""
    alpha = effective.alpha

    def median(values):
        return listed(values.median(0).values)

    at = listed(DENSITY, "g")
    return Outcome(
        through(alpha, critical=critical, correlation=correlation),
        alpha[:, -1] > alpha[:, 0],
        {
            f"Median effective α at p = {at}": median(alpha),
            "Its rank correlation with the loss": median(effective.correlation),
            "Fits better with max(cos, 0)": listed(effective.one_sided.mean(0), ".0%"),
            "With a bias for each feature": f"{median(effective.own_alpha)} (rank correlation "
            f"{median(effective.own_correlation)})",
        },
    )


# The polytopes


@study.experiment
def candidates(effective, n_candidates, n_tries, first_seed):
    """The best one-sided arrangements for several α, as candidates for the lowest exact loss.

    By (n, d): the candidates ``V``, and for each p the numbers of the one with the lowest exact
    loss, ``truth``, and of the one that the effective α predicts, ``guess``; ``excess``, by which
    share the loss of that is higher.
    """
    predicted_at = effective.alpha.median(0).values.tolist()
    every, found = torch.arange(len(DENSITY)), {}
    for n, d in [(5, 2), (6, 2), (7, 2), (7, 3), (8, 3)]:
        if n > n_candidates:
            continue
        searched = (
            tegum.search(n, d, alpha, one_sided=True, tries=n_tries, seed=first_seed).best
            for alpha in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 8.0)
        )
        V = torch.stack(list(searched))
        exact = tegum.readouts(V, DENSITY).loss()
        sums = [thomson.energy(V, thomson.power(a, one_sided=True)) for a in predicted_at]
        guess, truth = torch.stack(sums).argmin(1), exact.argmin(0)
        excess = exact[guess, every] / exact[truth, every] - 1
        found[n, d] = SimpleNamespace(V=V, truth=truth, guess=guess, excess=excess)
    return found


@study.experiment
def factors(n_factor, first_seed):
    """What each kind of tegum factor has ``saved`` per dimension, in features left out, by p."""
    shapes = {
        "own dimension": torch.ones(1, 1, dtype=torch.float64),
        "digon": torch.tensor([[1.0, -1.0]], dtype=torch.float64),
        "triangle": thomson.polygon(3),
        "tetrahedron": thomson.minimise(4, 3, thomson.COULOMB, tries=5, seed=first_seed).best,
        "pentagon": thomson.polygon(5),
        "hexagon": thomson.polygon(6),
        "heptagon": thomson.polygon(7),
    }
    if n_factor >= 8:
        shapes["square antiprism"] = thomson.minimise(8, 3, tries=20, seed=first_seed).best
    p = torch.logspace(0, -2.5, 51, dtype=torch.float64)
    left_out = p / 3 - p**2 / 4  # the loss of a feature that is not represented
    saved = {}
    for name, V in shapes.items():
        m, n = V.shape
        if n <= n_factor:
            saved[name] = (n * left_out - tegum.readouts(V[None], p).loss()[0]) / (m * left_out)
    return SimpleNamespace(p=p, saved=saved)
