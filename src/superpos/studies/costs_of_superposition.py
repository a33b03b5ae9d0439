"""Costs of superposition: interference, capacity, levels, noise in layers, few bits, bits in all.

Linsefors 2024, "Some costs of superposition", and the comments on it. The post calls features m and
neurons n; here n features share m dimensions.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from superpos import (
    PUBLISHED,
    AnticorrelatedSets,
    CorrelatedSets,
    IndependentFeatures,
    Procedure,
    codes,
    sweep,
    train,
)
from superpos.codes import capacity, decoding, layers, rounding
from superpos.compute.sweeps import tensors
from superpos.stats import span
from superpos.studies.study import Outcome, Study, Way, fresh, on_cores
from superpos.studies.ways import elhage_notebook

SIZES = ((64, 256), (128, 512), (256, 1024), (256, 4096))  # m and n of random codes
READ = SIZES[1:]  # those that are read
SHOWN = READ.index((256, 1024))  # the one told of in the text
NUMBERS = (64, 68, 72, 76, 80, 96, 128, 192, 256, 512)  # of features in 64 dimensions
ACTIVE = (1, 2, 4, 8, 16, 32, 64)  # features at once, for their noise
SHARED = (2, 4, 8, 16)  # the same for levels
ORTHOGONAL = (1, 2, 3, 10, 30, 60, 90, 100)  # the same for 100 features in 100 dimensions
CROWDS = (1, 2, 3, 4)  # the same in layers
OCCUPIED = (2, 4, 8, 16, 32, 64, 128, 256)  # the mean of the same, for bits
LAYERS = 8
ERROR = 0.01  # share of readings, or of inputs, that may be wrong
ERRORS = (0.001, ERROR, 0.05)  # for comparison
P = torch.tensor([0.1, 0.03, 0.01])  # of trained models
BITS = tuple(range(2, 9))
DECODED = ((64, 256), (128, 512))  # m and n of codes that are read in rounds
ROUNDS = (1, 2, 3, 5, 8, 12, 20)
IN_SETS = 4  # features in each set of dependent ones
MEAN = 8  # of them active, where their noise is measured
KINDS = ("independent", "active together", "at most one active")
RESPONSES = (layers.unchanged, layers.relu, layers.saturating, layers.step)


def ours(n: int, m: int, steps: int, **changes) -> Procedure:
    """The procedure that finds good optima soon."""
    return Procedure.fast(n, m, steps=steps, **changes)


study = Study(
    "costs_of_superposition",
    {
        "ours": Way(
            "Adam at a rate of at most 2/n, warmed up and lowered to 0 as a cosine, 64 inputs a "
            "step, each output's own input integrated, features half as long at the start as at "
            "the end",
            ours,
        ),
        "published": elhage_notebook(
            "an array of 10 models, biases 0 (the notebook of Elhage et al. 2022; the post does "
            "not say how a network is trained)",
            10,
            {"steps": 1000},
        ),
    },
)


def over(values: Sequence, seeds: Sequence[int], measure: Callable) -> SimpleNamespace:
    """Measure every value with every seed, on all cores: ``(values, seeds, ...)`` by name."""

    def experiment(place, seed):
        found = [[measure(values[int(k)], int(s)) for s in seed] for k in place]
        return {
            name: torch.tensor([[cell[name] for cell in row] for row in found])
            for name in found[0][0]
        }

    grid = {"place": range(len(values)), "seed": seeds}
    quarter = -(-len(seeds) // 4)
    return tensors(sweep(experiment, grid, cells_at_once=quarter, executor=on_cores()))


def each(seeds: Sequence[int], measure: Callable) -> SimpleNamespace:
    """Measure something with every seed: tensors ``(seeds, ...)`` by name; see `over`."""
    found = vars(over((None,), seeds, lambda _, seed: measure(seed)))
    return SimpleNamespace(
        **{name: values[0] for name, values in found.items() if name not in AXES}
    )


AXES = ("place", "seed")


def bound(n: int, m: int) -> float:
    """Return the post's number of features that can be active at once, m/(8 ln n).

    >>> round(bound(100, 100), 1)
    2.7
    """
    return m / (8 * math.log(n))


def within(values: Tensor, estimates: Sequence[float], factor: float) -> Tensor:
    """Return whether values ``(sizes, codes)`` are within a factor of an estimate for their size.

    >>> within(torch.tensor([[1.0, 3.0], [3.0, 9.0]]), [1.0, 4.0], 2)
    tensor([[ True, False],
            [ True, False]])
    """
    ratio = values / torch.tensor(estimates, dtype=values.dtype)[:, None]
    return (ratio < factor) & (ratio > 1 / factor)


def exponent(values: Tensor, count: Sequence[int]) -> Tensor:
    """Return the slope of the logarithm of ``values`` by that of ``count``, by least squares.

    >>> exponent(torch.tensor([[3.0, 6.0, 12.0]]), [1, 4, 16])
    tensor([0.5000])
    """
    place = torch.tensor(count, dtype=values.dtype).log()
    centred = place - place.mean()
    return (values.log() * centred).sum(1) / centred.square().sum()


# Signal and noise


def cosines(seeds: Sequence[int]) -> SimpleNamespace:
    """The typical and the worst cosine of random codes: ``(sizes, codes)``."""

    def measure(size, seed):
        m, n = size
        W = codes.random_code(n, m, seed=seed)
        return {"typical": codes.typical_cosine(W).item(), "worst": codes.coherence(W).item()}

    return over(SIZES, seeds, measure)


@study.experiment
def interference(seeds_codes):
    """The cosines of random codes; see `cosines`."""
    return cosines(seeds_codes)


@study.experiment
def interference_again(seeds_codes):
    """Those of other codes."""
    return cosines(fresh(seeds_codes))


@study.experiment
def by_number(seeds_optimised, n_inputs, descent, first_seed):
    """Codes of more and more features in 64 dimensions: cosines, and how many can be active.

    ``worst``, ``typical`` and ``most``, ``(numbers, codes)``, of one optimised and one harmonic
    code of each number, and of random ones.
    """

    def measure(W):
        return {
            "worst": codes.coherence(W).item(),
            "typical": codes.typical_cosine(W).item(),
            "most": capacity.most_active(W, inputs=n_inputs, seed=first_seed),
        }

    def optimised(n, seed):
        return measure(codes.optimised_code(n, 64, seed=seed, steps=descent))

    def harmonic(n, seed):
        # as many features as dimensions are no frame: there the optimised code is orthogonal
        return measure(codes.harmonic_code(n, 64, seed=seed)) if n > 64 else optimised(n, seed)

    def random(n, seed):
        return measure(codes.random_code(n, 64, seed=seed + 2))

    return {
        "optimised": over(NUMBERS, [first_seed], optimised),
        "harmonic": over(NUMBERS, [first_seed], harmonic),
        "random": over(NUMBERS, seeds_optimised, random),
    }


@study.test("cost-noise")
def noise(interference, *, factor):
    """The typical cosine is near the lemma's estimate; weaker: the worst one is."""
    lemma = [codes.lemma_noise(n, m) for m, n in SIZES]
    estimate = torch.tensor(lemma)[:, None]
    return Outcome(
        within(interference.typical, lemma, factor).flatten(),
        within(interference.worst, lemma, factor).flatten(),
        {
            "Estimate over the typical cosine": span(estimate / interference.typical, ".1f"),
            "Estimate over the worst cosine": span(estimate / interference.worst),
        },
    )


