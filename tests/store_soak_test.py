"""Memory, files and disk of a store stay bounded however long it is churned: 20 s by default, ten minutes with
QUIRE_NIGHTLY=1. See store_soak.cpp."""

import os
import pathlib
import subprocess
import tempfile
import unittest


class StoreSoakTest(unittest.TestCase):
    def test_what_a_store_takes_stays_bounded(self):
        seconds = 600 if os.environ.get("QUIRE_NIGHTLY") else 20
        # What is freed goes back at once, so that what is held is the store's: AddressSanitizer keeps 256 MiB otherwise.
        options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
        with tempfile.TemporaryDirectory(prefix="quire-soak-") as home:
            done = subprocess.run(
                [os.environ["QUIRE_STORE_SOAK"], str(pathlib.Path(home) / "store"), str(seconds)],
                capture_output=True, text=True, timeout=seconds + 300,
                env={**os.environ, "ASAN_OPTIONS": options.lstrip(":")})
        self.assertEqual(done.returncode, 0, done.stderr)
        print(done.stdout.strip())


if __name__ == "__main__":
    unittest.main()
