#!/usr/bin/env python3
"""Runs a real S3 server on this machine: Ceph's radosgw, on a cluster of one node that keeps objects in memory.

    s3_server.py [--bucket NAME]... [--endpoint ADDRESS:PORT] [--tls CERTIFICATE KEY]

Prints one line when it answers, "PORT ACCESS SECRET FOLDER TLS_PORT" (0 without --tls), and runs until its
standard input ends, SIGTERM, or the death of who started it; then nothing of it is left (see server_process).
The server is http://127.0.0.1:PORT, in path style, and http://BUCKET.localhost:PORT; it wants real signatures,
and takes any region. On standard input each line is a command, which one line on standard output answers:

    bucket NAME          makes a bucket: "ok"
    token                a session's credentials: "ACCESS SECRET TOKEN"
    flush                waits until FOLDER/requests.log has the requests that were answered: "ok"
    anything else        "error" and a sentence, as a command that fails

FOLDER/requests.log has a line with `beast: ` for each request, some moments after its answer:
... beast: 0x7f..: 127.0.0.1 - quire [22/Nov/2026:09:11:07.123 +0000] "GET /bucket/key HTTP/1.1" 206 7 - - bytes=3-9 …
"""

import argparse
import json
import time
import uuid

import s3_client
import server_process

ACCESS = "QUIRETESTACCESS"
SECRET = "quire/test+secret/with+signs"
PROGRAMS = {"ceph-mon": "ceph-mon", "ceph-osd": "ceph-osd", "radosgw": "radosgw", "radosgw-admin": "radosgw",
            "monmaptool": "ceph-base"}

