"""Anatomy of the loss: its parts, each against plain sampling, and where two of them lead.

Elhage et al. 2022, "Mathematical Understanding"; Pfeifle 2022, "Revisiting Wᵀ".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace

import torch
from torch import Tensor

from superpos import geometry, losses, optima, sweep, train
from superpos.claims import rate
from superpos.claims.registry import in_words
from superpos.codes import thomson
from superpos.compute.sweeps import tensors
from superpos.features import IndependentFeatures
from superpos.models import RELU_OUTPUT, Model
from superpos.optima import decoders
from superpos.stats import best_of, listed, span
from superpos.studies.study import Outcome, Study, Way, fresh, on_cores
from superpos.studies.ways import elhage_notebook
from superpos.training.procedures import Procedure

SPARSE = torch.tensor([0.3, 0.1, 0.03, 0.01, 0.003, 0.001], dtype=torch.float64)  # p → 0
LIMIT = torch.logspace(-1, -6, 6, dtype=torch.float64)  # the same, a tenth at a time
FEATURES = (3, 4, 5, 6)  # n of the models whose loss is taken apart there; m = 2
SPACES = {2: range(3, 13), 3: range(4, 13)}  # n of the arrangements of points, by m
FREE = Model("ReLU output, free decoder", tied=False)
FREE_P = torch.tensor([0.3, 0.1, 0.03])
FREE_SIZES = ((5, 2), (20, 5))
STARTS = ("V independent", "V = W", "best tied, nudged")
ROUNDING = 1e-6  # an output that is further off is read wrongly
BETWEEN = (torch.arange(8000, dtype=torch.float64) + 0.5) / 8000  # middles of short intervals


def ours(n: int, m: int, steps: int) -> Procedure:
    """The chapter's procedure for free decoders."""
    return Procedure(steps=steps, batch_size=256)


study = Study(
    "loss_anatomy",
    {
        "ours": Way(
            "Adam at a rate of 0.01, warmed up and lowered to 0 as a cosine, 256 inputs a step, V "
            "drawn like W and independently of it",
            ours,
        ),
        "published": elhage_notebook(
            "an array of 10 models of five features and 20 of more, biases 0 (the source does not "
            "say: it trains nothing; this is the notebook of the paper it asks about)",
            lambda n: 10 if n == 5 else 20,
            {"steps_free": 1500},
        ),
    },
)


# Random models, and their loss on inputs that are drawn


@dataclass(frozen=True)
class Given:
    """A model that nobody trained: W ``(m, n)``, b, importances I, p, and what draws its inputs."""

    W: Tensor
    b: Tensor
    I: Tensor
    p: Tensor
    draw: torch.Generator

    @property
    def n(self) -> int:
        return self.W.shape[1]


def random_model(seed: int, n: int | None = None, m: int | None = None) -> Given:
    """Return a model of random size, n from 2 to 8 and m below n where not given, all of it drawn.

    >>> random_model(0, n=5, m=2).W.shape
    torch.Size([2, 5])
    """
    draw = torch.Generator().manual_seed(seed)
    n = n or int(torch.randint(2, 9, (), generator=draw))
    m = m or int(torch.randint(1, n, (), generator=draw))
    W = torch.randn(m, n, generator=draw, dtype=torch.float64) / m**0.5
    b = 0.3 * torch.randn(n, generator=draw, dtype=torch.float64)
    I = torch.rand(n, generator=draw, dtype=torch.float64)
    p = 0.02 + 0.98 * torch.rand((), generator=draw, dtype=torch.float64)
    return Given(W=W, b=b, I=I, p=p, draw=draw)


def inputs(model: Given, samples: int) -> Tensor:
    """Return inputs whose features are active with probability p, and then uniform on [0, 1]."""
    u, x = torch.rand(2, samples, model.n, generator=model.draw)
    return torch.where(u < model.p, x, 0.0)


def sampled(model: Given, x: Tensor, output: Callable = torch.relu) -> tuple[Tensor, Tensor]:
    """Return the loss of the model run on the inputs x, with its standard error."""
    W, b, I = (value.to(x.dtype) for value in (model.W, model.b, model.I))
    error = x - output(x @ W.T @ W + b)
    loss = error.square() @ I
    return loss.mean(), loss.std() / len(x) ** 0.5


