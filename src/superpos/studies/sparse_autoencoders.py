"""Sparse autoencoders: do they find the features of a toy model that we know?

Sharkey, Braun and Millidge 2022 against Korznikov et al. 2026; hedging (Chanin et al. 2025),
absorption (Chanin et al. 2024), JumpReLU (Rajamanoharan et al. 2024), TopK (Gao et al. 2024) and
Matryoshka autoencoders (Bussmann et al. 2025).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from superpos import IndependentFeatures, Procedure, geometry, sweep, train
from superpos.features import FeatureDistribution
from superpos.sae import Activations, Families, Variant, recovery
from superpos.sae import start as fresh_state
from superpos.sae import train as fit
from superpos.stats import listed, told, told_rate
from superpos.studies.study import Outcome, Study, Way

M = 16  # hidden dimensions of every toy model
N, P = 40, 0.05  # features, and how often each is active: two at a time
WIDTHS = (1, 2, 4)  # latents a feature
PRICES = (0.01, 0.03, 0.06, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # λ of L1
FIRST_PRICES = 8  # of them, at which tests without the last were registered
SIZES = (24, 40, 80, 160)  # n where load is varied
ACTIVE = (1, 2, 4)  # features active at once, on average
SOME_PRICES = (0.05, 0.1, 0.2, 0.4, 0.8)
FIRST_OF_SOME = 3
FAMILIES = {"families": 8, "children": 2, "probability": 0.15, "given": 0.3, "otherwise": 0.0}
# In correlated pairs a child is as frequent as its parent: active in half of the inputs with the
# parent, it is so in p (1 − ½) / (1 − p) = 0.05 / 0.9 of those without.
PAIR = {"families": 12, "children": 1, "probability": 0.1}
SPREAD = 0.2  # of values in families: between 0.8 and 1
NARROW = (0.25, 0.5, 1, 2)  # latents a feature where hedging is looked for
KINDS = {  # by name: kind, what it is given at the five settings, other traits
    "L1": ("l1", (0.03, 0.06, 0.12, 0.25, 0.5), {}),
    "TopK": ("topk", (1, 2, 3, 4, 6), {}),
    "JumpReLU": ("jumprelu", (0.003, 0.01, 0.03, 0.1, 0.2), {}),
    "Matryoshka": ("topk", (1, 2, 3, 4, 6), {"prefixes": (0.25, 0.5, 1.0)}),
    "frozen decoder": ("topk", (1, 2, 3, 4, 6), {"frozen": True}),
}
# where there are as many parents as a third of the features, so that the smallest has room for them
NESTED = KINDS | {
    "Matryoshka, thirds": ("topk", (1, 2, 3, 4, 6), {"prefixes": (1 / 3, 2 / 3, 1.0)}),
}


def ours(steps: int) -> Procedure:
    """The chapter's."""
    return Procedure(steps=steps, batch_size=128, learning_rate=0.01, warmup=50)


def theirs(steps: int) -> Procedure:
    """A plain one: Adam at its usual constant rate, for longer."""
    return Procedure(steps=steps, batch_size=256, learning_rate=1e-3, warmup=0, cosine=False)


study = Study(
    "sparse_autoencoders",
    {
        "ours": Way(
            "Adam at a rate of 0.01, warmed up and lowered to 0 as a cosine, 128 inputs a step, "
            "encoders that begin as the transpose of the decoder",
            ours,
        ),
        "published": Way(
            "Adam at a constant 0.001, 10 000 steps of 256 inputs; of the sources only "
            "abstracts and summaries could be read, which do not say",
            theirs,
            settings={"steps": 10_000, "steps_loads": 10_000},
            quick={"steps": 300, "steps_loads": 200},
        ),
    },
)


def toys(features: FeatureDistribution, seeds: Sequence[int], steps: int) -> Activations:
    """Hidden activations of trained ReLU-output models, one for each seed."""
    how = Procedure.fast(features.n, M, steps=steps)
    seeds = [int(seed) for seed in seeds]
    return Activations(train(features, M, seeds=seeds, procedure=how).W, features, seeds)


