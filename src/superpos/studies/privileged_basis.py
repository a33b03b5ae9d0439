"""Superposition in a privileged basis: models with a ReLU on their hidden layer.

Elhage et al. 2022, "Superposition in a Privileged Basis", and the running notes on it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import torch
from torch import Tensor

from superpos import geometry, losses, neurons, stats, sweep, train
from superpos.claims import rate
from superpos.compute.sweeps import tensors
from superpos.features import IndependentFeatures
from superpos.models import RELU_HIDDEN, Model
from superpos.stats import rank_correlation, span
from superpos.studies.study import Outcome, Study, Way, fresh
from superpos.studies.ways import elhage_notebook
from superpos.training import hidden
from superpos.training.priced import Priced
from superpos.training.procedures import Procedure

N, M = 10, 5
IMPORTANCE = 0.75 ** torch.arange(N)
DENSITIES = torch.tensor(
    [1, 0.7, 0.5, 0.35, 0.25, 0.2, 0.15, 0.12, 0.1, 0.08, 0.065, 0.05, 0.04, 0.02]
)
FEATURES = IndependentFeatures(N, DENSITIES[:, None])
REGIME_DENSITIES = (  # of the codes in `superpos.neurons.REGIMES`
    (1, 0.7, 0.5), (0.35, 0.25, 0.2), (0.15,), (0.12,), (0.08, 0.065, 0.05), (0.04, 0.02),
)  # fmt: skip
GROUP = 50  # models of which the best is taken
AT_BIAS = [2, 6, 11]  # densities of the models with hidden biases
FEW = IndependentFeatures(N, DENSITIES[AT_BIAS, None])
LINEAR_HIDDEN = Model("ReLU output")  # no ReLU on the hidden layer
BIASED = Model("hidden biases", hidden=torch.relu, hidden_bias=True)


NUMBERS = (10, 40, 160)  # of features, without a hidden bias
PRICES = torch.cat([torch.zeros(1), torch.logspace(-2, 0, 16)])  # of hidden activity
SPARSE = 0.05  # the density of models that pay for it
UNEQUAL, EQUAL = 0, 1  # their importances: 0.75^i and 1


def ours(
    n: int, m: int, steps: int, *, biased: bool = False, priced: bool = False, many: bool = False
) -> Procedure:
    """The chapter's procedure: quick for a thousand models, slower for others.

    With many features slowest: the sum of n weights moves n times as far in a step as one.
    """
    rate = 0.002 if many else 0.02 if biased or priced else 0.06
    return Procedure(steps=steps, learning_rate=rate, warmup=50, beta2=0.99)


study = Study(
    "privileged_basis",
    {
        "ours": Way(
            "Adam at 0.06 (0.02 with hidden biases or a price, 0.002 with many features), "
            "β₂ = 0.99, warmed up and lowered to 0 as a cosine, 64 inputs a step; the best are "
            "trained further with 256",
            ours,
        ),
        "published": elhage_notebook(
            "the array of densities, biases 0 (the authors' notebook; this section does not say "
            "otherwise)",
            lambda n, biased=False, many=False: len(AT_BIAS if biased or many else DENSITIES),
            {"steps": 300, "steps_bias": 300},
        ),
    },
)


def trained(seed, model: Model, procedure: Procedure) -> dict[str, Tensor]:
    """Parameters of models of each seed, at every density."""
    run = train(FEATURES, M, model=model, importance=IMPORTANCE, seeds=seed, procedure=procedure)
    return run.parameters


@study.experiment
def models(seeds_models, steps, procedure):
    """Many models at each density, and their loss on common inputs."""
    descent = procedure(N, M, steps)

    def ensemble(seed):
        found = trained(seed, RELU_HIDDEN, descent)
        loss, _ = hidden.expected_loss(RELU_HIDDEN, found, FEATURES, IMPORTANCE, samples=4096)
        return {
            "W": (["density", "neuron", "feature"], found["W"]),
            "b": (["density", "feature"], found["b"]),
            "loss": (["density"], loss),
        }

    return sweep(ensemble, {"seed": seeds_models}, cells_at_once=25)


@study.experiment
def finalists(models, n_refined, steps_refined):
    """The best of them at each density, trained further: W and loss by density and rank."""
    finer = Procedure(steps=steps_refined, batch_size=256, learning_rate=0.01, warmup=0, beta2=0.99)
    values, all_losses = {"W": models.W, "b": models.b}, models.loss

    def refined(p):
        at = [DENSITIES.tolist().index(value) for value in p.tolist()]
        first = all_losses[:, at].argsort(0)[:n_refined]
        start = {
            name: torch.stack([value[first[:, k], place] for k, place in enumerate(at)], 1)
            for name, value in values.items()
        }
        here = IndependentFeatures(N, p[:, None])
        ranks = IndependentFeatures(N, p[:, None].expand(len(first), -1, 1))  # on the same inputs
        run = train(
            ranks, M, model=RELU_HIDDEN, importance=IMPORTANCE, seeds=1, procedure=finer,
            start=start,
        )  # fmt: skip
        end = {name: value[0] for name, value in run.parameters.items()}
        loss, _ = hidden.expected_loss(RELU_HIDDEN, end, here, IMPORTANCE, samples=200_000)
        place, picked = loss.argsort(0).T, torch.arange(len(at))[:, None]
        return {
            "W": (["rank", "neuron", "feature"], end["W"].transpose(0, 1)[picked, place]),
            "loss": (["rank"], loss.T[picked, place]),
        }

    return sweep(refined, {"p": DENSITIES}, cells_at_once=2)


@study.experiment
def best(finalists):
    """W of the best model at each density: ``(densities, m, n)``."""
    return finalists.W[:, 0]


@study.experiment
def winners(models):
    """W of the best of every fifty models: ``(groups, densities, m, n)``."""
    return stats.best_of_each(models.loss, models.W, GROUP)


@study.experiment
def linear(seeds, steps, procedure):
    """Models without a hidden ReLU."""
    descent = procedure(N, M, steps)

    def without(seed):
        found = trained(seed, LINEAR_HIDDEN, descent)
        return {
            "W": (["density", "neuron", "feature"], found["W"]),
            "b": (["density", "feature"], found["b"]),
        }

    return sweep(without, {"seed": seeds}, cells_at_once=10)


# Rotation


@study.experiment
def rotated(models, linear, first_seed, quick):
    """Losses before and after a random rotation of each model.

    ``before`` and ``after`` without a hidden ReLU, on the same inputs; ``exact`` of one seed
    (rotated, densities); ``lost`` and ``found`` with one, and the ``error`` of the difference.
    """
    count, random = len(linear.W), torch.Generator().manual_seed(first_seed)
    R = geometry.random_rotations(M, count * len(DENSITIES), random).view(count, -1, M, M)
    W, p = linear.W.double(), DENSITIES[:, None].double()

    def loss(W):  # some seeds at a time, for the memory's sake
        pairs = zip(W.split(2), linear.b.double().split(2), strict=True)
        found = [losses.expected_loss(*pair, p, IMPORTANCE, samples=4096, seed=0) for pair in pairs]
        return torch.cat([mean for mean, _ in found])

    one = range(0, len(DENSITIES), 7 if quick else 1)  # an exact loss of ten features takes a while
    exact = [
        torch.stack(
            [losses.exact_loss(V[k], linear.b[0, k], DENSITIES[k], IMPORTANCE) for k in one]
        )
        for V in (W[0], (R @ W)[0])
    ]
    some = {"W": models.W[:count], "b": models.b[:count]}
    lost, lost_error = hidden.expected_loss(RELU_HIDDEN, some, FEATURES, IMPORTANCE)
    turned = some | {"W": (R @ some["W"].double()).float()}
    found, found_error = hidden.expected_loss(RELU_HIDDEN, turned, FEATURES, IMPORTANCE)
    return SimpleNamespace(
        before=loss(W), after=loss(R @ W), exact=torch.stack(exact), lost=lost, found=found,
        error=(lost_error**2 + found_error**2).sqrt(),
    )  # fmt: skip


@study.test("basis-rotation")
def rotation(rotated, *, exact, raised, errors):
    """A rotation changes nothing without a hidden ReLU, and raises the loss with one."""
    change = (rotated.after - rotated.before).abs()
    unchanged = (change < exact * rotated.before).all(1)
    clear = (rotated.found - rotated.lost).abs() >= errors * rotated.error
    higher = (rotated.found >= (1 + raised) * rotated.lost) & clear
    first, second = rotated.exact
    factor = rotated.found / rotated.lost
    return Outcome(
        unchanged & higher.all(1),
        unchanged & clear.all(1),
        {
            "Largest change without a hidden ReLU": f"{(change / rotated.before).max():.0e} on "
            f"the same inputs; {((second - first).abs() / first).max():.0e} of the exact loss",
            "With one, the loss is multiplied by": f"{factor.min():.2f} to {factor.max():.0f}, "
            f"{factor.median():.1f} in the median",
        },
    )


# Alignment


@study.experiment
def spreads(models, linear):
    """In how many of 100 rotations features are more spread: with a hidden ReLU and without."""
    with_relu = [neurons.rotations_more_spread(W) for W in models.W.split(50)]
    return SimpleNamespace(
        relu=torch.stack(with_relu).flatten(0, 1), linear=neurons.rotations_more_spread(linear.W)
    )


@study.test("basis-aligned")
def aligned(spreads, *, rotations):
    """Features are less spread over neurons than in nearly all rotations."""
    shown = spreads.relu >= rotations / 100
    share = shown.double().mean(0)
    return Outcome(
        shown.flatten(),
        measured={
            "Over p": ", ".join(
                f"{value:.0%} at {p:g}" for p, value in zip(DENSITIES, share, strict=True)
            ),
            "Without a hidden ReLU": rate((spreads.linear >= rotations / 100).flatten()),
        },
    )


@study.experiment
def apart_from_sets(seeds, linear, steps, procedure):
    """In how many of 100 rotations features are further from sets of neurons.

    ``relu`` and ``linear``, ``(seeds, densities)``: other models with a hidden ReLU, and the
    chapter's without.
    """
    W = trained(fresh(seeds), RELU_HIDDEN, procedure(N, M, steps))["W"]
    relu, without = (
        neurons.rotations_more_spread(each, measure=neurons.off_sets) for each in (W, linear.W)
    )
    return SimpleNamespace(relu=relu, linear=without)


@study.test("basis-aligned-2")
def aligned_with_sets(apart_from_sets, *, rotations):
    """As basis-aligned, with sets of neurons; weaker: where inputs are not all active."""
    found = aligned(apart_from_sets, rotations=rotations)
    shown = apart_from_sets.relu >= rotations / 100
    return replace(found, weaker=shown[:, 1:].flatten())


@study.experiment
def apart_from_sets_again(seeds, linear, steps, procedure):
    """As `apart_from_sets`, for still other models, of the same features in every rotation.

    Those whose positive weights have a squared length of 0.5 or more in the model itself.
    """
    W, found = trained(fresh(fresh(seeds)), RELU_HIDDEN, procedure(N, M, steps))["W"], []
    for each in (W, linear.W):
        held = each.relu().square().sum(-2) >= 0.5
        nearness = partial(neurons.off_sets, among=held)
        found.append(neurons.rotations_more_spread(each, measure=nearness))
    return SimpleNamespace(relu=found[0], linear=found[1])


@study.test("basis-aligned-3")
def aligned_at_any_length(apart_from_sets_again, *, rotations):
    """As basis-aligned-2, where rotations need not keep a feature's positive weights long."""
    return aligned_with_sets(apart_from_sets_again, rotations=rotations)


