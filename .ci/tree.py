"""The files of the checkout: what git tracks or would track; every file where git cannot say."""

import pathlib
import subprocess

SKIPPED_DIRECTORIES = {".git", "build", ".cache", "__pycache__"}


def files(root, *suffixes):
    """Sorted paths relative to `root` of the existing files that end in one of `suffixes`."""
    root = pathlib.Path(root)
    try:
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"],
            check=True, capture_output=True, text=True).stdout.split("\0")
        paths = [pathlib.PurePosixPath(name) for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [pathlib.PurePosixPath(p.relative_to(root).as_posix()) for p in root.rglob("*")]
        paths = [p for p in paths if not SKIPPED_DIRECTORIES & set(p.parts)]
    return sorted(p for p in paths if p.name.endswith(suffixes) and (root / p).is_file())
