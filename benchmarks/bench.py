"""How much sooner than the published procedure, and how good: `make bench`.

Runs the three experiments of the authors' notebook as published (the plain loop below) and our
way, in turn and in one process, and evaluates both on the same held-out inputs. Also times the
published procedure as `train` runs it. Takes twenty minutes, nearly all of it for the plain loop;
``--quick`` runs a hundredth of its steps, multiplies its time, and compares no losses.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from superpos import PUBLISHED, IndependentFeatures, Procedure, losses, train
from superpos.compute.processes import cores


@dataclass(frozen=True)
class Experiment:
    """One of the notebook's ensembles, one model at each p from 1 to 1/20."""

    name: str
    n: int
    m: int
    instances: int
    importance: Callable[[int], Tensor]
    ours: Procedure
    restarts: int = 1

    @property
    def features(self) -> IndependentFeatures:
        p = torch.logspace(0, -torch.log10(torch.tensor(20.0)).item(), self.instances)
        return IndependentFeatures(self.n, p[:, None])


EXPERIMENTS = [
    Experiment(
        "n = 5, m = 2, I = 0.9^i", 5, 2, 10, lambda n: 0.9 ** torch.arange(n),
        Procedure.fast(5, 2, steps=300, learning_rate=0.05), restarts=8,
    ),
    Experiment(
        "n = 100, m = 20, I from 1 to 0.01", 100, 20, 20, lambda n: torch.logspace(0, -2, n),
        Procedure.fast(100, 20, steps=1000, learning_rate=0.03), restarts=4,
    ),
    Experiment(
        "n = 200, m = 20, I = 1", 200, 20, 20, torch.ones, Procedure.fast(200, 20, steps=3000)
    ),
]  # fmt: skip


@dataclass
class Result:
    """What one experiment measured; ours are medians over the repetitions."""

    experiment: str
    published_seconds: float
    published_by_train_seconds: float
    seconds: float
    ratio: float
    floor_seconds: float
    peak_mebibytes: float
    loss_ratio: float | None = None
    loss_ratio_error: float | None = None
    worst_loss_ratio: float | None = None
    by_instance: list[float] = field(default_factory=list)


