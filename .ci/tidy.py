#!/usr/bin/env python3
"""Runs clang-tidy 19 over the sources of a build folder, one for each core at a time.

    .ci/tidy.py BUILD [--quick] [BASE]
                     --quick: no test programs, benchmarks and fuzz targets, and without the checks
                     that take most of the time
                     BASE: a git revision; only what changed since it

What changed: each changed source; for a changed private header, the sources in its folder that include
it; for a changed public header, the sources in src/ that bear its name. Other headers are checked as
far as these sources include them. A change of .clang-tidy means everything.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
COUNT = re.compile(r"^\d+ warnings? (and \d+ errors? )?generated\.")
# Of a test program or benchmark only what is likely a bug: the analyzer takes most of the time, and the
# speed of a test is nobody's concern.
TEST_CHECKS = "--checks=-clang-analyzer-*,-performance-*,-cppcoreguidelines-*"
SLOW_CHECKS = "-clang-analyzer-*,-performance-unnecessary-value-param"
CHECKS_EVERYTHING = {".clang-tidy"}


def compiled_sources(build):
    """The sources of this repository that the build folder compiles."""
    entries = json.loads((build / "compile_commands.json").read_text())
    files = {pathlib.Path(entry["directory"], entry["file"]).resolve() for entry in entries}
    inside = {f for f in files if f.is_relative_to(ROOT) and not f.is_relative_to(ROOT / "build")}
    return {f.relative_to(ROOT) for f in inside}


def changed_files(base):
    """What differs from `base`, files not yet added included."""
    def git(*arguments):
        output = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True,
                                text=True).stdout
        return [name for name in output.split("\0") if name]

    names = git("diff", "--name-only", "-z", base, "--")
    names += git("ls-files", "-z", "--others", "--exclude-standard")
    return [pathlib.Path(name) for name in names]


def sources_to_check(sources, changed):
    if any(path.as_posix() in CHECKS_EVERYTHING for path in changed):
        return sources
    chosen = sources & set(changed)
    for header in (path for path in changed if path.suffix == ".hpp"):
        if header.parts[0] == "include":
            chosen |= {s for s in sources if s.parts[0] == "src" and s.stem == header.stem}
            continue
        quoted = f'/{header.name}"'
        chosen |= {s for s in sources
                   if s.parent == header.parent and quoted in (ROOT / s).read_text()}
    return chosen


def is_test_program(source):
    return source.stem.endswith(("_test", "_bench", "_fuzz"))


def tidy(build, source, quick):
    began = time.monotonic()
    extra = [f"--checks={SLOW_CHECKS}"] if quick else []
    if is_test_program(source):
        extra = [TEST_CHECKS]
    done = subprocess.run(
        ["clang-tidy-19", "-p", str(build), "--quiet", *extra, str(source)], cwd=ROOT,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # On stderr it counts the warnings it left out, which says nothing, and tells why it could not run.
    complaints = [line for line in done.stderr.splitlines() if not COUNT.match(line)]
    output = "\n".join([done.stdout.strip(), *complaints]).strip()
    return done.returncode, output, time.monotonic() - began


def main():
    build = pathlib.Path(sys.argv[1])
    sources = compiled_sources(build)
    arguments = sys.argv[2:]
    quick = "--quick" in arguments
    bases = [argument for argument in arguments if argument != "--quick"]
    if bases:
        sources = sources_to_check(sources, changed_files(bases[0]))
    if quick:
        sources = [source for source in sources if not is_test_program(source)]
    sources = sorted(sources, key=lambda path: -(ROOT / path).stat().st_size)
    failed = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        runs = {pool.submit(tidy, build, source, quick): source for source in sources}
        for run in concurrent.futures.as_completed(runs):
            status, output, seconds = run.result()
            print(f"{runs[run]}: {'ok' if status == 0 else 'FAILED'} ({seconds:.0f} s)", flush=True)
            if output:
                print(output, flush=True)
            if status != 0:
                failed.append(runs[run])
    print(f"clang-tidy: {len(sources)} sources, {len(failed)} with faults")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
