"""Which executed notebooks are stale, and why; executing those."""

from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superpos.book import freshness, provenance, stored
from superpos.book.chapters import EXECUTED, Chapter, load_chapters, read_notebook
from superpos.book.execution import execute
from superpos.book.failures import BuildFailed, NotebookFailed
from superpos.book.filling import fill
from superpos.book.ledger import registry
from superpos.book.portable import install_from, portable
from superpos.book.readable import library
from superpos.book.widgets import renamed
from superpos.claims.registry import Claim
from superpos.compute import settings as env
from superpos.compute.orphans import end_with_parent
from superpos.errors import InvalidArgument

if TYPE_CHECKING:
    from nbformat import NotebookNode

QUICK_BUDGET = 20.0  # seconds a chapter
PATIENCE = 20.0  # a chapter is stopped after so many times its budget,
LEAST_PATIENCE = 1200.0  # but not before so many seconds
_OF_COMMIT = ("commit", "date")
_PARTS = {"source", "parameters", "modules", "versions", "claims", "device", "threads"}


@dataclass(frozen=True)
class Status:
    """Whether a chapter's executed notebook may be used, and why not."""

    chapter: Chapter
    executed: Path
    parts: dict[str, Any]  # of the key it would have now
    stale: str  # the reason, or "" if it is fresh
    seconds: float | None  # the last run's
    mebibytes: float | None  # the most memory that a process of it had

    @property
    def over(self) -> list[str]:
        """What the last run took more of than planned, in words."""
        spent = [
            (self.seconds, self.chapter.budget_seconds, "s"),
            (self.mebibytes, self.chapter.budget_mebibytes, "MiB"),
        ]
        return [
            f"over its budget of {budget:g} {unit} ({took:.0f} {unit})"
            for took, budget, unit in spent
            if took and budget and took > budget
        ]


def executed_path(root: Path, name: str, *, quick: bool = False) -> Path:
    """Return where the executed notebook of a chapter is kept."""
    return root / EXECUTED / ("quick" if quick else "") / f"{name}.ipynb"


def partial_path(executed: Path) -> Path:
    """Return where an executed notebook is while it runs, and stays if it fails."""
    return executed.parent / "partial" / executed.name


def read_executed(path: Path) -> NotebookNode:
    """Return an executed notebook.

    Raises
    ------
    InvalidArgument
        If it is damaged.
    """
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except Exception as problem:  # of many kinds, for what is no notebook
        told = " ".join(f"{type(problem).__name__}: {problem}".split())[:200]
        raise InvalidArgument(f"{path} is damaged ({told}): remove it, and build anew") from None


def statuses(root: Path, *, quick: bool = False) -> list[Status]:
    """Return the status of every chapter, in reading order."""
    claims = registry(root)
    return [
        _status(root, chapter, [c for c in claims.values() if c.chapter == chapter.name], quick)
        for chapter in load_chapters(root)
    ]


def _status(root: Path, chapter: Chapter, claims: list[Claim], quick: bool) -> Status:
    executed = executed_path(root, chapter.name, quick=quick)
    values = chapter.all_values(chapter.values(quick=quick))
    parts = freshness.key_parts(chapter, values, claims)
    key = freshness.key(parts)
    record = _record(executed)
    if record and record["key"] == key:
        stale = ""
    elif (_record(partial_path(executed), whole=False) or {}).get("key") == key:
        stale = f"failed or interrupted, see {partial_path(executed).relative_to(root)}"
    elif record:
        stale = "; ".join(freshness.changes(record["parts"], parts))
    else:
        stale = "missing"
    facts = record["run"] if record else {}
    memory = facts.get("peak_memory_bytes")
    mebibytes = memory / 2**20 if memory else None
    return Status(chapter, executed, parts, stale, facts.get("seconds"), mebibytes)


