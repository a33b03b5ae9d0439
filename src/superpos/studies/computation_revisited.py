"""How much can be computed in superposition: codes for ANDs, compressed computation, two layers.

Hänni et al. 2024, Adler and Shavit 2024, Braun et al. 2025, Bhagat et al. 2026, and problems of
Nanda's list.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import Tensor

from superpos import IndependentFeatures, Model, Procedure, SignedFeatures, neurons, train
from superpos.claims import rate
from superpos.claims.registry import thresholds
from superpos.codes import ands
from superpos.compute.processes import in_parallel
from superpos.errors import InvalidArgument
from superpos.learning import variants
from superpos.learning.variants import Valued
from superpos.models import RELU_OUTPUT
from superpos.neurons import compressed, computation, residual
from superpos.stats import listed, told
from superpos.studies.study import Outcome, Study, Way

FEATURES = (128, 256, 512, 1024)  # of universal ANDs
PAIRS = (64, 128, 256, 512, 1024)  # ANDs of disjoint pairs
N, M, P = 100, 50, 0.01  # the layer that compresses
STREAMS = (None, 10_000, 1000, 400)  # dimensions of the stream; None: without mixing
AS_PUBLISHED = 1000
N_TWO, M_TWO, P_TWO = 40, 10, 0.02
NOISE = 0.02  # standard deviation of what is added to the code that two layers start from
DROPPED = 0.2
N_VARIANTS, M_VARIANTS = 20, 5
DENSITIES = torch.tensor([[0.5], [0.02]])
IMPORTANCE = 0.9 ** torch.arange(N_VARIANTS)
DROPOUT_P = 0.05
SQUARE = Model("square", hidden=torch.relu, tied=False, target=torch.square, start=torch.abs)
LARGER = Model(
    "larger of a pair", hidden=torch.relu, tied=False, target=variants.pairwise_max,
    start=computation.pair_means,
)  # fmt: skip
GELU = Model("GELU output", output=torch.nn.functional.gelu)
MONOSEMANTIC = {"x²": 5, "max": 5}  # functions that neurons of their own compute


def ours(what: str, steps: int) -> Procedure:
    """The chapter's way to train each of its three kinds of models."""
    kinds = {
        "layer": {},
        "two": {"learning_rate": 0.003, "batch_size": 128, "warmup": steps // 4,
                "integrate": False, "skip_silent": True},
        "variants": {"integrate": False, "skip_silent": True},
    }  # fmt: skip
    return Procedure(steps=steps, **kinds[what])


def slower(what: str, steps: int) -> Procedure:
    """At a third of the rates."""
    how = ours(what, steps)
    return Procedure(
        steps=steps,
        learning_rate=how.learning_rate / 3,
        batch_size=how.batch_size,
        warmup=how.warmup,
        integrate=how.integrate,
        skip_silent=how.skip_silent,
    )


study = Study(
    "computation_revisited",
    {
        "ours": Way(
            "Adam at 0.01 (0.003 for two layers), warmed up and lowered to 0 as a cosine, 64 "
            "inputs with an active feature a step (128 for two layers)",
            ours,
        ),
        "published": Way(
            "what could be read of the sources does not say; a third of the chapter's rates, for "
            "three times as many steps",
            slower,
            settings={"steps": 6000, "steps_two": 3000, "steps_variants": 4500},
            quick={"steps": 300, "steps_two": 60, "steps_variants": 150},
        ),
    },
)


# Codes for ANDs


def slope(sizes, counts: Tensor) -> Tensor:
    """Return the slopes of log counts ``(trials, sizes)`` on log sizes, by least squares.

    >>> slope([1, 10, 100], torch.tensor([[2.0, 20.0, 200.0], [3.0, 3.0, 3.0]]))
    tensor([1., 0.])
    """
    x = torch.tensor(sizes, dtype=torch.float64).log()
    x = x - x.mean()
    return ((counts.double().log() * x).sum(-1) / x.square().sum()).float()


