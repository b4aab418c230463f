"""quire stats tells what a store is doing, once and again and again."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
import unittest

from quire_command import QuireTest, bvecs, random_rows


class StatsTest(QuireTest):
    def setUp(self):
        super().setUp()
        self.write("a.bvecs", bvecs(random_rows(10, 4)))
        self.run_quire("import", "s", "a.bvecs")
        self.run_quire("remove", "s", 3)

    def start_writer(self):
        """Someone who holds the store and publishes what `publish` says."""
        self.writer = subprocess.Popen([os.environ["STATS_WRITER"], "s"], cwd=self.home,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end_writer)
        self.assertEqual(self.writer.stdout.readline(), "ready\n")

    def publish(self, what):
        self.writer.stdin.write(f"{what}\n")
        self.writer.stdin.flush()
        self.assertEqual(self.writer.stdout.readline(), "ok\n")

    def end_writer(self):
        self.writer.kill()
        self.writer.wait()
        self.writer.stdin.close()
        self.writer.stdout.close()

    def start_watch(self, *words, **options):
        options.setdefault("stderr", subprocess.DEVNULL)
        process = subprocess.Popen([self.quire, "stats", "s", *words], cwd=self.home,
                                   stdin=subprocess.DEVNULL, **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process


class OneLookTest(StatsTest):
    def test_without_a_writer_it_tells_what_is_on_the_disk(self):
        text = self.text("stats", "s")
        self.assertIn("vector store    s\n", text)
        self.assertIn("writer          none\n", text)
        self.assertIn("rows            9, and 1 dead (10.0 %)\n", text)
        self.assertIn("last batch      2 (in the checkpoint: 2)\n", text)
        self.assertNotIn("latency", text)

    def test_of_a_writer_it_tells_latencies_and_rates(self):
        self.start_writer()
        self.publish(12000)
        text = self.text("stats", "s")
        self.assertRegex(text, r"(?m)^writer          at work for [\d.]+ .?s$")
        self.assertIn("rows            12,000, and 0 dead (0.0 %)\n", text)
        self.assertRegex(text, r"(?m)^put  +12,000( +8\d µs){4}$")
        self.assertRegex(text, r"(?m)^puts  +12,000 +[\d,]+$")
        self.assertNotIn("checkpoints", text, "what did not happen is not shown")

    def test_a_writer_may_tell_nothing(self):
        self.start_writer()
        self.publish(5)
        self.publish("nothing")
        text = self.text("stats", "s")
        self.assertIn("writer          at work, and tells nothing of itself\n", text)
        self.assertIn("rows            9, and 1 dead", text)

    def test_what_a_dead_writer_told_is_not_shown(self):
        self.start_writer()
        self.publish(12000)
        self.end_writer()
        self.assertIn("writer          none\n", self.text("stats", "s"))

    def test_errors(self):
        self.fails("stats", "none", says="not_found")
        self.write("file", b"QUIRESNP")
        self.run_quire("stats", "file", status=1)
        self.fails("stats", "s", "--json", "--prometheus", status=2, says="exclude")
        for seconds in ["0", "-1", "x", "0.01", "nan", "1e999"]:
            self.fails("stats", "s", f"--watch={seconds}", status=2, says="seconds")

    def test_it_changes_nothing(self):
        before = {path: path.stat().st_mtime_ns for path in self.path("s").iterdir()}
        self.run_quire("stats", "s")
        self.assertEqual(before, {path: path.stat().st_mtime_ns for path in self.path("s").iterdir()})


class MachinesTest(StatsTest):
    def test_json_without_a_writer_has_the_gauges(self):
        stats = self.json("stats", "s")
        self.assertEqual(stats["has_writer"], False)
        self.assertEqual([stats[name] for name in ("uptime_ns", "latencies_ns", "counters")], [None] * 3)
        self.assertEqual((stats["gauges"]["rows"], stats["gauges"]["dead_rows"]), (9, 1))
        self.assertEqual(stats["gauges"]["fragmentation"], 0.1)

    def test_json_of_a_writer_is_what_it_published(self):
        self.start_writer()
        self.publish(7)
        stats = self.json("stats", "s")
        self.assertEqual(stats["has_writer"], True)
        self.assertEqual(stats["counters"]["puts"], 7)
        self.assertEqual(stats["latencies_ns"]["put"]["max"], 85000)
        self.assertEqual(stats["gauges"]["rows"], 7)

    def prometheus(self):
        """The samples, by name with labels, in the order of the text; each metric is described before."""
        samples = {}
        described = set()
        for line in self.text("stats", "s", "--prometheus").splitlines():
            if line.startswith("#"):
                described.add(line.split()[2])
                continue
            name, value = line.rsplit(" ", 1)
            family = re.sub(r"(_seconds)_(sum|count)$", r"\1", name.split("{")[0])
            self.assertIn(family, described)
            self.assertIn('store="s"', name)
            samples[name] = value
        return samples

    def test_prometheus_of_a_writer(self):
        self.start_writer()
        self.publish(7)
        samples = self.prometheus()
        self.assertEqual(samples['quire_store_puts_total{store="s"}'], "7")
        self.assertEqual(samples['quire_store_rows{store="s"}'], "7")
        self.assertEqual(float(samples['quire_store_put_seconds{store="s",quantile="0.5"}']), 85e-6)
        self.assertEqual(float(samples['quire_store_put_seconds_max{store="s"}']), 85e-6)
        self.assertAlmostEqual(float(samples['quire_store_put_seconds_sum{store="s"}']), 7 * 85e-6)
        self.assertEqual(samples['quire_store_put_seconds_count{store="s"}'], "7")
        self.assertEqual(samples['quire_store_sync_seconds{store="s",quantile="0.999"}'], "NaN")
        self.assertGreater(float(samples['quire_store_uptime_seconds{store="s"}']), 0)
        self.assertNotIn('quire_store_index_bytes{store="s"}', samples, "it is not known")

    def test_prometheus_without_a_writer_has_what_is_on_the_disk(self):
        samples = self.prometheus()
        self.assertEqual(samples['quire_store_rows{store="s"}'], "9")
        self.assertEqual(samples['quire_store_fragmentation{store="s"}'], "0.1")
        self.assertFalse([name for name in samples if "_total" in name or "_seconds" in name])


class WatchTest(StatsTest):
    def test_lines_where_there_is_no_terminal(self):
        self.start_writer()
        self.publish(10)
        process = self.start_watch("--watch", "0.2", stdout=subprocess.PIPE, text=True)
        first = process.stdout.readline()
        self.assertRegex(first, r"\A\d\d:\d\d:\d\d  10 rows  batch 10  .* batches/s .* put p50 8\d µs")
        time.sleep(0.1)
        self.publish(100000)
        later = [process.stdout.readline() for _ in range(3)]
        self.assertTrue(any("100,010 rows" in line for line in later), later)
        rates = [int(found[1].replace(",", "")) for line in later
                 if (found := re.search(r"([\d,]+) puts/s", line))]
        self.assertGreater(max(rates), 1000, "the rate is since the look before")
        self.assertIn("- puts/s", later[-1], "nothing was published since")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 0)
        process.stdout.close()

    def test_json_is_a_line_a_look(self):
        process = self.start_watch("--watch=0.1", "--json", stdout=subprocess.PIPE, text=True)
        for _ in range(3):
            self.assertEqual(json.loads(process.stdout.readline())["gauges"]["rows"], 9)
        process.terminate()
        self.assertEqual(process.wait(), 128 + signal.SIGTERM)
        process.stdout.close()

    def test_a_writer_that_comes_is_seen(self):
        process = self.start_watch("--watch", "0.1", stdout=subprocess.PIPE, text=True)
        self.assertIn("no writer", process.stdout.readline())
        self.run_quire("remove", "s", 4)
        lines = [process.stdout.readline() for _ in range(4)]
        self.assertIn("8 rows", lines[-1])
        process.stdout.close()

    def test_it_ends_when_nobody_reads(self):
        process = self.start_watch("--watch", "0.1", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(timeout=20), 1)
        self.assert_one_line(process.stderr.read().decode())
        process.stderr.close()

    def test_a_store_that_goes_ends_it(self):
        process = self.start_watch("--watch", "0.1", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        self.path("s").rename(self.path("elsewhere"))
        self.assertIn(b"not_found", process.communicate(timeout=20)[1])
        self.assertEqual(process.returncode, 1)


class TerminalTest(StatsTest):
    OWN_SCREEN, SCREEN_BEFORE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"

    def read_until(self, terminal, wanted):
        shown = ""
        while wanted not in shown:
            self.assertTrue(select.select([terminal], [], [], 20)[0], f"no {wanted!r} in {shown!r}")
            shown += os.read(terminal, 10000).decode()
        return shown

    def start_on_terminal(self, columns, rows):
        terminal, its_end = pty.openpty()
        self.addCleanup(os.close, terminal)
        subprocess.run(["stty", "columns", str(columns), "rows", str(rows)], stdin=its_end, check=True)
        process = self.start_watch("--watch", "0.1", stdout=its_end,
                                   env={**os.environ, "TERM": "xterm"})
        os.close(its_end)
        return process, terminal

    def test_frames_are_drawn_in_place_and_the_terminal_is_left_as_it_was(self):
        self.start_writer()
        self.publish(10)
        process, terminal = self.start_on_terminal(100, 40)
        first = self.read_until(terminal, "\x1b[J")
        self.assertTrue(first.startswith(self.OWN_SCREEN + "\x1b[H"), repr(first[:40]))
        self.assertIn("vector store    s\x1b[K\r\n", first)
        self.assertRegex(first, r"put  +10( +8\d µs){4}")
        self.publish(90)
        later = self.read_until(terminal, "put                      100")
        self.assertIn("\x1b[H", later)
        self.assertNotIn(self.OWN_SCREEN, later)
        process.send_signal(signal.SIGINT)
        last = self.read_until(terminal, self.SCREEN_BEFORE)
        self.assertTrue(last.endswith(self.SCREEN_BEFORE))
        self.assertEqual(process.wait(), 0)

    def test_a_small_terminal_gets_what_fits(self):
        process, terminal = self.start_on_terminal(20, 3)
        frame = self.read_until(terminal, "\x1b[J").removeprefix(self.OWN_SCREEN + "\x1b[H")
        lines = frame.split("\x1b[J")[0].split("\r\n")
        self.assertEqual(lines, ["vector store    s\x1b[K", "writer          none\x1b[K",
                                 "rows            9, a\x1b[K"])
        process.terminate()
        self.read_until(terminal, self.SCREEN_BEFORE)
        self.assertEqual(process.wait(), 128 + signal.SIGTERM)


if __name__ == "__main__":
    unittest.main()
