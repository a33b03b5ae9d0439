"""The command line: ``superpos list | run | build | status | claims | retest | robustness | …``.

Exit codes: 0 done; 1 something failed; 2 bad input, told in one sentence.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from superpos.book.failures import BuildFailed
from superpos.errors import InvalidArgument, MissingExtra
from superpos.project import find_root, registry_root

# The pipeline is imported inside the commands: its notebook tools take a second to load, and
# may be missing where only the package is installed.


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    for stream in (sys.stdout, sys.stderr):  # which may lack some characters
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        try:
            os.getcwd()
            arguments = _parser().parse_args(argv)
            return arguments.command(arguments)
        except SystemExit as leaving:  # argparse: --help and --version
            return int(leaving.code or 0)
        finally:
            sys.stdout.flush()  # here, where it may fail and be told
    except (InvalidArgument, MissingExtra) as problem:
        return _fail(str(problem), code=2)
    except BuildFailed as failure:
        return _fail(failure.report(colour=_in_colour()))
    except KeyboardInterrupt:
        return _fail("interrupted", code=130)
    except BrokenPipeError:  # whoever read our output, such as `head`, has had enough
        return _silenced(1)
    except OSError as problem:  # the system refuses something: a full disk, a folder that is gone
        where = f"{problem.filename}: ".replace("None: ", "")
        return _silenced(_fail(f"{where[-300:]}{problem.strerror or problem}"))


def _silenced(code: int) -> int:
    """Let nothing more be written where it could not be, and return an exit code."""
    with contextlib.suppress(OSError, ValueError):  # where standard output is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _in_colour() -> bool:
    """Return whether what is told may have colours: a person reads it, and has not said no."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and _can_draw()