def _record(path: Path, *, whole: bool = True) -> dict[str, Any] | None:
    """Return what the pipeline noted in an executed notebook; None if there is none of ours.

    A ``whole`` one says how its run went, too: it has run to its end.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            return None
        notebook = json.loads(path.read_text("utf-8"))
        record = notebook["metadata"]["superpos"]
        return record if isinstance(notebook["cells"], list) and _is_ours(record, whole) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None  # it is absent, or another's


def _is_ours(record: Any, whole: bool) -> bool:
    """Return whether a record has all that the pipeline writes, in the form in which it does."""
    parts, run = record["parts"], record["run"] if whole else {}
    of_commit = record["provenance"] if whole else {"commit": "", "date": ""}
    numbers = [run.get("seconds"), run.get("peak_memory_bytes")]
    return (
        isinstance(record["key"], str)
        and {*parts} >= _PARTS
        and all(isinstance(parts[name], dict) for name in ("parameters", "modules", "versions"))
        and isinstance(record["parameters"], dict)
        and all(number is None or type(number) in (int, float) for number in numbers)
        and all(isinstance(of_commit[name], str) for name in _OF_COMMIT)
        and all(isinstance(piece, str) for piece in record.get("pieces", []))
    )


def execute_chapter(
    root: Path,
    chapter: Chapter,
    values: Mapping[str, Any],
    *,
    parts: Mapping[str, Any],
    partial: Path,
    output: Path,
    quick: bool,
    progress: bool,
    scheduler: str = "processes",
    cores: int = 0,
) -> float:
    """Execute a chapter into ``output``, which appears only if it succeeds; return the seconds.

    Its sweeps are computed where ``scheduler`` says (`superpos.compute.executors`), on that many
    cores of this machine (0: all), and stored in the book's store.

    Raises
    ------
    NotebookFailed
        With what ran until then left in ``partial``.
    """
    import nbformat

    notebook = read_notebook(chapter.source)
    record = {
        "key": freshness.key(parts),
        "parts": parts,
        "parameters": chapter.all_values(dict(values)),
        "quick": quick,
    }
    notebook.metadata["superpos"] = record
    partial.parent.mkdir(parents=True, exist_ok=True)
    pieces = partial.with_suffix(stored.PIECES).absolute()
    environment = {
        env.SCHEDULER: scheduler,
        env.STORE: str(stored.store(root).absolute()),
        env.USED: str(pieces),
        **{variable: str(size) for variable, size in env.KEPT_MEMORY.values()},
    }
    if cores:
        environment[env.CORES] = str(cores)
    begin = time.perf_counter()
    executed = execute(
        notebook,
        chapter=chapter.name,
        parameters=values,
        partial=partial,
        folder=chapter.path.parent,
        environment=environment,
        progress=progress,
    )
    seconds = time.perf_counter() - begin
    executed = renamed(executed)
    fill(executed, chapter, record["parameters"])
    record["provenance"] = {
        "commit": provenance.commit(root),
        "date": provenance.date(root),
    }
    record["run"] = {  # what differs the next time: it stays out of all that is compared
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seconds": round(seconds, 1),
        "peak_memory_bytes": provenance.peak_memory(),
    }
    record["pieces"] = sorted({*pieces.read_text("utf-8").split()}) if pieces.exists() else []
    executed.metadata["superpos"] = record
    note = nbformat.v4.new_markdown_cell(provenance.as_markdown(record), id="provenance")
    executed.cells.append(note)
    nbformat.write(executed, partial)
    os.replace(partial, output)
    pieces.unlink(missing_ok=True)
    return seconds


@contextlib.contextmanager
def one_at_a_time(root: Path, say: Callable[[str], None] = print) -> Iterator[None]:
    """Wait until no other build of this book is running; let none run during the block.

    The system releases the lock of a build that is killed.
    """
    from filelock import FileLock, Timeout

    path = root / "_build" / "lock"
    lock = FileLock(path)
    try:
        path.parent.mkdir(exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say("another build of this book is running: waiting for it")
            lock.acquire()
    except OSError as problem:
        raise InvalidArgument(f"{path} cannot be written: {problem.strerror}") from None
    try:
        yield
    finally:
        lock.release()


def execute_stale(
    root: Path,
    *,
    quick: bool = False,
    jobs: int = 1,
    force: bool = False,
    progress: bool = False,
    scheduler: str = "processes",
    patience: float = PATIENCE,
    say: Callable[[str], None] = print,
) -> None:
    """Execute the chapters that are not fresh, ``jobs`` at a time.

    One at a time they come in the book's order; side by side those with the largest budgets first,
    so that none is left alone on a part of the cores in the end.

    After a failure no further chapter is started; those that are running finish
    and are kept. Chapters that run at the same time share the cores of this machine. One that takes
    longer than ``patience`` times its budget, and than `LEAST_PATIENCE`, is stopped. When this is
    interrupted, those that are running are ended.

    Raises
    ------
    BuildFailed
        The first failure.
    """
    due = [status for status in statuses(root, quick=quick) if status.stale or force]
    for status in due:
        say(f"{status.chapter.name}: to execute ({status.stale or 'forced'})")
    if jobs > 1:
        due.sort(key=lambda status: -(status.chapter.budget_seconds or 0))
    failures: list[BuildFailed] = []
    running: set[ProcessPoolExecutor] = set()

    def work(status: Status) -> None:
        if failures:
            return
        try:
            _in_own_process(
                root, status, quick, progress and jobs == 1, scheduler,
                limit(status.chapter, patience, quick=quick), running,
                max(1, env.cores() // jobs) if jobs > 1 else 0,
            )  # fmt: skip
            say(_finished(status, quick=quick))
        except BuildFailed as failure:
            failures.append(failure)

    pool = ThreadPoolExecutor(jobs)
    try:
        for done in as_completed([pool.submit(work, status) for status in due]):
            done.result()
    except (KeyboardInterrupt, SystemExit):  # an interrupt may have reached this process alone
        failures.append(BuildFailed("interrupted"))  # no further chapter is started
        for each in tuple(running):
            _end(each)
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    if failures:
        raise failures[0]


def limit(chapter: Chapter, patience: float = PATIENCE, *, quick: bool = False) -> float:
    """Return after how many seconds a chapter is stopped: a cell may have no end."""
    budget = QUICK_BUDGET if quick else chapter.budget_seconds or 0
    return max(LEAST_PATIENCE, patience * budget)


def _end(pool: ProcessPoolExecutor) -> None:
    """End a pool's processes; their kernels, and the processes of those, end with them."""
    for process in list((pool._processes or {}).values()):
        process.kill()


