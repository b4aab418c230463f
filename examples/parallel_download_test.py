"""A download that is killed, cut short or started twice ends with the same bytes, each fetched once."""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import time
import unittest

MIB = 1 << 20
PIECE = 256 << 10
SIZE = 24 * MIB + 12345
RATE = 6 * MIB  # a second, of a download that is to be stopped half way


class DownloadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.random = random.Random(20261121)
        cls.content = cls.random.randbytes(SIZE)

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="quire-download-")
        self.addCleanup(directory.cleanup)
        self.home = pathlib.Path(directory.name)
        self.source = self.home / "source"
        self.target = self.home / "target"
        self.journal = self.home / "target.quire-coverage"
        self.source.write_bytes(self.content)

    def start(self, *options):
        process = subprocess.Popen(
            [os.environ["PARALLEL_DOWNLOAD"], self.source, self.target, "4", "--piece",
             str(PIECE), *map(str, options)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.kill()
        process.communicate()

    @staticmethod
    def lines(output):
        """The lines of a download; one that a kill has cut says nothing."""
        return [json.loads(line) for line in output.splitlines(keepends=True)
                if line.endswith(b"\n")]

    def finish(self, process, status=0):
        """Lets a download end by itself; returns its lines and what it said on standard error."""
        output, error = process.communicate(timeout=60)
        self.assertEqual(process.returncode, status, error)
        return self.lines(output), error.decode()

    def download(self, *options, status=0):
        return self.finish(self.start(*options), status)

    def fails(self, says):
        lines, error = self.download(status=1)
        self.assertRegex(error, rf"\Aparallel_download: [^\n]*{re.escape(says)}[^\n]*\n\Z")
        return lines

    def kill_after(self, count, seconds):
        """Starts a slow download and kills it some time after so many lines; returns its lines."""
        process = self.start("--limit", RATE)
        output = b"".join(process.stdout.readline() for _ in range(count))
        time.sleep(seconds)
        process.kill()
        output += process.communicate()[0]
        self.assertEqual(process.returncode, -signal.SIGKILL)  # it did not end by itself
        return self.lines(output)

    def begin(self):
        """A download that was killed when a part was written; returns how much."""
        process = self.start("--limit", RATE)
        written = 0
        while written < MIB:
            written = json.loads(process.stdout.readline())["written"]
        self.end(process)
        return written

    def assert_whole(self):
        self.assertTrue(self.target.read_bytes() == self.content)
        self.assertEqual({path.name for path in self.home.iterdir()}, {"source", "target"})

    def assert_same_bytes_are_kept(self, path, action):
        before = path.read_bytes()
        action()
        self.assertTrue(path.read_bytes() == before)

    def test_what_was_told_as_written_is_not_fetched_again(self):
        told = 0
        for count in [0, 0, 2, 1, 0, 3, 2]:
            lines = self.kill_after(count, self.random.uniform(0, 0.2))
            if lines:  # it was not killed before it could say anything
                self.assertGreaterEqual(lines[0]["written"], told)
                told = lines[-1]["written"]
        self.assertIn(told, range(1, SIZE))

        lines, _ = self.download()
        self.assertEqual(lines[0]["size"], SIZE)
        self.assertGreaterEqual(lines[0]["written"], told)
        self.assertEqual(lines[-1], {"complete": SIZE, "fetched": SIZE - lines[0]["written"]})
        self.assert_whole()

    def test_only_what_is_missing_is_read_from_the_source(self):
        told = self.begin()
        other = self.random.randbytes(SIZE)  # whatever is read from now on
        self.replace_source(other, self.source.stat().st_mtime_ns)
        lines, _ = self.download()
        result = self.target.read_bytes()
        kept = 0
        for at in range(0, SIZE, PIECE):
            piece = slice(at, at + PIECE)
            if result[piece] == self.content[piece]:
                kept += len(result[piece])
            else:
                self.assertTrue(result[piece] == other[piece])
        self.assertGreaterEqual(kept, told)
        self.assertEqual(lines[-1]["fetched"], SIZE - kept)

    def replace_source(self, content, time_of_change):
        """Writes the source's bytes so that it looks like the version of that time."""
        self.source.write_bytes(content)
        os.utime(self.source, ns=(time_of_change, time_of_change))

    def test_a_complete_file_is_left_alone(self):
        self.download()
        lines, error = self.download()
        self.assertEqual(lines, [{"complete": SIZE, "fetched": 0}])
        self.assertIn("is complete already", error)
        self.assert_whole()

    def test_an_empty_source(self):
        self.content = b""
        self.source.write_bytes(b"")
        lines, _ = self.download()
        self.assertEqual(lines[-1], {"complete": 0, "fetched": 0})
        self.assert_whole()

    def test_a_target_of_another_size_is_left_alone(self):
        self.target.write_bytes(b"something of mine")
        self.assert_same_bytes_are_kept(self.target, lambda: self.fails("mismatch"))
        self.assertFalse(self.journal.exists())

    def test_the_journal_of_a_file_that_was_replaced_is_refused(self):
        self.begin()
        other = self.home / "other"
        other.write_bytes(bytes(SIZE))
        other.replace(self.target)
        self.assert_same_bytes_are_kept(self.target, lambda: self.fails("changed"))

    def test_a_journal_without_its_file_means_nothing(self):
        self.begin()
        self.target.unlink()
        lines, _ = self.download()
        self.assertEqual(lines[0]["written"], 0)
        self.assert_whole()

    def test_a_second_download_is_busy_and_the_first_goes_on(self):
        first = self.start("--limit", RATE)
        first.stdout.readline()
        first.send_signal(signal.SIGSTOP)  # the second has all the time it wants
        self.fails("busy")
        first.send_signal(signal.SIGCONT)
        self.finish(first)
        self.assert_whole()

    def test_a_source_that_is_cut_ends_it_and_a_later_run_resumes(self):
        time_of_change = self.source.stat().st_mtime_ns
        process = self.start("--limit", RATE)
        while json.loads(process.stdout.readline())["written"] < MIB:
            pass
        os.truncate(self.source, 3 * MIB)
        lines, error = self.finish(process, status=1)
        self.assertRegex(error, r"\Aparallel_download: [^\n]*(changed|truncated)[^\n]*\n\Z")
        self.assertTrue(self.journal.exists())
        written = max([MIB, *(line["written"] for line in lines)])

        self.replace_source(self.content, time_of_change)
        lines, _ = self.download()
        self.assertGreaterEqual(lines[0]["written"], written)
        self.assert_whole()

    def test_another_version_of_the_source_is_not_mixed_with_the_first(self):
        self.begin()
        self.source.write_bytes(self.random.randbytes(SIZE))
        self.assert_same_bytes_are_kept(self.target, lambda: self.fails("changed"))

    def test_wrong_usage(self):
        for options in (["--limit"], ["--limit", "0"], ["--piece", "x"], ["many"]):
            _, error = self.download(*options, status=2)
            self.assertIn("usage:", error)


if __name__ == "__main__":
    unittest.main()