@study.test("cost-noise-2")
def noise_in_order(interference_again, *, order):
    """As cost-noise, to an order of magnitude."""
    return noise(interference_again, factor=order)


@study.test("cost-noise-rms")
def noise_rms(interference, *, share):
    """The typical cosine is 1/√m."""
    random_walk = [m**-0.5 for m, _ in SIZES]
    times = interference.typical / torch.tensor(random_walk)[:, None]
    return Outcome(
        within(interference.typical, random_walk, 1 + share).flatten(),
        measured={"Typical cosine times √m": span(times, ".3f")},
    )


@study.experiment
def triangles():
    """The largest |cos θ| of what was orthogonal, for errors ε of lengths."""
    errors = torch.logspace(-3, -1, 50, dtype=torch.float64)
    largest = [codes.largest_cosine(error) for error in errors.tolist()]
    return {"error": errors, "cosine": torch.tensor(largest, dtype=torch.float64)}


@study.test("cost-angle")
def angle(triangles, *, second):
    """The largest |cos θ| is (2 + √2)ε, up to a multiple of ε²."""
    error, cosine = triangles["error"], triangles["cosine"]
    first = 2 + 2**0.5
    ratio = cosine / error
    return Outcome(
        (cosine - first * error).abs() <= second * error**2,
        measured={
            "Largest |cos θ| over ε": f"{ratio[0]:.3f} at ε = {error[0]:g}, "
            f"{ratio[-1]:.3f} at ε = {error[-1]:g}; 2 + √2 = {first:.3f}"
        },
    )


# Many active features