def measure(experiment: Experiment, repetitions: int, quick: bool) -> Result:
    """Run an experiment both ways, in turn."""
    features, weight = experiment.features, experiment.importance(experiment.n)
    published_steps = PUBLISHED.steps // 100 if quick else PUBLISHED.steps

    def run(procedure: Procedure, seeds: list[int]):
        return train(
            features, experiment.m, importance=weight, seeds=seeds, procedure=procedure,
            progress=False,
        )  # fmt: skip

    ours, theirs, seconds, published = [], [], [], []
    reset_peak()
    for repetition in range(repetitions):
        begin = time.perf_counter()
        first = repetition * experiment.restarts
        mine = run(experiment.ours, list(range(first, first + experiment.restarts)))
        one = {name: value[0] for name, value in mine.parameters.items()}
        ours.append(mine.best() if experiment.restarts > 1 else one)
        seconds.append(time.perf_counter() - begin)
        peak = peak_mebibytes()
        if repetition == 0 or quick:
            begin = time.perf_counter()
            theirs.append(plain_loop(experiment, published_steps, seed=repetition))
            passed = time.perf_counter() - begin
            published.append(passed * PUBLISHED.steps / published_steps)
    some = replace(PUBLISHED, steps=PUBLISHED.steps // 50)
    result = Result(
        experiment.name,
        statistics.median(published),
        run(some, [0]).seconds * 50,
        statistics.median(seconds),
        statistics.median(published) / statistics.median(seconds),
        floor(experiment),
        peak,
    )
    if not quick:
        compare(result, ours, theirs[0], features.probability, weight)
    return result


def plain_loop(experiment: Experiment, steps: int, seed: int) -> dict[str, Tensor]:
    """Return what the published procedure finds, run as published: AdamW under autograd."""
    instances, m, n = experiment.instances, experiment.m, experiment.n
    torch.manual_seed(seed)
    deviation = (2 / (m * (n + instances))) ** 0.5  # Glorot's, for an array of three axes
    W = torch.nn.Parameter(torch.randn(instances, m, n) * deviation)
    b = torch.nn.Parameter(torch.zeros(instances, 1, n))
    optimizer = torch.optim.AdamW([W, b], lr=PUBLISHED.learning_rate)
    p = experiment.features.probability[:, None].float()
    weight = experiment.importance(n)
    shape = (instances, PUBLISHED.batch_size, n)
    for _ in range(steps):
        x = torch.where(torch.rand(shape) <= p, torch.rand(shape), torch.zeros(()))
        output = torch.relu(x @ W.mT @ W + b)
        loss = (weight * (x - output) ** 2).mean((1, 2)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {"W": W.detach(), "b": b.detach()[:, 0]}


def compare(result: Result, ours: list, theirs: dict, p: Tensor, weight: Tensor) -> None:
    """Evaluate all models on the same held-out inputs."""
    W, b = (torch.stack([one[name] for one in [theirs, *ours]]).double() for name in ("W", "b"))
    loss, error = losses.expected_loss(W, b, p, weight, samples=20_000, seed=99)
    ratios = loss[1:] / loss[0]
    relative = (error / loss).square()
    result.by_instance = ratios.mean(0).tolist()
    result.loss_ratio = ratios.mean().item()
    result.loss_ratio_error = (
        (relative[0] + relative[1:]).mean(0).sum().sqrt() / ratios.shape[1]
    ).item()
    result.worst_loss_ratio = ratios.max().item()


def floor(experiment: Experiment) -> float:
    """Return the seconds that the products and the random numbers of our procedure take alone."""
    procedure = experiment.ours
    batch, models = procedure.batch_size, experiment.instances * experiment.restarts
    x = torch.rand(models, batch, experiment.n)
    W = torch.rand(models, experiment.m, experiment.n)
    h, c, d = W @ x.mT, torch.empty_like(x), torch.empty_like(W)

    def products() -> None:
        torch.bmm(W, x.mT, out=h)
        torch.bmm(h.mT, W, out=c)
        torch.bmm(h, c, out=d)
        torch.bmm(W, c.mT, out=h)
        torch.bmm(h, x, out=d)

    def numbers() -> None:
        torch.rand(experiment.restarts, batch, experiment.n + 1)

    torch.set_num_threads(1)
    each = sum(timed(work) for work in (products, numbers))
    torch.set_num_threads(cores())
    return procedure.steps * each / cores()


def timed(work: Callable[[], None], seconds: float = 0.3) -> float:
    """Return the seconds that one call takes."""
    work()
    calls, begin = 0, time.perf_counter()
    while (passed := time.perf_counter() - begin) < seconds:
        work()
        calls += 1
    return passed / calls


def growth() -> dict[str, dict]:
    """Return how the time of a step grows with each size: times, and the fitted exponent."""
    train(IndependentFeatures(2, 0.5), 1, seeds=400, progress=False)  # a first run begins slowly
    base = {"instances": 40, "n": 200, "m": 20, "batch": 64}
    tried = {
        "instances": [80, 160, 320, 640],
        "n": [100, 200, 400, 800],
        "m": [10, 20, 40, 80],
        "batch": [32, 64, 128, 256],
    }
    found = {}
    for name, sizes in tried.items():
        steps, times = 200, []
        for size in sizes:
            at = base | {name: size}
            p = torch.logspace(0, -1.3, 20)[:, None]
            per_seed = min(20, at["instances"])
            run = train(
                IndependentFeatures(at["n"], p[:per_seed]), at["m"],
                seeds=at["instances"] // per_seed, progress=False,
                procedure=Procedure(steps=steps, batch_size=at["batch"]),
            )  # fmt: skip
            times.append(run.seconds / steps)
        logs = [torch.tensor(values, dtype=torch.float64).log() for values in (sizes, times)]
        x, y = (values - values.mean() for values in logs)
        found[name] = {
            "sizes": sizes,
            "seconds_per_step": times,
            "exponent": ((x * y).sum() / (x * x).sum()).item(),
        }
    return found


def reset_peak() -> None:
    """Start a new measurement of the process's largest memory (Linux)."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")


def peak_mebibytes() -> float:
    """Return the largest process's memory since `reset_peak`; NaN where the system is silent."""
    path = Path("/proc/self/status")
    if not path.exists():
        return float("nan")
    (line,) = (line for line in path.read_text().splitlines() if line.startswith("VmHWM"))
    own = int(line.split()[1])
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def table(results: list[Result]) -> str:
    """Return the results as text."""
    head = f"{'':36}{'published':>10}{'by train':>10}{'ours':>8}{'ratio':>7}{'floor':>8}"
    head += f"{'loss ratio':>18}"
    lines = [head + f"{'worst':>8}{'memory':>10}"]
    for result in results:
        loss = "not compared"
        worst = ""
        if result.loss_ratio is not None:
            loss = f"{result.loss_ratio:.4f} ± {result.loss_ratio_error:.4f}"
            worst = f"{result.worst_loss_ratio:.3f}"
        lines.append(
            f"{result.experiment:36}{result.published_seconds:9.1f}s"
            f"{result.published_by_train_seconds:9.1f}s"
            f"{result.seconds:7.2f}s"
            f"{result.ratio:6.0f}x{result.seconds / result.floor_seconds:7.1f}x{loss:>18}"
            f"{worst:>8}{result.peak_mebibytes:7.0f}MiB"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="time a hundredth, compare no losses")
    parser.add_argument("--repetitions", type=int, default=3, help="of our runs (default 3)")
    parser.add_argument("--only", help="experiments whose name contains this")
    parser.add_argument("--json", type=Path, help="write the results there")
    asked = parser.parse_args()
    train(IndependentFeatures(2, 0.5), 1, seeds=1, procedure=Procedure(steps=1))  # imports, once
    results = []
    for experiment in EXPERIMENTS:
        if asked.only is None or asked.only in experiment.name:
            results.append(measure(experiment, asked.repetitions, asked.quick))
            print(table(results[-1:]), flush=True)
    grown = growth()
    print("\ntime of a step grows with")
    for name, fitted in grown.items():
        print(f"  {name:10} to the power {fitted['exponent']:.2f}")
    if asked.json:
        asked.json.write_text(
            json.dumps({"experiments": [asdict(r) for r in results], "growth": grown}, indent=1)
        )


if __name__ == "__main__":
    main()
