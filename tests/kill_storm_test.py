"""A writer is killed at random moments and begun again, with readers beside it all the time.

Each time: everything that was acknowledged is there, every batch before it too, whole, and every checksum is
right. The readers see whole batches only, and never an older one than before. A little by default,
QUIRE_NIGHTLY=1 goes on for minutes; QUIRE_SEED chooses the churn."""

import os
import random
import subprocess
import time
import unittest

from churn_processes import ChurnTest, is_nightly

SECONDS = 300 if is_nightly() else 4
READERS = 2


class KillStormTest(ChurnTest):
    def watch(self, store, seed):
        process = subprocess.Popen([os.environ["QUIRE_STORE_WRITER"], "watch", str(store), str(seed)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        return process

    def storm(self, durability):
        seed = int(os.environ.get("QUIRE_SEED", 0)) or random.randrange(1, 2**32)
        source = random.Random(seed)
        store = self.home / durability
        readers = [self.watch(store, seed) for _ in range(READERS)]
        kills = last = 0
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            writer = self.write(store, seed, "u8", durability)
            writer.wait_for(last + source.randrange(1, 200))
            time.sleep(source.random() / 50)
            last = self.check(store, seed, writer.kill())
            kills += 1
        looks = []
        for reader in readers:
            said, error = reader.communicate()
            self.assertEqual(reader.returncode, 0, f"seed {seed}: {error}")
            looks.append(said.strip())
        print(f"{durability}: {kills} kills, {last} batches, seed {seed}; readers: {'; '.join(looks)}")
        self.assertGreater(kills, 1)

    def test_power_loss(self):
        self.storm("power_loss")

    def test_process_crash(self):
        self.storm("process_crash")


if __name__ == "__main__":
    unittest.main()
