"""Builds the package; the configurations of `configs/` become `rlkit/configs` in the wheel."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CONFIGS = Path("configs")


class BuildWithConfigs(build_py):
    """Copies the experiments' JSON files next to the modules, except for editable installs."""

    def run(self) -> None:
        """Build the modules, then copy."""
        super().run()
        if not self.editable_mode:
            for source, target in self._configs():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """List the built files, which the wheel contains."""
        copied = [] if self.editable_mode else [str(target) for _, target in self._configs()]
        return [*super().get_outputs(include_bytecode), *copied]

    def _configs(self) -> list[tuple[Path, Path]]:
        place = Path(self.build_lib) / "rlkit"
        return [(source, place / source) for source in sorted(CONFIGS.rglob("*.json"))]


setup(cmdclass={"build_py": BuildWithConfigs})