def _in_own_process(
    root: Path,
    status: Status,
    quick: bool,
    progress: bool,
    scheduler: str,
    seconds: float,
    running: set[ProcessPoolExecutor],
    cores: int,
) -> float:
    """Execute one chapter where it meets no other, and where the peak of memory is its own."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, end_with_parent, (os.getpid(),)) as process:
        running.add(process)
        task = process.submit(
            execute_chapter,
            root,
            status.chapter,
            status.chapter.values(quick=quick),
            parts=status.parts,
            partial=partial_path(status.executed),
            output=status.executed,
            quick=quick,
            progress=progress,
            scheduler=scheduler,
            cores=cores,
        )
        try:
            if not wait([task], timeout=seconds).done:
                _end(process)
                partial = partial_path(status.executed)
                raise BuildFailed(
                    f"chapter {status.chapter.name} was stopped after {seconds:.0f} s: a cell "
                    "without end, or a slow machine, for which --patience has build wait longer. "
                    f"What ran until then: {partial}"
                )
            return task.result()
        except BrokenProcessPool:
            raise BuildFailed(
                f"chapter {status.chapter.name}: the process that ran it was killed; "
                "is there enough memory?"
            ) from None
        finally:
            running.discard(process)


def _finished(status: Status, *, quick: bool) -> str:
    """Return what a chapter took, and what of it is over its budget."""
    chapter = status.chapter
    facts = (_record(status.executed) or {}).get("run", {})
    seconds, memory = facts.get("seconds", 0.0), (facts.get("peak_memory_bytes") or 0) / 2**20
    line = f"{chapter.name}: executed in {seconds:.0f} s, {memory:.0f} MiB"
    limit = QUICK_BUDGET if quick else chapter.budget_seconds
    if limit and seconds > limit:
        line += f", over its budget of {limit:g} s"
    if (limit := chapter.budget_mebibytes) and memory > limit:
        line += f", over its budget of {limit:g} MiB"
    return line


def run(
    root: Path,
    chapter: Chapter,
    given: Mapping[str, Any],
    *,
    output: Path | None = None,
    quick: bool = False,
    progress: bool = False,
    scheduler: str = "processes",
) -> tuple[Path, float]:
    """Execute one chapter with other parameters; return where to, and the seconds.

    Raises
    ------
    InvalidArgument
        If a parameter or the output is refused, here or by the notebook.
    NotebookFailed
        If the notebook fails otherwise.
    """
    import nbformat

    install, known = install_from(root), library(root)
    values = chapter.values(dict(given), quick=quick)
    if output is None:
        output = root / "runs" / f"{chapter.name}.ipynb"
        output.parent.mkdir(exist_ok=True)
    output = output.absolute()
    partial = _reserved(root, output)
    claims = [claim for claim in registry(root).values() if claim.chapter == chapter.name]
    try:
        seconds = execute_chapter(
            root,
            chapter,
            values,
            parts=freshness.key_parts(chapter, chapter.all_values(values), claims),
            partial=partial,
            output=partial,
            quick=quick,
            progress=progress,
            scheduler=scheduler,
        )
    except NotebookFailed as problem:
        if problem.ename != InvalidArgument.__name__:
            raise
        partial.unlink()
        raise InvalidArgument(problem.evalue) from None
    nbformat.write(portable(read_executed(partial), chapter.name, known, install), partial)
    os.replace(partial, output)
    return output, seconds


def _reserved(root: Path, output: Path) -> Path:
    """Return a new file beside an output, where it is while it runs: no other run has the same.

    Raises
    ------
    InvalidArgument
        If the output is refused.
    """
    if output.suffix != ".ipynb":  # nor is a chapter's source replaced, or a device
        raise InvalidArgument(f"output {output.name!r:.80} is no name of a notebook, as in x.ipynb")
    if (root / EXECUTED).resolve() in output.resolve().parents:
        raise InvalidArgument(
            f"output {output} is where `superpos build` keeps the book's results; "
            "choose a file outside book/executed"
        )
    if not output.parent.is_dir():
        raise InvalidArgument(f"output {output}: there is no folder {output.parent}")
    try:
        if output.exists():
            if not output.is_file():
                raise InvalidArgument(f"output {output} is not a file, and is left as it is")
            output.open("r+b").close()
        for number in itertools.count(1):
            partial = output.with_name(f"{output.stem}.partial{f'-{number}' * (number > 1)}.ipynb")
            with contextlib.suppress(FileExistsError):
                partial.open("xb").close()
                return partial
    except OSError as problem:
        told = f"{output.parent / output.name[:60]}"
        raise InvalidArgument(f"output {told} cannot be written: {problem.strerror}") from None
    raise AssertionError  # numbers do not end
