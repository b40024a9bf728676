"""The published dataset in parts: runs of subjects, each worked out from what is stated of them.

``data.nq`` is the parts one after the other, and so are the dumps, as members of gzip files. Where
a part begins depends on the subjects alone: the same data have the same parts, whatever they were
built from. All that is known of a subject stands in one part, so that a part can be made, and its
subjects be validated, without the others but for what their objects are (``Data.lines_of``).

A build takes the parts that stand as they were from the snapshot before; where there is none, all
are new.
"""

from __future__ import annotations

import gzip
import mmap
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Any, BinaryIO, Self

import pyoxigraph as ox

from essgraph import dataset, merge, names, search, snapshot
from essgraph.copies import spread
from essgraph.merge import Schema

#: The mean number of subjects in a part of a large dataset.
_SUBJECTS = 64
#: The level of compression: above it, each percent less takes as long as all before.
_LEVEL = 6
#: The files of a snapshot that are made of parts.
FILES = (snapshot.DATA, "dump.nq.gz", "dump.trig.gz")
#: A dataset of which the files state no more than this, in bytes of N-Quads, is one part.
SMALL = 8 * 2**20

#: Lines with how many units state each.
Stated = list[tuple[bytes, int]]


@dataclass(frozen=True)
class Part:
    """A part: the subject with which it begins, where it stands in each of the files, which lines
    are stated by more than one unit, how many triples, quads and entities it holds, and what the
    description counts of it."""

    start: bytes
    spans: tuple[tuple[int, int], ...]
    shared: dict[bytes, int] = field(default_factory=dict)
    counts: tuple[int, int, int] = (0, 0, 0)
    figures: Sequence[Any] = ()


@dataclass(frozen=True)
class Made:
    """A part that is not yet in its place: its bytes for each of the files, and what the index of
    names takes from it."""

    start: bytes
    blocks: tuple[bytes, ...]
    shared: dict[bytes, int]
    counts: tuple[int, int, int]
    figures: Sequence[Any]
    named: list[search.Named]


def subject(line: bytes) -> bytes:
    """The subject of a canonical line, with the space after it."""
    return line[: line.index(b" ") + 1]


def begins(subject: bytes) -> bool:
    """Whether a part begins with this subject."""
    return zlib.crc32(subject) % _SUBJECTS == 0


def cut(stated: Iterable[tuple[bytes, int]], fine: bool) -> Iterator[Stated]:
    """Lines in order as parts; all in one unless ``fine``."""
    part: Stated = []
    for start, lines in groupby(stated, key=lambda pair: subject(pair[0])):
        if part and fine and begins(start):
            yield part
            part = []
        part.extend(lines)
    if part:
        yield part


