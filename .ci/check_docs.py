#!/usr/bin/env python3
"""Checks the Markdown files: relative links lead somewhere, and shown code is the code that is built.

    .ci/check_docs.py [ROOT]      prints each fault as file:line: sentence; status 1 if there is one
    .ci/check_docs.py --fix       writes the code of the sources into the documents

A block of code is tied to its source by a comment on the line before it:

    <!-- include: packaging/consumer/main.cpp -->          the whole file
    <!-- include: examples/read.cpp#open -->               from `// #region open` to `// #endregion`

A region is shown without its common indentation; the marker lines themselves are never shown.
"""

import pathlib
import re
import sys
import textwrap

import tree

FENCE = re.compile(r"^(\s*)(```+|~~~+)")
INCLUDE = re.compile(r"^<!-- include: ([^\s#]+)(?:#(\S+))? -->\s*$")
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\s{0,3}\[[^\]]+\]:\s*<?(\S+?)>?(\s|$)")
INLINE_CODE = re.compile(r"`[^`]*`")
OUTSIDE = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*:|#|//)")
MARKER = re.compile(r"^\s*(?://|#)\s*#(region|endregion)\b\s*(\S*)")


class SourceError(Exception):
    """The source of a block cannot be shown; the sentence says why."""


def source_text(root, name, region):
    """What a block tied to `name` (and `region`, if not None) shows."""
    path = root / name
    if not path.is_file():
        raise SourceError(f"there is no file {name} to include")
    shown, inside, found = [], region is None, region is None
    for line in path.read_text(encoding="utf-8").splitlines():
        marker = MARKER.match(line)
        if marker:
            if region is not None and marker[1] == "region" and marker[2] == region:
                inside = found = True
            elif region is not None and marker[1] == "endregion":
                inside = False
            continue
        if inside:
            shown.append(line)
    if not found:
        raise SourceError(f"{name} has no region '{region}'")
    return textwrap.dedent("\n".join(shown)).strip("\n")


class Document:
    """One Markdown file, its faults, and its text with the code of the sources in place."""

    def __init__(self, root, path):
        self.root, self.path = pathlib.Path(root), path
        self.lines = (self.root / path).read_text(encoding="utf-8").splitlines()
        self.faults, self.fixed = [], []
        self._read()

    def _fault(self, index, sentence):
        self.faults.append(f"{self.path}:{index + 1}: {sentence}")

    def _read(self):
        index = 0
        while index < len(self.lines):
            line = self.lines[index]
            include = INCLUDE.match(line)
            if include:
                index = self._read_include(index, include[1], include[2])
            elif FENCE.match(line):
                end = self._end_of_block(index)
                self.fixed += self.lines[index:end]
                index = end
            else:
                if line.strip().startswith("<!-- include"):
                    self._fault(index, "write <!-- include: file --> or <!-- include: file#region -->")
                self._check_links(index)
                self.fixed.append(line)
                index += 1

    def _end_of_block(self, index):
        """One past the closing fence of the block that opens at `index`."""
        fence = FENCE.match(self.lines[index])[2]
        for end in range(index + 1, len(self.lines)):
            if re.match(rf"^\s*{re.escape(fence)}+\s*$", self.lines[end]):
                return end + 1
        self._fault(index, "this block of code has no end")
        return len(self.lines)

    def _read_include(self, index, name, region):
        self.fixed.append(self.lines[index])
        if index + 1 >= len(self.lines) or not FENCE.match(self.lines[index + 1]):
            self._fault(index, "a block of code follows an include at once")
            return index + 1
        end = self._end_of_block(index + 1)
        block = self.lines[index + 1:end]
        try:
            wanted = source_text(self.root, name, region).split("\n")
        except SourceError as error:
            self._fault(index, str(error))
            wanted = block[1:-1]
        if block[1:-1] != wanted:
            where = name if region is None else f"{name}#{region}"
            self._fault(index, f"the block differs from {where}: run .ci/check_docs.py --fix")
        self.fixed += [block[0], *wanted, block[-1]]
        return end

    def _check_links(self, index):
        line = INLINE_CODE.sub("", self.lines[index])
        targets = LINK.findall(line)
        reference = REFERENCE.match(line)
        if reference:
            targets.append(reference[1])
        for target in targets:
            if OUTSIDE.match(target):
                continue
            name = target.split("#")[0]
            base = self.root if name.startswith("/") else (self.root / self.path).parent
            if not (base / name.lstrip("/")).exists():
                self._fault(index, f"the link leads nowhere: {target}")


def faults(root):
    """Yields "file:line: sentence" for each fault in the Markdown files under `root`."""
    for path in tree.files(root, ".md"):
        yield from Document(root, path).faults


def fix(root):
    """Writes the code of the sources into the documents that differ from it."""
    for path in tree.files(root, ".md"):
        document = Document(root, path)
        if document.fixed != document.lines:
            (pathlib.Path(root) / path).write_text("\n".join(document.fixed) + "\n", encoding="utf-8")
            print(f"{path}: written")


def main():
    arguments = sys.argv[1:]
    root = pathlib.Path(__file__).resolve().parent.parent
    if "--fix" in arguments:
        fix(root)
    elif arguments:
        root = pathlib.Path(arguments[0])
    found = list(faults(root))
    print("\n".join(found) if found else "documents: links and code blocks are right")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
