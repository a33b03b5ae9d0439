"""How much sooner than the published procedure, and how good: `make bench`, `make bench-losses`.

Runs the three experiments of the authors' notebook as published (the plain loop below) and our
way, in turn and in one process. By default it times: of the plain loop a fifth of the steps
(``--steps``), which are equal work; beside it the published procedure as `train` runs it. Takes
three minutes.

``--losses`` runs both ways to their end, from two seeds each, and compares what they found: by the
exact loss where there is one, else on the same held-out inputs. That takes half an hour.
``--device cuda`` does either on a GPU, in a section of the results of its own.

``--growth`` measures how the time of a step grows with each size. Results go into a file that
`results.py` makes the README's table of.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import results
import torch
from torch import Tensor

from superpos import PUBLISHED, IndependentFeatures, Procedure, losses, train
from superpos.compute.processes import cores

ROUNDS = 4  # of the plain loop and ours in turn
LOSS_SEEDS = 2
EXACT_FEATURES = 10  # up to so many, the exact loss is cheap


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
    device: str = "cpu"

    @property
    def features(self) -> IndependentFeatures:
        p = torch.logspace(0, -torch.log10(torch.tensor(20.0)).item(), self.instances)
        return IndependentFeatures(self.n, p[:, None])

    def trained(self, procedure: Procedure, seeds: list[int]):
        return train(
            self.features, self.m, importance=self.importance(self.n), seeds=seeds,
            procedure=procedure, device=self.device, progress=False,
        )  # fmt: skip

    def found(self, number: int) -> dict[str, Tensor]:
        """Return what our way finds: the best of some restarts, others for each number."""
        first = number * self.restarts
        run = self.trained(self.ours, list(range(first, first + self.restarts)))
        return run.best() if self.restarts > 1 else {k: v[0] for k, v in run.parameters.items()}


EXPERIMENTS = [
    Experiment(
        "n = 5, m = 2, 10 models", 5, 2, 10, lambda n: 0.9 ** torch.arange(n),
        Procedure.fast(5, 2, steps=200, learning_rate=0.07), restarts=4,
    ),
    Experiment(
        "n = 100, m = 20, 20 models", 100, 20, 20, lambda n: torch.logspace(0, -2, n),
        Procedure.fast(100, 20, steps=1500, learning_rate=0.03),
    ),
    Experiment(
        "n = 200, m = 20, 20 models", 200, 20, 20, torch.ones, Procedure.fast(200, 20, steps=3000)
    ),
]  # fmt: skip


def timing(experiment: Experiment, steps: int) -> dict:
    """Time an experiment both ways, in turn: of the plain loop so many steps in all."""
    reset_peak()
    ours = plain = 0.0
    for number in range(ROUNDS):
        ours += passed(experiment.found, number)
        if number == 0:
            peak = peak_mebibytes()
        plain += passed(plain_loop, experiment, steps // ROUNDS, number)
    some = replace(PUBLISHED, steps=PUBLISHED.steps // 50)
    return {
        "published_seconds": plain * PUBLISHED.steps / steps,
        "published_by_train_seconds": experiment.trained(some, [0]).seconds * 50,
        "seconds": ours / ROUNDS,
        **({"floor_seconds": floor(experiment)} if experiment.device == "cpu" else {}),
        "peak_mebibytes": round(peak),
        "restarts": experiment.restarts,
    }


def plain_loop(experiment: Experiment, steps: int, seed: int) -> dict[str, Tensor]:
    """Return what the published procedure finds, run as published: AdamW under autograd."""
    instances, m, n, device = experiment.instances, experiment.m, experiment.n, experiment.device
    torch.manual_seed(seed)
    deviation = (2 / (m * (n + instances))) ** 0.5  # Glorot's, for an array of three axes
    W = torch.nn.Parameter(torch.randn(instances, m, n, device=device) * deviation)
    b = torch.nn.Parameter(torch.zeros(instances, 1, n, device=device))
    optimizer = torch.optim.AdamW([W, b], lr=PUBLISHED.learning_rate)
    p = experiment.features.probability[:, None].float().to(device)
    weight = experiment.importance(n).to(device)
    off = torch.zeros((), device=device)
    shape = (instances, PUBLISHED.batch_size, n)
    for _ in range(steps):
        active = torch.rand(shape, device=device) <= p
        x = torch.where(active, torch.rand(shape, device=device), off)
        output = torch.relu(x @ W.mT @ W + b)
        loss = (weight * (x - output) ** 2).mean((1, 2)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {"W": W.detach(), "b": b.detach()[:, 0]}


def comparison(experiment: Experiment) -> dict:
    """Return the loss of ours over theirs, both run to their end."""
    theirs = [plain_loop(experiment, PUBLISHED.steps, seed) for seed in range(LOSS_SEEDS)]
    ours = [experiment.found(number) for number in range(LOSS_SEEDS)]
    models = [*theirs, *ours]
    W, b = (torch.stack([one[name] for one in models]).double().cpu() for name in ("W", "b"))
    p, weight = experiment.features.probability, experiment.importance(experiment.n)
    if experiment.n <= EXACT_FEATURES:
        loss, error = losses.exact_loss(W, b, p, weight), torch.zeros(W.shape[:2])
    else:
        loss, error = losses.expected_loss(W, b, p, weight, samples=20_000, seed=99)
    mean, error = (
        values.view(2, LOSS_SEEDS, -1).mean(1) for values in (loss, error / LOSS_SEEDS**0.5)
    )
    ratio = mean[1] / mean[0]
    relative = (error / mean).square().sum(0).sqrt()
    return {
        "ratio": ratio.mean().item(),
        "error": ((ratio * relative).square().sum().sqrt() / len(ratio)).item(),
        "worst": ratio.max().item(),
        "by_instance": ratio.tolist(),
        "seeds": LOSS_SEEDS,
    }


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


def passed(work: Callable[..., object], *arguments) -> float:
    begin = time.perf_counter()
    work(*arguments)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def timed(work: Callable[[], None], seconds: float = 0.3) -> float:
    """Return the seconds that one call takes."""
    work()
    calls, begin = 0, time.perf_counter()
    while (spent := time.perf_counter() - begin) < seconds:
        work()
        calls += 1
    return spent / calls


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--losses", action="store_true", help="compare losses: half an hour")
    parser.add_argument(
        "--steps", type=int, default=2000, help="of the plain loop that are timed (default 2000)"
    )
    parser.add_argument("--device", default="cpu", help="where to train (default cpu)")
    parser.add_argument("--growth", action="store_true", help="measure how a step's time grows")
    parser.add_argument("--only", help="experiments whose name contains this")
    parser.add_argument("--json", type=Path, default=results.RESULTS, help="write there")
    asked = parser.parse_args()
    if asked.device != "cpu" and not torch.cuda.is_available():
        parser.error(f"--device is {asked.device}, and PyTorch finds no GPU here")
    found = {"machine": results.machine()}
    train(
        IndependentFeatures(2, 0.5), 1, seeds=1, procedure=Procedure(steps=1), device=asked.device
    )  # once
    if asked.growth:
        name, found = "growth", found | growth()
        print("\n".join(f"{by}: {one}" for by, one in found.items()))
    else:
        name = "losses" if asked.losses else "training"
        if asked.device != "cpu":
            name += "_gpu"
            found["machine"]["gpu"] = torch.cuda.get_device_name(asked.device)
        if not asked.losses:
            found["published"] = {"steps": PUBLISHED.steps, "timed": asked.steps}
        found["experiments"] = {}
        for one in EXPERIMENTS:
            if asked.only is None or asked.only in one.name:
                one = replace(one, device=asked.device)
                measured = comparison(one) if asked.losses else timing(one, asked.steps)
                found["experiments"][one.name] = measured
                print(f"{one.name}: {measured}", flush=True)
    results.write(name, found, asked.json, some=asked.only is not None)


if __name__ == "__main__":
    main()