def over_models(check: Callable[[Given], Mapping[str, Tensor]], seeds: Sequence[int]):
    """Return what a check finds on each random model, by name."""

    def experiment(seed):
        found = [check(random_model(int(k))) for k in seed]
        return {name: torch.stack([each[name] for each in found]) for name in found[0]}

    return sweep(experiment, {"seed": seeds}, executor=on_cores())


# Two forces


def two_forces(W: Tensor, I: Tensor) -> Tensor:
    """Return feature benefit plus interference: Σ I_i (1 − ‖W_i‖²)² + Σ_{i≠j} I_j (W_i·W_j)².

    An antipodal pair of unit length has no missing benefit, and each disturbs the other:

    >>> two_forces(torch.tensor([[1.0, -1.0]]), torch.ones(2))
    tensor(2.)
    """
    square = (W.mT @ W).square()
    own = square.diagonal(dim1=-2, dim2=-1)
    benefit = (I * (1 - own.sqrt()) ** 2).sum(-1)
    return benefit + (I * (square.sum(-2) - own)).sum(-1)


def best_biases(W: Tensor, p: Tensor) -> Tensor:
    """Return b with which every output of a linear model is right on average: p is ``(...)``."""
    mean = p[..., None] / 2 * torch.ones(W.shape[-1], dtype=W.dtype)
    return mean - mean @ (W.mT @ W)


@study.experiment
def linear(seeds_models, n_samples):
    """How far the two forces are from the sampled loss of linear models, in standard errors."""

    def check(model):
        model = replace(model, b=best_biases(model.W, model.p))
        mean, error = sampled(model, inputs(model, n_samples), output=lambda z: z)
        formula = (model.p / 3 - model.p**2 / 4) * two_forces(model.W, model.I)
        return {"off": (mean - formula) / error}

    return over_models(check, seeds_models)


@study.experiment
def conditions(n_samples, first_seed):
    """Loss over the two forces where one of the formula's conditions fails: 30 random models.

    ``"p"``, ``(25,)``; ``"exact"``: by condition, ``(30, 25)``; ``"sampled"``: by condition, pairs
    of p and ratio for three of the models.
    """
    p_all = torch.logspace(-2, 0, 25, dtype=torch.float64)
    exact = {"best b": [], "b = 0": [], "best b, unequal p": []}
    dots = {name: [] for name in exact}
    for number in range(30):
        model = random_model(first_seed + number, n=6, m=2)
        spread = 2 ** (2 * torch.rand(6, generator=model.draw, dtype=torch.float64) - 1)
        for name, found in exact.items():
            p = p_all[:, None].expand(25, 6)
            if "unequal" in name:
                p = (p * spread).clamp_max(1)
            b = 0 * p if name == "b = 0" else p / 2 - p / 2 @ (model.W.T @ model.W)
            formula = (p / 3 - p**2 / 4).mean(-1) * two_forces(model.W, model.I)
            found.append(losses.linear_loss(model.W, b, p, model.I) / formula)
            for k in (2, 12, 22) if number < 3 else ():
                at = replace(model, p=p[k], b=b[k])
                mean, _ = sampled(at, inputs(at, n_samples), output=lambda z: z)
                dots[name].append((p_all[k].item(), (mean / formula[k]).item()))
    return {"p": p_all, "exact": {k: torch.stack(v) for k, v in exact.items()}, "sampled": dots}


@study.test("loss-linear-two-forces")
def linear_two_forces(linear, conditions, *, errors):
    """The two forces are the linear model's loss with the best biases."""
    third = conditions["exact"]["b = 0"].median(0).values
    unequal = conditions["exact"]["best b, unequal p"]
    return Outcome(
        linear.off.abs() <= errors,
        measured={
            "Distance from the formula": furthest(linear.off),
            "With b = 0, loss over formula": f"{third[0]:.3f} at p = 0.01, {third[12]:.2f} at "
            f"p = 0.1, {third[-1]:.1f} at p = 1 (median of {len(unequal)})",
            "With unequal p": span(unequal),
        },
    )


def furthest(values: Tensor) -> str:
    """Distances in standard errors, in words."""
    off = values.abs()
    return f"{off.median():.2f} standard errors (median), at most {off.max():.1f}"


