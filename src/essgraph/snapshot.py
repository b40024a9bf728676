"""The snapshot: one immutable, self-contained set of files, all that the service needs.

::

    {out}/current -> {name}          replaced atomically; {name} begins with the version
    {out}/{name}/manifest.json       version, source digest, and the SHA-256 and size of each file
    {out}/{name}/data.nq             canonical N-Quads: default graph and named graphs
    {out}/{name}/dump.nq.gz, dump.trig.gz   the same data, to be downloaded
    {out}/{name}/ontology.ttl, shapes.ttl, queries/*.rq
    {out}/{name}/store/              where data.nq is large: the engine's store of it, read-only
    {out}/{name}/search.db           the full-text index of names
    {out}/{name}/evidence.json       how to find the passages of each question's rows

The version is the SHA-256 of ``data.nq``. A snapshot is written under a temporary name, synced
and renamed: interrupted anywhere, or with the disk full, the former one stays in force.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from essgraph.errors import SnapshotError, Text

MANIFEST = "manifest.json"
CURRENT = "current"
DATA = "data.nq"
PLANS = "evidence.json"
STORE = "store"
#: Above this size of ``data.nq``, in bytes (some 250 thousand quads), workers share a store on
#: disk: in memory a quad takes about 0.3 KiB, and joins on frequent values are slower.
LARGE = 40 * 2**20
#: Former snapshots are kept for the answers that were cited from them: so many with the current
#: one, as long as all together take no more than so many bytes; the one before is always kept.
KEPT = 20
KEPT_BYTES = 2**30
#: What a manifest that is none may raise.
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
#: How much goes into the store at a time, in bytes.
_PIECE = 32 * 2**20


@dataclass(frozen=True)
class Snapshot:
    """A verified snapshot on disk.

    ``sources`` is the digest of the files it was made from; ``sizes`` and ``digests`` (SHA-256)
    are those of its own files; ``modified`` is the time when it was written, in seconds
    since 1970.
    """

    directory: Path
    version: str
    sources: str
    sizes: Mapping[str, int]
    digests: Mapping[str, str]
    modified: float

    @property
    def quads(self) -> Path:
        return self.directory / DATA

    @property
    def queries(self) -> list[Path]:
        return sorted((self.directory / "queries").glob("*.rq"))


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_snapshot(out: Path) -> Snapshot:
    """The current snapshot of a build folder (or a snapshot's own folder), verified.

    Raises SnapshotError if there is none, or a file differs from the manifest.
    """
    directory = out
    try:
        directory = (out / CURRENT if (out / CURRENT).exists() else out).resolve()
        snapshot = _told(directory, json.loads((directory / MANIFEST).read_bytes()))
    except FileNotFoundError:
        raise SnapshotError(
            Text(
                f"aucun instantané dans {out} : lancez essgraph build",
                f"no snapshot in {out}: run essgraph build",
            )
        ) from None
    except _UNREADABLE as error:
        raise SnapshotError(
            Text(
                f"instantané illisible dans {directory} : relancez essgraph build",
                f"unreadable snapshot in {directory}: run essgraph build again",
            )
        ) from error
    for name, size in snapshot.sizes.items():
        try:
            path = directory / name
            sound = path.is_file() and isinstance(size, int) and path.stat().st_size == size
            sound = sound and _digest(path) == snapshot.digests[name]
        except (OSError, ValueError):
            sound = False
        if not sound:
            raise SnapshotError(
                Text(
                    f"instantané altéré : {directory / name} ; relancez essgraph build",
                    f"snapshot altered: {directory / name}; run essgraph build again",
                )
            )
    return snapshot


def _told(directory: Path, manifest: dict[str, Any]) -> Snapshot:
    """What a manifest says. Raises one of _UNREADABLE where it is none."""
    version, sources, files = manifest["version"], manifest["sources"], manifest["files"]
    sizes = {name: entry["size"] for name, entry in files.items()}
    digests = {name: entry["sha256"] for name, entry in files.items()}
    if digests[DATA] != version or not isinstance(sources, str):
        raise ValueError("version")
    modified = (directory / MANIFEST).stat().st_mtime
    return Snapshot(directory, version, sources, sizes, digests, modified)


def holds(out: Path) -> bool:
    """Whether a folder has a snapshot, whole or damaged."""
    return os.path.lexists(out / CURRENT) or (out / MANIFEST).exists()


@contextmanager
def draft(out: Path) -> Iterator[Path]:
    """A new folder in a build folder, for the files of a snapshot: ``settle`` puts it in force,
    else nothing is left of it. Raises SnapshotError where the disk refuses what is done in it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".new-", dir=out))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise SnapshotError(
            Text(
                f"l'instantané n'a pas pu être écrit dans {out} ({error.strerror}) ; "
                "l'ancien reste en place",
                f"the snapshot could not be written to {out} ({error.strerror}); "
                "the former one stays",
            )
        ) from error


