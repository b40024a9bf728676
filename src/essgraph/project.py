"""A project: the folder whose files are the graph, laid out by convention.

::

    ontology/essgraph.ttl            the terms
    data/dataset.ttl                 the dataset's own description
    data/withdrawn.ttl               names no longer in use, if there are any
    data/documents/{doc}.trig        one mapped text, one graph a passage
    data/documents/{doc}.anchors.ttl derived positions of its pieces
    data/register/*.ttl              identity of the entities
    data/schemes/*.ttl               the controlled lists
    data/texts/                      the private texts, if they are at hand (never in git)
    shapes/*.ttl                     one SHACL file a class
    queries/*.rq                     one question a file
    tests/golden/{question}.csv      what a question must answer, read by hand
    build/                           the snapshots

Hidden files are none of these: editors and systems put theirs beside those that they show.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from essgraph.errors import Position, ProjectError, SyntaxFault, Text

#: In an installed wheel the project's files lie beside the code.
PACKAGED = Path(__file__).with_name("project_files")

#: Larger files are refused before they are read: what a file states takes some thirty times its
#: size in memory.
MAX_BYTES = 4 * 1024 * 1024


class Digests(dict[Path, bytes]):
    """The SHA-256 of each file that is asked for, read once. Empty for what is missing or no
    project can hold: whoever reads that says why."""

    @property
    def whole(self) -> str:
        """SHA-256 (hex) of all files that were asked for, with their names."""
        named = sorted((f"{p.parent.name}/{p.name}", it) for p, it in self.items() if it)
        return hashlib.sha256(b"".join(os.fsencode(f"{n}\n") + it for n, it in named)).hexdigest()

    def __missing__(self, path: Path) -> bytes:
        try:
            about = path.stat()
            holds = stat.S_ISREG(about.st_mode) and about.st_size <= MAX_BYTES
            digest = hashlib.sha256(path.read_bytes()).digest() if holds else b""
        except OSError:
            digest = b""
        self[path] = digest
        return digest


@dataclass(frozen=True)
class Project:
    """The files of one project. Paths in messages are relative to ``root``."""

    root: Path

    @property
    def ontology(self) -> Path:
        return self.root / "ontology" / "essgraph.ttl"

    @property
    def dataset(self) -> Path:
        return self.root / "data" / "dataset.ttl"

    @property
    def withdrawn(self) -> Path:
        """The names that are no longer in use, and what took their place; it may be missing."""
        return self.root / "data" / "withdrawn.ttl"

    @property
    def documents(self) -> list[Path]:
        found = (self.root / "data" / "documents").glob("[!.]*.trig")
        return sorted(found, key=lambda path: path.name)  # paths take longer to compare

    @property
    def register(self) -> list[Path]:
        return sorted((self.root / "data" / "register").glob("[!.]*.ttl"))

    @property
    def schemes(self) -> list[Path]:
        return sorted((self.root / "data" / "schemes").glob("[!.]*.ttl"))

    @property
    def shapes(self) -> list[Path]:
        return sorted((self.root / "shapes").glob("[!.]*.ttl"))

    @property
    def queries(self) -> list[Path]:
        return sorted((self.root / "queries").glob("[!.]*.rq"))

    @property
    def golden(self) -> Path:
        return self.root / "tests" / "golden"

    @property
    def texts(self) -> Path:
        return self.root / "data" / "texts"

    @property
    def folders(self) -> list[Path]:
        """The folders that hold its files."""
        return [self.root / name for name in ("ontology", "data", "shapes", "queries")]

    @staticmethod
    def anchors(document: Path) -> Path:
        """The derived file beside a document's TriG file."""
        return document.with_name(document.stem + ".anchors.ttl")

    def inputs(self) -> Iterator[Path]:
        """Every file that the snapshot is made from, in a fixed order."""
        yield self.ontology
        yield self.dataset
        yield self.withdrawn
        for document in self.documents:
            yield document
            yield self.anchors(document)
        yield from self.register
        yield from self.schemes
        yield from self.shapes
        yield from self.queries

    def digest(self) -> str:
        """SHA-256 (hex) of all the files a snapshot is made from: tells whether it is stale."""
        digests = Digests()
        for path in self.inputs():
            digests[path]
        return digests.whole

    def frame(self) -> dict[str, bytes]:
        """The files of a snapshot beside its data: ontology, shapes, questions."""
        return {
            "ontology.ttl": self.read(self.ontology),
            "shapes.ttl": b"\n".join(self.read(path) for path in self.shapes),
            **{f"queries/{path.name}": self.read(path) for path in self.queries},
        }

    def name(self, path: Path) -> str:
        """``path`` as reports show it: relative to the project where it lies inside."""
        if path.is_relative_to(self.root) and ".." not in path.parts:
            return path.relative_to(self.root).as_posix()
        try:
            return path.resolve().relative_to(self.root.resolve()).as_posix()
        except (ValueError, OSError, RuntimeError):  # outside, or a symbolic link in a circle
            return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)

    def read(self, path: Path) -> bytes:
        """The bytes of a file of the project.

        Raises ProjectError where it is missing or cannot be read, SyntaxFault where it is larger
        than a file of a project can be.
        """
        return read_bytes(path, self.name(path))


