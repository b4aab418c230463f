"""What the tests of the quire command share: running it, vector files, and stores to look into."""

import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import tempfile
import unittest

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
NOBODY = 65534


def bvecs(rows):
    """The bytes of a bvecs file of `rows`, each a bytes object."""
    return b"".join(struct.pack("<i", len(row)) + row for row in rows)


def fvecs(rows):
    """The bytes of an fvecs file of `rows`, each a list of numbers."""
    return b"".join(struct.pack(f"<i{len(row)}f", len(row), *row) for row in rows)


def npy(descr, rows, dimension, elements):
    """The bytes of the NumPy file of version 1.0 that numpy.save would write."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {dimension}), }}"
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + elements


def ivecs(rows):
    return b"".join(struct.pack(f"<i{len(row)}i", len(row), *row) for row in rows)


def random_rows(count, dimension, seed=1):
    source = random.Random(seed)
    return [source.randbytes(dimension) for _ in range(count)]


class QuireTest(unittest.TestCase):
    """A test with a directory of its own, where each command runs."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="quire-cli-")
        self.addCleanup(directory.cleanup)
        self.home = pathlib.Path(directory.name)
        self.home.chmod(0o755)
        self.quire = os.environ["QUIRE_COMMAND"]

    def path(self, name):
        return self.home / name

    def write(self, name, content):
        self.path(name).write_bytes(content)
        return name

    def run_quire(self, *words, status=0, **options):
        """Runs the command and checks its exit status; if that is not 0, also that standard error
        is one line of the right form. Returns what it printed."""
        done = subprocess.run([self.quire, *map(str, words)], cwd=self.home, timeout=120,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **options)
        error = done.stderr.decode()
        self.assertEqual(done.returncode, status, f"{words}: {error}{done.stdout[:300]}")
        if status:
            self.assert_one_line(error)
        self.error = error
        return done.stdout

    def text(self, *words, **options):
        return self.run_quire(*words, **options).decode()

    def json(self, *words, **options):
        return json.loads(self.run_quire(*words, "--json", **options))

    def fails(self, *words, status=1, says="", **options):
        """Runs a command that must fail and say `says`."""
        self.run_quire(*words, status=status, **options)
        self.assertIn(says, self.error)

    def assert_one_line(self, error):
        self.assertRegex(error, r"\Aquire: [^\n]+\n\Z")

    def start_import(self, *words):
        """An import with --json that waits while its acknowledgements are not read: the pipe
        holds few of them."""
        process = subprocess.Popen(
            [self.quire, "import", *map(str, words), "--json"], cwd=self.home, pipesize=4096,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()

    def acknowledged(self, line):
        """The rows in a line of acknowledgement; a line that a kill has cut acknowledges nothing."""
        return json.loads(line)["rows"] if line.endswith(b"\n") else 0

    def rows(self, store):
        """All rows of a store or snapshot, as the bytes of a bvecs file."""
        self.run_quire("export", store, "rows.bvecs")
        return self.path("rows.bvecs").read_bytes()

    def assert_whole(self, store, content):
        """The store or snapshot is undamaged and holds exactly the rows of the bvecs file `content`."""
        self.assertTrue(self.json("verify", store)["ok"])
        self.assertEqual(self.rows(store), content)

    def publish(self, store, name, *words):
        """Publishes a store as a snapshot file; returns the file's name."""
        self.run_quire("snapshot", "create", store, name, *words)
        return name

    def stop_half_way(self, stop, words, before, sign, is_half_way):
        """Starts a command and sends it the signal `stop` as soon as the path `sign` is there. If
        it was quicker, begins again, `before()` first. Returns what it said on standard error."""
        for _ in range(100):
            before()
            process = subprocess.Popen([self.quire, *map(str, words)], cwd=self.home,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
            while process.poll() is None and not self.path(sign).exists():
                pass
            process.send_signal(stop)
            error = process.communicate()[1].decode()
            if is_half_way(process.returncode):
                return error
        return self.fail("it was always quicker")

    def flip(self, name, offset):
        """Changes one byte of a file; a second time changes it back."""
        with open(self.path(name), "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 0x40]))

    def without_root(self):
        """Options to run as someone whom permissions bind."""
        if os.geteuid() != 0:
            return {}
        copy = self.path("quire-copy")
        if not copy.exists():
            shutil.copy(self.quire, copy)
            copy.chmod(0o755)
            self.quire = str(copy)
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []}