def fitted(
    data: Activations,
    latents: int,
    kind: str,
    given: Sequence[float],
    procedure: Procedure,
    *,
    parents: Tensor | None = None,
    **traits,
) -> tuple[recovery.Seen, Tensor]:
    """Train autoencoders, one for each seed and number given; what they found, and decoders.

    All with two first axes, ``(seeds, given, ...)``.
    """
    seeds, each = len(data.W), len(given)
    variant = Variant(kind, torch.tensor(list(given)).repeat(seeds), **traits)
    begun = fresh_state(data, latents, variant, settings=each)
    state = fit(begun, data, variant, procedure)
    found = recovery.seen(state, data, variant, parents=parents).by_seed(seeds)
    decoder = geometry.directions(state.parameters["decoder"]).unflatten(0, (seeds, each))
    return found, decoder


def described(found: recovery.Seen, *, least: float = 0.9) -> dict[str, Tensor]:
    """What is told of every autoencoder, by name, ``(seeds, given)`` each."""
    cosine, alive, embedded = found.cosine, found.alive, found.embedded
    return {
        "found": recovery.found_share(cosine, alive, embedded, least=least),
        "mmcs": recovery.mean_max_cosine(cosine, alive, embedded),
        "true": recovery.true_share(cosine, alive, least=least),
        "twice": recovery.duplicates(cosine, alive, least=least),
        "dead": 1 - alive.double().mean(-1).to(cosine),
        "explained": found.explained,
        "active": found.active,
    }


# The penalty, and the width


@study.experiment
def window(steps, steps_toy, seeds, procedure):
    """L1 autoencoders of n, 2n and 4n latents at nine λ: `described`, and best cosines.

    By seed, width and λ; ``best`` has an axis of features more, ``agrees`` is how well each agrees
    with that of 4n latents at the same λ.
    """
    how = procedure(steps)

    def experiment(seed):
        data = toys(IndependentFeatures(N, P), seed, steps_toy)
        rows, cosines, decoders, living = [], [], [], []
        for width in WIDTHS:
            found, decoder = fitted(data, width * N, "l1", PRICES, how)
            rows.append(described(found))
            cosines.append(recovery.nearest(found.cosine, found.alive))
            decoders.append(decoder)
            living.append(found.alive)
        agrees = [
            agreement(own, alive, decoders[-1], living[-1])
            for own, alive in zip(decoders, living, strict=True)
        ]
        axes = ["width", "price"]
        named = {name: (axes, torch.stack([row[name] for row in rows], 1)) for name in rows[0]}
        embedded = data.embedded()
        return named | {
            "best": ([*axes, "feature"], torch.stack(cosines, 1)),
            "agrees": (axes, torch.stack(agrees, 1)),
            "embedded": (["feature"], embedded),
        }

    return sweep(experiment, {"seed": seeds}, cells_at_once=4)


def agreement(decoder: Tensor, alive: Tensor, larger: Tensor, living: Tensor) -> Tensor:
    """How well living latents are found again in a larger dictionary: mean largest cosine.

    Decoders ``(..., m, k)`` of unit columns, and which are alive ``(..., k)``; 0 where none is.

    >>> both, one = torch.tensor([True, True]), torch.tensor([True, False])
    >>> agreement(torch.eye(2), both, torch.eye(2), one)
    tensor(0.5000)
    """
    cosine = decoder.mT @ larger
    best = cosine.masked_fill(~living[..., None, :], 0).amax(-1).clamp_min(0)
    return (best * alive).sum(-1) / alive.sum(-1).clamp_min(1)


