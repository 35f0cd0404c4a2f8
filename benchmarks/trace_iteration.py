"""List the source files that one iteration of a run goes through.

    python -m benchmarks.trace_iteration [--config FILE.json] [--set KEY=VALUE ...]

One iteration is trained on the CPU in a temporary folder, through the entry script. The list has
the files in which a function is called between the start of the first collection and the end of
the writing of the first row of progress.csv, in the order of the first call. These are the files to
read in order to follow a transition from the environment to the log. Bodies of modules and classes,
which run on import, do not count as calls. The display's clock is stopped, so that the list does
not depend on the speed of the machine: neither a line of progress nor the estimate after the first
minute is printed.
"""

import contextlib
import inspect
import io
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from unittest import mock

import click

from launch_experiment import main as launch_experiment
from rlkit.launchers import display

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("rlkit", "rand_param_envs", "launch_experiment.py")
CONFIG = ROOT / "configs" / "quick" / "cheetah-vel.json"
FIRST, LAST = "collect_data", "record_row"  # methods of an algorithm and of the logger
FIXED = ("algo_params.num_iterations=1", "util_params.use_gpu=false", "util_params.matmul=default")


class CallTrace:
    """A profile function that records the source files in which functions are called.

    It begins with the first call of `FIRST` and ends with the return of `LAST`.

    Attributes:
        files: in the order of the first call, relative to `ROOT`.
        ended: whether `LAST` has returned.
    """

    def __init__(self) -> None:
        self.files: list[Path] = []
        self.ended = False
        self._began = False
        self._known: dict[str, bool] = {}

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        """Record a call or a return; see `sys.setprofile`."""
        code = frame.f_code
        if self.ended or event not in ("call", "return"):
            return
        if not self._known.get(code.co_filename, True):
            return
        if event == "return":
            self.ended = self._began and code.co_name == LAST and self._is_source(code.co_filename)
            return
        if not code.co_flags & inspect.CO_OPTIMIZED or not self._is_source(code.co_filename):
            return
        self._began = self._began or code.co_name == FIRST
        if self._began:
            file = Path(code.co_filename).relative_to(ROOT)
            if file not in self.files:
                self.files.append(file)

    def _is_source(self, filename: str) -> bool:
        if filename not in self._known:
            path = Path(filename)
            inside = path.is_relative_to(ROOT) and path.is_file()
            self._known[filename] = inside and path.relative_to(ROOT).parts[0] in SOURCES
        return self._known[filename]

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Trace this thread and those started in the body."""
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)


def traced_files(config: Path, settings: tuple[str, ...] = ()) -> list[Path]:
    """Train one iteration and return the files that it goes through.

    Args:
        config: the experiment's JSON.
        settings: `key=value` changes.
    Returns:
        Files relative to `ROOT`, in the order of their first call.
    Raises:
        click.ClickException: the run ended before it had written a row.
    """
    arguments = [str(config.resolve())]
    for setting in (*FIXED, *settings):
        arguments += ["--set", setting]
    trace, output = CallTrace(), io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(output),
        contextlib.suppress(SystemExit),
        mock.patch.object(display, "monotonic", lambda: 0.0),
        trace.active(),
    ):
        launch_experiment.main(arguments, standalone_mode=False)
    if not trace.ended:
        raise click.ClickException(f"no row of progress.csv was written\n{output.getvalue()}")
    return trace.files


def count_lines(file: Path) -> int:
    """Number of lines of a file given relative to `ROOT`."""
    return len((ROOT / file).read_text().splitlines())


def table(files: list[Path]) -> str:
    """The files and their numbers of lines as a Markdown table, with the totals in the last row."""
    lines = ["| | file | lines |", "|---:|---|---:|"]
    lines += [f"| {i} | `{file}` | {count_lines(file):,} |" for i, file in enumerate(files, 1)]
    total = sum(count_lines(file) for file in files)
    return "\n".join([*lines, f"| | {len(files)} files | {total:,} |"])


@click.command()
@click.option(
    "--config",
    default=CONFIG,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Default: configs/quick/cheetah-vel.json.",
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
def main(config: Path, settings: tuple[str, ...]) -> None:
    """Print the files that one iteration goes through, in the order of their first call."""
    click.echo(table(traced_files(config, settings)))


if __name__ == "__main__":
    main()
