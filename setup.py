"""Copies the registry of claims into the built package; everything else is in pyproject.toml."""

from pathlib import Path
from shutil import copyfile

from setuptools import setup
from setuptools.command.build_py import build_py

REGISTRY = ("claims.yml", "deviations.yml")


class WithRegistry(build_py):
    """An editable install needs no copy: it finds the checkout, where the truth is."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for name in REGISTRY:
                copyfile(Path("book", name), self._built(name))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        copies = [] if self.editable_mode else [str(self._built(name)) for name in REGISTRY]
        return super().get_outputs(include_bytecode) + copies

    def _built(self, name: str) -> Path:
        return Path(self.build_lib, "superpos", "claims", name)


setup(cmdclass={"build_py": WithRegistry})