def settle(out: Path, folder: Path, sources: str, sealed: Mapping[Path, str]) -> Snapshot:
    """Puts the files of a draft in force, as the snapshot made of ``sources``. Of some, ``seal``
    has said the digests. Raises OSError."""
    files = (path for path in folder.rglob("*") if STORE not in path.relative_to(folder).parts)
    entries = _entries(folder, files, sealed)
    version = entries[DATA]["sha256"]
    manifest = {"version": version, "sources": sources, "files": entries}
    # The store has no part in the name: the engine never writes the same one again.
    name = f"{version[:16]}-{hashlib.sha256(_json(manifest)).hexdigest()[:8]}"
    if not sound(out / name):  # else the same bytes were built before
        if entries[DATA]["size"] > LARGE and not (folder / STORE).is_dir():
            store(folder)
        entries |= _entries(folder, (folder / STORE).glob("*"), sealed)
        (folder / MANIFEST).write_bytes(_json(manifest))
        _sync(folder / MANIFEST)
        folder.chmod(0o755)
        if (out / name).exists():
            (out / name).rename(tempfile.mkdtemp(prefix=".damaged-", dir=out))
        folder.rename(out / name)
        _sync(out)
    _point(out, name)
    _prune(out, keep=name)
    return _told((out / name).resolve(), manifest)


def _entries(
    folder: Path, paths: Iterable[Path], sealed: Mapping[Path, str]
) -> dict[str, dict[str, Any]]:
    """What the manifest says of files: all but the logs and locks of an engine."""
    files = sorted(p for p in paths if p.is_file() and not p.name.startswith(("LOG", "LOCK")))
    digests = {**sealed, **seal(path for path in files if path not in sealed)}
    return {
        path.relative_to(folder).as_posix(): {"sha256": digests[path], "size": path.stat().st_size}
        for path in files
    }


def _json(manifest: object) -> bytes:
    return (json.dumps(manifest, indent=1) + "\n").encode()


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files into a folder, by their names in it. Raises OSError."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


def write_frame(directory: Path, files: Mapping[str, bytes]) -> Snapshot:
    """A snapshot without data, for a service whose data are elsewhere; it has no version."""
    write_files(directory, files)
    sizes = {name: len(data) for name, data in files.items()}
    return Snapshot(directory, "", "", sizes, {}, directory.stat().st_mtime)


def store(folder: Path) -> None:
    """Makes the engine's store of the data of a folder, for workers to open read-only.

    Raises OSError.
    """
    import pyoxigraph as ox  # only here: most snapshots have none

    made = ox.Store(str(folder / STORE))
    with (folder / DATA).open("rb") as lines:
        # In pieces: at once, the engine's loader takes 1 KiB a quad.
        while piece := lines.readlines(_PIECE):
            made.bulk_load(input=b"".join(piece), format=ox.RdfFormat.N_QUADS)
    made.optimize()
    made.flush()


def store_from(before: Path, folder: Path, gone: bytes, come: bytes) -> None:
    """Makes the store of a folder from that of a snapshot: less some quads and with others, in
    N-Quads. Raises OSError."""
    import pyoxigraph as ox

    (folder / STORE).mkdir()
    for path in (before / STORE).iterdir():
        # The engine never changes its tables; the rest is its journal.
        if path.suffix == ".sst":
            (folder / STORE / path.name).hardlink_to(path)
        elif not path.name.startswith(("LOG", "LOCK")):
            shutil.copyfile(path, folder / STORE / path.name)
    made = ox.Store(str(folder / STORE))
    for quad in ox.parse(gone, format=ox.RdfFormat.N_QUADS):
        made.remove(quad)
    made.extend(ox.parse(come, format=ox.RdfFormat.N_QUADS))
    made.flush()


def sound(directory: Path) -> bool:
    """Whether a snapshot is there, whole."""
    try:
        open_snapshot(directory)
    except SnapshotError:
        return False
    return True


def _point(out: Path, name: str) -> None:
    """Makes ``current`` name the snapshot, in one step."""
    link = out / f".{CURRENT}-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(name)
    link.replace(out / CURRENT)
    _sync(out)


def seal(paths: Iterable[Path]) -> dict[Path, str]:
    """The digests of files that change no more; they are on the disk then. Raises OSError."""
    digests = {}
    for path in paths:
        _sync(path)
        digests[path] = _digest(path)
    return digests


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def kept(out: Path) -> list[tuple[str, float]]:
    """The versions that a build folder still has, and when each was made; the newest first."""
    found = {}
    for folder in _folders(out):
        try:
            version = json.loads((folder / MANIFEST).read_bytes())["version"]
            if isinstance(version, str):
                found[version] = (folder / MANIFEST).stat().st_mtime
        except _UNREADABLE:
            continue  # it goes, or is no snapshot
    return sorted(found.items(), key=lambda pair: -pair[1])


def _folders(out: Path) -> list[Path]:
    """The folders of snapshots, the newest last."""
    return sorted(
        (p for p in out.iterdir() if (p / MANIFEST).exists() and not p.is_symlink()),
        key=lambda p: p.stat().st_mtime,
    )


def _prune(out: Path, keep: str) -> None:
    """Removes old snapshots; the one before the current may still be served."""
    size = _size(out / keep)
    former = [p for p in _folders(out)[::-1] if p.name != keep]
    gone = []
    for n, old in enumerate(former):
        size += _size(old)
        if n and (n + 1 >= KEPT or size > KEPT_BYTES):
            gone.append(old)
    for path in [*gone, *out.glob(".damaged-*"), *out.glob(".new-*")]:
        shutil.rmtree(path, ignore_errors=True)
    for link in out.glob(f".{CURRENT}-*"):  # of who was killed before it was in its place
        link.unlink(missing_ok=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