def needed(
    sizes: list[int], seeds: list[int], right: Callable[[int, int, int], float], share: float
) -> Tensor:
    """Return the fewest neurons for each seed and size: ``(seeds, sizes)``.

    ``right(size, neurons, seed)`` is the share that is right.
    """

    def fewest(cell: tuple[int, int]) -> int:
        size, seed = cell
        return ands.fewest(lambda count: right(size, count, seed), share=share, most=4096)

    # the largest first, so that cores have work to the end
    cells = [(size, seed) for size in sorted(sizes, reverse=True) for seed in seeds]
    found = dict(zip(cells, in_parallel(fewest, cells), strict=True))
    return torch.tensor([[found[size, seed] for size in sizes] for seed in seeds])


SHARE = thresholds("cis-paired")["right"]  # of answers, at least: all three claims have the same


def best_universal(n: int, count: int, seed: int) -> float:
    """Return the share of right answers at the best of three densities."""
    return max(
        ands.universal(n, count, min(1.0, math.sqrt(overlap / count)), seed=seed)
        for overlap in ands.OVERLAPS
    )


def best_paired(k: int, count: int, seed: int, *, superposed: bool) -> float:
    """Return the share of inputs that are right at the best of three sizes of sets."""
    sizes = [size for size in ands.SIZES if size <= count]
    return max(ands.paired(k, count, size, seed=seed, superposed=superposed) for size in sizes)


@study.experiment
def universal(seeds, largest):
    """Neurons that the ANDs of all pairs of n features need, ``(seeds, sizes)``, and the sizes."""
    sizes = [n for n in FEATURES if n <= largest]
    return SimpleNamespace(sizes=sizes, count=needed(sizes, seeds, best_universal, SHARE))


@study.experiment
def paired(seeds, largest):
    """Neurons that k ANDs of pairs need, from inputs in superposition."""
    sizes = [k for k in PAIRS if k <= largest]

    def right(k, count, seed):
        return best_paired(k, count, seed, superposed=True)

    return SimpleNamespace(sizes=sizes, count=needed(sizes, seeds, right, SHARE))


@study.experiment
def raw(seeds, largest):
    """The same from inputs that have a dimension each."""
    sizes = [k for k in PAIRS if k <= largest]

    def right(k, count, seed):
        return best_paired(k, count, seed, superposed=False)

    return SimpleNamespace(sizes=sizes, count=needed(sizes, seeds, right, SHARE))


def told_counts(found) -> dict[str, str]:
    """Return how many neurons each size needs, in words, for a card."""
    mean = found.count.double().mean(0)
    return {
        f"Neurons for {', '.join(map(str, found.sizes))}": listed(mean, ".0f"),
    }


@study.test("cis-universal")
def universal_slope(universal, *, right, slope):
    """Neurons grow as n^(2/3) at most."""
    _registered(right)
    found = slope_of(universal)
    return Outcome(found <= slope, found < 1, {"Slope": told(found)} | told_counts(universal))


@study.test("cis-paired")
def paired_slopes(paired, *, right, slack):
    """Neurons grow between √(k log k) and √k log k."""
    _registered(right)
    log = torch.tensor(paired.sizes).double().log()
    above = slope(paired.sizes, paired.count / log)
    below = slope(paired.sizes, paired.count / log.sqrt())
    upper = above <= 0.5 + slack
    return Outcome(
        upper & (below >= 0.5 - slack),
        upper,
        {"Slope": told(slope_of(paired)), "Slope after division by log k": told(above)}
        | told_counts(paired),
    )


@study.test("cis-raw")
def raw_slope(raw, *, right, slope):
    """Without superposition neurons hardly grow, and soon compute more than their square."""
    _registered(right)
    found = slope_of(raw)
    shown = (found <= slope) & (raw.count[:, -1].square() < raw.sizes[-1])
    return Outcome(shown, measured={"Slope": told(found)} | told_counts(raw))


