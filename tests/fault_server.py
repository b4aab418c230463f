#!/usr/bin/env python3
"""An HTTP server that answers range requests wrongly, as it is told in each URL's query.

    fault_server.py ROOT [ADDRESS]    serves the files of ROOT on 127.0.0.1, or another address or all (0.0.0.0);
                                      prints the port, then runs until killed

Every parameter is optional; without any the server is a good one:

    fault=status     answer `code` (503), with Retry-After if `retry_after` is given
    fault=reset      reset the connection after `at` bytes of the body (0)
    fault=truncate   close it there
    fault=stall      send nothing more from there on
    fault=silent     no answer at all          fault=garbage    no HTTP
    fault=shift      a Content-Range one byte further     fault=total   one of a longer object
    fault=norange    no Content-Range          fault=short      one byte less, and it says so
    fault=whole      200 and everything        fault=gzip       Content-Encoding: gzip
    fault=whole-reset  the same, chunked, reset after `at` bytes
    fault=endless    200, and neither a length nor chunks
    fault=rotate     another ETag each time    fault=long       more bytes than it says (chunked)
    fault=unknown    a size of "*"             fault=nohead     405 for HEAD
    fault=redirect   `code` (302) to `to`
    fault=together   each answer waits until `n` requests of this URL wait, or ten seconds
    first=N          only the first N requests of this URL are answered so
    skip=N           the first N are not
    etag=weak|none   a weak ETag, or none      date=none        no Last-Modified
    strong_from=N    strong from the Nth request on
    delay=MS         each answer is so late
    key=K            requests are logged under K: GET /__log?key=K gives one line for each,
                     "METHOD path range if-match authorization connection"; and GET /__most?key=K how many of them were
                     under way at once, at most
"""

import asyncio
import collections
import os
import sys
import urllib.parse

ETAG = '"version-1"'
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


