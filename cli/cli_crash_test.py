"""An import that is killed, interrupted or left without a reader keeps what it acknowledged."""

import os
import signal
import subprocess
import unittest

from quire_command import QuireTest, bvecs, random_rows


class KilledImportTest(QuireTest):
    def assert_acknowledged_is_kept(self, content, row_bytes, batch, lines, *words):
        """Kills an import of `content` after reading `lines` acknowledgements."""
        self.write("a.bvecs", content)
        process = self.start_import("s", "a.bvecs", "--batch", batch, *words)
        acknowledged = 0
        for _ in range(lines):
            acknowledged = self.acknowledged(process.stdout.readline())
        process.kill()
        for line in process.stdout:  # what was said before the kill counts too
            acknowledged = max(acknowledged, self.acknowledged(line))
        process.wait()
        self.assertGreaterEqual(acknowledged, lines * batch)

        there = self.json("info", "s")["rows"]
        self.assertGreaterEqual(there, acknowledged)
        self.assertIn(there - acknowledged, (0, batch))  # a batch is there whole or not at all
        self.assert_whole("s", content[:there * row_bytes])  # as a reader sees it
        self.run_quire("checkpoint", "s")
        self.assert_whole("s", content[:there * row_bytes])  # and once recovered
        return process.returncode

    def test_small_batches(self):
        content = bvecs(random_rows(20000, 4))
        for durability in ["power_loss", "process_crash", "checkpoint_only"]:
            for batch, lines in [(1, 1), (1, 700), (7, 300), (40, 50)]:
                with self.subTest(durability=durability, batch=batch):
                    killed = self.assert_acknowledged_is_kept(content, 8, batch, lines,
                                                              "--durability", durability)
                    self.assertEqual(killed, -signal.SIGKILL)  # it did not end by itself
                    self.remove_store()

    def test_batches_that_go_to_the_rows_at_once(self):
        content = bvecs(random_rows(2000, 8188))
        for lines in [1, 2, 4]:
            self.assert_acknowledged_is_kept(content, 8192, 200, lines)
            self.remove_store()

    def test_any_number_of_threads_leaves_a_beginning_of_the_file(self):
        content = bvecs(random_rows(3000, 8188))
        for threads in [2, 4]:
            for durability in ["power_loss", "process_crash", "checkpoint_only"]:
                with self.subTest(threads=threads, durability=durability):
                    self.assert_acknowledged_is_kept(content, 8192, 150, 5, "--threads", threads,
                                                     "--durability", durability)
                    self.remove_store()

    def test_recovery_is_told_once_in_a_line(self):
        self.write("a.bvecs", bvecs(random_rows(20000, 4)))
        process = self.start_import("s", "a.bvecs", "--batch", 1)
        process.stdout.readline()
        process.kill()
        process.wait()
        self.run_quire("checkpoint", "s")
        self.assert_one_line(self.error)
        self.assertRegex(self.error, r"\Aquire: recovered s: \d+ batch(es)? replayed from the log")
        self.run_quire("checkpoint", "s")
        self.assertEqual(self.error, "")

    def remove_store(self):
        for path in self.path("s").iterdir():
            path.unlink()
        self.path("s").rmdir()


class InterruptedImportTest(QuireTest):
    def test_an_interrupt_ends_it_after_a_batch_and_says_what_is_durable(self):
        content = bvecs(random_rows(20000, 4))
        self.write("a.bvecs", content)
        for stop, durability in [(signal.SIGINT, "power_loss"),
                                 (signal.SIGTERM, "checkpoint_only")]:
            process = self.start_import(durability, "a.bvecs", "--batch", 5,
                                        "--durability", durability)
            first = process.stdout.readline()
            process.send_signal(stop)
            rows = self.acknowledged([first, *process.stdout.readlines()][-1])
            error = process.stderr.read().decode()
            self.assertEqual(process.wait(), 128 + stop)
            self.assert_one_line(error)
            told = f"interrupted; {rows:,} rows of 20,000 (ids 0 to {rows - 1}) durable"
            self.assertIn(told, error)
            self.assert_whole(durability, content[:rows * 8])


class SecondWriterTest(QuireTest):
    def test_one_writes_and_others_may_look(self):
        content = bvecs(random_rows(2000, 4))
        self.write("a.bvecs", content)
        writer = self.start_import("s", "a.bvecs", "--batch", 1)
        writer.stdout.readline()
        for words in [["import", "s", "a.bvecs"], ["remove", "s", 0], ["checkpoint", "s"]]:
            self.fails(*words, says="busy")
        self.assertGreaterEqual(self.json("info", "s")["rows"], 1)
        self.assertTrue(self.json("verify", "s")["ok"])
        writer.stdout.read()
        self.assertEqual(writer.wait(), 0)
        self.assert_whole("s", content)


class LostReaderTest(QuireTest):
    """Output that nobody takes is an error that is told; the work is done all the same."""

    def setUp(self):
        super().setUp()
        self.content = bvecs(random_rows(2000, 4))
        self.write("a.bvecs", self.content)

    def run_with_stdout(self, stdout, *words, **options):
        done = subprocess.run([self.quire, *words], cwd=self.home, stdout=stdout,
                              stderr=subprocess.PIPE, text=True, timeout=120, **options)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assert_one_line(done.stderr)
        self.assertIn("write standard output", done.stderr)

    def test_a_pipe_without_reader(self):
        reader, writer = os.pipe()
        os.close(reader)
        self.run_with_stdout(writer, "import", "s", "a.bvecs", "--batch", "10", "--json")
        self.run_with_stdout(writer, "info", "s")
        self.run_with_stdout(writer, "get", "s", *map(str, range(2000)))
        self.run_with_stdout(writer, "--help")
        os.close(writer)
        self.assert_whole("s", self.content)

    def test_a_full_device(self):
        with open("/dev/full", "w") as full:
            self.run_with_stdout(full, "import", "s", "a.bvecs")
        self.assert_whole("s", self.content)

    def test_a_closed_standard_output_never_writes_into_the_store(self):
        self.run_with_stdout(None, "import", "s", "a.bvecs", "--batch", "10", "--json",
                             preexec_fn=lambda: os.close(1))
        self.assert_whole("s", self.content)


if __name__ == "__main__":
    unittest.main()
