#!/usr/bin/env python3
"""A vector store read by docs/formats/vector-store.md alone: shares no code with the library.

    store = read_store("photos")         raises Damage where the document says: refuse
    store.lsn, store.ids, store.rows     ids ascending, and a matrix with a row for each

    store_reader.py DIR                  what it is, and how many vectors
    store_reader.py --hex DIR            its files as the document shows its example

A row of bf16 is shown as uint16, one of b1 as its packed bytes; numpy has no such types.
"""

import argparse
import pathlib
import re
import struct
import sys

import numpy as np

from xxh3 import checksum, checksums

HEADER = 4096
ENTRY = 48
RECORD_HEAD, OPERATION, END_MARK = 56, 32, b"QUIREEND"
PUT, REMOVE = 1, 2
INLINE, ROWS = 1, 2
DTYPES = {1: np.dtype("<f4"), 2: np.dtype("u1"), 3: np.dtype("<f2"), 4: np.dtype("<u2"),
          5: np.dtype("i1"), 6: np.dtype("u1")}
BIT = 6
NAMES = {1: "f32", 2: "u8", 3: "f16", 4: "bf16", 5: "i8", 6: "b1"}


class Damage(Exception):
    """The store is to be refused; says where and why."""


class Newer(Exception):
    """A format version that this reader does not know."""


def require(condition, path, what):
    if not condition:
        raise Damage(f"{path}: {what}")


def check_block(block, length, magic, path):
    """What every MANIFEST and header begins and ends with."""
    require(len(block) == length, path, f"has {len(block)} of {length} bytes")
    require(block[:8] == magic, path, "wrong magic")
    version, said_length = struct.unpack_from("<II", block, 8)
    if version > 1:
        raise Newer(f"{path}: format version {version}")
    require(version == 1 and said_length == length, path, "wrong version or length")
    (said,) = struct.unpack_from("<Q", block, length - 8)
    require(said == checksum(block[:-8]), path, "wrong checksum")


class Manifest:
    def __init__(self, path):
        block = path.read_bytes()
        check_block(block, 256, b"QUIREMAN", path)
        self.store_id = block[16:32]
        self.dimension, self.element_type, self.durability = struct.unpack_from("<IBB", block, 32)
        (self.generation, self.checkpoint_lsn, self.entries, self.row_limit, self.first_log,
         self.live, self.history_lsn) = struct.unpack_from("<7Q", block, 40)
        require(1 <= self.dimension <= 65536, path, "dimension")
        require(self.element_type in DTYPES, path, "element type")
        require(self.durability in (1, 2, 3), path, "durability")
        require(not any(block[38:40]) and not any(block[96:248]), path, "bytes that are not zero")
        bits = self.dimension if self.element_type == BIT else 0
        self.stride = (bits + 7) // 8 if bits else self.dimension * DTYPES[self.element_type].itemsize

    @property
    def identity(self):
        return self.store_id, self.dimension, self.element_type


class Header:
    def __init__(self, block, magic, path, manifest, number):
        check_block(block, HEADER, magic, path)
        (said,) = struct.unpack_from("<Q", block, 32)
        dimension, element_type = struct.unpack_from("<IB", block, 40)
        require((block[16:32], dimension, element_type) == manifest.identity and said == number,
                path, "belongs to another store or place")
        (self.salt, self.first_lsn, size, user_bytes,
         self.durable_lsn) = struct.unpack_from("<5Q", block, 48)
        require(size == {b"QUIREROW": manifest.stride, b"QUIRESLT": ENTRY, b"QUIRELOG": 0}[magic],
                path, "size of a row or entry")
        require(user_bytes == 0 and not any(block[45:48]) and not any(block[88:4088])
                and (self.durable_lsn == 0 or magic == b"QUIRELOG"), path,
                "bytes that are not zero")