class Server:
    def __init__(self, root):
        self.root = root
        self.counts = collections.Counter()
        self.log = collections.defaultdict(list)
        self.connections = 0
        self.under_way = collections.Counter()  # by their key
        self.most = collections.Counter()
        self.waiting = collections.defaultdict(list)  # for others of their URL

    async def serve(self, reader, writer):
        self.connections += 1
        connection = self.connections
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
                method, target, _ = request.split(" ")
                headers = {}
                for line in lines:
                    name, value = line.split(":", 1)
                    headers[name.strip().lower()] = value.strip()
                if not await self.answer(writer, method, target, headers, connection):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def object(self, path):
        with open(os.path.join(self.root, path.lstrip("/")), "rb") as file:
            return file.read()

    async def answer(self, writer, method, target, headers, connection):
        """False if the connection is over."""
        url = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(url.query))
        key = query.get("key", "")
        if url.path == "/__log":
            return await self.send(writer, method, "200 OK", {}, "".join(self.log[key]).encode())
        if url.path == "/__most":
            return await self.send(writer, method, "200 OK", {}, b"%d" % self.most[key])
        self.under_way[key] += 1
        self.most[key] = max(self.most[key], self.under_way[key])
        try:
            return await self.answer_object(writer, method, target, headers, connection)
        finally:
            self.under_way[key] -= 1

    async def wait_for_others(self, target, count):
        waiting = self.waiting[target]
        waiting.append(asyncio.get_running_loop().create_future())
        if len(waiting) == count:
            for other in waiting:
                other.set_result(None)
            self.waiting[target] = []
        else:
            await asyncio.wait([waiting[-1]], timeout=10)

    async def answer_object(self, writer, method, target, headers, connection):
        url = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(url.query))
        self.log[query.get("key", "")].append("{} {} {} {} {} {}\n".format(
            method, url.path, headers.get("range", "-"), headers.get("if-match", "-"),
            headers.get("authorization", "-").replace(" ", "_"), connection))

        self.counts[target] += 1
        count = self.counts[target]
        fault = query.get("fault", "")
        if not int(query.get("skip", 0)) < count <= int(query.get("skip", 0)) + int(query.get("first", 1 << 60)):
            fault = ""

        await asyncio.sleep(int(query.get("delay", 0)) / 1000)
        if fault == "together":
            await self.wait_for_others(target, int(query["n"]))
        if fault == "silent":
            await asyncio.sleep(600)
        if fault == "garbage":
            writer.write(b"this is no HTTP\r\n\r\n")
            await writer.drain()
            return False
        if fault == "status":
            added = {"Retry-After": query["retry_after"]} if "retry_after" in query else {}
            return await self.send(writer, method, query.get("code", "503") + " Fault", added, b"no")
        if fault == "redirect":
            added = {"Location": query["to"]} if "to" in query else {}
            return await self.send(writer, method, query.get("code", "302") + " Moved", added, b"there")
        if fault == "nohead" and method == "HEAD":
            return await self.send(writer, method, "405 Fault", {}, b"")
        try:
            data = self.object(url.path)
        except OSError:
            return await self.send(writer, method, "404 Not Found", {}, b"none")
        return await self.send_object(writer, method, headers, query, fault, count, data)

    async def send_object(self, writer, method, headers, query, fault, count, data):
        etag = '"version-%d"' % count if fault == "rotate" else ETAG
        validators = {}
        if query.get("etag") != "none":
            is_weak = query.get("etag") == "weak" and count < int(query.get("strong_from", 1 << 60))
            validators["ETag"] = "W/" + etag if is_weak else etag
        if query.get("date") != "none":
            validators["Last-Modified"] = DATE
        if "if-match" in headers and headers["if-match"] != validators.get("ETag"):
            return await self.send(writer, method, "412 Precondition Failed", validators, b"")

        asked = headers.get("range", "")
        if not asked.startswith("bytes=") or fault in ("whole", "whole-reset", "endless"):
            return await self.send(writer, method, "200 OK", validators, data, fault, query)
        first, last = asked[len("bytes="):].split("-")
        if first == "":
            begin, end = max(0, len(data) - int(last)), len(data)
        else:
            begin, end = int(first), min(int(last or len(data) - 1) + 1, len(data))
        if begin >= end:
            return await self.send(writer, method, "416 No", {"Content-Range": "bytes */%d" % len(data)}, b"")
        if fault == "short":
            end -= 1
        shift = 1 if fault == "shift" else 0
        total = "*" if fault == "unknown" else str(len(data) + (9 if fault == "total" else 0))
        if fault != "norange":
            validators["Content-Range"] = "bytes %d-%d/%s" % (begin + shift, end - 1 + shift, total)
        if fault == "gzip":
            validators["Content-Encoding"] = "gzip"
        return await self.send(writer, method, "206 Partial Content", validators, data[begin:end], fault, query)

    async def send(self, writer, method, status, headers, body, fault="", query=None):
        lines = ["HTTP/1.1 " + status] + ["%s: %s" % header for header in headers.items()]
        if fault == "long":
            lines.append("Transfer-Encoding: chunked")
            longer = body + b"x" * 100
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(longer), longer)
        elif fault == "whole-reset":
            lines.append("Transfer-Encoding: chunked")
            part = body[:int(query.get("at", 0))]
            body = b"%x\r\n%s\r\n" % (len(part), part) if part else b""
        elif fault == "endless":
            pass
        else:
            lines.append("Content-Length: %d" % len(body))
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        if method == "HEAD":
            body = b""
        if fault in ("reset", "truncate", "stall"):
            body = body[:int(query.get("at", 0))]
        writer.write(body)
        await writer.drain()
        if fault == "stall":
            await asyncio.sleep(600)
        if fault == "endless":
            return False
        if fault in ("reset", "whole-reset"):
            await asyncio.sleep(0.02)  # what was sent may arrive
            writer.transport.abort()
            return False
        return fault != "truncate"


async def main():
    server = Server(sys.argv[1])
    address = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    listening = await asyncio.start_server(server.serve, address, 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