def count(lines: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Sorted lines once each, with how often they came."""
    for line, same in groupby(lines):
        yield line, sum(1 for _ in same)


def make(stated: Stated, schema: Schema, doubtful: Container[bytes]) -> Made:
    """A part worked out."""
    lines, triples = merge.publish((line for line, _ in stated), schema, doubtful)
    data = b"".join(lines)
    telling = b"".join(search.telling(lines))
    registered = {
        subject(line)
        for line, _ in stated
        if line.endswith(_REGISTERED) and line.split(b" ", 2)[1] == _TYPE
    }
    return Made(
        subject(lines[0]),
        (data, _packed(data), _packed(merge.trig(lines))),
        {line: times for line, times in stated if times > 1},
        (len(triples), len(lines), len(registered)),
        _figures(stated, triples, schema, doubtful),
        search.named_in(ox.parse(telling, ox.RdfFormat.N_QUADS)),
    )


def _figures(
    stated: Stated, triples: set[bytes], schema: Schema, doubtful: Container[bytes]
) -> list[Any]:
    """What a description counts: the default graph but for a description."""
    given = [line for line, _ in stated if merge.split(line)[1] != merge.DESCRIPTION]
    if len(given) < len(stated):
        _, triples = merge.publish(given, schema, doubtful)
    counts = dataset.Counts()
    counts.add(sorted(triples))
    return counts.figures


_REGISTERED = f" <{names.REGISTER}> .\n".encode()
_TYPE = f"<{names.RDF}type>".encode()


def dumps(data: bytes) -> dict[str, bytes]:
    """The files to download of a dataset in one part, from its ``data.nq``."""
    trig = merge.trig(data.splitlines(keepends=True))
    return dict(zip(FILES[1:], (_packed(data), _packed(merge.HEAD) + _packed(trig)), strict=True))


def _packed(data: bytes) -> bytes:
    """A gzip member, without a time: the same bytes for the same data."""
    return gzip.compress(data, compresslevel=_LEVEL, mtime=0)


#: What the lines of most subjects take, in bytes.
_BLOCK = 8 * 2**10


class Data:
    """``data.nq`` with its parts, open for reading."""

    def __init__(self, folder: Path, parts: Sequence[Part]) -> None:
        self.folder = folder
        self.parts = parts
        self._starts = [part.start for part in parts]
        self._file = (folder / snapshot.DATA).open("rb")
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._map.close()
        self._file.close()

    def find(self, line: bytes) -> int:
        """The number of the part in which a line, or a subject with its space, belongs."""
        return max(0, bisect_right(self._starts, line) - 1)

    def lines(self, number: int) -> list[bytes]:
        """The lines of a part."""
        at, size = self.parts[number].spans[0]
        return self._map[at : at + size].splitlines(keepends=True)

    def stated(self, number: int) -> Stated:
        """What units state in a part."""
        shared = self.parts[number].shared
        return [(line, shared.get(line, 1)) for line in merge.named(self.lines(number))]

    def lines_of(self, subject: bytes) -> list[bytes]:
        """The lines of a subject, which is given with its space."""
        at, size = self.parts[self.find(subject)].spans[0]
        end = low = at + size
        while at < low:
            middle = (at + low) // 2
            begin = max(at, self._map.rfind(b"\n", at, middle) + 1)
            if self._map[begin : begin + len(subject)] < subject:
                at = self._map.find(b"\n", middle) + 1
            else:
                low = begin
        size = _BLOCK
        while True:
            lines = self._map[at : min(at + size, end)].splitlines(keepends=True)
            if at + size < end:
                lines.pop()  # it may be cut
            own = [line for line in lines if line.startswith(subject)]
            if len(own) < len(lines) or at + size >= end:
                return own
            size *= 4

    def naming(self, object_: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The subject, with its space, and the predicate of each line with this IRI as object."""
        at = -1
        while (at := self._map.find(b" " + object_ + b" ", at + 1)) >= 0:
            begin = self._map.rfind(b"\n", 0, at) + 1
            before = self._map[begin:at].split(b" ", 2)
            if len(before) == 2:  # else it is the predicate, or stands in a text
                yield before[0] + b" ", before[1]


@dataclass(frozen=True)
class Change:
    """Parts of the dataset before, numbers ``first`` to ``last`` (not included), and what is stated
    in their place."""

    first: int
    last: int
    parts: Iterator[Stated]


def changes(old: Data, lines: Iterable[tuple[bytes, int]], fine: bool) -> Iterator[Change]:
    """What becomes of the parts of a dataset in which lines are stated more or less often.

    ``lines`` are in order, each with how much more often; 0 where only its passage became doubtful
    or sure.
    """
    new: dict[int, Stated] = {}
    for number, differing in groupby(lines, key=lambda pair: old.find(pair[0])):
        times = Counter(dict(old.stated(number)))
        for line, more in differing:
            times[line] += more
        new[number] = sorted((line, n) for line, n in times.items() if n > 0)
    # A part whose first subject is gone goes on in the part before it.
    for number in sorted(new):
        while number > 0 and not (
            new[number] and new[number][0][0].startswith(old.parts[number].start)
        ):
            number -= 1
            if number in new:
                break
            new[number] = old.stated(number)
    numbers = sorted(new)
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        together = [number for _, number in run]
        stated = [pair for number in together for pair in new[number]]
        yield Change(together[0], together[-1] + 1, cut(stated, fine))


@dataclass
class Difference:
    """The lines by which two datasets differ."""

    gone: list[bytes] = field(default_factory=list)
    come: list[bytes] = field(default_factory=list)

    @property
    def lines(self) -> Iterator[bytes]:
        return chain(self.gone, self.come)


def write(
    folder: Path | None,
    old: Data | None,
    changes: Iterable[Change],
    work: Callable[[list[Stated]], list[Made]],
    take: Callable[[Made], None],
) -> tuple[list[Part], Difference]:
    """Writes the files of a dataset into a folder; gives its parts, and by what it differs from
    the ``old`` one. ``work`` makes parts, in other processes; each one made is handed to ``take``.
    Without a folder nothing is written, and the parts stand nowhere.

    Raises OSError.
    """
    difference = Difference()
    parts: list[Part] = []
    fresh: list[bytes] = []
    with ExitStack() as stack:
        files: list[BinaryIO] = []
        sources: list[BinaryIO] = []
        if folder is not None:
            files += (stack.enter_context((folder / name).open("wb")) for name in FILES)
            files[2].write(_packed(merge.HEAD))
            if old is not None:
                sources += (stack.enter_context((old.folder / n).open("rb")) for n in FILES)
        done = 0  # parts of the old dataset
        for item in spread(partial(_either, work), _batches(old, changes)):
            if isinstance(item, range):
                assert old is not None
                before = {line for n in range(done, item.start) for line in old.lines(n)}
                after = {line for block in fresh for line in block.splitlines(keepends=True)}
                difference.gone += sorted(before - after)
                difference.come += sorted(after - before)
                fresh.clear()
                parts += _copied(old, item, sources, files)
                done = item.stop
                continue
            for made in item:
                spans = []
                for file, block in zip(files, made.blocks, strict=False):
                    spans.append((file.tell(), len(block)))
                    file.write(block)
                parts.append(Part(made.start, tuple(spans), made.shared, made.counts, made.figures))
                take(made)
                if old is not None:
                    fresh.append(made.blocks[0])
    return parts, difference


#: How many parts of a large dataset are worked out at a time.
_BATCH = 8


def _batches(old: Data | None, changes: Iterable[Change]) -> Iterator[range | list[Stated]]:
    """The ranges of parts that stand as they were, and those to be made, in order."""
    at = 0
    for change in changes:
        if old is not None:
            yield range(at, change.first)
        while batch := list(islice(change.parts, _BATCH)):
            yield batch
        at = change.last
    if old is not None:
        yield range(at, len(old.parts))


def _either(
    work: Callable[[list[Stated]], list[Made]], item: range | list[Stated]
) -> range | list[Made]:
    return item if isinstance(item, range) else work(item)


def _copied(
    old: Data, numbers: range, sources: Sequence[BinaryIO], files: Sequence[BinaryIO]
) -> Iterator[Part]:
    """Copies parts that lie one after the other, and says where they are now."""
    kept = old.parts[numbers.start : numbers.stop]
    moved = []
    for which, (source, file) in enumerate(zip(sources, files, strict=True)):
        begin = kept[0].spans[which][0] if kept else 0
        moved.append(file.tell() - begin)
        left = sum(kept[-1].spans[which]) - begin if kept else 0
        source.seek(begin)
        while left:
            piece = source.read(min(left, _PIECE))
            file.write(piece)
            left -= len(piece)
    for part in kept:
        spans = tuple((at + by, size) for (at, size), by in zip(part.spans, moved, strict=False))
        yield replace(part, spans=spans)


#: How much is copied at a time, in bytes: of more, the memory is new each time, which takes longer.
_PIECE = 2**18