@study.experiment
def numbers(winners, first_seed):
    """Effective numbers of neurons of each feature, as they are and after twenty rotations."""
    random = torch.Generator().manual_seed(1 + first_seed)
    R = geometry.random_rotations(M, 20, random).float()
    return SimpleNamespace(
        own=neurons.effective_number(winners),
        rotated=neurons.effective_number(R[:, None, None] @ winners),
    )


def near_whole(number: Tensor, *, near: float) -> Tensor:
    """For each group, the share of features near a whole number of neurons: ``(...)``."""
    close = ((number - number.round()).abs() <= near).double()
    known = number.isfinite().double()
    return (close * known).sum((-2, -1)) / known.sum((-2, -1))


@study.test("basis-sets")
def sets(numbers, *, near, share, chance):
    """Effective numbers gather at whole numbers, and not after rotations."""
    whole, rotated = (near_whole(number, near=near) for number in (numbers.own, numbers.rotated))
    rotated = rotated.mean(0)
    return Outcome(
        (whole >= share) & (rotated < chance),
        measured={
            f"Features within {near} of a whole number": f"{whole.mean():.0%}, in groups "
            f"{span(whole, '.0%')}",
            "After random rotations": f"{rotated.mean():.0%}",
        },
    )


# Codes


def held(found: Tensor) -> tuple[Tensor, Tensor]:
    """For each regime: its code at all of its densities, and at one or the next to one.

    Of booleans ``(densities, regimes)``: which codes the best model of each density has.
    """
    all_of_it, near = [], []
    for k, values in enumerate(REGIME_DENSITIES):
        at = [DENSITIES.tolist().index(torch.tensor(value).item()) for value in values]
        all_of_it.append(found[at, k].all())
        near.append(found[max(0, at[0] - 1) : at[-1] + 2, k].any())
    return torch.stack(all_of_it), torch.stack(near)