@study.test("sae-recovers")
def recovers(window, *, cosine, share, mmcs, nearly):
    """Some λ and width find nearly all features; weaker: have a high MMCS."""
    counted = (window.best[:, :, :FIRST_PRICES] >= cosine) & window.embedded[:, None, None]
    found = counted.sum(-1) / window.embedded.sum(-1)[:, None, None]
    at_first = window.mmcs[:, :, :FIRST_PRICES]
    both = (at_first >= mmcs) & (found >= share)
    best = at_first.flatten(1)
    return Outcome(
        both.flatten(1).any(1),
        (best >= nearly).any(1),
        {
            "Highest MMCS": told(best.amax(1), digits=3),
            "Largest share found": told(found.flatten(1).amax(1), digits=3),
            "Features embedded": told(window.embedded.sum(-1).double(), digits=0),
            "Highest MMCS with n latents": told(at_first[:, 0].amax(1), digits=3),
        },
    )


@study.test("sae-window")
def only_within_a_window(window, *, less, dead):
    """The MMCS falls at both ends of eight λ, and latents die at the upper; weaker: at one."""
    return within_a_window(
        window.mmcs[:, 1, :FIRST_PRICES], window.dead[:, 1, :FIRST_PRICES], less, dead
    )


@study.test("sae-window-2")
def only_within_a_wider_window(window, *, less, dead):
    """The same of nine λ, the last of which costs more than any feature."""
    return within_a_window(window.mmcs[:, 1], window.dead[:, 1], less, dead)


def within_a_window(mmcs: Tensor, gone: Tensor, less: float, dead: float) -> Outcome:
    """Of MMCS and shares of dead latents, by seed and λ."""
    top = mmcs.argmax(1, keepdim=True)
    best = mmcs.gather(1, top)[:, 0]
    low, high = (mmcs[:, end] <= best - less for end in (0, -1))
    dies = gone[:, -1] >= gone.gather(1, top)[:, 0] + dead
    return Outcome(
        low & high & dies,
        low | high,
        {
            "MMCS at the smallest λ, the best and the largest": listed(
                [mmcs[:, 0].mean(), best.mean(), mmcs[:, -1].mean()], ".2f"
            ),
            "Best λ": prices_told(top[:, 0]),
            "Dead at the largest λ": told(gone[:, -1], digits=2),
        },
    )


def prices_told(places: Tensor) -> str:
    """Which of the λ were chosen, and how often, in words."""
    counts = torch.bincount(places, minlength=len(PRICES)).tolist()
    return ", ".join(f"{p:g}: {k}" for p, k in zip(PRICES, counts, strict=True) if k)


@study.test("sae-larger-agrees")
def larger_dictionaries_agree(window, *, near, far):
    """The λ of the best agreement is nearly as good as the best; weaker: not far from it."""
    chosen = window.agrees[:, 1, :FIRST_PRICES].argmax(1, keepdim=True)
    mmcs = window.mmcs[:, 1, :FIRST_PRICES]
    lost = mmcs.amax(1) - mmcs.gather(1, chosen)[:, 0]
    return Outcome(
        lost <= near,
        lost <= far,
        {"λ chosen": prices_told(chosen[:, 0]), "MMCS lost": told(lost, digits=3)},
    )


# How many features share a dimension


@study.experiment
def loads(steps_loads, steps_toy, seeds_loads, procedure):
    """L1 (five λ) and TopK with 2n latents, by n and by how many features are active.

    ``kind`` has L1 at the five λ, then TopK; by seed, n, number active and kind, ``best`` with an
    axis of features, 160 with zeros where there are fewer.
    """
    how = procedure(steps_loads)

    def experiment(seed):
        rows = []
        for n in SIZES:
            for active in ACTIVE:
                data = toys(IndependentFeatures(n, active / n), seed, steps_toy)
                l1, _ = fitted(data, 2 * n, "l1", SOME_PRICES, how)
                topk, _ = fitted(data, 2 * n, "topk", [active], how)
                best = torch.cat([recovery.nearest(f.cosine, f.alive) for f in (l1, topk)], 1)
                explained = torch.cat([l1.explained, topk.explained], 1)
                pad = (0, SIZES[-1] - n)
                embedded = torch.nn.functional.pad(data.embedded().float(), pad)
                rows.append((torch.nn.functional.pad(best, pad), explained, embedded))
        best, explained, embedded = (
            torch.stack(each, 1).unflatten(1, (len(SIZES), len(ACTIVE)))
            for each in zip(*rows, strict=True)
        )
        axes = ["n", "active"]
        return {
            "best": ([*axes, "kind", "feature"], best),
            "explained": ([*axes, "kind"], explained),
            "embedded": ([*axes, "feature"], embedded > 0),
        }

    return sweep(experiment, {"seed": seeds_loads}, cells_at_once=2)


