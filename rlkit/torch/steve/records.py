"""The files of tensorflow/models, research/steve: both learners' logs and the greedy scores."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

DIAGNOSTICS = {"valuerl": 4, "worldmodel": 5}  # number of statistics per line of each log


class Records:
    """Writes complete files in the reference's format, from rows stored in checkpoints.

    Args:
        write: writes a file into the run folder, given its name and content.
        remove: removes a file from the run folder.
        name: returns the experiment's name; called whenever a file is written.
        settings: content of hps.json.
    Attributes:
        greedy: hours, epoch, frames and score of every greedy episode.
    """

    def __init__(
        self,
        write: Callable[[str, bytes], None],
        remove: Callable[[str], None],
        name: Callable[[], str],
        settings: Mapping[str, Any],
    ) -> None:
        self.write, self.remove, self._name, self.settings = write, remove, name, settings
        self.greedy: list[list[float]] = []
        self._backups: dict[str, str] = {}  # newest backup of each learner

    def write_settings(self) -> None:
        """Write hps.json, the initial settings of the run."""
        self.write("hps.json", (json.dumps(self.settings, indent=2) + "\n").encode())

    def write_logs(self, rows: Mapping[str, Sequence[Sequence[float]]]) -> None:
        """Write the greedy scores and each learner's log, given its rows by learner."""
        scores = "".join(
            f"{hours:.6f},{epoch:.0f},{frames:.0f},{score:.6f}\n"
            for hours, epoch, frames, score in self.greedy
        )
        self.write(f"{self._name()}.greedy.csv", scores.encode())
        for learner, lines in rows.items():
            text = "".join(log_line(row, DIAGNOSTICS[learner]) for row in lines)
            self.write(f"{learner}.log", text.encode())

    def backup(self, learner: str, epoch: int, networks: Mapping[str, nn.Module]) -> None:
        """Store the networks under the epoch's number, then remove the previous backup."""
        content, name = io.BytesIO(), f"checkpoints/{epoch:09d}_{learner}.params"
        torch.save({key: network.state_dict() for key, network in networks.items()}, content)
        self.write(name, content.getvalue())
        before = self._backups.get(learner)
        if before not in (None, name):
            self.remove(str(before))
        self._backups[learner] = name

    def state_dict(self) -> dict[str, Any]:
        """Greedy scores and names of the backups."""
        return {"greedy": [list(row) for row in self.greedy], "backups": dict(self._backups)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
        self.greedy = [list(row) for row in state["greedy"]]
        self._backups = dict(state["backups"])


def log_line(row: Sequence[float], num_diagnostics: int) -> str:
    """Format seconds, hours, epoch, updates and frames, then a tab and the diagnostics."""
    seconds, hours, epoch, updates, frames = row[:5]
    begin = f"{seconds:.6f}, {hours:.6f}, {epoch:.0f}, {updates:.0f}, {frames:.0f}"
    return f"{begin}\t{', '.join(f'{x:.9g}' for x in row[5 : 5 + num_diagnostics])}\n"