def at_012(best, models) -> str:
    """How many models at p = 0.12 have the source's code, and how many the best one's."""
    serving = neurons.serves(best[7].relu())
    (name,) = neurons.code_names(serving)
    of_all = neurons.serves(models.W[:, 7].relu())
    same = (of_all.sum(-2) == serving.sum(-2)).all(-1).sum()
    with_code = sum(code == name for code in neurons.code_names(of_all))
    six_in_four = neurons.regimes(models.W[:, 7].relu())[:, 3].sum()
    return (
        f"{six_in_four} have 6 in 4; {with_code} have the best one's code, {name}, {same} of them "
        "with as many neurons for each feature"
    )


def regimes_of(W: Tensor, best, models, *, share: float) -> Outcome:
    """Whether the best models go through the source's six codes."""
    exactly, nearly = held(neurons.regimes(W, share=share))
    names = [name for name, yes in zip(neurons.REGIMES, exactly, strict=True) if yes]
    codes = neurons.code_names(neurons.serves(W, share=share))
    return Outcome(
        exactly,
        nearly,
        {
            "Held": ", ".join(names) or "none",
            "The best models": ", ".join(
                f"{code} at {p:g}" for code, p in zip(codes, DENSITIES, strict=True)
            ),
            "Models at p = 0.12": at_012(best, models),
        },
    )


