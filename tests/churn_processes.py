"""The processes of store_writer.cpp, as the crash tests use them."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest


def is_nightly():
    return bool(os.environ.get("QUIRE_NIGHTLY"))


class Writer:
    """A process that writes a churn; a thread reads what it acknowledges."""

    def __init__(self, directory, seed, *more):
        self.process = subprocess.Popen(
            [os.environ["QUIRE_STORE_WRITER"], "write", str(directory), str(seed), "0", *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.acknowledged = 0
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            if line.endswith(b"\n"):  # a line that a kill has cut acknowledges nothing
                self.acknowledged = int(line)

    def wait_for(self, batch, seconds=60):
        """Until a batch is acknowledged; fails if the process ends before."""
        end = time.monotonic() + seconds
        while self.acknowledged < batch:
            if self.process.poll() is not None:
                raise AssertionError(f"the writer ended: {self.process.stderr.read().decode()}")
            if time.monotonic() > end:
                raise AssertionError(f"batch {batch} did not come in {seconds} s")
            time.sleep(0.001)

    def stop(self):
        """Stops it where it is, and waits until it stands."""
        self.process.send_signal(signal.SIGSTOP)
        while "\nState:\tT" not in pathlib.Path(f"/proc/{self.process.pid}/status").read_text():
            time.sleep(0.0005)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        """Kills it; returns the last batch that it acknowledged."""
        self.process.kill()
        return self._end(-signal.SIGKILL)

    def _end(self, status):
        code = self.process.wait()
        self.thread.join()
        error = self.process.stderr.read().decode()
        self.process.stdout.close()
        self.process.stderr.close()
        if code != status:
            raise AssertionError(f"the writer ended with status {code}: {error}")
        return self.acknowledged


class ChurnTest(unittest.TestCase):
    """A test with a directory of its own."""

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="quire-churn-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.writers = []
        self.addCleanup(self.end_writers)

    def write(self, directory, seed, *more):
        self.writers.append(Writer(directory, seed, *more))
        return self.writers[-1]

    def end_writers(self):
        for writer in self.writers:
            writer.process.kill()
            writer.process.wait()
            writer.thread.join()

    def check(self, directory, seed, acknowledged):
        """The store holds what was acknowledged, whole. Returns its last batch."""
        done = subprocess.run([os.environ["QUIRE_STORE_WRITER"], "check", str(directory), str(seed),
                               str(acknowledged)], capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, f"seed {seed}: {done.stderr}")
        return int(done.stdout)