def found_at(models, cosine: float) -> Tensor:
    """The share of embedded features found at such a cosine: ``(seeds, n, active, kinds)``."""
    embedded = models.embedded[:, :, :, None]
    found = (models.best >= cosine) & embedded
    return found.sum(-1) / embedded.sum(-1).clamp_min(1)


def best_l1_and_topk(
    models, cosine: float, *, prices: int = len(SOME_PRICES)
) -> tuple[Tensor, Tensor]:
    """Share found and variance explained, ``(seeds, n, active, 2)``: L1 at its best λ, and TopK.

    The best of the first so many λ is that at which most features are found.
    """
    found = found_at(models, cosine)
    best = found[..., :prices].argmax(-1, keepdim=True)
    return tuple(
        torch.cat([each[..., :prices].gather(-1, best), each[..., -1:]], -1)
        for each in (found, models.explained)
    )  # pyright: ignore[reportReturnType]


@study.test("sae-few-found")
def few_are_found(loads, *, cosine, variance, few, half):
    """Much variance is explained somewhere while few features are found, by L1 and by TopK."""
    found, explained = best_l1_and_topk(loads, cosine, prices=FIRST_OF_SOME)
    return few_where_much_is_explained(found, explained, variance, few, half, torch.all)


@study.test("sae-few-found-2")
def few_are_found_by_one(loads, *, cosine, variance, few, half):
    """The same by L1, at the best of five λ, or by TopK; weaker: half of the features."""
    found, explained = best_l1_and_topk(loads, cosine)
    return few_where_much_is_explained(found, explained, variance, few, half, torch.any)


def few_where_much_is_explained(
    found: Tensor,
    explained: Tensor,
    variance: float,
    few: float,
    half: float,
    which: Callable[..., Tensor],
) -> Outcome:
    """Of what `best_l1_and_topk` returns; ``which`` of the two must show it, all or any."""
    well = explained >= variance

    def somewhere(most: float) -> Tensor:
        return which((well & (found <= most)).flatten(1, 2).any(1), -1)

    lowest = torch.where(well, found, torch.inf).flatten(1, 2).amin(1)
    crowded = [found[:, -1, -1], explained[:, -1, -1]]
    return Outcome(
        somewhere(few),
        somewhere(half),
        {
            "Fewest found with as much explained, L1 and TopK": listed(lowest.mean(0), ".2f"),
            "Most crowded: found, L1 and TopK": listed(crowded[0].mean(0), ".2f"),
            "Most crowded: explained, L1 and TopK": listed(crowded[1].mean(0), ".2f"),
        },
    )


@study.test("sae-load-decides")
def load_decides(loads, *, cosine, found, less):
    """TopK finds features where few share a dimension and few are active, not otherwise."""
    share = found_at(loads, cosine)[..., -1]
    ample = share[:, 0, 0] >= found
    by_load = share[:, 0, 1] - share[:, -1, 1]
    by_active = share[:, 2, 0] - share[:, 2, -1]
    return Outcome(
        ample & (by_load >= less) & (by_active >= less),
        measured={
            "Found with n = 24, one active": told(share[:, 0, 0], digits=2),
            "Two active: n = 24 and 160": listed(share[:, [0, -1], 1].mean(0), ".2f"),
            "n = 80: one active and four": listed(share[:, 2, [0, -1]].mean(0), ".2f"),
            "Each part": "; ".join(
                told_rate(part) for part in (ample, by_load >= less, by_active >= less)
            ),
        },
    )


# Variants