@study.test("basis-regimes")
def regimes(best, models, *, share):
    """With a detector that counts vetoes as well."""
    return regimes_of(best, best, models, share=share)


@study.test("basis-regimes-positive")
def regimes_positive(best, models, *, share):
    """With a detector of positive weights alone."""
    return regimes_of(best.relu(), best, models, share=share)


def rise(W: Tensor, *, share: float, correlation: float, least: int) -> tuple[Tensor, Tensor]:
    """Whether more neurons are polysemantic the sparser inputs are: booleans ``(3, groups)``.

    W is ``(groups, densities, m, n)``, and a neuron serves a feature of whose squared length it
    holds a ``share``. Their number rises, by its rank correlation; from none to ``least``; both
    kinds are in one model. And the numbers, ``(groups, densities)``.
    """
    found = neurons.serves(W, share=share)
    many = neurons.polysemantic(found).sum(-1)
    rises = rank_correlation(many.double(), -DENSITIES) >= correlation
    both = ((many > 0) & neurons.monosemantic(found).any(-1)).any(1)
    return torch.stack([rises, (many[:, 0] == 0) & (many[:, -1] >= least), both]), many


def rise_of(W: Tensor, **marks) -> Outcome:
    tests, many = rise(W, **marks)
    passed = ", ".join(str(int(test.sum())) for test in tests)
    return Outcome(
        tests.all(0),
        tests.sum(0) >= 2,
        {
            "Rises; from none to four or five; both kinds": f"{passed} of {len(many)} groups",
            "Polysemantic neurons, on average": ", ".join(
                f"{value:.1f} at {p:g}"
                for p, value in zip(DENSITIES, many.double().mean(0), strict=True)
            ),
        },
    )