# By the number of active features


def by_k(p: Tensor | float, n: int) -> Tensor:
    """Return how probable it is that k of n features are active: ``(..., n + 1)`` of p ``(...)``.

    >>> by_k(0.5, 2)
    tensor([0.2500, 0.5000, 0.2500], dtype=torch.float64)
    """
    k = torch.arange(n + 1)
    sets = torch.tensor([math.comb(n, count) for count in range(n + 1)])
    p = torch.as_tensor(p, dtype=torch.float64)[..., None]
    return sets * p**k * (1 - p) ** (n - k)


def one_active(W: Tensor, b: Tensor, I: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the two terms of n L_1 by quadrature, and the second without its square."""
    output = torch.relu((W.T @ W)[..., None] * BETWEEN + b[:, None])  # (input i, output j, x)
    own = torch.arange(len(b))
    benefit = (I * (BETWEEN - output[own, own]).square().mean(-1)).sum()
    output[own, own] = 0
    squared = (I * output.square().mean(-1)).sum()
    return benefit, squared, (I * output.mean(-1)).sum()


@study.experiment
def terms(seeds_models, n_samples):
    """The binomial sum, L_0 and L_1 of ReLU-output models against their sampled loss."""

    def check(model):
        L_k, _ = losses.k_sparse(model.W, model.b, model.I)
        mean, error = sampled(model, inputs(model, n_samples))
        binomial = ((by_k(model.p, model.n) * L_k).sum() - mean) / error

        at_zero, _ = sampled(model, torch.zeros(2, model.n, dtype=torch.float64))
        silent = at_zero - (model.I * model.b.relu() ** 2).sum()

        active = torch.randint(model.n, (n_samples, 1), generator=model.draw)
        value = torch.rand(n_samples, 1, generator=model.draw)
        alone = torch.zeros(n_samples, model.n).scatter(1, active, value)
        mean, error = sampled(model, alone)
        benefit, squared, unsquared = one_active(model.W, model.b, model.I)
        single, wrong = ((benefit + term) / model.n for term in (squared, unsquared))
        return {
            "binomial": binomial,
            "silent": silent,
            "single": (single - mean) / error,
            "closed": single * model.n - L_k[1] * model.n,
            "unsquared": (wrong - mean) / error,
            "too_much": wrong / mean - 1,
        }

    return over_models(check, seeds_models)


@study.test("loss-binomial")
def binomial(terms, *, errors):
    """The binomial sum of the L_k is the sampled loss."""
    off = terms.binomial
    return Outcome(off.abs() <= errors, measured={"Distance from the sampled loss": furthest(off)})


@study.test("loss-L0")
def on_zero(terms, *, close):
    """On the zero input the loss is a penalty on positive biases."""
    off = terms.silent.abs()
    return Outcome(off <= close, measured={"Largest difference": f"{off.max():.0e}"})


@study.test("loss-L1-closed")
def on_one(terms, *, errors, close):
    """Both kinds of integrals together are the closed form, and the sampled loss."""
    off = terms.unsquared.abs()
    return Outcome(
        (terms.single.abs() <= errors) & (terms.closed.abs() <= close),
        measured={
            "Distance from the sampled loss": furthest(terms.single),
            "Quadrature against closed form": f"at most {terms.closed.abs().max():.0e}",
            "Without the square": f"{off.median():.0f} standard errors off (median); "
            f"{terms.too_much.median():+.0%} of the sampled loss (median); within "
            f"{in_words(errors, 'word')} standard errors in {(off <= errors).sum()} of {len(off)} "
            "models",
        },
    )


# Negative interference


def negative_interference(model: Given) -> Tensor | None:
    """Return, for each pair with W_i·W_j ≤ 0, what becomes of output j: ``(pairs, 3)``.

    The largest output j while i alone is active; by how much j is off, on average, while both
    are; and by how much i then pulls it down. None where there is no such pair.
    """
    found = []
    for i, j in (model.W.T @ model.W <= 0).nonzero().tolist():
        both = torch.zeros(1000, model.n, dtype=torch.float64)
        both[:, [i, j]] = torch.rand(1000, 2, generator=model.draw, dtype=torch.float64)
        only_i, only_j = both.clone(), both.clone()
        only_i[:, j], only_j[:, i] = 0, 0
        read = torch.stack([only_i, only_j, both]) @ model.W.T @ model.W + model.b
        i_alone, j_alone, together = read.relu()[..., j]
        error = (together - both[:, j]).abs().mean()
        pulled = (j_alone - together).mean()
        found.append(torch.stack([i_alone.max(), error, pulled]))
    return torch.stack(found) if found else None


@study.experiment
def negative(seeds_models):
    """Pairs with W_i·W_j ≤ 0 in random models with negative biases: a list, by model."""
    found = []
    for seed in range(seeds_models.start, seeds_models.start + 2 * len(seeds_models)):
        model = random_model(seed, n=3 + seed % 6, m=2)
        found.append(negative_interference(replace(model, b=-model.b.abs())))
    # a few models have no such pair
    return [pairs for pairs in found if pairs is not None][: len(seeds_models)]


@study.test("loss-free-negative")
def free_negative(negative):
    """Output j is exactly 0 with i alone, and read wrongly with both."""
    free = torch.stack([(found[:, 0] == 0).all() for found in negative])
    wrong = torch.stack([(found[:, 1] > ROUNDING).all() for found in negative])
    largest, error, pulled = torch.cat(negative).unbind(-1)
    return Outcome(
        free & wrong,
        measured={
            "Pairs with W_i·W_j ≤ 0": f"{len(error)}, in {len(negative)} models",
            "Largest output j with i alone": f"{largest.max():g}",
            "With both active": f"output j is {error.mean():.2f} off (mean), at least "
            f"{error.min():.2f}; feature i pulls it down by {pulled.mean():.2f} (mean)",
        },
    )


# When inputs are sparse


def decays_of(n_ratios: int) -> Tensor:
    """The importance ratios of the best models."""
    return torch.linspace(0.9, 1, n_ratios, dtype=torch.float64)


@study.experiment
def best(n_ratios, n_starts, steps, first_seed, device):
    """The best models of n features in a plane, by n: W, b over (ratio, p).

    A few starts each, the best of which is finished with exact second-order steps.
    """

    def best_models(n, m=2):
        def experiment(ratio, p):
            I = ratio[:, None, None] ** torch.arange(n)
            chance = p[:, None].expand(len(ratio), len(p), n)
            run = train(
                IndependentFeatures(n, chance), m, importance=I, device=device,
                seeds=range(first_seed, first_seed + n_starts),
                procedure=Procedure.fast(n, m, steps=steps, learning_rate=0.1),
            )  # fmt: skip
            W, b = run.W.cpu(), run.b.cpu()
            loss = losses.exact_loss(W, b, chance, I)
            found = optima.minimise(best_of(loss, W), best_of(loss, b), chance, I)
            return {"W": (["dimension", "feature"], found.W), "b": (["bias"], found.b)}

        grid = {"ratio": decays_of(n_ratios), "p": SPARSE}
        return tensors(sweep(experiment, grid, cells_at_once=n_ratios * len(SPARSE)))

    return {n: best_models(n) for n in FEATURES}


def shares(W: Tensor, b: Tensor, I: Tensor, p: Tensor) -> Tensor:
    """Return the share of each L_k in the loss: ``(..., n + 1)``."""
    L_k, _ = losses.k_sparse(W, b, I)
    parts = by_k(p, W.shape[-1]) * L_k
    return parts / parts.sum(-1, keepdim=True)


def shares_of_given(model: Given, p: Tensor) -> Tensor:
    """Return the same for one model at several p: ``(len(p), n + 1)``."""
    m, n = model.W.shape
    return shares(model.W.expand(len(p), m, n), model.b.expand(len(p), n), model.I, p)


@study.experiment
def parts(best, n_ratios, first_seed):
    """The share of each L_k as p falls, by kind of model and n: (cases, p, n + 1)."""
    found = {"best": {}, "random": {}}
    for n in FEATURES:
        I = decays_of(n_ratios)[:, None, None] ** torch.arange(n)
        found["best"][n] = shares(best[n].W, best[n].b, I, SPARSE)
        drawn = [random_model(first_seed + k, n=n, m=2) for k in range(10)]
        found["random"][n] = torch.stack([shares_of_given(model, SPARSE) for model in drawn])
    return found


@study.experiment
def between(best, first_seed):
    """The same at more p, for three models of equal importances.

    ``"p"``, ``(25,)``; ``"shares"``: by model, ``(25, n + 1)``; ``"pentagon"``: the largest p at
    which the best model represents five features.
    """
    fine = torch.logspace(math.log10(0.3), -3, 25, dtype=torch.float64)
    found = {}
    for n in (4, 5):
        # the best models at the two nearest of the six p are starts for those in between
        near = (fine.log()[:, None] - SPARSE.log()).abs().argsort(1)[:, :2].T
        W, b = best[n].W[-1][near], best[n].b[-1][near]
        model = optima.minimise(W, b, fine[:, None].expand(25, n)).best()
        found[f"best, n = {n}"] = shares(model.W, model.b, torch.ones(n), fine)
    found["random, n = 5"] = shares_of_given(random_model(first_seed + 3, n=5, m=2), fine)
    pentagon = fine[geometry.represented(model.W).all(-1)].max()
    return {"p": fine, "shares": found, "pentagon": pentagon}


def dominated(share: Tensor, *, least: float) -> Tensor:
    """Return whether the share of L_0 and L_1 grows at each step, and ends large enough: ``(...)``.

    Shares are ``(..., settings, n + 1)``, p falling.
    """
    first = share[..., :2].sum(-1)
    return (first.diff(dim=-1) > 0).all(-1) & (first[..., -1] >= least)


@study.test("loss-sparse-limit")
def sparse_limit(parts, *, least):
    """L_0 and L_1 dominate; the weaker reading leaves out the best models that fit as pairs."""
    given, found = (
        {n: dominated(share, least=least) for n, share in parts[kind].items()}
        for kind in ("random", "best")
    )
    crowded = [cases for n, cases in found.items() if n > 4]  # 2m
    told = {"Random models": rate(torch.cat(list(given.values())))}
    for n, cases in found.items():
        last = parts["best"][n][..., -1, :2].sum(-1)
        told[f"Best models of n = {n}"] = (
            f"{cases.sum()} of {len(cases)}; at p = 0.001 the share of L_0 and L_1 is "
            f"{span(last, '.2%')}"
        )
    return Outcome(
        torch.cat([*given.values(), *found.values()]),
        torch.cat([*given.values(), *crowded]),
        told,
    )


def in_limit(few: Tensor, more: Tensor, *, within: float, least: float) -> Tensor:
    """Return whether some parts of the loss dominate as p → 0: ``(...)`` of shares ``(..., p)``.

    At each p, a tenth of the one before, the other parts ``more`` are at most a tenth as large
    beside the parts ``few`` as before, up to a share ``within``, and in the end ``few`` has more
    than ``least`` of the whole.

    >>> few = torch.tensor([[0.5, 0.91, 0.991], [0.5, 0.6, 0.7]])
    >>> in_limit(few, 1 - few, within=0.1, least=0.5)
    tensor([ True, False])
    """
    ratio = more / few
    falls = ratio[..., 1:] <= ratio[..., :-1] * (1 + within) / 10
    return falls.all(-1) & (few[..., -1] > least)


@study.experiment
def given_models(seeds_models):
    """The shares of L_0 and L_1, and of the rest, in the loss of random models.

    ``few`` and ``more``, ``(models, p)`` with p of `LIMIT`; from fresh seeds.
    """
    models = [random_model(seed) for seed in fresh(seeds_models)]
    found = torch.stack([_few_and_more(shares_of_given(model, LIMIT)) for model in models])
    return SimpleNamespace(few=found[:, 0], more=found[:, 1])


def _few_and_more(share: Tensor) -> Tensor:
    """The share of L_0 and L_1, and that of the rest: ``(2, ...)`` of shares ``(..., n + 1)``."""
    return torch.stack([share[..., :2].sum(-1), share[..., 2:].sum(-1)])


@study.test("loss-sparse-limit-2")
def given_limit(given_models, *, within, more):
    """L_0 and L_1 of a given model dominate as p goes to 0."""
    rest = given_models.more
    return Outcome(
        in_limit(given_models.few[:, 2:], rest[:, 2:], within=within, least=more),
        measured={
            f"Share of the rest at p = {p:g}": f"{part.median():.1e} (median), at most "
            f"{part.max():.1e}"
            for p, part in zip(LIMIT[2::3].tolist(), rest.T[2::3], strict=True)
        },
    )


@study.experiment
def best_in_limit(best):
    """The same of the best models of equal importances, by n: ``few`` and ``more``, ``(p,)``."""
    p, found = LIMIT[3:], {}
    for n in FEATURES:
        one = torch.ones(n, dtype=torch.float64)
        # those of the larger p are the starts; and the loss over p, of order 1, is minimised
        W, b = (
            start[-1][:, None].expand(-1, len(p), *start.shape[2:])
            for start in (best[n].W, best[n].b)
        )
        chance = p[:, None].expand(-1, n)
        model = optima.minimise(W, b, chance, one / p[:, None], tolerance=1e-11).best()
        few, more = _few_and_more(shares(model.W, model.b, one, p))
        found[n] = SimpleNamespace(few=few, more=more)
    return found


@study.test("loss-sparse-limit-best")
def best_limit(best_in_limit, *, pairs, within, more):
    """L_0 and L_1 dominate where features do not fit as pairs, and vanish where they do."""
    shown = [
        in_limit(*((each.more, each.few) if n <= pairs else (each.few, each.more)),
                 within=within, least=more)
        for n, each in best_in_limit.items()
    ]  # fmt: skip
    told = {n: each.few if n <= pairs else each.more for n, each in best_in_limit.items()}
    return Outcome(
        torch.stack(shown),
        measured={
            f"n = {n}, share of {'L_0 and L_1' if n <= pairs else 'the rest'}": listed(share, ".1e")
            for n, share in told.items()
        },
    )


# A Thomson problem


@study.experiment
def arrangements(n_tries, first_seed):
    """Points on the circle and the sphere, by m and n: those of least interference, and Thomson's.

    ``"ours"`` and ``"charges"``, ``(m, n)`` each; ``"found"``, how many descents ended there;
    ``"kinds"``, how many of these differ by more than a rotation.
    """

    def in_space(m):
        def experiment(n):
            results = [_arranged(int(count), m, n_tries, first_seed) for count in n]
            both, found, kinds = zip(*results, strict=True)
            return {
                "points": (["whose", "dimension", "point"], torch.stack(both)),
                "found": torch.tensor(found),
                "kinds": torch.tensor(kinds),
            }

        grid = {"n": torch.tensor(list(SPACES[m]))}
        return tensors(sweep(experiment, grid, cells_at_once=1, executor=on_cores()))

    solved = {m: in_space(m) for m in SPACES}
    return {
        (m, n): {
            "ours": solved[m].points[k, 0, :, :n],
            "charges": solved[m].points[k, 1, :, :n],
            "found": solved[m].found[k].item(),
            "kinds": solved[m].kinds[k].item(),
        }
        for m, sizes in SPACES.items()
        for k, n in enumerate(sizes)
    }


def _arranged(n: int, m: int, tries: int, seed: int) -> tuple[Tensor, int, int]:
    """Both arrangements with room for 12 points; how many descents found ours, of which kinds."""
    ours = thomson.minimise(n, m, tries=tries, seed=seed)
    if m == 2:
        charges = thomson.polygon(n)
    else:
        charges = thomson.minimise(n, m, thomson.COULOMB, tries=tries // 2, seed=seed).best
    lowest = ours.lowest()
    room = torch.zeros(2, m, 12 - n, dtype=torch.float64)
    both = torch.cat([torch.stack([ours.best, charges]), room], dim=-1)
    return both, len(lowest), thomson.kinds(lowest)


def odd_weights() -> dict[int, float]:
    """The weights of cos kθ in cos θ |cos θ|, for odd k."""
    theta = 2 * math.pi * BETWEEN
    odd = theta.cos() * theta.cos().abs()
    return {k: 2 * (odd * (k * theta).cos()).mean().item() for k in (1, 3, 5, 7, 9)}


@study.test("loss-thomson")
def thomson_problem(arrangements, *, above, gradient):
    """Thomson's solutions are minima; in the weaker reading stationary points."""
    energies = {
        size: [thomson.energy(both[whose]).item() for whose in ("ours", "charges")]
        for size, both in arrangements.items()
    }
    as_low = {size: charges - ours <= above for size, (ours, charges) in energies.items()}
    at_rest = {
        size: thomson.tangent_gradient(both["charges"]).norm().item() < gradient
        for size, both in arrangements.items()
    }

    def listed(held: Mapping) -> str:
        in_plane, in_space = (
            ", ".join(str(n) for (m, n), yes in held.items() if m == space and yes)
            for space in SPACES
        )
        return f"in the plane for n = {in_plane}; in space for {in_space}"

    lowest, icosahedron = energies[3, 12]
    return Outcome(
        torch.tensor(list(as_low.values())),
        torch.tensor(list(at_rest.values())),
        {
            "Thomson's solution is a minimum": listed(as_low),
            "It is a stationary point": listed(at_rest),
            "Weight of cos kθ in cos θ |cos θ|": ", ".join(
                f"{value:+.3f} (k = {k})" for k, value in odd_weights().items()
            ),
            "Icosahedron": f"E = {icosahedron:.6f} against {lowest:.6f}; antipodal pairs: "
            f"{thomson.digon_energy(12, 3):g}",
        },
    )


@study.test("loss-thomson-2")
def thomsons_own_problem(arrangements, *, above, beyond):
    """Thomson's solutions are minima; in the weaker reading those of few points."""
    as_low = {
        (m, n): thomson.energy(both["charges"]) - thomson.energy(both["ours"]) <= above
        for (m, n), both in arrangements.items()
    }
    few = [held for (m, n), held in as_low.items() if n <= 2 * m + beyond]
    return Outcome(torch.stack([*as_low.values()]), torch.stack(few))


@study.experiment
def unit_models(seeds_models):
    """Random models without biases whose features have unit length or are left out.

    ``off``, how far n L_1 is from one third of the number of those left out and the interference,
    and ``rises``, the most by which two unit vectors cost more than two that are nearer to each
    other; ``(models,)``, from fresh seeds.
    """

    def check(model):
        left_out = torch.rand(model.n, generator=model.draw) < 0.3
        W = torch.where(left_out, 0.0, model.W / model.W.norm(dim=0))
        L_1, _ = losses.k_sparse(W, 0 * model.b, sizes=[1])
        each, other = torch.triu_indices(model.n, model.n, offset=1)
        cost = (W.T @ W)[each, other].relu().square()
        both = ~left_out[each] & ~left_out[other]
        distance = (W[:, each] - W[:, other]).norm(dim=0)[both]
        rising = cost[both][distance.argsort()].diff()
        return {
            "off": (model.n * L_1[0] - (left_out.sum() + 2 * cost.sum()) / 3).abs(),
            "rises": torch.cat([rising, torch.zeros(1)]).max(),
        }

    return over_models(check, fresh(seeds_models))


@study.test("loss-thomson-generalised")
def generalised_thomson(unit_models, *, close):
    """All but a constant of n L_1 is a repulsion of points on a sphere."""
    return Outcome((unit_models.off <= close) & (unit_models.rises <= close))


# Free decoders


def decoders_trained(n, m, model, procedure, *, seeds, device="cpu"):
    """Train a model for every seed and p: W, V (W where tied) and the loss, (seed, p, ...)."""

    def experiment(seed, p):
        features = IndependentFeatures(n, p[:, None])
        run = train(features, m, model=model, seeds=seed, procedure=procedure, device=device)
        loss, _ = run.expected_loss(samples=20_000)
        V = run.parameters.get("V", run.W).clone()  # where it is tied, a second W
        own = ["dimension", "feature"]
        return {"W": (own, run.W), "V": (own, V), "loss": loss}

    grid = {"seed": seeds, "p": FREE_P}
    return tensors(sweep(experiment, grid, cells_at_once=len(FREE_P) * len(seeds)))


@study.experiment
def free(steps_free, seeds, procedure, device):
    """Models with a free decoder, trained from random starts, by n."""
    at = {"seeds": seeds, "device": device}
    return {
        n: decoders_trained(n, m, FREE, procedure(n, m, steps_free), **at) for n, m in FREE_SIZES
    }


@study.experiment
def tied(steps_free, seeds, device):
    """What they are compared with: tied models, trained in the fast way, by n."""
    at = {"seeds": seeds, "device": device}
    return {
        n: decoders_trained(n, m, RELU_OUTPUT, Procedure.fast(n, m, steps=steps_free), **at)
        for n, m in FREE_SIZES
    }


@study.test("loss-tied-decoder")
def tied_decoder(free, tied, *, away, tight):
    """V is a multiple of W, which is a tight frame; in the weaker reading V is some BW."""
    distance, from_rows, tightness = (
        torch.stack([measure(models) for models in free.values()])  # (size, seed, p)
        for measure in (
            lambda found: decoders.distance_from_encoder(found.W, found.V),
            lambda found: decoders.distance_from_row_space(found.W, found.V),
            lambda found: decoders.tightness(found.W),
        )
    )
    tied_tightness = torch.stack([decoders.tightness(models.W) for models in tied.values()])
    ratio = torch.stack([free[n].loss.median(0).values / tied[n].loss.amin(0) for n in free])
    return Outcome(
        ((distance <= away) & (tightness >= tight)).all(0).all(-1),
        (from_rows <= away).all(0).all(-1),
        {
            "Distance of V from a multiple of W": span(distance),
            "Distance of V from any BW": span(from_rows),
            "Tightness of W": f"{span(tightness)}; with a tied decoder {span(tied_tightness)}",
            "Loss over that of the best tied model": f"median {span(ratio)} over sizes and p",
        },
    )


@study.experiment
def rewritten(best, first_seed):
    """The best pentagon at p = 0.1, as AW with the decoder A⁻ᵀW for four A, the first of them 1.

    ``"loss"``, ``"distance"`` of V from a multiple of W, and ``"tightness"`` of W.
    """
    W, b = best[5].W[-1, 1], best[5].b[-1, 1]  # equal importances
    A = torch.eye(2).double().repeat(4, 1, 1)
    for k in (1, 2, 3):
        draw = torch.Generator().manual_seed(first_seed + k)
        A[k] += torch.randn(2, 2, generator=draw).double()
    encoder, decoder = A @ W, torch.linalg.inv(A).mT @ W
    return {
        "loss": decoders.free_loss(encoder, decoder, b.expand(4, 5), 0.1),
        "distance": decoders.distance_from_encoder(encoder, decoder),
        "tightness": decoders.tightness(encoder),
    }


@study.experiment
def exact(best, steps_exact, first_seed):
    """Descents of the exact loss with a free decoder, five features: (kind, p, try, ...).

    With ``tied``, W of the best tied models ``(p, 2, 5)``, and ``best_tied``, their losses.
    """
    exact_p = SPARSE[:3]
    tied_W, tied_b = best[5].W[-1, :3], best[5].b[-1, :3]  # equal importances

    def starts(kind, p, tries=3):
        draw = torch.Generator().manual_seed(first_seed)
        W, V = 0.5 * torch.randn(2, tries, 2, 5, generator=draw, dtype=torch.float64)
        if kind == "V independent":
            return W, V, p / 2 * torch.ones(tries, 5)
        if kind == "V = W":
            return W, W, p / 2 * torch.ones(tries, 5)
        at = (exact_p - p).abs().argmin()
        return tied_W[at] + 0.1 * W, tied_W[at] + 0.1 * V, tied_b[at].expand(tries, 5)

    def descents(kind, p):
        begun = zip(*[starts(k, q) for k in kind for q in p], strict=True)
        begun = [torch.stack(v).unflatten(0, (len(kind), len(p))) for v in begun]
        found = decoders.descend(*begun, p[:, None, None], steps=steps_exact)
        own = ["try", "dimension", "feature"]
        return {"W": (own, found.W), "V": (own, found.V), "loss": (["try"], found.loss)}

    grid = {"kind": list(STARTS), "p": exact_p}
    found = sweep(descents, grid, cells_at_once=len(STARTS) * len(exact_p))
    return {
        **{name: torch.from_numpy(found[name].values) for name in ("W", "V", "loss")},
        "tied": tied_W,
        "best_tied": losses.exact_loss(tied_W, tied_b, exact_p[:, None]),
    }


def single_loss(W: Tensor, V: Tensor) -> Tensor:
    """n L_1 without biases, where every feature alone is read rightly: one third of Σ ReLU²."""
    products = V.T @ W
    return (products.relu().square().sum() - products.diagonal().square().sum()) / 3