def datasets() -> dict[str, FeatureDistribution]:
    """The three kinds of features that the variants are compared on."""
    return {
        "independent": IndependentFeatures(N, P),
        "correlated": Families(**PAIR, given=0.5, otherwise=0.05 / 0.9, spread=SPREAD),
        "hierarchical": Families(**FAMILIES, spread=SPREAD),
    }


@study.experiment
def independent(steps, steps_toy, seeds, procedure):
    """All variants with n latents on independent features: `compared`."""
    return compared("independent", KINDS, steps_toy, seeds, procedure(steps))


@study.experiment
def correlated(steps, steps_toy, seeds, procedure):
    """All variants with n latents on correlated pairs: `compared`."""
    return compared("correlated", KINDS, steps_toy, seeds, procedure(steps))


@study.experiment
def hierarchical(steps, steps_toy, seeds, procedure):
    """All variants with n latents on parents and children: `compared`."""
    return compared("hierarchical", NESTED, steps_toy, seeds, procedure(steps))


def compared(data: str, kinds: dict[str, tuple], steps_toy: int, seeds, how: Procedure):
    """Variants with n latents at five settings each, on one kind of features.

    By seed, variant and setting what `made_of` tells of each; ``best`` has an axis of features.
    """

    def experiment(seed):
        trained = toys(datasets()[data], seed, steps_toy)
        rows = [made_of(trained, kind, how) for kind in kinds.values()]
        axes = ["variant", "setting"]
        return {
            name: (
                [*axes, "feature"] if name == "best" else axes,
                torch.stack([row[name] for row in rows], 1),
            )
            for name in rows[0]
        }

    return sweep(experiment, {"seed": seeds}, cells_at_once=4)


def made_of(data: Activations, kind: tuple, procedure: Procedure) -> dict[str, Tensor]:
    """What a variant makes of the features, by name, ``(seeds, settings)`` each.

    `described`, and ``best``, each feature's largest cosine, NaN where it is not embedded. Of
    families, as means over them: ``mixing``; ``silent``, how much more often the latent nearest to
    a parent is silent where a child is active than where the parent is alone, and ``taken``, how
    much of the parent the latent nearest to the child has; ``absorbed`` and ``taken_own``, the same
    of latents that no two features share, among inputs with as many features active.
    """
    name, given, traits = kind
    features = data.features
    parents = features.parents if isinstance(features, Families) else None
    found, _ = fitted(data, features.n, name, given, procedure, parents=parents, **traits)
    best = recovery.nearest(found.cosine, found.alive)
    rows = described(found) | {"best": best.masked_fill(~found.embedded, torch.nan)}
    if parents is None:
        return rows
    between = (data.directions.mT @ data.directions)[:, None]
    heads = parents == torch.arange(len(parents))
    more = found.silent[..., ~heads] - found.silent[..., parents[~heads]]
    given_to = (found.cosine, found.alive, between)
    of_families = {
        "mixing": recovery.mixing(*given_to, partners(parents)),
        "silent": more,
        "taken": recovery.taken_in(*given_to, parents),
        "absorbed": found.absorbed,
        "taken_own": recovery.taken_in(*given_to, parents, one_each=True),
    }
    return rows | {name: each.nanmean(-1) for name, each in of_families.items()}


def partners(parents: Tensor) -> Tensor:
    """For each feature another of its family: a child's is its parent, a parent's its first child.

    >>> partners(torch.tensor([0, 0, 2, 2])).tolist()
    [1, 0, 3, 2]
    """
    own = torch.arange(len(parents))
    return torch.where(parents == own, own + 1, parents)


def at_active(values: Tensor, active: Tensor, wanted: float) -> Tensor:
    """Values ``(..., settings)`` where so many latents are active, between the settings next to it.

    Beyond the smallest and the largest number the value is that at the end.

    >>> at_active(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0]), 3.0)
    tensor(2.)
    """
    order = active.argsort(-1)
    x, y = active.gather(-1, order), values.gather(-1, order)
    above = (x < wanted).sum(-1, keepdim=True).clamp(1, x.shape[-1] - 1)
    x0, x1 = x.gather(-1, above - 1), x.gather(-1, above)
    y0, y1 = y.gather(-1, above - 1), y.gather(-1, above)
    part = ((wanted - x0) / (x1 - x0).clamp_min(1e-9)).clamp(0, 1)
    return torch.lerp(y0, y1, part)[..., 0]