@study.test("basis-polysemantic")
def polysemantic(winners, *, share, correlation, least):
    """With a detector that counts vetoes as well."""
    return rise_of(winners, share=share, correlation=correlation, least=least)


@study.test("basis-polysemantic-positive")
def polysemantic_positive(winners, *, share, correlation, least):
    """With a detector of positive weights alone."""
    return rise_of(winners.relu(), share=share, correlation=correlation, least=least)


# Hidden biases


def above_kink(W: Tensor, c: Tensor) -> Tensor:
    """The share of neurons and inputs with an active feature above the kink: ``(..., 3)``."""
    u = torch.rand(2000, FEW.uniforms, generator=torch.Generator().manual_seed(0))
    z = FEW.active_inputs(u) @ W.mT + c[..., None, :]
    return (z > 0).double().mean((-2, -1))


def biased_models(seed, procedure: Procedure) -> dict:
    """Models with hidden biases: how often above the kink, the lowest bias, and the loss."""
    run = train(FEW, M, model=BIASED, importance=IMPORTANCE, seeds=seed, procedure=procedure)
    loss, _ = hidden.expected_loss(BIASED, run.parameters, FEW, IMPORTANCE)
    c = run.parameters["c"]
    return {
        "above": (["density"], above_kink(run.W, c)),
        "lowest": (["density"], c.amin(-1)),
        "loss": (["density"], loss),
    }


@study.experiment
def biased(seeds, steps_bias, procedure):
    """Models with hidden biases, by seed and density."""
    descent = procedure(N, M, steps_bias, biased=True)

    def slowly(seed):
        return biased_models(seed, descent)

    return sweep(slowly, {"seed": seeds}, cells_at_once=10)


@study.experiment
def biased_fast(seeds, steps, procedure):
    """A few of them by the procedure of the models without hidden biases."""
    found = biased_models(seeds[: min(len(seeds), 40)], procedure(N, M, steps))
    return SimpleNamespace(**{name: values for name, (_, values) in found.items()})


@study.experiment
def unbiased(models, linear):
    """What they are compared with: how often neurons without biases are above the kink, and the
    best loss without a hidden ReLU, at their densities."""
    count = len(linear.W)
    loss, _ = losses.expected_loss(
        linear.W[:, AT_BIAS], linear.b[:, AT_BIAS], DENSITIES[AT_BIAS, None], IMPORTANCE,
        samples=10_000, seed=0,
    )  # fmt: skip
    return SimpleNamespace(
        above=above_kink(models.W[:count, AT_BIAS], torch.zeros(M)), best_linear=loss.amin(0)
    )