def no_slug(name: str) -> SyntaxFault:
    """Of a file, by the name that messages show, which is named after something that has an IRI."""
    return SyntaxFault(
        Text("le nom de ce fichier n'est pas un nom court", "the name of this file is not a slug"),
        file=name,
        mend=Text(
            "minuscules ASCII, chiffres, tirets", "lower-case ASCII letters, digits, hyphens"
        ),
    )


def read_bytes(path: Path, name: str) -> bytes:
    """The bytes of a regular file that messages call ``name``.

    Raises ProjectError where it is missing or cannot be read, SyntaxFault (before anything is
    read) where it is too large.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise ProjectError(
                Text(f"{name} n'est pas un fichier ordinaire", f"{name} is not a regular file")
            )
        if about.st_size > MAX_BYTES:
            raise SyntaxFault(
                Text(
                    f"ce fichier fait {about.st_size >> 20} Mio, la limite est de "
                    f"{MAX_BYTES >> 20} Mio ; un texte relevé en fait quelques dizaines de Kio",
                    f"this file takes {about.st_size >> 20} MiB, the limit is {MAX_BYTES >> 20} "
                    "MiB; a mapped text takes some tens of KiB",
                ),
                file=name,
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise ProjectError(Text(f"fichier manquant : {name}", f"file missing: {name}")) from None
    except OSError as error:
        raise ProjectError(
            Text(
                f"fichier illisible : {name} ({error.strerror})",
                f"cannot read file: {name} ({error.strerror})",
            )
        ) from error


def decode(data: bytes, name: str) -> str:
    """The text of what messages call ``name``. Raises SyntaxFault, with the place, where it is not
    UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8").rpartition("\n")
        byte = f"0x{data[error.start]:02X}"
        raise SyntaxFault(
            Text(f"ce n'est pas de l'UTF-8 (octet {byte})", f"this is not UTF-8 (byte {byte})"),
            file=name,
            at=Position(before[0].count("\n") + 1 + len(before[1]), len(before[2]) + 1),
            mend=Text("enregistrez-le en UTF-8", "save it as UTF-8"),
        ) from error


def replace(path: Path, text: str) -> None:
    """Writes a file, whole or not at all. Raises ProjectError where it cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, "utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ProjectError(
            Text(
                f"{path} n'a pas pu être écrit ({error.strerror})",
                f"{path} could not be written ({error.strerror})",
            )
        ) from error


def find(folder: Path | None, cwd: Path) -> Project:
    """The project in ``folder`` if given, else in ``cwd``, else the one inside the package.

    Raises ProjectError if ``folder`` is given and holds no project.
    """
    if folder is not None:
        if not (folder / "ontology").is_dir() or not (folder / "data").is_dir():
            raise ProjectError(
                Text(
                    f"aucun projet dans {folder} : les dossiers ontology/ et data/ sont attendus",
                    f"no project in {folder}: the folders ontology/ and data/ are expected",
                )
            )
        return Project(folder)
    if (cwd / "ontology").is_dir() and (cwd / "data").is_dir():
        return Project(cwd)
    if PACKAGED.is_dir():
        return Project(PACKAGED)
    raise ProjectError(
        Text(
            "aucun projet ici : passez --project DOSSIER",
            "no project here: pass --project DIR",
        )
    )
