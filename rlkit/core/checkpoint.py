"""The checkpoints of a run: `rlkit.core.saving` writes them, this module reads them."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlkit.core.errors import UserError, first_line
from rlkit.core.files import report_exhaustion
from rlkit.core.saved_files import (
    MANIFEST,
    PREVIOUS,
    DamagedError,
    check_counters,
    check_file,
    read_manifests,
    read_rows,
)
from rlkit.core.saving import CheckpointWriter, Segment, records_of
from rlkit.data_management.saved_rows import SavedRows


class Checkpoint(CheckpointWriter):
    """The newest two checkpoints of one run, in `<run_dir>/checkpoint`.

    Use one object from the start of a run, or from `load`, to its end. An object that has neither
    loaded nor saved writes every row.
    """

    @property
    def exists(self) -> bool:
        """Whether there is a manifest; an unfinished one (manifest.json.tmp) does not count."""
        return any(os.path.lexists(self.folder / name) for name in (MANIFEST, PREVIOUS))

    def load(
        self, buffers: Mapping[str, SavedRows], warn: Callable[[str], None] = lambda text: None
    ) -> tuple[int, Any]:
        """Load the newest checkpoint that is whole.

        Args:
            buffers: the run's buffers, by the names that they were saved under; their rows are
                replaced.
            warn: called when the newest checkpoint is damaged and the previous one is used.
        Returns:
            Iteration and state; the state's tensors are on the CPU.
        Raises:
            UserError: there is no checkpoint, or none is whole; names the files.
            ResourceError: memory is exhausted.
        """
        if not self.exists:
            raise UserError(f"there is no checkpoint in {self.folder}: expected {MANIFEST}")
        problems: list[str] = []
        for manifest in read_manifests(self.folder):
            try:
                with report_exhaustion(f"cannot load the checkpoint in {self.folder}"):
                    state = self._load(manifest, buffers)
            except DamagedError as error:
                problems.append(str(error))
                continue
            if problems:
                warn(
                    f"{'; '.join(problems)}: using the previous checkpoint, of iteration {state[0]}"
                )
            return state
        raise UserError(f"no checkpoint in {self.folder} can be used: {'; '.join(problems)}")

    def _load(
        self, manifest: dict[str, Any] | str, buffers: Mapping[str, SavedRows]
    ) -> tuple[int, Any]:
        """Check all files of a manifest, then load them.

        Raises:
            DamagedError: the manifest is unusable (then it is a text that says why), or a file does
                not match it.
        """
        if isinstance(manifest, str):
            raise DamagedError(manifest)
        for record in records_of(manifest):
            check_file(self.folder / record["file"], record)
        path = self.folder / manifest["state"]["file"]
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            state, counters = content["state"], dict(content["buffers"])
        except MemoryError:
            raise
        except Exception as error:  # a file that is not a state can make the reader raise anything
            raise DamagedError(f"{path} is not a state of a run ({first_line(error)})") from error
        if set(counters) != set(buffers) or set(manifest["segments"]) != set(buffers):
            raise DamagedError(
                f"{path} belongs to the buffers {sorted(counters)}, the run has {sorted(buffers)}"
            )
        segments: dict[str, list[Segment]] = {}
        for name, buffer in buffers.items():
            segments[name] = [
                Segment(record, np.array(record["entries"], np.int64))
                for record in manifest["segments"][name]
            ]
            try:
                check_counters(counters[name])
                buffer.load_state_dict(counters[name])
                rows = sum(
                    buffer.load_segment(segment.entries, self._rows(segment))
                    for segment in segments[name]
                )
            except (ValueError, KeyError, TypeError, IndexError, RuntimeError) as error:
                raise DamagedError(
                    f"rows of buffer {name} in {self.folder} do not fit the run ({error})"
                ) from error
            if rows != buffer.num_rows:
                raise DamagedError(
                    f"{self.folder} lacks rows of buffer {name}: "
                    f"{rows} instead of {buffer.num_rows}"
                )
        self._manifest, self.segments = manifest, segments
        self.totals = {name: counter["totals"] for name, counter in counters.items()}
        return manifest["iteration"], state

    def _rows(self, segment: Segment) -> Tensor:
        num_rows = sum(count for _, _, count in segment.record["entries"])
        return read_rows(self.folder / segment.record["file"], num_rows)