class Record:
    def __init__(self, data, manifest):
        (self.lsn, self.durable_lsn, self.generation, self.kind, part,
         count) = struct.unpack_from("<QQQIIQ", data, 16)
        self.part, self.is_last = part & 0x7FFFFFFF, bool(part >> 31)
        table = np.frombuffer(data, OPERATION_TYPE, count, RECORD_HEAD)
        self.operations = table
        puts = int((table["kind"] == PUT).sum())
        rows = np.frombuffer(data, np.uint8, puts * manifest.stride if self.kind == INLINE else 0,
                             RECORD_HEAD + OPERATION * count)
        self.rows = rows.reshape(-1, manifest.stride)
        self.length = len(data)


OPERATION_TYPE = np.dtype([("kind", "<u4"), ("zero", "<u4"), ("id", "<u8"), ("row", "<u8"),
                           ("sum", "<u8")])
ENTRY_TYPE = np.dtype([("kind", "<u4"), ("zero", "<u4"), ("id", "<u8"), ("row", "<u8"),
                       ("lsn", "<u8"), ("sum", "<u8"), ("checksum", "<u8")])


class Log:
    def __init__(self, path, manifest, number):
        self.path, self.manifest = path, manifest
        self.data = path.read_bytes()
        self.header = Header(self.data[:HEADER], b"QUIRELOG", path, manifest, number)
        self.position = HEADER

    def record_at(self, offset):
        """The valid record at `offset`, or None."""
        data, left = self.data, len(self.data) - offset
        if left < RECORD_HEAD + 8:
            return None
        said, length = struct.unpack_from("<QQ", data, offset)
        if length < RECORD_HEAD + 8 or length > left or length % 8:
            return None
        body = data[offset:offset + length]
        if body[-8:] != END_MARK or said != checksum(body[8:], self.header.salt + offset):
            return None
        kind, _, count = struct.unpack_from("<IIQ", body, 40)
        if kind not in (INLINE, ROWS) or RECORD_HEAD + OPERATION * count > length:
            return None
        kinds = np.frombuffer(body, OPERATION_TYPE, count, RECORD_HEAD)["kind"]
        if not np.isin(kinds, (PUT, REMOVE)).all():
            return None
        row_bytes = int((kinds == PUT).sum()) * self.manifest.stride if kind == INLINE else 0
        whole = RECORD_HEAD + OPERATION * count + row_bytes
        return Record(body, self.manifest) if (whole + 7) // 8 * 8 + 8 == length else None

    def is_zero_from_here(self):
        return not any(self.data[self.position:])

    def proves_durable(self, lsn):
        """True if a valid record behind says that batch `lsn` was durable."""
        words = np.frombuffer(self.data, "<u8", (len(self.data) - self.position) // 8, self.position)
        for index in np.flatnonzero(words[3:] >= lsn):  # the durable LSN of a record
            record = self.record_at(self.position + 8 * int(index))
            if record is not None and record.durable_lsn >= lsn:
                return True
        return False


class Store:
    """What is in a store's directory. Thread-compatible; the files must not change meanwhile."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.manifest = Manifest(self.directory / "MANIFEST")
        self.newest = {}  # id -> (row, checksum of the row); None where it was removed
        self.carried = {}  # row -> its bytes, of records that carry them
        self.dropped_bytes = 0
        self._open_rows()
        self._read_entries()
        self.lsn = self.manifest.checkpoint_lsn
        self._replay(self._open_logs())
        self._take_rows()

    def _open_rows(self):
        manifest = self.manifest
        path = self.directory / f"gen-{manifest.generation}.rows"
        require(path.exists(), path, "is missing")
        with open(path, "rb") as file:
            Header(file.read(HEADER), b"QUIREROW", path, manifest, manifest.generation)
        self.rows_path = path
        have = (path.stat().st_size - HEADER) // manifest.stride
        require(have >= manifest.row_limit, path, "rows are missing")
        self.matrix = np.memmap(path, np.uint8, "r", HEADER, (have, manifest.stride)) if have else \
            np.empty((0, manifest.stride), np.uint8)

    def _read_entries(self):
        manifest = self.manifest
        path = self.directory / f"gen-{manifest.generation}.slots"
        require(path.exists(), path, "is missing")
        data = path.read_bytes()
        header = Header(data[:HEADER], b"QUIRESLT", path, manifest, manifest.generation)
        count = manifest.entries
        require(len(data) >= HEADER + ENTRY * count, path, "entries are missing")
        table = np.frombuffer(data, ENTRY_TYPE, count, HEADER)
        blocks = np.frombuffer(data, np.uint8, ENTRY * count, HEADER).reshape(count, ENTRY)
        with np.errstate(over="ignore"):
            seeds = np.uint64(header.salt) + np.arange(count, dtype=np.uint64)
        right = checksums(blocks[:, :40], seeds) == table["checksum"] if count else table["checksum"]
        require(bool(np.all(right)) or not count, path,
                f"entry {int(np.argmin(right)) if count else 0} has a wrong checksum")
        require(np.isin(table["kind"], (PUT, REMOVE)).all(), path, "kind of an entry")
        lsns = table["lsn"].astype(np.uint64)
        require(bool(np.all(lsns[1:] >= lsns[:-1])), path, "LSNs decrease")
        require(not count or int(lsns[-1]) <= manifest.checkpoint_lsn, path, "LSN past the checkpoint")
        puts = table[table["kind"] == PUT]
        require(not len(puts) or int(puts["row"].max()) < manifest.row_limit, path, "row past the limit")
        for entry in table:
            self._apply(entry)
        live = sum(place is not None for place in self.newest.values())
        require(live == manifest.live, path, f"has {live} live ids, not {manifest.live}")

    def _apply(self, change):
        is_put = change["kind"] == PUT
        self.newest[int(change["id"])] = (int(change["row"]), int(change["sum"])) if is_put else None

    def _open_logs(self):
        numbers = sorted(int(match[1]) for match in
                         (re.fullmatch(r"log-([1-9]\d*)\.wal", path.name)
                          for path in self.directory.iterdir()) if match)
        numbers = [number for number in numbers if number >= self.manifest.first_log]
        expected = list(range(self.manifest.first_log, self.manifest.first_log + len(numbers)))
        require(numbers and numbers == expected, self.directory, "a log is missing")
        logs = []
        for number in numbers:
            path = self.directory / f"log-{number}.wal"
            try:
                logs.append(Log(path, self.manifest, number))
            except Damage:
                # The last one may have been in the making.
                if number != numbers[-1] or len(numbers) == 1 or any(path.read_bytes()[HEADER:]):
                    raise
        return logs

    def _counts(self, record, part):
        manifest = self.manifest
        if (record is None or record.lsn != self.lsn + 1 or record.part != part
                or record.generation != manifest.generation):
            return False
        puts = record.operations[record.operations["kind"] == PUT]
        if record.kind == INLINE:
            return not len(puts) or int(puts["row"].min()) >= manifest.row_limit
        if not len(puts):
            return True
        if int(puts["row"].max()) >= len(self.matrix):
            return False
        return bool(np.all(checksums(self.matrix[puts["row"].astype(np.int64)]) == puts["sum"]))

    def _replay(self, logs):
        for index, log in enumerate(logs):
            following = logs[index + 1:]
            end_lsn = following[0].header.first_lsn if following else None
            parts = []
            while self.lsn + 1 != end_lsn:
                record = log.record_at(log.position)
                if not self._counts(record, len(parts)):
                    break
                log.position += record.length
                parts.append(record)
                if record.is_last:
                    self._take_batch(parts)
                    parts = []
            if self.lsn + 1 == end_lsn:
                continue
            require(all(later.is_zero_from_here() and later.header.durable_lsn <= self.lsn
                        for later in following), log.path,
                    f"batch {self.lsn + 1} is missing, and a later log says that it was durable")
            if parts or not log.is_zero_from_here():
                require(not log.proves_durable(self.lsn + 1), log.path,
                        f"batch {self.lsn + 1} is damaged, and was durable")
                self.dropped_bytes = len(log.data) - log.position
            return

    def _take_batch(self, parts):
        for record in parts:
            puts = record.operations[record.operations["kind"] == PUT]
            for row, put in zip(record.rows, puts):
                self.carried[int(put["row"])] = row
            for operation in record.operations:
                self._apply(operation)
        self.lsn += 1

    def _take_rows(self):
        live = sorted(id for id, place in self.newest.items() if place is not None)
        self.ids = np.array(live, np.uint64)
        numbers = np.array([self.newest[id][0] for id in live], np.int64)
        wanted = np.array([self.newest[id][1] for id in live], np.uint64)
        rows = np.zeros((len(live), self.manifest.stride), np.uint8)
        in_file = numbers < len(self.matrix)
        rows[in_file] = self.matrix[numbers[in_file]]
        for index, number in enumerate(numbers):
            if int(number) in self.carried:
                rows[index] = self.carried[int(number)]
        if live:
            right = checksums(rows) == wanted
            require(bool(right.all()), self.rows_path,
                    f"the row of id {live[int(np.argmin(right))]} has a wrong checksum")
        if self.manifest.element_type == BIT and self.manifest.dimension % 8:
            require(not (rows[:, -1] >> (self.manifest.dimension % 8)).any(), self.rows_path,
                    "bits that are no element are set")
        self.raw = rows
        self.rows = rows.view(DTYPES[self.manifest.element_type])


def read_store(directory):
    return Store(directory)


def read_control_page(directory):
    """(generation, published LSN) that a living writer tells readers in LOCK, or None."""
    block = (pathlib.Path(directory) / "LOCK").read_bytes()[:64]
    if len(block) < 64 or block[:8] != b"QUIRECTL":
        return None
    generation, lsn, zero, said = struct.unpack_from("<4Q", block, 32)
    right = said == checksum(block[:56]) and not any(block[8:16]) and zero == 0
    return (generation, lsn) if right else None


def hex_lines(data):
    """Lines of 16 bytes, without those that are all zero."""
    for offset in range(0, len(data), 16):
        part = data[offset:offset + 16]
        if any(part):
            yield f"{offset:6d}  {' '.join(f'{byte:02x}' for byte in part)}"


def write_hex(directory, out):
    for path in sorted(pathlib.Path(directory).iterdir()):
        if path.name != "LOCK":
            data = path.read_bytes()
            print(f"{path.name}: {len(data)} bytes", *hex_lines(data), sep="\n", file=out)


def files_of_hex(text):
    """The files that write_hex wrote: {name: bytes}."""
    files, data = {}, None
    for line in text.splitlines():
        if match := re.fullmatch(r"(\S+): (\d+) bytes", line.strip()):
            data = files[match[1]] = bytearray(int(match[2]))
        elif line.strip():
            offset, content = line.split(maxsplit=1)
            part = bytes.fromhex(content)
            data[int(offset):int(offset) + len(part)] = part
    return files


def main():
    parser = argparse.ArgumentParser(description="Reads a vector store by its format document.")
    parser.add_argument("--hex", action="store_true", help="show the bytes of its files")
    parser.add_argument("directory")
    arguments = parser.parse_args()
    if arguments.hex:
        write_hex(arguments.directory, sys.stdout)
        return 0
    try:
        store = read_store(arguments.directory)
    except (Damage, Newer, OSError) as error:
        print(error, file=sys.stderr)
        return 3
    manifest = store.manifest
    print(f"{len(store.ids)} vectors of {manifest.dimension} {NAMES[manifest.element_type]}, "
          f"last batch {store.lsn}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