def _per_cent(values: Tensor) -> str:
    return f"{told(100 * values, digits=1)} %"


def slope_of(found) -> Tensor:
    """Return the slopes of counts of neurons on sizes."""
    return slope(found.sizes, found.count)


def _registered(right: float) -> None:
    """Make sure that neurons were counted at the share that a claim registers."""
    if right != SHARE:
        raise InvalidArgument(f"right is {right}: neurons were counted at {SHARE}")


# Compressed computation


@study.experiment
def layers(seeds_layers, steps, procedure):
    """Layers of 50 neurons for 100 functions, by dimensions of the stream.

    ``loss`` and ``error``, its standard error, ``least``, the bound, ``top``, the share of input
    weights in the top half of M's eigenvectors, and ``mixed``, what a model loses that leaves M to
    the stream: ``(streams, seeds)``.
    """
    how = procedure("layer", steps)

    def trained(dimensions: int | None) -> list[Tensor]:
        mixing = compressed.mixing(N, dimensions, seeds=seeds_layers)
        model = compressed.train(mixing, M, P, how, seeds=seeds_layers)
        loss, error = compressed.loss(model, mixing, P, seeds=seeds_layers)
        least = compressed.least_loss(mixing, M, P)
        top = compressed.in_top(model["W"], mixing, M)
        return [loss, error, least, top, P / 3 * mixing.square().sum((-2, -1))]

    found = zip(*in_parallel(trained, STREAMS), strict=True)
    names = ("loss", "error", "least", "top", "mixed")
    return SimpleNamespace(**dict(zip(names, map(torch.stack, found), strict=True)))


@study.experiment
def dense_layers(seeds_layers, steps, procedure):
    """The same at p = 1 without mixing, without and with output biases: ``(2, seeds)``."""
    how = procedure("layer", steps)

    def trained(bias: bool) -> tuple[Tensor, Tensor]:
        mixing = compressed.mixing(N, None, seeds=seeds_layers)
        model = compressed.train(mixing, M, 1.0, how, seeds=seeds_layers, bias=bias)
        return compressed.loss(model, mixing, 1.0, seeds=seeds_layers)

    loss, error = zip(*in_parallel(trained, [False, True]), strict=True)
    return SimpleNamespace(loss=torch.stack(loss), error=torch.stack(error))


def gains(layers) -> Tensor:
    """Return the share of the naive loss by which the loss is below it: ``(streams, seeds)``."""
    return 1 - layers.loss / compressed.naive_loss(N, M, P)


@study.test("cis-compressed")
def beats_naive(layers, *, better):
    """The layer of the published stream has a lower loss than 50 functions alone."""
    gain = gains(layers)[STREAMS.index(AS_PUBLISHED)]
    return Outcome(gain >= better, measured={"Gain": _per_cent(gain)})


def rising(gain: Tensor, none: float) -> Outcome:
    """Return whether gains ``(streams, seeds)`` rise with mixing, from none without it."""
    vanishes = gain[0] <= none
    return Outcome(
        vanishes & (gain.diff(dim=0) > 0).all(0),
        vanishes & (gain.argmax(0) == len(gain) - 1),
        {
            f"Gain {name}": _per_cent(row)
            for name, row in zip(
                ("without mixing", *(f"in {d} dimensions" for d in STREAMS[1:])), gain, strict=True
            )
        },
    )


@study.test("cis-mixing")
def gain_by_mixing(layers, *, none):
    """The gain grows with the mixing matrix, and is none without."""
    return rising(gains(layers), none)


@study.test("cis-mixing-2")
def gain_on_labels(layers, *, none):
    """The same, over a model that leaves the mixing to the stream."""
    naive = compressed.naive_loss(N, M, P) + layers.mixed
    return rising(1 - layers.loss / naive, none)


@study.test("cis-directions")
def in_top_half(layers, *, most, chance):
    """Input weights lie in the top half of the mixing matrix's eigenvectors."""
    share = layers.top[STREAMS.index(AS_PUBLISHED)]
    return Outcome(share >= most, share >= chance, {"Share in the subspace": _per_cent(share)})


