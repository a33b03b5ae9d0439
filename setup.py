"""Copies what verdicts rest on into the built package; everything else is in pyproject.toml."""

from pathlib import Path
from shutil import copyfile

from setuptools import setup
from setuptools.command.build_py import build_py

# What `superpos retest` reads: the claims, what was measured of them once, and what a chapter may
# be run with.
REGISTRY = ("_toc.yml", "notebooks/*.md", "book/*.yml", "book/measured/*.json",
            "book/robustness/*.json")  # fmt: skip


class WithRegistry(build_py):
    """An editable install needs no copy: it finds the checkout, where the truth is."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for source, copy in self._copies():
                copy.parent.mkdir(parents=True, exist_ok=True)
                copyfile(source, copy)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        copies = [] if self.editable_mode else [str(copy) for _, copy in self._copies()]
        return super().get_outputs(include_bytecode) + copies

    def _copies(self) -> list[tuple[Path, Path]]:
        folder = Path(self.build_lib, "superpos", "registry")
        sources = sorted(path for pattern in REGISTRY for path in Path().glob(pattern))
        return [(source, folder / source) for source in sources]


setup(cmdclass={"build_py": WithRegistry})