def told_above(biased, unbiased) -> list[str]:
    """Medians of the share above the kink, in words, for each density."""
    return [
        f"at p = {DENSITIES[at]:g} {biased.above[:, k].median():.1%} with hidden biases and "
        f"{unbiased.above[:, k].median():.0%} without"
        for k, at in enumerate(AT_BIAS)
    ]


def escaped(biased, *, above: float) -> Tensor:
    """Whether all biases are positive and neurons above their kink, at each density: (seeds,)."""
    return ((biased.above >= above) & (biased.lowest > 0)).all(1)


@study.test("basis-hidden-bias")
def hidden_bias(biased, unbiased, *, above, mostly, within):
    """Models with hidden biases become linear; the weaker reading asks for it mostly."""
    over = biased.loss.amin(0) / unbiased.best_linear
    near_linear = biased.loss.amin(0) <= (1 + within) * unbiased.best_linear
    return Outcome(
        escaped(biased, above=above),
        (biased.above >= mostly).all(1) & near_linear.all(),
        {
            "Above the kink, median": "; ".join(told_above(biased, unbiased)),
            "Best loss, over the best without a hidden ReLU": ", ".join(
                f"{value:.3f} at p = {DENSITIES[at]:g}"
                for value, at in zip(over, AT_BIAS, strict=True)
            ),
        },
    )


# Many features in place of a hidden bias


@study.experiment
def many(seeds_many, steps_bias, procedure):
    """Models with a hidden ReLU, no hidden biases and more and more features, by their number n.

    ``above`` the kink, the share of neurons and inputs with an active feature; ``beyond``, of the
    mean activation before the ReLU, what features from the eleventh on bring: ``(seeds, 3)``.
    """
    p = DENSITIES[AT_BIAS, None]

    def with_features(n):
        features = IndependentFeatures(n, p)
        descent = procedure(n, M, steps_bias, many=True)

        def counted(seed):
            W = train(
                features, M, model=RELU_HIDDEN, importance=0.75 ** torch.arange(n), seeds=seed,
                procedure=descent,
            ).W  # fmt: skip
            u = torch.rand(2000, features.uniforms, generator=torch.Generator().manual_seed(0))
            above = (features.active_inputs(u) @ W.mT > 0).double().mean((-2, -1))
            by_feature = W.sum(-2)
            beyond = by_feature[..., N:].sum(-1) / by_feature.sum(-1)
            return {"above": (["density"], above), "beyond": (["density"], beyond)}

        return tensors(sweep(counted, {"seed": fresh(seeds_many)}, cells_at_once=6))

    return {n: with_features(n) for n in NUMBERS}


@study.test("tms-simulated-bias")
def simulated_bias(many, *, above, half):
    """With the most features neurons are above the kink, by the others' doing; weaker: more so."""
    few, most = many[NUMBERS[0]], many[NUMBERS[-1]]
    shown = (most.above >= above) & (most.beyond >= half)
    return Outcome(
        shown.all(1),
        (most.above > few.above).all(1),
        {
            f"Above the kink, n = {n}": ", ".join(
                f"{found.above[:, k].median():.0%} at p = {DENSITIES[at]:g}"
                for k, at in enumerate(AT_BIAS)
            )
            for n, found in many.items()
        }
        | {
            f"Of the mean activation, from features beyond the tenth, n = {NUMBERS[-1]}": ", ".join(
                f"{most.beyond[:, k].median():.0%} at p = {DENSITIES[at]:g}"
                for k, at in enumerate(AT_BIAS)
            )
        },
    )


# A price on activity


PRICED = elhage_notebook(
    "an array of the prices, biases 0 (the authors' notebook; the source does not say how it "
    "trained such models, nor at which prices)",
    lambda n, priced: len(PRICES),
    {"steps_bias": 300},
)