@study.test("cis-rank")
def bounded(layers, dense_layers, *, half, near, mean, errors):
    """No model is below the bound; it says when there is a gain, and the mean makes the rest."""
    allowed = 1 - layers.least / compressed.naive_loss(N, M, P)
    share = (gains(layers) / allowed)[STREAMS.index(AS_PUBLISHED)]
    zero = compressed.mixing(N, None, seeds=[0])
    floor = compressed.least_loss(zero, M, 1.0)
    kept = (layers.loss >= layers.least - errors * layers.error).all(0)
    kept &= (dense_layers.loss >= floor - errors * dense_layers.error).all(0)
    naive = compressed.naive_loss(N, M, 1.0)
    without, with_bias = dense_layers.loss
    return Outcome(
        kept
        & (share >= half)
        & (without <= (1 - mean) * naive)
        & (with_bias <= (1 + near) * floor),
        measured={
            "Share of the gain that the bound allows": _per_cent(share),
            "Loss over the bound, without mixing": told((layers.loss / layers.least)[0]),
            "At p = 1, loss over 50 p/6 without biases": told(without / naive),
            "At p = 1, loss over the bound with biases": told(with_bias / floor),
        },
    )


# Two layers


@study.experiment
def two_layers(seeds_two, steps_two, procedure):
    """Two residual layers, by how they start and end: losses over the naive one.

    ``trained`` from near the code, ``drawn`` from random values, and ``linear`` from near the code
    without an output ReLU (its loss over the bound); and ``left``, the variance left of each
    function.
    """
    features = SignedFeatures(N_TWO, P_TWO)
    how = procedure("two", steps_two)
    code = residual.edge_code(N_TWO, M_TWO)
    draws = [torch.Generator().manual_seed(seed) for seed in seeds_two]
    start = {
        name: torch.stack([value + NOISE * torch.randn(value.shape, generator=g) for g in draws])
        for name, value in code.items()
    }
    few = seeds_two[: max(2, len(seeds_two) // 3)]
    some = {name: value[: len(few)] for name, value in start.items()}
    naive = residual.naive_loss(N_TWO, M_TWO, residual.single_losses([P_TWO])[:, 0])

    def trained(model, seeds, begin):
        return train(features, M_TWO, model=model, seeds=seeds, start=begin, procedure=how)

    near = trained(residual.RESIDUAL, seeds_two, start)
    drawn = trained(residual.RESIDUAL, few, None)
    linear = trained(residual.RESIDUAL_LINEAR, few, some)
    left = variants.variance_left(residual.RESIDUAL, near.parameters, features)
    return SimpleNamespace(
        trained=near.expected_loss(samples=20_000)[0] / naive,
        drawn=drawn.expected_loss(samples=20_000)[0] / naive,
        linear=linear.expected_loss(samples=20_000)[0] / residual.linear_bound(N_TWO, M_TWO, P_TWO),
        left=left,
    )


@study.experiment
def two_by_density():
    """Of the code at each ``p``: loss over the naive one, ``ratio``, and functions ``computed``."""
    code = residual.edge_code(N_TWO, M_TWO)
    densities = [0.1, 0.05, 0.02, 0.01, 0.005, 0.002]

    single = residual.single_losses(densities)
    ratios, computed = [], []
    given = {name: value[None] for name, value in code.items()}
    most = thresholds("cis-two-layers")["left"]
    for p, least in zip(densities, single.mT, strict=True):
        features = SignedFeatures(N_TWO, p)
        draw = torch.Generator().manual_seed(0)
        x = features.active_inputs(torch.rand(20_000, features.uniforms, generator=draw))
        square = (residual.RESIDUAL.reconstruct(code, x) - residual.tent(x)).square().sum(-1)
        loss = (1 - float(features.silence)) * square.mean().item()
        ratios.append(loss / residual.naive_loss(N_TWO, M_TWO, least))
        left = variants.variance_left(residual.RESIDUAL, given, features)
        computed.append(int((left <= most).sum()))
    return SimpleNamespace(p=densities, ratio=ratios, computed=computed)


@study.test("cis-two-layers")
def beats_naive_in_two(two_layers, *, better, left):
    """With an output ReLU two layers beat the naive model, without one the bound holds."""
    count = (two_layers.left <= left).sum(-1)
    wins = (two_layers.trained <= 1 - better) & (count > M_TWO)
    return Outcome(
        wins & bool((two_layers.linear >= 1).all()),
        measured={
            "Loss over the naive one, trained from the code": told(two_layers.trained),
            "Functions computed": told(count.double(), digits=1),
            "Loss over the naive one, from random values": told(two_layers.drawn),
            "Loss over the bound of a linear output": told(two_layers.linear),
        },
    )


# Variants


def with_dropout(rate: float, seeds, how) -> Tensor:
    """ReLU-output models of which a share of the hidden layer is dropped: W ``(seeds, m, n)``."""
    features = IndependentFeatures(N_VARIANTS, DROPOUT_P)
    return variants.with_dropout(
        features, M_VARIANTS, rate, how, importance=IMPORTANCE, seeds=seeds
    )["W"]


@study.experiment
def dropout(seeds_variants, steps_variants, procedure):
    """Models without and with dropout: W ``(2, seeds, m, n)``."""
    how = procedure("variants", steps_variants)
    rates = [0.0, DROPPED]
    return torch.stack(in_parallel(lambda rate: with_dropout(rate, seeds_variants, how), rates))


@study.test("cis-dropout")
def aligned(dropout, *, rotations):
    """Features lie along axes with dropout, more than after rotations and than without it."""
    less = 1 - neurons.rotations_more_spread(dropout, rotations=200, measure=variants.alignment)
    along = variants.alignment(dropout)
    more = along[1] > along[0]
    return Outcome(
        more & (less[1] >= rotations),
        more,
        {
            "Alignment without dropout": told(along[0]),
            "Alignment with dropout": told(along[1]),
            "Features with dropout": told(_embedded(dropout[1], 0.5), digits=1),
            "Features without": told(_embedded(dropout[0], 0.5), digits=1),
        },
    )


@study.experiment
def half_dropped(seeds_variants, steps_variants, procedure):
    """Models of which half of the hidden layer is dropped: W ``(seeds, m, n)``."""
    return with_dropout(0.5, seeds_variants, procedure("variants", 2 * steps_variants))


@study.experiment
def undropped(seeds_variants, steps_variants, procedure):
    """The same without dropout, trained for as long: W ``(seeds, m, n)``."""
    return with_dropout(0.0, seeds_variants, procedure("variants", 2 * steps_variants))


def rotations_that_fit_worse(W: Tensor) -> Tensor:
    """The share of a model's rotations whose features fit axes worse, ``(...)``."""
    return 1 - neurons.rotations_more_spread(W, rotations=200, measure=variants.evenness)


@study.test("cis-dropout-2")
def even(half_dropped, dropout, *, rotations, some):
    """Features fit axes better than after rotations, with dropout."""
    own, without = map(rotations_that_fit_worse, (half_dropped, dropout[0]))
    return Outcome(
        own >= rotations,
        own >= some,
        {
            "Fit with dropout": told(variants.evenness(half_dropped)),
            "Fit without": told(variants.evenness(dropout[0])),
            "Shown without dropout": rate(without >= rotations),
        },
    )


@study.test("cis-dropout-3")
def more_even(half_dropped, undropped, *, rotations):
    """Features fit axes better than after rotations, and than without dropout; weaker: those."""
    own, without = map(rotations_that_fit_worse, (half_dropped, undropped))
    fit, fit_without = map(variants.evenness, (half_dropped, undropped))
    return Outcome(
        (own >= rotations) & (fit > fit_without),
        own >= rotations,
        {
            "Fit with dropout": told(fit),
            "Fit without": told(fit_without),
            "Rotations that fit worse, without dropout": told(without),
            "Shown without dropout": rate(without >= rotations),
            "Largest share on one axis": told(variants.alignment(half_dropped)),
            "Features with dropout": told(_embedded(half_dropped, 0.5), digits=1),
            "Features without": told(_embedded(undropped, 0.5), digits=1),
        },
    )


def _embedded(W: Tensor, least: float) -> Tensor:
    """Return how many features have ‖W_i‖² of ``least`` or more, ``(...)``."""
    return (W.square().sum(-2) >= least).sum(-1).double()


@study.experiment
def kinds(seeds_variants, steps_variants, procedure):
    """Trained variants by name: W and the variance ``left``, by seed and density."""
    how = procedure("variants", steps_variants)
    plain = IndependentFeatures(N_VARIANTS, DENSITIES)
    signed = SignedFeatures(N_VARIANTS, DENSITIES)
    even = IMPORTANCE * (torch.arange(N_VARIANTS) % 2 == 0)
    cases = {
        "uniform": (plain, RELU_OUTPUT, M_VARIANTS, IMPORTANCE),
        "0 or 1": (Valued(plain, torch.sign), RELU_OUTPUT, M_VARIANTS, IMPORTANCE),
        "0 to 3": (Valued(plain, variants.thirds), RELU_OUTPUT, M_VARIANTS, IMPORTANCE),
        "[1/2, 1]": (Valued(plain, variants.upper_half), RELU_OUTPUT, M_VARIANTS, IMPORTANCE),
        "GELU": (plain, GELU, M_VARIANTS, IMPORTANCE),
        "x²": (signed, SQUARE, 2 * M_VARIANTS, IMPORTANCE),
        "max": (plain, LARGER, M_VARIANTS, even),
    }

    def trained(name: str) -> SimpleNamespace:
        features, model, m, importance = cases[name]
        run = train(
            features, m, model=model, importance=importance, seeds=seeds_variants, procedure=how
        )
        left = variants.variance_left(model, run.parameters, features)
        return SimpleNamespace(W=run.W, left=left[..., ::2] if name == "max" else left)

    return dict(zip(cases, in_parallel(trained, list(cases)), strict=True))


@study.experiment
def softmax(seeds_variants, steps_variants, procedure):
    """Which features classifiers name, ``(densities, seeds, n)``."""
    how = procedure("variants", steps_variants)

    def trained(p: float) -> Tensor:
        features = IndependentFeatures(N_VARIANTS, p)
        return variants.named(variants.classifiers(features, M_VARIANTS, how, seeds=seeds_variants))

    return torch.stack(in_parallel(trained, DENSITIES[:, 0].tolist()))


def counted(kinds, *, embedded: float, left: float) -> dict[str, Tensor]:
    """Return by variant how many features or functions models have: ``(seeds, densities)``."""
    return {
        name: (found.left <= left).sum(-1).double()
        if name in MONOSEMANTIC
        else _embedded(found.W, embedded)
        for name, found in kinds.items()
    }


@study.test("cis-variants")
def in_each_variant(kinds, softmax, *, embedded, left, more, named):
    """Superposition comes with sparsity in each variant, and is always there with a softmax."""
    found = counted(kinds, embedded=embedded, left=left)
    shown = (softmax.sum(-1) >= named).all(0)
    for name, count in found.items():
        if name != "uniform":
            without = MONOSEMANTIC.get(name, M_VARIANTS)
            shown = shown & (count[:, 1] > without) & (count[:, 0] <= without + more)
    classes = softmax.double().sum(-1).mean(1)
    return Outcome(
        shown,
        measured={
            f"{name}, at p = 0.5 and 0.02": listed(count.mean(0), ".1f")
            for name, count in found.items()
        }
        | {"Softmax, classes named": listed(classes, ".1f")},
    )
