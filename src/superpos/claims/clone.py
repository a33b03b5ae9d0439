"""A git clone, read as history: its commits, their files, and what these held."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from superpos.errors import InvalidArgument

_FOLDER = b"40000"  # the mode of a tree within a tree


class NoHistory(InvalidArgument):
    """A folder has no history to read, or only the end of it."""


@dataclass(frozen=True)
class Commit:
    """One commit: ``date`` is when it was committed, ``YYYY-MM-DD HH:MM`` in UTC."""

    id: str
    parents: tuple[str, ...]
    tree: str
    date: str
    subject: str

    @property
    def short(self) -> str:
        return self.id[:9]


class Clone:
    """The history behind the current commit of a clone. Open it with `history`."""

    def __init__(self, root: Path, objects: subprocess.Popen[bytes]) -> None:
        self._root, self._objects = root, objects
        self._folders: dict[str, dict[str, str]] = {}

    def commits(self) -> list[Commit]:
        """Return all commits behind the current one, itself last, parents before children."""
        form = "%H%x00%P%x00%T%x00%ct%x00%s"
        lines = _git(self._root, "log", "--date-order", "--reverse", f"--format={form}", "HEAD")
        found = []
        for line in lines.splitlines():
            commit, parents, tree, seconds, subject = line.split("\0")
            date = datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M")
            found.append(Commit(commit, tuple(parents.split()), tree, date, subject))
        return found

    def files(self, tree: str) -> dict[str, str]:
        """Return the files below a tree: what each held, as the name of an object, by path."""
        if tree not in self._folders:  # few folders change in a commit
            found: dict[str, str] = {}
            rest = self.read(tree)
            while rest:
                head, _, rest = rest.partition(b"\0")
                mode, _, name = head.partition(b" ")
                size = len(tree) // 2
                target, rest = rest[:size].hex(), rest[size:]
                path = name.decode("utf-8", "replace")
                if mode == _FOLDER:
                    found |= {f"{path}/{p}": blob for p, blob in self.files(target).items()}
                elif mode.startswith(b"100"):  # a file: no link, no other repository
                    found[path] = target
            self._folders[tree] = found
        return self._folders[tree]

    def read(self, name: str) -> bytes:
        """Return what an object holds."""
        ask, answer = self._objects.stdin, self._objects.stdout
        assert ask is not None
        assert answer is not None
        ask.write(f"{name}\n".encode())
        ask.flush()
        head = answer.readline().split()
        if len(head) != 3:
            raise NoHistory(f"{self._root}: git has no object {name}: is the clone complete?")
        content = answer.read(int(head[2]))
        answer.read(1)  # the line's end
        return content


@contextmanager
def history(root: Path) -> Iterator[Clone]:
    """Open the clone whose top folder is ``root``.

    Raises
    ------
    NoHistory
        If ``root`` is not the top of a git clone, has no commit, or if the clone is shallow.
    """
    try:
        top = Path(_git(root, "rev-parse", "--show-toplevel").strip())
        _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    except OSError:
        raise NoHistory("git is not installed, and the history cannot be read without") from None
    except subprocess.CalledProcessError as problem:
        said = problem.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise NoHistory(
            f"{root} is not a git clone with commits{f' ({said})' if said else ''}"
        ) from None
    if top.resolve() != root.resolve():
        raise NoHistory(f"{root} lies within the git clone {top}, whose history is another")
    if _git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise NoHistory(
            f"{root} is a shallow clone, without the commits that registered its claims: "
            "run `git fetch --unshallow` first"
        )
    command = [*_command(root), "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as objects:
        try:
            yield Clone(root, objects)
        finally:
            assert objects.stdin is not None
            objects.stdin.close()


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run([*_command(root), *arguments], capture_output=True, check=True)
    return done.stdout.decode("utf-8", "replace")


def _command(root: Path) -> list[str]:
    """Git, told to show the commits that are there rather than any replacements."""
    return ["git", "-C", str(root), "--no-replace-objects"]
