"""Additional files of an algorithm in its run folder."""

from collections.abc import Callable
from pathlib import Path

from rlkit.core.files import replace_file, report_exhaustion
from rlkit.data_management import path_files
from rlkit.data_management.paths import Paths


class RunFiles:
    """Writes named files to a run folder, which may be created after building the experiment.

    Attributes:
        run_dir: the folder; set before the first file is written.
    """

    run_dir: Path

    def write(self, name: str, content: bytes) -> None:
        """Write a complete file, replacing an earlier one.

        Args:
            name: path below the run folder, such as "logs.mat"; folders are made if needed.
            content: the complete content.
        Raises:
            ResourceError: the disk is full.
        """
        path = self._place(name)
        with report_exhaustion(f"cannot write {path}"):
            replace_file(path, content, sync=False)

    def save_paths(self, name: str, paths: Paths) -> None:
        """Write trajectories as an NPZ file.

        Raises:
            ResourceError: the disk is full.
        """
        path = self._place(f"{name}.npz")
        with report_exhaustion(f"cannot write {path}"):
            path_files.save_paths(path, paths)

    def _place(self, name: str) -> Path:
        path = self.run_dir / name
        with report_exhaustion(f"cannot create {path.parent}"):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path


def eval_path_writer(files: RunFiles | None) -> Callable[[str, Paths], None]:
    """Make the function that saves evaluation trajectories; without `files` it drops them."""
    if files is None:
        return lambda name, paths: None
    return lambda name, paths: files.save_paths(f"eval_trajectories/{name}", paths)