@study.experiment
def priced(seeds_priced, steps_bias, procedure):
    """Models without a hidden ReLU that pay for hidden activity: W and loss, without the price.

    By seed, price and importance: unequal, and equal.
    """
    descent = procedure(N, M, steps_bias, priced=True)
    importance = torch.stack([IMPORTANCE, torch.ones(N)])

    def paying(seed, price):
        grid = torch.as_tensor(price)[:, None].expand(-1, len(importance))
        paid = Priced(
            n=N, probability=torch.tensor(SPARSE), price=grid, integrate=descent.integrate
        )
        run = train(paid, M, importance=importance, seeds=seed, procedure=descent)
        loss, _ = losses.expected_loss(run.W, run.b, SPARSE, importance, samples=4096, seed=0)
        return {"W": (["case", "neuron", "feature"], run.W), "loss": (["case"], loss)}

    return sweep(paying, {"seed": seeds_priced, "price": PRICES}, cells_at_once=400)


def stored(W: Tensor, *, kept: float, most: float) -> tuple[Tensor, Tensor]:
    """Which features are represented, and which of them are in superposition: ``(..., n)``.

    Those are along whose direction the others have a squared length of more than ``most``.

    >>> stored(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 0.8]]), kept=0.5, most=0.1)
    (tensor([True, True, True]), tensor([ True,  True, False]))
    """
    long = geometry.squared_norms(W) >= kept
    return long, long & (geometry.interference(W) > most)


@study.test("tms-hidden-l1", published=PRICED)
def price_removes_superposition(priced, *, kept, most):
    """At some price no feature is in superposition; weaker: where importances are unequal."""
    long, crowded = stored(priced.W, kept=kept, most=most)
    superposed = crowded.any(-1)  # (seeds, prices, cases)
    dearer = priced.loss > priced.loss[:, :1]
    removed = (long.any(-1) & ~superposed & dearer)[:, 1:]
    gone = superposed[:, 0] & removed.any(1)
    measured = {}
    for case, name in ((UNEQUAL, "Unequal importance"), (EQUAL, "Equal importance")):
        measured[f"{name}, superposition is gone"] = stats.told_rate(gone[:, case])
        if gone[:, case].any():
            first = 1 + removed[:, :, case].int().argmax(1)  # the lowest such price
            which = torch.arange(len(gone))[gone[:, case]], first[gone[:, case]], case
            loss = priced.loss[which] / priced.loss[which[0], 0, case]
            measured[f"{name}, at the lowest such price"] = (
                f"{PRICES[which[1]].median():.2g} in the median, "
                f"{long[which].sum(-1).double().mean():.1f} features represented, the loss is "
                f"{loss.median():.1f} times as large"
            )
    return Outcome(gone.all(1), gone[:, UNEQUAL], measured)


# Other ways down


@study.experiment
def descents(first_seed, steps, procedure, quick):
    """The best of fifty models each, by other procedures: by name, W and loss by density."""
    own = procedure(N, M, steps)
    others = {
        "ours": own,
        "initial weights × 3": replace(own, initial_scale=3.0),
        "a third of the rate": replace(own, learning_rate=0.02),
        "half as many steps": replace(own, steps=steps // 2),
    }
    seeds = range(first_seed, first_seed + (10 if quick else GROUP))

    def otherwise(which):
        found = []
        for number in which:
            run = trained(seeds, RELU_HIDDEN, list(others.values())[number])
            loss, _ = hidden.expected_loss(RELU_HIDDEN, run, FEATURES, IMPORTANCE, samples=4096)
            found.append((stats.best_of(loss, run["W"]), loss.amin(0)))
        W, loss = (torch.stack(values) for values in zip(*found, strict=True))
        return {"W": (["density", "neuron", "feature"], W), "loss": (["density"], loss)}

    found = sweep(otherwise, {"which": range(len(others))}, cells_at_once=1)
    return SimpleNamespace(
        names=list(others),
        W=torch.tensor(found.W.values),
        loss=torch.tensor(found.loss.values),
    )