# Without authentication among the daemons, radosgw has to be told not to ask the monitor for the secure mode.
# The monitor decides in rounds, and by default takes a second for each: making the pools takes twenty.
CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = {monitor}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
run dir = {folder}
admin socket =
pid file =
keyring = {folder}/keyring
crash dir = {folder}
log file = {folder}/$name.log
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
osd crush chooseleaf type = 0
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 2
paxos propose interval = 0.02
paxos min wait = 0.01
[mon.a]
public addrv = {monitor}
mon data = {folder}/mon
host = localhost
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
memstore page set = false
osd op num shards = 2
osd op num threads per shard = 1
[client]
log file = /dev/null
rgw frontends = beast {endpoints} tcp_nodelay=1
rgw thread pool size = 16
rgw num rados handles = 1
rgw dns name = localhost
rgw enable ops log = false
rgw enable usage log = false
rgw run sync thread = false
rgw enable quota threads = false
rgw dynamic resharding = false
rgw gc max objs = 8
rgw lc max objs = 4
rgw usage max shards = 1
rgw data log num shards = 1
rgw md log max shards = 1
rgw override bucket index max shards = 1
rgw data = {folder}/rgw
rgw sts key = abcdefghijklmnop
rgw s3 auth use sts = true
[client.rgw]
log file = {folder}/requests.log
debug rgw = 1
"""


class S3Server:
    def __init__(self, servers, options):
        self.servers = servers
        self.options = options
        self.port = servers.free_port()
        self.tls_port = servers.free_port() if options.tls else 0
        self.monitor = "[v2:127.0.0.1:%d,v1:127.0.0.1:%d]" % (servers.free_port(), servers.free_port())
        self.fsid = str(uuid.uuid4())
        self.flushes = 0

    def endpoints(self):
        words = ["endpoint=127.0.0.1:%d" % self.port] + ["endpoint=" + more for more in self.options.endpoint]
        if self.options.tls:
            certificate, key = self.options.tls
            words += ["ssl_endpoint=127.0.0.1:%d" % self.tls_port, "ssl_certificate=" + certificate,
                      "ssl_private_key=" + key]
        return " ".join(words)

    def start(self):
        servers, folder = self.servers, self.servers.folder
        configuration = folder / "ceph.conf"
        configuration.write_text(CONFIGURATION.format(
            fsid=self.fsid, monitor=self.monitor, folder=folder, endpoints=self.endpoints()))
        (folder / "keyring").touch()
        for name in ("mon", "osd", "rgw"):
            (folder / name).mkdir()
        servers.release_ports()

        self.start_monitor(configuration)
        self.start_disk(configuration)
        servers.start("radosgw", "radosgw", "-c", configuration, "-n", "client.rgw", "-f")
        servers.wait_until("radosgw answers", lambda: server_process.listens(self.port))
        servers.run("radosgw-admin", "-c", configuration, "user", "create", "--uid=quire", "--display-name=quire",
                    "--access-key=" + ACCESS, "--secret-key=" + SECRET, "--caps=user-policy=*;roles=*")
        for name in self.options.bucket:
            self.make_bucket(name)
        servers.check()

    def start_monitor(self, configuration):
        # Without a map that says its ports, it would take the well-known ones.
        monmap = self.servers.folder / "monmap"
        self.servers.run("monmaptool", "--create", "--fsid", self.fsid, "--addv", "a", self.monitor, monmap)
        self.servers.run("ceph-mon", "-c", configuration, "-i", "a", "--mkfs", "--monmap", monmap)
        self.servers.start("ceph-mon", "ceph-mon", "-c", configuration, "-i", "a", "-f")

    def start_disk(self, configuration):
        # The monitor takes a disk that nobody announced, and the disk enters itself into the map of places.
        self.servers.run("ceph-osd", "-c", configuration, "-i", "0", "--mkfs", "--no-mon-config",
                         "--osd-uuid", str(uuid.uuid4()))
        self.servers.start("ceph-osd", "ceph-osd", "-c", configuration, "-i", "0", "-f")
        # A request that is older than the disk may be tried again only after five seconds.
        log = self.servers.folder / "osd.0.log"
        self.servers.wait_until("the disk is up", lambda: log.exists() and "booting -> active" in log.read_text(
            errors="replace"))

    def request(self, *words, **more):
        return s3_client.must(s3_client.request("http://127.0.0.1:%d" % self.port, ACCESS, SECRET, *words, **more))

    def make_bucket(self, name):
        self.request("PUT", "/" + name)
        return "ok"

    def token(self):
        policy = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["sts:GetSessionToken"], "Resource": "*"}]}
        self.request("POST", "/", service="iam", query={
            "Action": "PutUserPolicy", "UserName": "quire", "PolicyName": "token",
            "PolicyDocument": json.dumps(policy)})
        xml = self.request("POST", "/", service="sts", query={"Action": "GetSessionToken"}).body
        return " ".join(s3_client.element(xml, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"))

    def flush(self):
        """A request's line is written after its answer, so that one that comes later has to show up; others are
        written by other threads, and get a moment more."""
        self.flushes += 1
        mark = "/flush-%d" % self.flushes
        s3_client.request("http://127.0.0.1:%d" % self.port, ACCESS, SECRET, "HEAD", mark)
        log = self.servers.folder / "requests.log"
        self.servers.wait_until("the log has " + mark, lambda: mark + " " in log.read_text(errors="replace"))
        time.sleep(0.05)
        return "ok"

    def answer(self, command):
        words = command.split()
        if words[:1] == ["bucket"] and len(words) == 2:
            return self.make_bucket(words[1])
        if words == ["token"]:
            return self.token()
        if words == ["flush"]:
            return self.flush()
        return "error no such command"


def main():
    parser = argparse.ArgumentParser(description="Runs a real S3 server; see the head of this file.")
    parser.add_argument("--bucket", action="append", default=[])
    parser.add_argument("--endpoint", action="append", default=[])
    parser.add_argument("--tls", nargs=2)
    options = parser.parse_args()
    server_process.require(PROGRAMS)

    def start(servers):
        server = S3Server(servers, options)
        server.start()
        return "%d %s %s %s %d" % (server.port, ACCESS, SECRET, servers.folder, server.tls_port), server.answer

    server_process.supervise(start, "quire-s3-")


if __name__ == "__main__":
    main()
