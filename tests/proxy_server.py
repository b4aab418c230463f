#!/usr/bin/env python3
"""A forward proxy of this machine: passes on requests for absolute URLs, and tunnels (CONNECT).

    proxy_server.py [USER:PASSWORD]   listens on 127.0.0.1, wants these credentials (Basic) if there are any;
                                      prints the port, then runs until killed

It knows the hosts of this machine, by address or as "localhost", and looks all names below ".example" up as 127.0.0.1;
others are answered 502. GET /__log gives one line for each request,

    "METHOD target authorization"

with "-" for no Authorization; requests that are refused (407) are logged as well.
"""

import asyncio
import base64
import sys
import urllib.parse

LOCAL = ("127.0.0.1", "localhost")


class Proxy:
    def __init__(self, credentials):
        self.wanted = "Basic " + base64.b64encode(credentials.encode()).decode() if credentials else None
        self.log = []

    async def serve(self, reader, writer):
        try:
            while await self.answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, reader, writer):
        """False if the connection is over."""
        request, headers = await read_head(reader)
        method, target, _ = request.split(" ")
        if target == "/__log":
            return await self.say(writer, "200 OK", "".join(self.log))
        self.log.append("%s %s %s\n" % (method, target, headers.get("authorization", "-").replace(" ", "_")))
        if self.wanted and headers.get("proxy-authorization") != self.wanted:
            return await self.say(writer, "407 Who", "", "Proxy-Authenticate: Basic realm=\"proxy\"\r\n")
        url = urllib.parse.urlsplit("//" + target if method == "CONNECT" else target)
        host = url.hostname or ""
        if host not in LOCAL and not host.endswith(".example"):
            return await self.say(writer, "502 Unknown", "")
        server = await asyncio.open_connection("127.0.0.1", url.port or 80)
        try:
            if method == "CONNECT":
                await self.tunnel(reader, writer, server)
                return False
            await self.pass_on(method, url, headers, writer, server)
            return True
        finally:
            server[1].close()

    async def say(self, writer, status, text, added=""):
        writer.write(("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, added, len(text), text)).encode())
        await writer.drain()
        return True

    async def tunnel(self, reader, writer, server):
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(copy(reader, server[1]), copy(server[0], writer))

    async def pass_on(self, method, url, headers, writer, server):
        target = url.path + ("?" + url.query if url.query else "")
        lines = ["%s %s HTTP/1.1" % (method, target)]
        lines += ["%s: %s" % header for header in headers.items() if not header[0].startswith("proxy-")]
        server[1].write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        status, answered = await read_head(server[0])
        lines = [status] + ["%s: %s" % header for header in answered.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        if method != "HEAD":
            writer.write(await server[0].readexactly(int(answered.get("content-length", 0))))
        await writer.drain()


async def read_head(reader):
    """The first line, and the headers by their names in small letters."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    return first, {name.strip().lower(): value.strip() for name, value in pairs}


async def copy(reader, writer):
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main():
    proxy = Proxy(sys.argv[1] if len(sys.argv) > 1 else "")
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