def next_to(active: Tensor, wanted: float) -> Tensor:
    """The place of the setting whose number of active latents is next to one, ``(..., 1)``."""
    return (active - wanted).abs().argmin(-1, keepdim=True)


def on_average(features: FeatureDistribution) -> float:
    """How many features are active at once, on average."""
    if isinstance(features, Families):
        return features.active.sum().item()
    return features.n * P


def column(models, name: str, kind: str) -> Tensor:
    """A column of `compared` for one variant, by seed and setting."""
    return getattr(models, name)[:, list(NESTED).index(kind)]


def chosen(models, name: str, data: str, kind: str) -> Tensor:
    """The same at the setting next to as many latents active as features, by seed."""
    at = next_to(column(models, "active", kind), on_average(datasets()[data]))
    return column(models, name, kind).gather(-1, at)[:, 0]


def with_two(models, name: str, kind: str) -> Tensor:
    """The same at the setting that lets two latents be active, by seed."""
    return column(models, name, kind)[:, NESTED[kind][1].index(2)]


@study.test("sae-frozen")
def frozen_decoders_explain(independent, *, cosine, near, none):
    """A frozen decoder explains nearly as much, and finds nothing."""
    explained, best = (
        torch.stack([with_two(independent, name, kind) for kind in ("TopK", "frozen decoder")], 1)
        for name in ("explained", "best")
    )
    found = (best >= cosine).sum(-1) / (~best.isnan()).sum(-1).clamp_min(1)
    return Outcome(
        (explained[:, 1] >= near * explained[:, 0]) & (found[:, 1] <= none),
        measured={
            "Explained, trained and frozen": listed(explained.mean(0), ".2f"),
            "Found, trained and frozen": listed(found.mean(0), ".2f"),
        },
    )


@study.test("sae-fidelity")
def reconstructs_better(independent, *, active):
    """TopK and JumpReLU explain more than L1 with as many latents active; weaker: one of them."""
    l1, topk, jump = (
        1
        - at_active(
            column(independent, "explained", kind), column(independent, "active", kind), active
        )
        for kind in ("L1", "TopK", "JumpReLU")
    )
    return Outcome(
        (topk < l1) & (jump < l1),
        (topk < l1) | (jump < l1),
        {
            "Variance left, L1, TopK and JumpReLU": listed(
                [l1.mean(), topk.mean(), jump.mean()], ".3f"
            ),
            "TopK below L1, JumpReLU below L1": f"{told_rate(topk < l1)}; {told_rate(jump < l1)}",
        },
    )


@study.test("sae-absorption")
def children_absorb_parents(hierarchical, *, silent, more):
    """Parents' latents are silent where a child is active, which has them; weaker: at some λ."""
    return absorbed_by_children(hierarchical, "silent", "taken", silent, more)


@study.test("sae-absorption-2")
def children_absorb_parents_one_each(hierarchical, *, silent, more):
    """The same of latents that no two features share, among inputs with as many active."""
    return absorbed_by_children(hierarchical, "absorbed", "taken_own", silent, more)


def absorbed_by_children(models, silence: str, weight: str, silent: float, more: float) -> Outcome:
    """Of L1, by the columns that tell of silence and of the parent's weight in the child's."""
    quiet, taken = (column(models, name, "L1") for name in (silence, weight))
    shows = (quiet >= silent) & (taken >= more)
    at = next_to(column(models, "active", "L1"), on_average(datasets()["hierarchical"]))
    return Outcome(
        shows.gather(-1, at)[:, 0],
        shows.any(-1),
        {
            "Silent beyond parents alone": told(quiet.gather(-1, at)[:, 0], digits=2),
            "The parent in the child's latent": told(taken.gather(-1, at)[:, 0], digits=2),
            "Silent, by λ": hundredths(quiet.mean(0)),
        },
    )


