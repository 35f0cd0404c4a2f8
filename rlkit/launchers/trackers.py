"""Sends the rows and videos of a run to TensorBoard or Weights & Biases."""

import math
import os
import socket
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from rlkit.core.config import flatten, read_json
from rlkit.core.errors import UserError
from rlkit.core.logger import Logger
from rlkit.launchers.experiment_config import ExperimentConfig
from rlkit.visualization.video_file import film_as_gif

PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb"}  # by tracker; also names of extras
SECONDS_TO_ANSWER = 3.0


class Tracker(Protocol):
    """Receives scalars and videos."""

    def send(self, scalars: Mapping[str, float], iteration: int) -> None:
        """Receive the finite values of a row."""

    def film(self, name: str, path: Path, iteration: int) -> None:
        """Receive a video that the run has written, an MP4 file."""


def check_trackers(config: ExperimentConfig) -> None:
    """Check that the packages behind `util_params.trackers` are installed.

    Raises:
        UserError: one is not; the message says how to install it.
    """
    for name in config.util_params.trackers or ():
        if find_spec(PACKAGES[name]) is None:
            install = f'pip install "pearl-rlkit[{name}]"'
            raise UserError(f'util_params.trackers: "{name}" is not installed here; {install}')


def run_logger(config: ExperimentConfig, run_dir: Path, echo: Callable[[str], None]) -> Logger:
    """Open the logger of a run, which sends each row to the configured trackers.

    Args:
        config: of the run.
        run_dir: holds variant.json by the time of the first row.
        echo: receives messages. A tracker that fails is reported once and then dropped.
    """
    names = config.util_params.trackers or ()
    return Logger(run_dir, echo=echo, sinks=[_Guarded(name, run_dir, echo) for name in names])


class _Guarded:
    """Opens a tracker at the first row, and drops it when it fails."""

    def __init__(self, name: str, run_dir: Path, say: Callable[[str], None]) -> None:
        self._name, self._run_dir, self._say = name, run_dir, say
        self._tracker: Tracker | None = None
        self._failed = False
        self._films: set[Path] = set()  # videos that were there before, or have been sent

    def __call__(self, row: Mapping[str, float], iteration: int) -> None:
        if self._failed:
            return
        try:
            if self._tracker is None:
                self._tracker = OPEN[self._name](self._run_dir, iteration)
                newest = f"train_iter{iteration}"
                self._films = {film for film in self._found() if film.parent.name != newest}
            scalars = {name: float(value) for name, value in row.items()}
            known = {name: value for name, value in scalars.items() if math.isfinite(value)}
            self._tracker.send(known, iteration)
            for path in self._found():
                if path not in self._films:
                    self._tracker.film(path.stem, path, iteration)
                    self._films.add(path)
        except Exception as error:  # anything that a third-party library raises
            self._failed = True
            reason = (str(error).splitlines() or [""])[0]
            cause = f"{type(error).__name__}: {reason}"
            self._say(f"{self._name} receives no more rows, but the run continues ({cause})")

    def _found(self) -> list[Path]:
        """Videos of the run's iterations, `train_iter<n>/<name>.mp4`."""
        return sorted(self._run_dir.glob("train_iter*/*.mp4"))


class TensorBoard:
    """Event files in `<run_dir>/tensorboard`; a resumed run continues the same curves.

    Args:
        run_dir: of the run.
        iteration: of the first row; rows of this and later iterations from a stopped process are
            dropped.
    """

    def __init__(self, run_dir: Path, iteration: int) -> None:
        """Open a new event file and write the settings."""
        from torch.utils.tensorboard import SummaryWriter

        folder = str(run_dir / "tensorboard")
        self._writer: Any = SummaryWriter(folder, purge_step=iteration)
        lines = [f"| {key} | {value} |" for key, value in _settings(run_dir).items()]
        text = "\n".join(["| setting | value |", "|---|---|", *lines])
        self._writer.add_text("settings", text, iteration)

    def send(self, scalars: Mapping[str, float], iteration: int) -> None:
        """Write a row to disk."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, iteration)
        self._writer.flush()

    def film(self, name: str, path: Path, iteration: int) -> None:
        """Write a video as a GIF image, which is how TensorBoard shows videos."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        gif, height, width = film_as_gif(path)
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=gif)
        summary = Summary(value=[Summary.Value(tag=f"films/{name}", image=image)])
        self._writer.file_writer.add_summary(summary, iteration)
        self._writer.flush()


class WeightsAndBiases:
    """A W&B run with the identity of this run, so that a resumed one continues the same curves.

    Without a key or a network it writes offline files to `<run_dir>/wandb`, which `wandb sync`
    uploads. WANDB_MODE overrides this, and WANDB_PROJECT sets the project.
    """

    def __init__(self, run_dir: Path, iteration: int) -> None:
        """Start or resume the run."""
        import wandb

        settings = _settings(run_dir)
        identity = str(read_json(run_dir / "variant.json").get("log_dir_id") or run_dir.name)
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "rlkit"),
            id=identity,
            name=run_dir.name,
            group=str(settings.get("exp_name", "")) or None,
            config=settings,
            dir=str(run_dir),
            resume="allow",
            mode=os.environ.get("WANDB_MODE") or ("online" if _online(wandb) else "offline"),
        )

    def send(self, scalars: Mapping[str, float], iteration: int) -> None:
        """Log a row."""
        self._run.log(dict(scalars), step=iteration)

    def film(self, name: str, path: Path, iteration: int) -> None:
        """Log a video."""
        import wandb

        self._run.log({f"films/{name}": wandb.Video(str(path))}, step=iteration)


OPEN: dict[str, Callable[[Path, int], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
}


def _settings(run_dir: Path) -> dict[str, Any]:
    """Settings of a run, flattened."""
    return flatten(read_json(run_dir / "variant.json"))


def _online(wandb: Any) -> bool:
    """Whether W&B has a key and its server is reachable."""
    if not wandb.api.api_key:
        return False
    address = urlsplit(wandb.setup().settings.base_url)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), SECONDS_TO_ANSWER).close()
    except OSError:
        return False
    return True
