"""Writes checkpoints, from which a run is resumed, and the weights of its networks.

Replay rows are written once, as segments that never change, and all other state as one file. Then a
manifest names these files with their sizes and hashes, and carries a hash of itself. It is replaced
by renaming, after all files that it names have reached the disk, and the previous manifest is kept.
So the folder holds a checkpoint that loads at every moment. Only tensors and plain containers are
pickled.
"""

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rlkit.core.files import NewFile, json_hash, replace_file, report_exhaustion, sync_folder
from rlkit.core.saved_files import MANIFEST, NUMBERED, PREVIOUS, read_manifests
from rlkit.data_management.saved_rows import SavedRows

Networks = Mapping[str, nn.Module]


@dataclasses.dataclass(frozen=True)
class Segment:
    """Rows of a buffer in a file.

    `record` is its entry in the manifest; `entries` [k, 3] locate its rows (`saved_files.ENTRY`).
    """

    record: dict[str, Any]
    entries: np.ndarray


class CheckpointWriter:
    """Writes the checkpoints of one run to `<run_dir>/checkpoint`, which keeps the newest two.

    It remembers which rows are on the disk: `segments`, and the counters `totals` at the last save.
    """

    def __init__(self, run_dir: str | Path) -> None:
        """Choose the folder; nothing is read or written yet."""
        self.folder = Path(run_dir) / "checkpoint"
        self._manifest: dict[str, Any] | None = None  # of the newest one known to be whole
        self.segments: dict[str, list[Segment]] = {}
        self.totals: dict[str, Tensor] = {}

    def save(
        self, iteration: int, state: Mapping[str, Any], buffers: Mapping[str, SavedRows]
    ) -> None:
        """Write a checkpoint.

        Args:
            iteration: the last finished one; -1 before the first.
            state: tensors, numbers, strings and None in dictionaries, lists and tuples. Tensors are
                written as CPU tensors.
            buffers: by name; only rows that no earlier checkpoint of this object wrote are written.
        Raises:
            ResourceError: disk or memory is exhausted. The previous checkpoint is intact, and
                nothing of this one is left.
            TypeError: the state holds something else; the message says where.
        """
        task = f"cannot save the checkpoint of iteration {iteration} in {self.folder}"
        if self._manifest is not None:
            task += f" (the one of iteration {self._manifest['iteration']} is intact)"
        with report_exhaustion(task):
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self.totals:  # first save: a killed process may have left files here
                self._remove_unnamed(self._usable_manifests())
                self._manifest = self._manifest or next(iter(self._usable_manifests()), None)
            try:
                self._save(iteration, state, buffers)
            except BaseException:
                with suppress(OSError):
                    self._remove_unnamed(self._usable_manifests())
                raise

    def _save(self, iteration: int, state: Any, buffers: Mapping[str, SavedRows]) -> None:
        """Write new rows, state and manifest, in this order."""
        matches = map(NUMBERED.fullmatch, self._names())
        number = 1 + max((int(match[1]) for match in matches if match), default=0)
        counters = {name: buffer.state_dict() for name, buffer in buffers.items()}
        segments = {name: self._kept_segments(name, buffer) for name, buffer in buffers.items()}
        for name, buffer in buffers.items():
            since = self.totals.get(name, torch.zeros_like(counters[name]["totals"]))
            entries, rows = buffer.segment(since)
            if len(entries):
                with NewFile(self.folder / f"{name}-{number:06d}.npy") as file:
                    np.lib.format.write_array(file, rows.numpy(), allow_pickle=False)
                record = {**_record(file), "entries": entries.tolist()}
                segments[name].append(Segment(record, entries.numpy()))
        content = io.BytesIO()
        torch.save({"state": plain(state, "state"), "buffers": counters}, content)
        with NewFile(self.folder / f"state-{number:06d}.pt") as file, content.getbuffer() as view:
            file.write(view)
        sync_folder(self.folder)
        manifest = {
            "iteration": iteration,
            "state": _record(file),
            "segments": {name: [s.record for s in parts] for name, parts in segments.items()},
        }
        if self._manifest is not None:
            replace_file(self.folder / PREVIOUS, manifest_text(self._manifest))
        replace_file(self.folder / MANIFEST, manifest_text(manifest))
        kept = [manifest] if self._manifest is None else [manifest, self._manifest]
        self._manifest, self.segments = manifest, segments
        self.totals = {name: counter["totals"] for name, counter in counters.items()}
        self._remove_unnamed(kept)

    def _kept_segments(self, name: str, buffer: SavedRows) -> list[Segment]:
        """Earlier segments of which the buffer still has a row."""
        earlier = self.segments.get(name, [])
        return [segment for segment in earlier if buffer.count_valid(segment.entries)]

    def _names(self) -> list[str]:
        return [path.name for path in self.folder.iterdir()]

    def _usable_manifests(self) -> list[dict[str, Any]]:
        return [found for found in read_manifests(self.folder) if isinstance(found, dict)]

    def _remove_unnamed(self, manifests: Sequence[Mapping[str, Any]]) -> None:
        """Remove files that no manifest names, such as those of a save that was killed."""
        named = {record["file"] for manifest in manifests for record in records_of(manifest)}
        for name in self._names():
            if name.endswith(".tmp") or (NUMBERED.fullmatch(name) and name not in named):
                (self.folder / name).unlink(missing_ok=True)


def _record(file: NewFile) -> dict[str, Any]:
    return {"file": file.path.name, "size": file.size, "sha256": file.sha256}


def records_of(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The records of all files that a manifest names."""
    return [
        manifest["state"],
        *(record for records in manifest["segments"].values() for record in records),
    ]


def manifest_text(manifest: Mapping[str, Any]) -> bytes:
    """The content of a manifest's file: the manifest and its hash."""
    content = {"sha256": json_hash(manifest), "manifest": manifest}
    return json.dumps(content, separators=(",", ":")).encode()


def save_weights(run_dir: str | Path, networks: Networks) -> None:
    """Write `<name>.pth` for each network, replacing each file atomically.

    The files are not synced to disk: a power failure may lose them, but the checkpoint has the
    weights too.

    Args:
        run_dir: the run folder, or another; created if needed.
        networks: by name.
    Raises:
        ResourceError: the disk is full.
    Source: names and content of the files are those of katerakelly/oyster.
    """
    with report_exhaustion(f"cannot write weights to {run_dir}"):
        Path(run_dir).mkdir(parents=True, exist_ok=True)
    for name, network in networks.items():
        path = Path(run_dir) / f"{name}.pth"
        content = io.BytesIO()
        torch.save(plain(network.state_dict(), name), content)
        with report_exhaustion(f"cannot write {path}"), content.getbuffer() as view:
            replace_file(path, view, sync=False)


def plain(value: Any, where: str) -> Any:
    """Copy a state into types that can be loaded without running code.

    Tensors are copied to the CPU, without the rest of a storage that they view.

    Args:
        value: tensors, numbers, strings, None and containers of these.
        where: names the value in messages.
    Raises:
        TypeError: the state holds something else.
    """
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if isinstance(value, Tensor):
        return value.detach().cpu().clone(memory_format=torch.contiguous_format)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {plain(key, where): plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    raise TypeError(
        f"{where} is a {type(value).__name__}; "
        "a checkpoint can hold tensors, numbers, strings, None and containers"
    )