@study.test("sae-matryoshka")
def nested_dictionaries_absorb_less(hierarchical, *, less, cost):
    """Nested dictionaries absorb less than TopK at little cost; weaker: than L1, at any."""
    return less_is_absorbed(hierarchical, "Matryoshka", "silent", less, cost)


@study.test("sae-matryoshka-2")
def dictionaries_with_room_for_parents_absorb_less(hierarchical, *, less, cost):
    """The same where the smallest has room for all parents, and what a budget silences is out."""
    return less_is_absorbed(hierarchical, "Matryoshka, thirds", "absorbed", less, cost)


def less_is_absorbed(models, nested: str, silence: str, less: float, cost: float) -> Outcome:
    """Of a Matryoshka against TopK with two active; weaker: less, whatever it costs, or than L1."""
    topk, own = (with_two(models, silence, kind) for kind in ("TopK", nested))
    explained = [with_two(models, "explained", kind) for kind in ("TopK", nested)]
    l1 = chosen(models, silence, "hierarchical", "L1")
    fewer = own <= topk - less
    return Outcome(
        fewer & (explained[1] >= explained[0] - cost),
        fewer | (own <= l1 - less),
        {
            "Silent beyond parents alone, L1, TopK and Matryoshka": hundredths(
                torch.stack([l1.mean(), topk.mean(), own.mean()])
            ),
            "Explained, TopK and Matryoshka": listed([each.mean() for each in explained], ".3f"),
        },
    )


def hundredths(values: Tensor) -> str:
    """Numbers to two digits, in words, with no sign before what rounds to 0.

    >>> hundredths(torch.tensor([0.5, -0.001, -0.25]))
    '0.50, 0.00, −0.25'
    """
    return listed(values.mul(100).round().add(0.0) / 100, ".2f").replace("-", "−")


# Fewer latents than features


@study.experiment
def narrow(steps, steps_toy, price_narrow, seeds, procedure):
    """Mixing and what is found of pairs, by seed, width, and whether they are correlated.

    ``pairs`` has independent ones, then correlated ones.
    """
    how = procedure(steps)

    def experiment(seed):
        rows = []
        for given, otherwise in ((PAIR["probability"],) * 2, (0.5, 0.05 / 0.9)):
            features = Families(**PAIR, given=given, otherwise=otherwise, spread=SPREAD)
            data = toys(features, seed, steps_toy)
            between = (data.directions.mT @ data.directions)[:, None]
            for width in NARROW:
                latents = round(width * features.n)
                found, _ = fitted(data, latents, "l1", [price_narrow], how)
                mixed = recovery.mixing(
                    found.cosine, found.alive, between, partners(features.parents)
                )
                share = recovery.true_share(found.cosine, found.alive, least=0.9)
                rows.append((mixed.nanmean(-1)[:, 0], share[:, 0], found.explained[:, 0]))
        named = zip(("mixing", "true", "explained"), zip(*rows, strict=True), strict=True)
        shape = (2, len(NARROW))
        return {
            name: (["pairs", "width"], torch.stack(each, 1).unflatten(1, shape))
            for name, each in named
        }

    return sweep(experiment, {"seed": seeds}, cells_at_once=6)


@study.test("sae-hedging")
def narrow_dictionaries_hedge(narrow, *, more):
    """Latents mix correlated features, more so the fewer there are; weaker: with half as many."""
    mixed = narrow.mixing[:, 1]
    beyond = mixed - narrow.mixing[:, 0]
    half = beyond[:, NARROW.index(0.5)] >= more
    falls = (mixed[:, :3].diff(dim=1) < 0).all(1)
    return Outcome(
        half & falls,
        half,
        {
            "Mixing, correlated, by width": hundredths(mixed.mean(0)),
            "Mixing, independent, by width": hundredths(narrow.mixing[:, 0].mean(0)),
            "Falls from a quarter to as many": told_rate(falls),
        },
    )
