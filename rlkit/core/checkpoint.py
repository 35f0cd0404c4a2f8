"""Saves and loads a whole run: replay rows once, as segments that never change; the rest as one file; a manifest of both.

A manifest is valid on its own: it names its files with their sizes and hashes, and carries a hash of itself. It is replaced
by renaming, after everything that it names has reached the disk, and the one before is kept. So at every moment the folder
holds a checkpoint that loads. Nothing in it is pickled beyond tensors and plain containers.
"""

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlkit.core.errors import UserError
from rlkit.core.files import NewFile, obstacle, replace_file, report_exhaustion, sync_folder
from rlkit.core.saved_files import (
    NUMBERED,
    DamagedError,
    check_counters,
    check_file,
    manifest_problem,
    read_rows,
)
from rlkit.core.weights import plain
from rlkit.data_management.saved_rows import SavedRows

MANIFEST, PREVIOUS = "manifest.json", "manifest.previous.json"


@dataclasses.dataclass(frozen=True)
class _Segment:
    """Rows of a buffer in a file: `record` is its line of the manifest, `entries` [k, 3] are its rows' serial numbers."""

    record: dict[str, Any]
    entries: np.ndarray


class Checkpoint:
    """The checkpoints of one run, in `<run_dir>/checkpoint`: the newest and the one before.

    One object serves a run from its start, or from `load`, to its end: it remembers which rows are on the disk already.
    An object that has neither loaded nor saved writes every row.
    """

    def __init__(self, run_dir: str | Path) -> None:
        """Choose the folder; nothing is read or written yet."""
        self.folder = Path(run_dir) / "checkpoint"
        self._manifest: dict[str, Any] | None = (
            None  # of the newest checkpoint that is known to be whole
        )
        self._segments: dict[str, list[_Segment]] = {}
        self._totals: dict[str, Tensor] = {}

    @property
    def exists(self) -> bool:
        """Whether there is a manifest; one that was never finished (manifest.json.tmp) is none."""
        return any(os.path.lexists(self.folder / name) for name in (MANIFEST, PREVIOUS))

    def save(
        self, iteration: int, state: Mapping[str, Any], buffers: Mapping[str, SavedRows]
    ) -> None:
        """Write a checkpoint.

        Args:
            iteration: the last finished one; -1 before the first.
            state: tensors, numbers, strings and None in dictionaries, lists and tuples. Tensors are written as CPU tensors.
            buffers: by name; only rows that no earlier checkpoint of this object wrote are written.
        Raises:
            ResourceError: disk or memory is exhausted. The checkpoint before is intact, and nothing of this one is left.
            TypeError: the state holds something else; the message says where.
        """
        kept = (
            ""
            if self._manifest is None
            else f" (the one of iteration {self._manifest['iteration']} is intact)"
        )
        with report_exhaustion(
            f"cannot save the checkpoint of iteration {iteration} in {self.folder}{kept}"
        ):
            self.folder.mkdir(parents=True, exist_ok=True)
            if (
                not self._totals
            ):  # the first save or load of this object: others may have left something here
                self._remove_unnamed(self._usable_manifests())
                self._manifest = self._manifest or next(iter(self._usable_manifests()), None)
            try:
                self._save(iteration, state, buffers)
            except BaseException:
                with suppress(OSError):
                    self._remove_unnamed(self._usable_manifests())
                raise

    def load(
        self, buffers: Mapping[str, SavedRows], warn: Callable[[str], None] = lambda text: None
    ) -> tuple[int, Any]:
        """Load the newest checkpoint that is whole.

        Args:
            buffers: the run's buffers, by the names that they were saved under; their rows are replaced.
            warn: is told when the newest checkpoint is damaged and the one before is used.
        Returns:
            Iteration and state; the state's tensors are on the CPU.
        Raises:
            UserError: there is no checkpoint, or none is whole; names the files.
            ResourceError: memory is exhausted.
        """
        if not self.exists:
            raise UserError(f"there is no checkpoint in {self.folder}: expected {MANIFEST}")
        problems: list[str] = []
        for manifest in self._manifests():
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

    def _save(self, iteration: int, state: Any, buffers: Mapping[str, SavedRows]) -> None:
        """Write new rows, state and manifest, in this order."""
        number = 1 + max(
            (int(match[1]) for match in map(NUMBERED.fullmatch, self._names()) if match), default=0
        )
        counters = {name: buffer.state_dict() for name, buffer in buffers.items()}
        segments = {name: self._kept_segments(name, buffer) for name, buffer in buffers.items()}
        for name, buffer in buffers.items():
            entries, rows = buffer.segment(
                self._totals.get(name, torch.zeros_like(counters[name]["totals"]))
            )
            if len(entries):
                with NewFile(self.folder / f"{name}-{number:06d}.npy") as file:
                    np.lib.format.write_array(file, rows.numpy(), allow_pickle=False)
                segments[name].append(
                    _Segment({**_record(file), "entries": entries.tolist()}, entries.numpy())
                )
        content = io.BytesIO()
        torch.save({"state": plain(state, "state"), "buffers": counters}, content)
        with NewFile(self.folder / f"state-{number:06d}.pt") as file, content.getbuffer() as view:
            file.write(view)
        sync_folder(self.folder)
        manifest = {
            "iteration": iteration,
            "state": _record(file),
            "segments": {
                name: [segment.record for segment in parts] for name, parts in segments.items()
            },
        }
        if self._manifest is not None:
            replace_file(self.folder / PREVIOUS, _manifest_text(self._manifest))
        replace_file(self.folder / MANIFEST, _manifest_text(manifest))
        kept = [manifest] if self._manifest is None else [manifest, self._manifest]
        self._manifest, self._segments = manifest, segments
        self._totals = {name: counter["totals"] for name, counter in counters.items()}
        self._remove_unnamed(kept)

    def _kept_segments(self, name: str, buffer: SavedRows) -> list[_Segment]:
        """Earlier segments of a buffer of which a row is still there."""
        return [
            segment
            for segment in self._segments.get(name, [])
            if buffer.count_valid(segment.entries)
        ]

    def _load(
        self, manifest: dict[str, Any] | str, buffers: Mapping[str, SavedRows]
    ) -> tuple[int, Any]:
        """Check all files of a manifest, then load them.

        Raises:
            DamagedError: the manifest could not be read (then it is a text that says why), or a file is not as it says.
        """
        if isinstance(manifest, str):
            raise DamagedError(manifest)
        for record in _records(manifest):
            check_file(self.folder / record["file"], record)
        path = self.folder / manifest["state"]["file"]
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            state, counters = content["state"], dict(content["buffers"])
        except MemoryError:
            raise
        except Exception as error:  # whatever a file that is no state makes the reader raise
            raise DamagedError(f"{path} is not a state of a run ({_first_line(error)})") from error
        if set(counters) != set(buffers) or set(manifest["segments"]) != set(buffers):
            raise DamagedError(
                f"{path} belongs to the buffers {sorted(counters)}, the run has {sorted(buffers)}"
            )
        segments: dict[str, list[_Segment]] = {}
        for name, buffer in buffers.items():
            segments[name] = [
                _Segment(record, np.array(record["entries"], np.int64))
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
                    f"{self.folder} lacks rows of buffer {name}: {rows} instead of {buffer.num_rows}"
                )
        self._manifest, self._segments = manifest, segments
        self._totals = {name: counter["totals"] for name, counter in counters.items()}
        return manifest["iteration"], state

    def _rows(self, segment: _Segment) -> Tensor:
        num_rows = sum(count for _, _, count in segment.record["entries"])
        return read_rows(self.folder / segment.record["file"], num_rows)

    def _manifests(self) -> Iterator[dict[str, Any] | str]:
        """The newest manifest and the one before; in place of one that cannot be used, a text that says why."""
        for path in (self.folder / MANIFEST, self.folder / PREVIOUS):
            if reason := obstacle(path):
                yield f"{path} {reason}"
                continue
            try:
                content = json.loads(path.read_bytes())
                manifest = content["manifest"]
                whole = content["sha256"] == _hash_of(manifest)
                problem = manifest_problem(manifest)
            except OSError as error:
                yield f"{path} cannot be read ({error.strerror})"
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                yield f"{path} is not a manifest ({_first_line(error)})"
            else:
                if not whole:
                    yield f"{path} has been altered (its hash differs)"
                else:
                    yield manifest if problem is None else f"{path} is no manifest: {problem}"

    def _names(self) -> list[str]:
        return [path.name for path in self.folder.iterdir()]

    def _usable_manifests(self) -> list[dict[str, Any]]:
        return [manifest for manifest in self._manifests() if isinstance(manifest, dict)]

    def _remove_unnamed(self, manifests: Sequence[Mapping[str, Any]]) -> None:
        """Remove the files that none of the manifests names, such as those of a save that was killed."""
        named = {record["file"] for manifest in manifests for record in _records(manifest)}
        for name in self._names():
            if name.endswith(".tmp") or (NUMBERED.fullmatch(name) and name not in named):
                (self.folder / name).unlink(missing_ok=True)


def _record(file: NewFile) -> dict[str, Any]:
    return {"file": file.path.name, "size": file.size, "sha256": file.sha256}


def _records(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        manifest["state"],
        *(record for records in manifest["segments"].values() for record in records),
    ]


def _manifest_text(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(
        {"sha256": _hash_of(manifest), "manifest": manifest}, separators=(",", ":")
    ).encode()


def _hash_of(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(
        json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