@study.experiment
def active_noise(seeds_codes, seeds_optimised, n_inputs, descent):
    """The noise of silent features at each number of active ones, and the typical cosine.

    By kind of code: ``noise`` ``(codes, numbers)`` and ``typical`` ``(codes,)``.
    """

    def measure(W, seed):
        noise = [capacity.read(W, k, inputs=n_inputs, seed=seed).noise for k in ACTIVE]
        return {"noise": noise, "typical": codes.typical_cosine(W).item()}

    def random(seed):
        return measure(codes.random_code(512, 128, seed=seed), seed)

    def optimised(seed):
        few = max(5, descent // 4)
        return measure(codes.optimised_code(512, 128, seed=seed, steps=few), seed)

    return {"random": each(seeds_codes, random), "optimised": each(seeds_optimised, optimised)}


@study.test("cost-sqrt-l")
def sqrt_l(active_noise, *, low, high, shallow, steep):
    """The noise over √l and the typical cosine is 1 at every l; weaker: its exponent is 1/2."""
    ratio, slope = {}, {}
    for kind, found in active_noise.items():
        root = torch.tensor(ACTIVE, dtype=found.noise.dtype).sqrt()
        ratio[kind] = found.noise / root / found.typical[:, None]
        slope[kind] = exponent(found.noise, ACTIVE)
    ratios, slopes = torch.cat([*ratio.values()]), torch.cat([*slope.values()])
    return Outcome(
        ((ratios > low) & (ratios < high)).all(1),
        (slopes > shallow) & (slopes < steep),
        {
            "Noise over √l times the typical cosine": ", ".join(
                f"{span(values)} ({kind})" for kind, values in ratio.items()
            ),
            "Exponent of l": ", ".join(
                f"{span(values, '.3f')} ({kind})" for kind, values in slope.items()
            ),
        },
    )


# How many at once


@study.experiment
def readings(seeds_codes, n_inputs):
    """What can be read from random codes: features at once, noise, bits: (sizes, codes, ...)."""

    def measure(size, seed):
        m, n = size
        W = codes.random_code(n, m, seed=seed)
        few = {"inputs": n_inputs if n < 2000 else n_inputs // 2, "seed": seed}
        alone = capacity.most_active(W, error=ERROR, **few)
        bits = capacity.stored_bits(W, alone, **few)
        return {
            "alone": alone,
            "together": capacity.most_active(W, error=ERROR, together=True, **few),
            "noise_at_m": capacity.read(W, m, inputs=100, seed=seed).noise,
            "read": (bits.read.value, *bits.read.interval, bits.read.bias),
            "thresholded": (bits.thresholded.value, *bits.thresholded.interval),
            "dedicated": bits.dedicated,
            "written": bits.written,
        }

    return over(READ, seeds_codes, measure)


@study.experiment
def readings_again(seeds_codes, n_inputs):
    """What can be read from other codes, half as many: features at once, ``(sizes, codes)``.

    As in `readings`; and ``loud``, the least number whose noise is as large as the signal.
    """

    def measure(size, seed):
        m, n = size
        W = codes.random_code(n, m, seed=seed)
        few = {"error": ERROR, "inputs": n_inputs // 2, "seed": seed}

        def noise(active):
            return capacity.read(W, active, inputs=100, seed=seed).noise

        return {
            "alone": capacity.most_active(W, **few),
            "together": capacity.most_active(W, together=True, **few),
            "loud": 1 + bisect(range(1, n), 1.0, key=noise),
        }

    return over(READ, half(fresh(seeds_codes)), measure)


def half(seeds: Sequence[int]) -> Sequence[int]:
    """Return half of some seeds, at least two."""
    return seeds[: max(2, len(seeds) // 2)]


@study.experiment
def by_error(seeds_codes, n_inputs):
    """How many features can be active at once, for other errors: (errors, codes)."""

    def measure(error, seed):
        W = codes.random_code(1024, 256, seed=seed)
        return {"most": capacity.most_active(W, error=error, inputs=n_inputs, seed=seed)}

    return over(ERRORS, seeds_codes[: max(2, len(seeds_codes) // 4)], measure)


def for_sizes(texts: Sequence[str]) -> str:
    """Join what was measured at each size that is read, with the size."""
    cases = zip(READ, texts, strict=True)
    return "; ".join(f"{text} (m = {m}, n = {n})" for (m, n), text in cases)


@study.test("cost-capacity")
def at_once(readings, *, factor):
    """l* is near m/(8 ln n); weaker: the number for reading all features right is."""
    bounds = [bound(n, m) for m, n in READ]
    ratio = torch.tensor(bounds, dtype=readings.alone.dtype)[:, None]
    return Outcome(
        within(readings.alone, bounds, factor).flatten(),
        within(readings.together, bounds, factor).flatten(),
        {
            "l* over m/(8 ln n)": for_sizes([span(row) for row in readings.alone / ratio]),
            "All features right": "; ".join(span(row) for row in readings.together / ratio),
        },
    )


@study.test("cost-capacity-2")
def at_once_in_order(readings_again, *, order):
    """As cost-capacity, to an order of magnitude."""
    found = at_once(readings_again, factor=order)
    bounds = torch.tensor([bound(n, m) for m, n in READ])[:, None]
    loud = for_sizes([span(row, ".0f") for row in readings_again.loud / bounds])
    told = {**found.measured, "Noise as large as the signal, over m/(8 ln n)": loud}
    return replace(found, measured=told)


@study.test("cost-capacity-rms")
def at_once_rms(readings, *, factor, share):
    """l* is near m; weaker: at l = m the noise is as large as the signal."""
    sizes = [m for m, _ in READ]
    noise = readings.noise_at_m
    return Outcome(
        within(readings.alone, sizes, factor).flatten(),
        ((noise > 1 - share) & (noise < 1 + share)).flatten(),
        {
            "m over l*": span(torch.tensor(sizes)[:, None] / readings.alone, ".1f"),
            "Noise at l = m, against a signal of 1": span(noise, ".3f"),
        },
    )


@study.test("cost-capacity-rms-2")
def loud_at_m(readings_again, *, factor):
    """The noise is as large as the signal where about m features are active."""
    sizes, loud = [m for m, _ in READ], readings_again.loud
    ratio = loud / torch.tensor(sizes)[:, None]
    return Outcome(
        within(loud.double(), sizes, factor).flatten(),
        measured={"Noise as large as the signal, over m": span(ratio, ".3f")},
    )


@study.experiment
def hundred(seeds_hundred):
    """Codes of 100 features in 100 dimensions that descent finds: the inputs read right at each l.

    ``right``, a share, ``(codes, numbers)``, and the ``worst`` cosine, ``(codes,)``.
    """

    def measure(seed):
        W = codes.optimised_code(100, 100, seed=seed)
        tested = [capacity.read(W, k, inputs=1000, seed=seed).all_right() for k in ORTHOGONAL]
        return {"right": tested, "worst": codes.coherence(W).item()}

    return each(seeds_hundred, measure)


@study.experiment
def random_hundred(first_seed):
    """l* of five random codes of 100 features in 100 dimensions."""
    seeds = range(first_seed, first_seed + 5)
    return [
        capacity.most_active(codes.random_code(100, 100, seed=seed), error=ERROR, seed=first_seed)
        for seed in seeds
    ]


@study.test("cost-loose")
def loose(hundred, random_hundred, *, post):
    """The code that descent finds is read without error at every l, where the post allows few."""
    allowed = bound(100, 100)
    return Outcome(
        (hundred.right == 1).all(1) & (round(allowed, 1) == post),
        measured={
            "Bound": f"{allowed:.1f}",
            "Found codes": f"worst cosine {hundred.worst.max():.0e}",
            "Random codes, 1 % of readings wrong": f"l* = {min(random_hundred):.1f} to "
            f"{max(random_hundred):.1f}",
        },
    )


@study.experiment
def root_codes():
    """The roots of D_m, from 2 to 64 dimensions, read with one feature active.

    How many they are, the highest reading of a silent one, and that of the active one, by m. For
    any two roots a permutation of the coordinates with changes of sign takes one to the other and
    the code to itself, so that it is enough to read one.
    """
    found = {"m": torch.arange(2, 65), "number": [], "silent": [], "active": []}
    for m in found["m"].tolist():
        W = codes.roots(m)
        reading = W.T @ W[:, 0]
        found["number"].append(W.shape[1])
        found["silent"].append(reading[1:].max().item())
        found["active"].append(reading[0].item())
    return {name: torch.as_tensor(values).double() for name, values in found.items()}


_ROUNDING = 1e-9  # of a reading


@study.test("cost-features")
def features_in_all(root_codes, *, silent, active):
    """More than exp(m/8) vectors cannot be read one at a time."""
    more = root_codes["number"] > (root_codes["m"] / 8).exp()
    low = root_codes["silent"] <= silent + _ROUNDING
    high = root_codes["active"] >= active - _ROUNDING
    growth = math.log(codes.chance_above(0.5, 200) / codes.chance_above(0.5, 400)) / 200
    return Outcome(
        ~(more & low & high),
        measured={
            "m = 24": f"exp(m/8) is {math.exp(3):.0f}, fewer than dimensions; there are "
            f"{2 * 24 * 23} roots",
            "Random directions": f"n grows as exp({growth:.3f} m) at a given error",
        },
    )


# Levels


def levels_of(seeds: Sequence[int], inputs: int) -> SimpleNamespace:
    """Levels of an active feature that can be told apart: ``levels`` ``(codes, numbers)``."""

    def measure(seed):
        W = codes.random_code(4096, 1024, seed=seed)
        return {
            "levels": [
                capacity.levels(W, k, error=ERROR, inputs=5 * inputs // k, seed=seed)
                for k in SHARED
            ]
        }

    return each(seeds, measure)


@study.experiment
def told_apart(seeds_codes, n_inputs):
    """Levels that can be told apart; see `levels_of`."""
    return levels_of(seeds_codes, n_inputs)


@study.experiment
def told_apart_again(seeds_codes, n_inputs):
    """The same in other codes, half as many."""
    return levels_of(half(fresh(seeds_codes)), n_inputs)


def post_levels() -> Tensor:
    """Return the post's number of levels, √(m/(8 l ln n)), at each l: ``(numbers,)``."""
    return (1024 / (8 * torch.tensor(SHARED, dtype=torch.float32) * math.log(4096))).sqrt()


@study.test("cost-levels")
def levels(told_apart, *, fewest, factor, shallow, steep):
    """Levels are as many as the post says; weaker: they depend on l as it says."""
    found = told_apart.levels
    ratio = found / post_levels()
    slope = exponent(found - 1, SHARED)
    counted = [k for k, together in enumerate(SHARED) if together >= fewest]
    judged = ratio[:, counted]
    return Outcome(
        ((judged < factor) & (judged > 1 / factor)).all(1),
        (slope > steep) & (slope < shallow),
        {
            "Levels over the estimate": "; ".join(
                f"{span(ratio[:, k])} at l = {SHARED[k]}" for k in counted
            ),
            "Slope of ln(K − 1) by ln l": span(slope),
        },
    )


@study.test("cost-levels-2")
def levels_in_order(told_apart_again, *, order, shallow, steep):
    """As cost-levels, to an order of magnitude and at every l."""
    marks = {"shallow": shallow, "steep": steep}
    return levels(told_apart_again, fewest=SHARED[0], factor=order, **marks)


# Layer after layer


def boolean(inputs: int, active: int, seed: int) -> Tensor:
    """Return inputs in which some of 512 features are on: ``(inputs, 512)``."""
    draws = torch.Generator().manual_seed(seed)
    which = torch.rand(inputs, 512, generator=draws).topk(active).indices
    return torch.zeros(inputs, 512).scatter_(1, which, 1.0)


def own_codes(seed: int) -> list[Tensor]:
    """Return a random code for each layer."""
    return [codes.random_code(512, 128, seed=LAYERS * seed + k) for k in range(LAYERS)]


@study.experiment
def chains(seeds_chains, n_inputs, n_fitted):
    """Two features through layers: Wᵀ with each response, then fitted without and with the step.

    ``noise`` and ``wrong``, ``(chains, kinds, layers)``.
    """

    def measure(seed):
        own = own_codes(seed)
        x, examples = boolean(n_inputs, 2, 2 * seed), boolean(n_fitted, 2, 2 * seed + 1)
        found = [layers.pass_through(own, x, response) for response in RESPONSES]
        for response in (layers.unchanged, layers.step):
            found.append(layers.pass_through(own, x, response, fitted=examples))
        return {
            "noise": [one.noise.tolist() for one in found],
            "wrong": [one.wrong.tolist() for one in found],
        }

    return each(seeds_chains, measure)


@study.experiment
def crowds(seeds_chains, n_inputs):
    """One to four features through layers with a threshold: errors and noise, (numbers, chains)."""

    def measure(active, seed):
        x = boolean(n_inputs, active, seed)
        found = layers.pass_through(own_codes(seed), x, layers.step)
        times = (found.noise[-1] / found.noise[0]).item()
        return {"wrong": found.wrong.tolist(), "times": times}

    return over(CROWDS, seeds_chains[: max(2, len(seeds_chains) // 2)], measure)


@study.test("cost-compounding")
def compounding(chains, crowds, *, grows, kept):
    """Noise grows with Wᵀ alone; a threshold keeps it, and so does a fitted read-out."""
    times = chains.noise[:, :, -1] / chains.noise[:, :, 0]
    alone, relu, two, threshold, fitted, both = times.T
    wrong = chains.wrong[:, 3].mean(0)
    return Outcome(
        (alone >= grows) & (threshold <= kept) & (fitted <= kept),
        measured={
            f"Noise at layer {LAYERS} over layer 1": f"Wᵀ alone at least {alone.min():.0f}; "
            f"threshold {span(threshold)}; fitted alone {span(fitted, '.3f')}",
            "ReLU": f"{span(relu, '.1f')}; two ReLUs {span(two, '.1f')} (median "
            f"{two.median():.1f}); fitted with threshold {span(both)}",
            "With another number of active features": f"threshold, l = 1: "
            f"{span(crowds.times[0], '.3f')}; l = 3: {span(crowds.times[2], '.1f')}; "
            f"l = 4: {span(crowds.times[3], '.1f')}",
            "Inputs read wrong with a threshold": f"{wrong[0]:.1%} at layer 1, "
            f"{wrong[-1]:.1%} at layer {LAYERS}",
        },
    )


# Few bits


def inputs_of(seed: int) -> Tensor:
    """Return 2000 inputs of 100 features at each density: ``(densities, 2000, 100)``."""
    features = IndependentFeatures(100, P[:, None])
    draws = torch.Generator().manual_seed(seed)
    return features.inputs(torch.rand(2000, features.uniforms, generator=draws))


def rounded_models(procedure: Procedure, seeds: Sequence[int], *, first_seed: int, device="cpu"):
    """Return losses of trained models over the signal Σ E[x²].

    ``exact`` and ``apart``, with four bits over a range for each feature and dimension, ``(seeds,
    densities)``; ``rounded`` ``(seeds, densities, kinds, bits)``: W and b, h, all.
    """

    def experiment(seed):
        features = IndependentFeatures(100, P[:, None])
        run = train(features, 20, seeds=seed, procedure=procedure, device=device)
        W, b, x = run.W.cpu(), run.b.cpu(), inputs_of(first_seed + 1)
        signal = x.square().sum(-1).mean(-1)
        rows = [
            rounding.rounded_loss(
                W, b, x, weights=k if of_weights else None, activations=k if of_hidden else None
            )
            / signal
            for of_weights, of_hidden in ((True, False), (False, True), (True, True))
            for k in BITS
        ]
        rows = torch.stack(rows, -1).reshape(len(seed), len(P), 3, len(BITS))
        apart = rounding.rounded_loss(W, b, x, weights=4, activations=4, axes=(-2,))
        exact = rounding.rounded_loss(W, b, x)
        return {"exact": exact / signal, "apart": apart / signal, "rounded": rows}

    half = -(-len(seeds) // 2)
    return tensors(sweep(experiment, {"seed": seeds}, cells_at_once=half, executor=on_cores()))


@study.experiment
def trained(steps, seeds_models, first_seed, procedure, device):
    """Trained models in few bits; see `rounded_models`."""
    at = {"first_seed": first_seed, "device": device}
    return rounded_models(procedure(100, 20, steps), seeds_models, **at)


@study.experiment
def trained_variants(steps, seeds_models, first_seed, device):
    """The same for other ways of training."""
    usual = ours(100, 20, steps)
    ways = {
        "initial weights × 3": replace(usual, initial_scale=3 * usual.initial_scale),
        "published rate and decay, 64 inputs": replace(PUBLISHED, steps=2 * steps, batch_size=64),
    }
    few = seeds_models[: max(2, len(seeds_models) // 5)]
    at = {"first_seed": first_seed, "device": device}
    return {name: rounded_models(way, few, **at) for name, way in ways.items()}


@study.experiment
def dedicated(first_seed):
    """What rounding costs 20 features with a dimension each, over the signal: ``(bits,)``."""
    x = inputs_of(first_seed + 2)[1, :, :20]
    W, b = torch.eye(20), torch.zeros(20)
    lost = [rounding.rounded_loss(W, b, x, weights=k, activations=k) for k in BITS]
    return torch.stack(lost) / x.square().sum(-1).mean()


def rise(trained) -> Tensor:
    """Return by which share rounding raises the loss: ``(seeds, densities, kinds, bits)``."""
    return trained.rounded / trained.exact[:, :, None, None] - 1


@study.test("cost-precision")
def precision(trained, *, bits, most):
    """Few bits for everything raise the loss by little at every density."""
    higher, own = rise(trained), trained.apart / trained.exact - 1
    place = BITS.index(bits)
    near = [BITS.index(k) for k in (3, 4, 5)]

    def told(shares):
        return "{:.0%}, {:.0%}, {:.1%} with 3, 4, 5 bits".format(*shares.mean(0).tolist())

    rises = {
        f"Rise at p = {p:g}": "; ".join(
            f"{name} {told(higher[:, k, kind, near])}"
            for kind, name in enumerate(("weights", "activations", "both"))
        )
        for k, p in enumerate(P)
    }
    by_p = ", ".join(f"{share:.0%} at p = {p:g}" for share, p in zip(own.mean(0), P, strict=True))
    few = int((own <= most).all(1).sum())
    return Outcome(
        (higher[:, :, 2, place] <= most).all(1),
        measured={
            **rises,
            "A range for each feature and each dimension": f"{by_p} with 4 bits for both; at most "
            f"{100 * most:g} % at every p in {few} of {len(own)} models",
        },
    )


# Bits in all


@study.experiment
def by_load(first_seed, n_inputs):
    """Bits per dimension of 1024 features in 256 dimensions: ``(loads, codes)`` by name."""

    def measure(active, seed):
        W = codes.random_code(1024, 256, seed=seed)
        found = capacity.stored_bits(W, float(active), inputs=n_inputs, seed=seed)
        return {
            "read": found.read.value,
            "thresholded": found.thresholded.value,
            "dedicated": found.dedicated,
            "written": found.written,
        }

    return over(OCCUPIED, range(first_seed, first_seed + 2), measure)


def told_bits(estimates: Tensor) -> str:
    """Return the mean estimate at each size, with the mean ends of its interval."""
    means = estimates[..., :3].mean(1).tolist()
    return for_sizes([f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in means])


@study.test("cost-bits")
def bits(readings, *, dense):
    """Readings tell less than dense boolean features do."""
    return Outcome(
        (readings.read[..., 2] < dense).flatten(),
        measured={
            "Bits per dimension, read": told_bits(readings.read),
            "After a threshold": told_bits(readings.thresholded),
            "Bias taken off": f"at most {readings.read[..., 3].max():.1e}",
            "Share of the entropy written that is read": span(
                readings.read[..., 0] / readings.written
            ),
        },
    )


@study.test("cost-win")
def win(readings):
    """After a threshold they still tell more than m features with a dimension each."""
    ratio = readings.thresholded[..., 0] / readings.dedicated
    return Outcome(
        (readings.thresholded[..., 1] > readings.dedicated).flatten(),
        measured={
            "Times the bits of m features with a dimension each": for_sizes(
                [span(row, ".1f") for row in ratio]
            )
        },
    )


# More layers to read with


def entropy(p: Tensor) -> Tensor:
    """Return the entropy of a boolean that is 1 with probability p, in bits."""
    return -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)) / math.log(2)


def bits_read(active: Tensor, n: int, m: int) -> Tensor:
    """Return what readings tell in bits a dimension, with 1 % of either state read wrong."""
    p = active / n
    on = p * (1 - ERROR) + (1 - p) * ERROR
    return (entropy(on) - entropy(torch.full_like(p, ERROR))) * n / m


@study.experiment
def decoded(seeds_codes, n_inputs):
    """How many features can be active at once, by the way to read: (sizes, codes)."""
    readers = {
        "transpose": capacity.read,
        "pseudoinverse": decoding.read_by_pseudoinverse,
        "rounds": partial(decoding.read_in_rounds, rounds=ROUNDS[-1]),
    }

    def measure(size, seed):
        m, n = size
        W = codes.random_code(n, m, seed=seed)
        few = {"error": ERROR, "inputs": max(100, n_inputs // 4), "seed": seed}
        return {
            name: capacity.most_active(W, reader=reader, **few) for name, reader in readers.items()
        }

    return over(DECODED, seeds_codes, measure)


@study.experiment
def by_rounds(first_seed, n_inputs):
    """The same of two codes by the number of rounds: ``most`` (rounds, codes)."""
    m, n = DECODED[-1]

    def measure(rounds, seed):
        W = codes.random_code(n, m, seed=seed)
        reader = partial(decoding.read_in_rounds, rounds=rounds)
        few = {"inputs": max(100, n_inputs // 4), "seed": seed}
        return {"most": capacity.most_active(W, error=ERROR, reader=reader, **few)}

    return over(ROUNDS, range(first_seed, first_seed + 2), measure)


@study.test("cost-nonlinear")
def nonlinear(decoded, *, times):
    """In rounds more features are read at once than by the better linear read-out."""
    linear = torch.maximum(decoded.transpose, decoded.pseudoinverse)
    ratio = decoded.rounds / linear
    sizes = [f"(m = {m}, n = {n})" for m, n in DECODED]

    def told(rows, form=".1f"):
        return "; ".join(f"{span(row, form)} {size}" for row, size in zip(rows, sizes, strict=True))

    bits = {
        name: torch.stack([
            bits_read(row, n, m) for row, (m, n) in zip(values, DECODED, strict=True)
        ])
        for name, values in (("linearly", linear), ("in rounds", decoded.rounds))
    }  # fmt: skip
    return Outcome(
        (ratio >= times).flatten(),
        measured={
            "l* in rounds over linear": told(ratio),
            "l* linear": told(linear),
            "Pseudoinverse over Wᵀ": told(decoded.pseudoinverse / decoded.transpose, ".2f"),
            **{
                f"Bits per dimension at l*, {name}": told(values, ".2f")
                for name, values in bits.items()
            },
        },
    )


# Dependent features


def dependent(kind: str, mean: float, n: int = 1024):
    """Return features of one kind of which ``mean`` are active on average."""
    p, sets = mean / n, n // IN_SETS
    if kind == "independent":
        return IndependentFeatures(n, p)
    if kind == "active together":
        return CorrelatedSets(sets, IN_SETS, p)
    return AnticorrelatedSets(sets, IN_SETS, IN_SETS * p)


def dependent_readings(W: Tensor, kind: str, mean: float, inputs: int, seed: int):
    """Return readings of boolean features of one kind, from the same draws at every mean."""
    features = dependent(kind, mean, W.shape[1])
    draws = torch.Generator().manual_seed(seed)
    x = features.inputs(torch.rand(inputs, features.uniforms, generator=draws)).sign()
    return capacity.Readings(x @ W.mT @ W, x)


def halved(spare: Callable[[float], float], low: float = 1.0, high: float = 32.0) -> float:
    """Return where a falling function crosses 0, to less than one per cent, by halving."""
    for _ in range(9):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if spare(middle) >= 0 else (low, middle)
    return (low * high) ** 0.5


def others_active(kind: str, mean: float, *, active: bool, n: int = 1024):
    """Return how likely each number of other active features is: numbers and probabilities.

    For a feature that is active itself, or silent.
    """
    from scipy import stats

    p, sets = mean / n, n // IN_SETS
    if kind == "independent":
        count = range(12 * round(mean + 5))
        return torch.tensor(count), torch.from_numpy(stats.binom.pmf(count, n - 1, p))
    if kind == "active together":
        count = range(4 * round(mean + 5))
        chance = torch.from_numpy(stats.binom.pmf(count, sets - 1, p))
        return IN_SETS * torch.tensor(count) + (IN_SETS - 1) * active, chance
    count = range(12 * round(mean + 5))
    chance = torch.from_numpy(stats.binom.pmf(count, sets - 1, IN_SETS * p))
    own = 0 if active else (IN_SETS - 1) * p / (1 - p)  # another of its set
    return torch.tensor(count), (1 - own) * chance + own * chance.roll(1)


def normal_margin(kind: str, mean: float, m: int = 256) -> float:
    """Return how far apart active and silent readings are, but for 1 %, if noise is normal.

    Of variance k/m where k others are active, averaged over k.
    """
    from scipy import optimize, stats

    def beyond(share: float, active: bool) -> float:
        count, chance = others_active(kind, mean, active=active)
        spread = (count.double() / m).sqrt().clamp_min(1e-9)

        def more(height: float) -> float:
            return float((chance * torch.from_numpy(stats.norm.sf(height / spread))).sum()) - share

        root: Any = optimize.brentq(more, 0, 20)
        return root

    return (1 - beyond(ERROR, True)) - beyond(ERROR, False)


@study.experiment
def dependence(seeds_codes, n_inputs):
    """Three kinds of features on the same codes: ``noise`` and ``most``, (kinds, codes).

    The noise is that of silent features where `MEAN` are active on average.
    """
    return of_kinds(seeds_codes, n_inputs)


@study.experiment
def dependence_again(seeds_codes, n_inputs):
    """The same of ten other codes."""
    return of_kinds(fresh(seeds_codes)[:10], n_inputs)


def of_kinds(seeds: Sequence[int], inputs: int) -> SimpleNamespace:
    """Measure the three kinds of features on codes; see `dependence`."""

    def measure(kind, seed):
        W = codes.random_code(1024, 256, seed=seed)
        noise = dependent_readings(W, kind, MEAN, inputs, seed).noise
        most = halved(lambda l: dependent_readings(W, kind, l, inputs, seed).margin(ERROR))
        return {"noise": noise, "most": most}

    return over(KINDS, seeds, measure)


@study.experiment
def dependence_expected():
    """What normal noise, averaged over how many are active, gives for ``most``: (kinds,)."""
    return torch.tensor([halved(lambda l, k=kind: normal_margin(k, l)) for kind in KINDS])


@study.test("cost-dependent")
def dependent_noise(dependence, dependence_expected, *, near, fewer, within):
    """The typical noise is the same for all kinds; how many can be read is not, and is known."""
    return judged_dependence(dependence, dependence_expected, near=near, fewer=fewer, within=within)


@study.test("cost-dependent-2")
def dependent_again(dependence_again, dependence_expected, *, near, fewer, within):
    """The same with another mark."""
    return judged_dependence(
        dependence_again, dependence_expected, near=near, fewer=fewer, within=within
    )


def judged_dependence(
    dependence: SimpleNamespace, dependence_expected: Tensor, *, near, fewer, within
) -> Outcome:
    """Judge measurements of `of_kinds` by what normal noise gives."""
    noise = dependence.noise / (MEAN / 256) ** 0.5
    most, expected = dependence.most, dependence_expected[:, None]
    typical = ((noise - 1).abs() <= near).all(0)
    alone, together, _ = most
    known = ((most / expected - 1).abs() <= within).all(0)

    def told(rows, form):
        return "; ".join(
            f"{span(row, form)} ({kind})" for kind, row in zip(KINDS, rows, strict=True)
        )

    return Outcome(
        typical & (together <= fewer * alone) & known,
        measured={
            "Noise over √(l/m)": told(noise, ".3f"),
            "l*": told(most, ".1f"),
            "l* over what normal noise gives": told(most / expected, ".2f"),
        },
    )
