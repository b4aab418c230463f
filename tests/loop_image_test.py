"""Copies the disk under a writer while it runs, and opens the store on each copy: a real file system's view of
a power cut. Needs root and loop devices; skips with a line where there are none.

Why a copy is a state that a power cut can leave. The disk is a loop device whose image is a file in memory
(tmpfs). What the inner file system has sent to the device is in the image, as if a disk had written it; what it
still keeps in its page cache is not, and that is what a power cut takes away. A copy of a file that changes
meanwhile would be of no moment at all. So the writer is stopped first, wherever it is (mostly waiting for its
sync), and the copy only counts if the device had nothing in flight before and after, and wrote nothing between:
then the image stood still, and the copy is the disk of one moment. The inner file system is not told: it is
not synced, frozen or unmounted. Mounting the copy replays its journal as a boot would.

The disk is one that loses nothing it has received; disks that lose what they were not told to flush are
what the simulated file system of the power-cut tests is for.

QUIRE_NIGHTLY=1 takes hundreds of copies; QUIRE_SEED chooses the churn."""

import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
import unittest

from churn_processes import ChurnTest, is_nightly

IMAGE_BYTES = {"ext4": 96 << 20, "xfs": 320 << 20}
COPIES = 300 if is_nightly() else 40
ATTEMPTS = 200


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)


class LoopImageTest(ChurnTest):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skip("mounting needs root")
        if not os.path.isdir("/dev/shm"):
            self.skip("there is no tmpfs for the image")
        self.memory = pathlib.Path(tempfile.mkdtemp(prefix="quire-loop-", dir="/dev/shm"))
        self.addCleanup(shutil.rmtree, self.memory, ignore_errors=True)

    def skip(self, why):
        print(f"skipped: {why}")
        self.skipTest(why)

    def attach(self, image):
        """The loop device of an image."""
        done = run("losetup", "--find", "--show", image)
        if done.returncode != 0:
            self.skip(f"no loop device: {done.stderr.strip()}")
        device = done.stdout.strip()
        self.addCleanup(run, "losetup", "--detach", device)
        return device

    @staticmethod
    def mounted(kind, device, place):
        """Mounts a device; says what mount said."""
        place.mkdir(exist_ok=True)
        # A copy has the id of the first: xfs would refuse it.
        return run("mount", *(["-o", "nouuid"] if kind == "xfs" else []), device, place)

    def mount(self, kind, device, place):
        done = self.mounted(kind, device, place)
        if done.returncode != 0:
            self.skip(f"cannot mount: {done.stderr.strip()}")
        self.addCleanup(run, "umount", place)
        self.addCleanup(self.end_writers)  # before the unmounting

    @staticmethod
    def state_of(device):
        """What changes with every request: what is in flight, and all that was ever written."""
        block = pathlib.Path("/sys/block") / pathlib.Path(device).name
        in_flight = [int(number) for number in (block / "inflight").read_text().split()]
        return in_flight, (block / "stat").read_text().split()[4:7]

    def copy_at_a_moment(self, device, image, copy):
        """Copies the image while nothing happens to it; the writer is stopped."""
        for _ in range(ATTEMPTS):
            in_flight, written = self.state_of(device)
            if not any(in_flight):
                run("cp", "--sparse=always", image, copy)
                if self.state_of(device) == (in_flight, written):
                    return
            time.sleep(0.005)
        self.fail("the device was never at rest")

    def churn_and_copy(self, kind):
        if not shutil.which(f"mkfs.{kind}"):
            self.skip(f"there is no mkfs.{kind}")
        seed = int(os.environ.get("QUIRE_SEED", 0)) or random.randrange(1, 2**32)
        source = random.Random(seed)
        image, copy = self.memory / "disk", self.memory / "copy"
        with open(image, "wb") as file:
            file.truncate(IMAGE_BYTES[kind])
        made = run(f"mkfs.{kind}", "-q", image)
        self.assertEqual(made.returncode, 0, made.stderr)
        device = self.attach(image)
        self.mount(kind, device, self.home / "disk")
        store = self.home / "disk" / "store"
        writer = self.write(store, seed)
        began, durable = time.monotonic(), 0
        for _ in range(COPIES):
            writer.wait_for(durable + source.randrange(1, 150))
            time.sleep(source.random() / 100)
            writer.stop()
            durable = writer.acknowledged
            self.copy_at_a_moment(device, image, copy)
            writer.go_on()
            self.check_copy(kind, copy, seed, durable)
        last = writer.kill()
        self.check(store, seed, last)
        print(f"{kind}: {COPIES} copies up to batch {last} in {time.monotonic() - began:.0f} s, "
              f"seed {seed}")

    def check_copy(self, kind, copy, seed, durable):
        device = run("losetup", "--find", "--show", copy).stdout.strip()
        place = self.home / "copy"
        try:
            done = self.mounted(kind, device, place)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check(place / "store", seed, durable)
        finally:
            run("umount", place)
            run("losetup", "--detach", device)

    def test_ext4(self):
        self.churn_and_copy("ext4")

    def test_xfs(self):
        self.churn_and_copy("xfs")


if __name__ == "__main__":
    unittest.main()
