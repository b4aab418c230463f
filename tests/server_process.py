"""How a Python program runs real servers for a test, in a folder of their own, and leaves nothing behind.

    server_process.supervise(start)

forks: the child calls start(Servers) and runs what it starts; the parent only waits. So even a parent that is
killed with SIGKILL has its servers ended and their folder removed, as on SIGTERM, on the end of standard input
and on the death of who started it. A server that ends by itself ends everything."""

import ctypes
import os
import pathlib
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PR_SET_PDEATHSIG = 1
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LIBC = ctypes.CDLL(None, use_errno=True)


class StartError(Exception):
    """The servers do not start; another try, with other ports, may do better."""


def die_with_parent(number):
    LIBC.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def killed_with_parent():
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    die_with_parent(signal.SIGKILL)


class Servers:
    """Processes that end together, and the folder of their files. Used from the main thread only: Linux takes
    the end of the thread that started a process for the death of its parent."""

    def __init__(self, prefix):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
        self.folder.chmod(0o755)
        self.running = {}
        self.reserved = []

    def free_port(self):
        """A port of 127.0.0.1, kept from others until release_ports()."""
        holder = socket.socket()
        holder.bind(("127.0.0.1", 0))
        self.reserved.append(holder)
        return holder.getsockname()[1]

    def release_ports(self):
        for holder in self.reserved:
            holder.close()
        self.reserved = []

    def start(self, name, *command, env=None):
        """A server in the foreground of nobody; what it says goes to NAME.out."""
        with open(self.folder / (name + ".out"), "wb") as output:
            self.running[name] = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=env, preexec_fn=killed_with_parent)

    def run(self, *command, env=None, cwd=None):
        """A command that ends by itself; what it printed."""
        done = subprocess.run(
            [str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=120, env=env, cwd=cwd, preexec_fn=killed_with_parent)
        if done.returncode != 0:
            raise StartError("%s: status %d\n%s%s" % (shlex.join(str(word) for word in command), done.returncode,
                                                      done.stdout, done.stderr))
        return done.stdout

    def ended(self):
        """The name of a server that has ended, or None."""
        return next((name for name, process in self.running.items() if process.poll() is not None), None)

    def check(self):
        name = self.ended()
        if name is not None:
            raise StartError("%s ended with status %d\n%s" % (
                name, self.running[name].returncode,
                (self.folder / (name + ".out")).read_text(errors="replace")[-3000:]))

    def wait_until(self, what, condition, seconds=120):
        deadline = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise StartError("not within %d s: %s" % (seconds, what))
            time.sleep(0.01)

    def stop(self):
        self.release_ports()
        for process in self.running.values():
            process.kill()
        for process in self.running.values():
            process.wait()
        self.running = {}
        shutil.rmtree(self.folder, ignore_errors=True)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def require(programs):
    """Stops the program if one of {program: Debian's package} is missing."""
    packages = {package for program, package in programs.items() if shutil.which(program) is None}
    if packages:
        sys.exit("%s: not installed: what Debian calls %s" % (
            os.path.basename(sys.argv[0]), " ".join(sorted(packages))))


def commands(servers):
    """The lines of standard input, until it ends; stops the program if a server does."""
    pending = b""
    while True:
        ready, _, _ = select.select([0], [], [], 0.2)
        name = servers.ended()
        if name is not None:
            sys.exit("%s: %s ended" % (os.path.basename(sys.argv[0]), name))
        if not ready:
            continue
        read = os.read(0, 4096)
        if not read:
            return
        *lines, pending = (pending + read).split(b"\n")
        for line in lines:
            yield line.decode()


def attempt(start, prefix):
    """Runs start(servers), which returns (what to print, a function that answers a command)."""
    servers = Servers(prefix)
    try:
        line, answer = start(servers)
        print(line, flush=True)
        for command in commands(servers):
            try:
                print(answer(command), flush=True)
            except Exception as error:  # the test reads it, and fails
                print("error " + " ".join(str(error).split()), flush=True)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        servers.stop()


def serve(start, prefix, front):
    """Another program may take a port that was free a moment ago: then a server ends, and others are tried."""
    def end(*_):
        sys.exit(0)

    for number in ENDING:
        signal.signal(number, end)
    die_with_parent(signal.SIGTERM)
    if os.getppid() != front:
        return
    for left in (2, 1, 0):
        try:
            attempt(start, prefix)
            return
        except StartError as error:
            if left == 0:
                sys.exit("%s: %s" % (os.path.basename(sys.argv[0]), error))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def supervise(start, prefix):
    """Does not return. See the module."""
    parent = os.getppid()
    front = os.getpid()
    die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(0)
    child = os.fork()
    if child == 0:
        os.setsid()
        serve(start, prefix, front)
        sys.exit(0)
    for number in ENDING:
        signal.signal(number, lambda *_: os.kill(child, signal.SIGTERM))
    os.close(0)
    os.close(1)
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1)