def _can_draw() -> bool:
    """Return whether standard error is a terminal that knows more than lines."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class _Parser(argparse.ArgumentParser):
    def __init__(self, *arguments, **settings) -> None:
        super().__init__(*arguments, **settings)
        # what is a value and no option: -1 and -.5, as everywhere, and -1e3
        self._negative_number_matcher = re.compile(r"-(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|-inf$", re.I)

    def error(self, message: str) -> NoReturn:
        raise InvalidArgument(f"{message} (see {self.prog} --help)")


def _whole(text: str) -> int:
    """Read a whole number, as digits: not 1_000, nor those of other scripts."""
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"a whole number is needed; got {text[:60]!r}")
    return int(text)


def _number(text: str) -> float:
    """Read a number that is finite."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text or not text.isascii():
        raise argparse.ArgumentTypeError(f"a number is needed; got {text[:60]!r}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="superpos", description="Execute, check and publish the book.")
    parser.add_argument("--version", action="version", version=f"superpos {version('superpos')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help)
        added.set_defaults(command=command)
        return added

    add("list", _list, "list the chapters and their parameters")

    run = add("run", _run, "execute one chapter with other parameters")
    run.add_argument("chapter", metavar="CHAPTER")
    retest = add("retest", _retest, "measure one claim again, with settings of your own")
    retest.add_argument("claim", metavar="CLAIM", nargs="?")
    retest.add_argument(
        "--list", action="store_true", help="show every claim with its settings and their ranges"
    )
    retest.add_argument(
        "--procedure", default="ours", metavar="NAME", help="how to train: ours, published, ..."
    )
    retest.add_argument("--seeds", type=_whole, metavar="N", help="how many; default: the book's")
    retest.add_argument(
        "--seed-offset", type=_whole, default=0, metavar="K", help="the first seed; default: 0"
    )
    retest.add_argument(
        "--keep", action="store_true", help="keep it in book/measured/, as published or at rest"
    )
    retest.add_argument("--json", action="store_true", help="print what was found as JSON")
    retest.add_argument(
        "--all",
        action="store_true",
        help="with --seed-offset: measure every claim with the book's seeds and with others, and "
        "say how many verdicts agree",
    )
    for command in (run, retest):
        command.add_argument(
            "-p",
            "--parameter",
            nargs=2,
            action="append",
            default=[],
            metavar=("NAME", "VALUE"),
            help="set a parameter; may be given several times",
        )
        command.add_argument("--quick", action="store_true", help="a small run, in seconds")
    run.add_argument(
        "-o", "--output", type=Path, metavar="PATH", help="default: runs/CHAPTER.ipynb"
    )

    build = add("build", _build, "execute the chapters that are not fresh, publish the site")
    build.add_argument("--quick", action="store_true", help="small runs, into a site of their own")
    build.add_argument(
        "--jobs",
        type=_whole,
        metavar="N",
        help="chapters at a time; default: 1, and with --quick one a core",
    )
    build.add_argument("--force", action="store_true", help="execute fresh chapters too")
    build.add_argument(
        "--patience",
        type=_number,
        metavar="N",
        help="stop a chapter after N times its budget, but not before 20 minutes; default: 20",
    )

    pdf = add("pdf", _pdf, "print the built site into one PDF")
    pdf.add_argument("page", metavar="PAGE", nargs="*", help="names of pages; default: all")
    pdf.add_argument("--quick", action="store_true", help="that of the quick runs")
    pdf.add_argument(
        "-o", "--output", type=Path, metavar="PATH", help="default: _build/superpos.pdf"
    )

    budgets = add("budgets", _budgets, "compare what chapters took with their budgets")
    budgets.add_argument(
        "--write", action="store_true", help="write those into the notebooks that follow from it"
    )

    robustness = add("robustness", _robustness, "compute specification curves, where missing")
    robustness.add_argument("claim", metavar="CLAIM", nargs="*", help="default: all with a grid")
    robustness.add_argument(
        "--list", action="store_true", help="show the registered grids, their cost and state"
    )
    robustness.add_argument(
        "--dry-run", action="store_true", help="say what would be computed, and how long it takes"
    )
    robustness.add_argument(
        "--check", action="store_true", help="compute three stored cells again, fail if they differ"
    )
    robustness.add_argument(
        "--commit", metavar="HASH", help="what draws the cells of --check; default: HEAD"
    )

    for command in (run, build, retest, robustness):
        command.add_argument(
            "--scheduler",
            default="processes",
            metavar="ADDRESS",
            help="where sweeps are computed: processes, processes:N, or a Dask scheduler's address",
        )

    measure = add("measure", _measure, "measure weights of your own beside what chance gives")
    measure.add_argument("file", metavar="FILE", help=".safetensors, .npz, .npy, .pt or .pth")
    measure.add_argument("--layout", metavar="LAYOUT", help="features-last or features-first")
    measure.add_argument("--name", metavar="NAME", help="which matrix, where there are several")
    measure.add_argument("--instance", type=_whole, metavar="K", help="which model of many, from 0")
    measure.add_argument(
        "--probability",
        type=_number,
        metavar="P",
        help="that a feature is active: asks for the loss",
    )
    measure.add_argument(
        "--shortest",
        type=float,
        default=1e-6,  # that of `superpos.measure`, which takes a second to import
        metavar="SHARE",
        help="leave out features up to so many times as long as the longest; default: %(default)s",
    )
    measure.add_argument("--json", action="store_true", help="print what was found as JSON")
    measure.add_argument("--html", type=Path, metavar="REPORT", help="write a page with figures")

    add("status", _status, "say which chapters are fresh, and why the others are not")

    claims = add("claims", _claims, "show each claim's verdict")
    claims.add_argument("word", metavar="WORD", nargs="*", help="show those that have these words")
    claims.add_argument(
        "--verdict", metavar="VERDICT", help="show those with it, such as 'new: held'"
    )
    claims.add_argument("--source", metavar="KEY", help="show those of a source; or sources, ours")
    claims.add_argument("--chapter", metavar="CHAPTER", help="show those of a chapter")
    claims.add_argument("--json", action="store_true", help="print it as JSON")
    instead = claims.add_mutually_exclusive_group()
    instead.add_argument(
        "--check", action="store_true", help="fail if a verdict is not the expected one"
    )
    instead.add_argument(
        "--audit",
        action="store_true",
        help="show what git knows of each claim: its registration, and what changed since",
    )

    serve = add("serve", _serve, "serve the built site on this machine")
    serve.add_argument("--port", type=_whole, default=8000, help="default: 8000; 0: any free one")

    clean = add("clean", _clean, "remove the stored pieces of sweeps that no chapter needs")
    clean.add_argument("--all", action="store_true", help="remove everything that build made")
    return parser


def _list(arguments: argparse.Namespace) -> int:
    from superpos.book.chapters import load_chapters

    for chapter in load_chapters(_root()):
        budget = f", budget {chapter.budget_seconds:g} s" if chapter.budget_seconds else ""
        print(f"{chapter.name}: {chapter.title}{budget}")
        for parameter in chapter.parameters:
            print(f"    {parameter.name}: {parameter.type} = {parameter.default!r}", end="")
            print(f"  {parameter.help}" if parameter.help else "")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from superpos.book.building import run
    from superpos.book.chapters import load_chapter
    from superpos.compute.executors import check_scheduler

    root = _root()
    check_scheduler(arguments.scheduler)
    chapter = load_chapter(root, arguments.chapter)
    output, seconds = run(
        root,
        chapter,
        dict(arguments.parameter),
        output=arguments.output,
        quick=arguments.quick,
        progress=_can_draw(),
        scheduler=arguments.scheduler,
    )
    print(f"{chapter.name}: executed in {seconds:.0f} s into {_short(output)}")
    return 0


def _retest(arguments: argparse.Namespace) -> int:
    from superpos.book.execution import THREAD_ENVIRONMENT, THREADS

    os.environ.update(THREAD_ENVIRONMENT)  # as for the book, so that sums are rounded alike
    import torch

    from superpos.book.ledger import registry
    from superpos.compute import settings
    from superpos.compute.executors import check_scheduler
    from superpos.studies.retest import listed, retest

    root = find_root() if arguments.keep else registry_root()
    registry(root)  # what is wrong with it is told in a sentence
    if arguments.list:
        print(listed(root))
        return 0
    if arguments.all and arguments.seed_offset < 1:
        raise InvalidArgument("--all needs other seeds than the book's: --seed-offset 1000, say")
    if arguments.all and (arguments.claim or arguments.parameter or arguments.keep):
        raise InvalidArgument("--all measures all claims as the book does: no claim, -p or --keep")
    if arguments.seed_offset < 0:
        raise InvalidArgument(f"--seed-offset must be at least 0; got {arguments.seed_offset}")
    check_scheduler(arguments.scheduler)
    os.environ.setdefault(settings.SCHEDULER, arguments.scheduler)
    torch.set_num_threads(THREADS)
    if arguments.all:
        return _reseed(root, arguments)
    if arguments.claim is None:
        raise InvalidArgument("retest needs a claim; superpos retest --list shows them")
    found = retest(
        root,
        arguments.claim,
        dict(arguments.parameter),
        procedure=arguments.procedure,
        seeds=arguments.seeds,
        first_seed=arguments.seed_offset,
        quick=arguments.quick,
        keep=arguments.keep,
    )
    print(_json(found.as_json()) if arguments.json else found.told())
    return 0


def _reseed(root: Path, arguments: argparse.Namespace) -> int:
    from superpos.studies import reseed

    if arguments.procedure != "ours":
        raise InvalidArgument("--all measures all claims as the book does: not with --procedure")
    first, quick = arguments.seed_offset, arguments.quick
    found, left = reseed.of_all(root, first, seeds=arguments.seeds, quick=quick, say=_say)
    told = _json(reseed.as_json(found, left, first)) if arguments.json else reseed.summary(found)
    print(told)
    agree = sum(each.agrees for each in found)
    return int(not quick and agree < reseed.GOAL * len(found))


def _robustness(arguments: argparse.Namespace) -> int:
    from superpos.book.execution import THREAD_ENVIRONMENT, THREADS

    os.environ.update(THREAD_ENVIRONMENT)  # as for the book, so that sums are rounded alike
    import torch

    from superpos.book.ledger import registry
    from superpos.compute.executors import check_scheduler
    from superpos.studies import grids, recheck, robustness
    from superpos.studies.retest import load_study

    root = _root()
    registry(root)
    check_scheduler(arguments.scheduler)
    torch.set_num_threads(THREADS)
    if arguments.check:
        if arguments.claim or arguments.list or arguments.dry_run:
            raise InvalidArgument("--check draws its cells itself: it takes no claims, no --list")
        drawn_by = arguments.commit or recheck.head_hash(root)
        wrong = recheck.check(root, drawn_by, scheduler=arguments.scheduler)
        if wrong:
            return _fail("\n  ".join([f"{len(wrong)} counts are not as stored:", *wrong]))
        return 0
    found = grids.states(root, load_study, arguments.claim)
    if arguments.list:
        print(robustness.listed(found))
        return 0
    for each in found:
        print(each.told())
    if not arguments.dry_run:
        robustness.compute(found, root, scheduler=arguments.scheduler)
    return 0


def _measure(arguments: argparse.Namespace) -> int:
    from superpos.measure import report
    from superpos.measure.files import measure_file

    page: Path | None = arguments.html
    if page and page.suffix not in (".html", ".htm"):
        raise InvalidArgument(
            f"--html is {page}: the name of a page, such as report.html, is needed"
        )
    if page and not page.parent.is_dir():
        raise InvalidArgument(f"--html is {page}: there is no folder {page.parent}")
    if page:  # before any work: what draws may be missing
        from superpos.figures.dictionary import pictures
    found, told = measure_file(
        arguments.file,
        name=arguments.name,
        layout=arguments.layout,
        instance=arguments.instance,
        probability=arguments.probability,
        shortest=arguments.shortest,
    )
    if page:
        drawn = pictures(found)
        try:
            page.write_text(report.as_page(found, pictures=drawn, **told), encoding="utf-8")
        except OSError as problem:
            raise InvalidArgument(f"{page} cannot be written: {problem.strerror}") from None
    if arguments.json:
        print(json.dumps(report.as_json(found, **told), indent=2))
    else:
        print(report.as_text(found, **told))
    return 0


def _build(arguments: argparse.Namespace) -> int:
    from superpos.book.building import one_at_a_time
    from superpos.compute.executors import check_scheduler
    from superpos.compute.settings import cores

    if arguments.jobs is None:  # quick runs draw and start, on one core, more than they compute
        arguments.jobs = cores() if arguments.quick else 1
    if arguments.jobs < 1:
        raise InvalidArgument(f"--jobs must be at least 1; got {arguments.jobs}")
    if arguments.patience is not None and arguments.patience <= 0:
        raise InvalidArgument(f"--patience must be above 0; got {arguments.patience:g}")
    check_scheduler(arguments.scheduler)
    root = _root()
    with one_at_a_time(root, _say):
        return _build_alone(root, arguments)


def _build_alone(root: Path, arguments: argparse.Namespace) -> int:
    from superpos.book.building import PATIENCE, execute_stale
    from superpos.book.site import publish, site_folder

    quick = arguments.quick
    execute_stale(
        root,
        quick=quick,
        jobs=arguments.jobs,
        force=arguments.force,
        progress=_can_draw(),
        scheduler=arguments.scheduler,
        patience=PATIENCE if arguments.patience is None else arguments.patience,
        say=_say,
    )
    ledger, found, notebooks = _ledger(root, quick=quick)
    for status in found:
        if status.stale:  # a file changed while the chapters ran
            return _fail(f"{status.chapter.name} is stale again: {status.stale}; build anew")
    curves = _curves(root, {status.chapter.name: status.chapter.title for status in found})
    new = publish(root, found, notebooks, ledger, quick=quick, say=_say, extra=curves)
    where = _short(site_folder(root, quick=quick) / "index.html")
    print(f"{'site built' if new else 'nothing changed'}: {where}")
    return 0


def _pdf(arguments: argparse.Namespace) -> int:
    from superpos.book.pdf import default_output, printed
    from superpos.book.site import site_folder

    root, quick = _root(), arguments.quick
    output = arguments.output or default_output(root, quick=quick)
    if not output.absolute().parent.is_dir():
        raise InvalidArgument(f"output {output}: there is no folder {output.parent}")
    site = site_folder(root, quick=quick)
    pages = printed(root, site, output, only=arguments.page, quick=quick, say=_say)
    print(f"{pages} pages: {_short(output)}")
    return 0


def _budgets(arguments: argparse.Namespace) -> int:
    from superpos.book.budgets import proposed, write
    from superpos.book.building import statuses
    from superpos.book.tutorials import tutorials

    root = _root()
    for each in proposed(statuses(root), tutorials(root)):
        print(each.told())
        if arguments.write and each.differs:
            write(each)
    return 0


def _curves(root: Path, titles: Mapping[str, str]) -> dict[str, bytes]:
    """Return the pages of specification curves with their figures, by path."""
    from superpos.book.ledger import registry
    from superpos.book.robustness import as_files
    from superpos.claims.specifications import LEAST
    from superpos.figures.robustness import drawn
    from superpos.studies import grids
    from superpos.studies.retest import load_study

    curves, pools = grids.curves_of(root, load_study), grids.pools(root, load_study)
    return as_files(curves, pools, registry(root), titles, drawn, least=LEAST)


def _status(arguments: argparse.Namespace) -> int:
    from superpos.book import stored
    from superpos.book.building import statuses
    from superpos.studies import grids
    from superpos.studies.retest import load_study

    root = _root()
    found = statuses(root)
    width = max((len(status.chapter.name) for status in found), default=0)
    for status in found:
        budget = status.chapter.budget_seconds
        took = f"{status.seconds:.0f} s" if status.seconds is not None else "not run"
        limit = f" of {budget:g} s" if budget else ""
        state = f"stale: {status.stale}" if status.stale else "fresh"
        told = "".join(f", {over}" for over in status.over)
        print(f"{status.chapter.name:{width}}  {took}{limit}  {state}{told}")
    for each in grids.states(root, load_study):
        print(f"robustness: {each.told()}")
    print(stored.find(root).told())
    if kept := len(list((root / "book" / "measured").glob("*.json"))):
        from superpos.studies.kept import stale
        from superpos.studies.retest import load_study

        old = list(stale(load_study))
        told = f", stale: {', '.join(old)}" if old else ""
        print(f"kept measurements: {kept}{told}")
    return 0


def _claims(arguments: argparse.Namespace) -> int:
    from superpos.book.envelope import enveloped
    from superpos.book.ledger import unexpected
    from superpos.book.listing import chosen, listed

    if arguments.audit:
        return _audit(arguments)

    root = _root()
    ledger, found, notebooks = _ledger(root)
    rows = chosen(
        ledger,
        verdict=arguments.verdict,
        source=arguments.source,
        chapter=arguments.chapter,
        words=arguments.word,
    )
    if arguments.json:
        told = enveloped(rows, notebooks, root)
        print(_json(told))
    else:
        print(listed(rows, width=shutil.get_terminal_size().columns))
    if arguments.check:
        stale = {status.chapter.name: status.stale for status in found if status.stale}
        if wrong := unexpected(ledger, stale):
            return _fail("\n  ".join([f"{len(wrong)} of {len(ledger)} claims:", *wrong]))
    return 0


def _audit(arguments: argparse.Namespace) -> int:
    from superpos.book.ledger import registry
    from superpos.claims.audit import audit, told

    root = find_root()
    registry(root)
    found = audit(root)
    if arguments.json:
        print(_json(found.as_json()))
    else:
        print(told(found))
    return 0


def _ledger(root: Path, *, quick: bool = False):
    """Return the ledger, every chapter's status, and the fresh executed notebooks."""
    from superpos.book.building import read_executed, statuses
    from superpos.book.judgements import judgements
    from superpos.book.ledger import collect, registry

    claims = registry(root)
    found = statuses(root, quick=quick)
    notebooks = {
        status.chapter.name: read_executed(status.executed) for status in found if not status.stale
    }
    return collect(claims, notebooks, judgements(root, claims)), found, notebooks


def _serve(arguments: argparse.Namespace) -> int:
    from superpos.book.serving import server
    from superpos.book.site import site_folder

    port = arguments.port
    if not 0 <= port <= 65535:
        raise InvalidArgument(f"--port must be in [0, 65535]; got {port}")
    site = site_folder(find_root())
    if not (site / "index.html").exists():
        raise InvalidArgument(f"there is no site in {_short(site)} yet: run `superpos build`")
    try:
        serving = server(site, port)
    except OSError as problem:
        raise InvalidArgument(f"port {port} cannot be used: {problem.strerror}") from None
    print(f"http://127.0.0.1:{serving.server_port}/ (end with Ctrl-C)", flush=True)
    with serving:
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


def _clean(arguments: argparse.Namespace) -> int:
    from superpos.book import stored
    from superpos.book.building import one_at_a_time
    from superpos.compute.settings import STORE

    root = _root()
    made = [root / "_build", root / "book" / "executed"]
    made = [folder for folder in made if os.path.lexists(folder)]
    if arguments.all and not made:
        print("nothing to remove")
        return 0
    for path in made if arguments.all else ():
        if path.is_symlink() or not path.is_dir():
            path.unlink()  # in the place of the folder
    with one_at_a_time(root, _say):  # a running build ends first; its lock goes last
        if not arguments.all:
            if shared := os.environ.get(STORE):
                raise InvalidArgument(
                    f"{STORE} is {shared}: others may need what is there, so that clean removes "
                    "nothing of it"
                )
            others = stored.find(root).others
            print(stored.remove(others) if others else "nothing to remove")
            return 0
        for folder in made:
            if folder.exists():
                shutil.rmtree(folder)
            print(f"removed {_short(folder)}")
    return 0


def _root() -> Path:
    """Return the book's folder, if the tools to work on it are there."""
    from superpos.book.execution import check_tools

    root = find_root()
    check_tools()
    return root


def _short(path: Path) -> Path:
    """Return ``path`` as seen from the working folder, if it lies below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _json(value: object) -> str:
    """Return a value as JSON, in ASCII where standard output has no more."""
    ascii = (sys.stdout.encoding or "utf-8").lower().replace("-", "") != "utf8"
    return json.dumps(value, indent=2, ensure_ascii=ascii)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _fail(message: str, *, code: int = 1) -> int:
    _say(f"superpos: {message}")
    return code


if __name__ == "__main__":
    sys.exit(main())
