"""The objects to load, on local disk. Invariant: the same number of rows gives the same bytes."""

import hashlib
import random
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import count, cycle, starmap
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import msgspec

from benchmarks.local_store import LocalObjects
from scripts.landing.json_array import Batch, read_records
from scripts.landing.keys import raw_key
from scripts.landing.store import Store
from scripts.load.binary_copy import HEADER, TRAILER, RowCopy
from scripts.load.contract import Contract
from scripts.load.row_decoder import Values
from sources.jsonplaceholder import POSTS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAY = date(2026, 1, 31)
ENVELOPED = "enveloped"  # the path of the clean object inside an envelope
BAD_EVERY = 1000  # 0.1 %
_CHUNK = 10_000
_TEXTS = 997
_WHOLE = struct.Struct(">hiqiqiqiB").pack
_PROSE = (
    "sunt aut facere repellat provident occaecati excepturi optio reprehenderit quia et suscipit "
    "recusandae consequuntur expedita cum rerum est autem qui esse tempore vitae sequi sint nihil"
)
_WORDS = _PROSE.split()
_BAD = (
    '{{"userId":{user},"id":"{id}","title":"a key of the wrong type"}}',
    '{{"userId":{user},"id":{id},"title":"no body"}}',
    '{{"userId":{user},"id":{id},"title":"\\u0000","body":"what jsonb cannot hold"}}',
    '{{"userId":{user},"id":{id},"title":NaN,"body":"no JSON at all"}}',
)


@dataclass(frozen=True)
class Objects:
    """The files for one number of rows: two buckets of one day each, and a ready-made COPY file."""

    folder: Path
    rows: int

    @property
    def clean(self) -> Path:
        """The bucket whose object satisfies the contract."""
        return self.folder / f"clean-{self.rows}"

    @property
    def bad(self) -> Path:
        """The bucket whose object has 0.1 % of records that break the contract, in four ways."""
        return self.folder / f"bad-{self.rows}"

    @property
    def binary(self) -> Path:
        """The COPY BINARY stream of the clean object."""
        return self.folder / f"{self.rows}.binary"

    @property
    def halves(self) -> tuple[Path, Path]:
        """The same rows in two streams."""
        return self.folder / f"{self.rows}.0.binary", self.folder / f"{self.rows}.1.binary"

    @property
    def whole(self) -> Path:
        """The stream for a table with the columns load_id, position, id and the record as jsonb."""
        return self.folder / f"{self.rows}.whole.binary"

    def make(self, *, with_bad: bool = True) -> None:
        """Write all of them."""
        put(self.clean, self.rows, 0)
        if with_bad:
            put(self.bad, self.rows, BAD_EVERY)
        with ExitStack() as stack:
            one, first, second, whole = (
                stack.enter_context(_stream(path))
                for path in (self.binary, *self.halves, self.whole)
            )
            turns = cycle((first, second))
            for rows, records in _packed(self.clean / key()):
                one.write(rows)
                next(turns).write(rows)
                whole.write(records)


def key(day: date = DAY) -> str:
    """Return the key of a bucket's only object."""
    return raw_key(POSTS.name, day)


def store(bucket: Path) -> Store:
    """Return the store over a folder."""
    return Store(cast("S3Client", LocalObjects(bucket.parent)), bucket.name)


def put(bucket: Path, rows: int, bad_every: int, day: date = DAY, seed: int = 0) -> None:
    """Write an object as extraction lands it: one record per line, the sha256 in the metadata."""
    path, digest = bucket / key(day), hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for part in _parts(rows, bad_every, seed):
            digest.update(part)
            file.write(part)
    LocalObjects.promise(path, digest.hexdigest())


def _parts(rows: int, bad_every: int, seed: int) -> Iterator[bytes]:
    dice = random.Random(seed)
    titles = [" ".join(dice.choices(_WORDS, k=dice.randint(3, 8))) for _ in range(_TEXTS)]
    bodies = [" ".join(dice.choices(_WORDS, k=dice.randint(18, 30))) for _ in range(_TEXTS)]
    bodies = [body.replace(" et ", "\\n") for body in bodies]
    yield b"[\n"
    for low in range(0, rows, _CHUNK):
        numbers = range(low + 1, min(low + _CHUNK, rows) + 1)
        lines = (_line(i, bad_every, titles, bodies) for i in numbers)
        yield (",\n" if low else "").encode() + ",\n".join(lines).encode()
    yield b"\n]\n"


def _line(number: int, bad_every: int, titles: list[str], bodies: list[str]) -> str:
    user = number // 10 + 1
    if bad_every and number % bad_every == bad_every // 2:
        return _BAD[number // bad_every % len(_BAD)].format(user=user, id=number)
    title, body = titles[number % _TEXTS], bodies[number * 31 % _TEXTS]
    return f'{{"userId":{user},"id":{number},"title":"{title}","body":"{body}"}}'


@contextmanager
def _stream(path: Path) -> Iterator[IO[bytes]]:
    """Open a file as a COPY BINARY stream, with its header and its end."""
    with path.open("wb") as file:
        file.write(HEADER)
        yield file
        file.write(TRAILER)


def _packed(source: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield the rows of an object, exactly as a load sends them, and the same as whole records."""
    rows, contract = RowCopy(POSTS, 1), Contract(POSTS)
    with source.open("rb") as read:
        for batch in read_records(_blocks(read), max_record_bytes=1 << 20):
            if isinstance(batch, Batch):
                checked = contract.check(batch)
                records = zip(count(batch.first), batch.records, checked.rows, strict=False)
                yield rows.pack(batch, checked), b"".join(starmap(_whole, records))


def _whole(position: int, record: msgspec.Raw, row: Values) -> bytes:
    key = POSTS.key_in(row)
    return _WHOLE(4, 8, 1, 8, position, 8, key, len(record) + 1, 1) + bytes(record)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(1 << 20):
        yield block
