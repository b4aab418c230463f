#!/usr/bin/env python3
"""Runs a second real S3 server on this machine: OpenStack Swift, which is stricter about signatures and regions.

    swift_server.py [--bucket NAME]...

Prints one line when it answers, "PORT ACCESS SECRET FOLDER", and runs as s3_server.py does, with its command
"bucket NAME". It is http://127.0.0.1:PORT and http://BUCKET.localhost:PORT, in the region us-east-1.
FOLDER/requests.log has a line for each request. It knows no conditional PUT (501) and no session tokens.
"""

import argparse
import os
import pwd

import s3_client
import server_process

ACCESS = "test:tester"
SECRET = "quire/test+secret/with+signs"
SERVERS = ("account", "container", "object", "proxy")
PROGRAMS = {"memcached": "memcached", **{"swift-%s-server" % name: "swift-%s" % name for name in SERVERS}}

# What nine calls of swift-ring-builder would do, each of which takes as long as this.
RINGS = """
import os, sys
from swift.common.ring import RingBuilder
for word in sys.argv[2:]:
    name, port = word.split(":")
    builder = RingBuilder(2, 1, 1)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "replication_ip": "127.0.0.1",
                     "replication_port": int(port), "device": "d1", "weight": 1.0, "meta": ""})
    builder.rebalance()
    builder.get_ring().save(os.path.join(sys.argv[1], name + ".ring.gz"))
"""
COMMON = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
devices = {folder}/disks
mount_check = false
swift_dir = {folder}/etc
user = {user}
workers = 0
disable_fallocate = true
"""
STORAGE = COMMON + """\
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
recon_cache_path = {folder}/cache
"""
PROXY = COMMON + """\
[pipeline:main]
pipeline = catch_errors requests cache listing_formats bulk s3api tempauth slo dlo symlink proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:requests]
use = egg:swift#proxy_logging
access_log_facility = LOG_LOCAL0
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memory}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
storage_domain = localhost
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {secret} .admin
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:symlink]
use = egg:swift#symlink
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""


class SwiftServer:
    def __init__(self, servers, options):
        self.servers = servers
        self.options = options
        self.ports = {name: servers.free_port() for name in SERVERS}
        self.memory = servers.free_port()

    def start(self):
        servers, folder, etc = self.servers, self.servers.folder, self.servers.folder / "etc"
        for name in ("etc", "disks/d1", "cache"):
            (folder / name).mkdir(parents=True)
        (etc / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_suffix = quire\nswift_hash_path_prefix = quire\n"
            "[storage-policy:0]\nname = one\ndefault = yes\n")
        user = pwd.getpwuid(os.geteuid()).pw_name
        for name in SERVERS:
            text = PROXY if name == "proxy" else STORAGE
            (etc / (name + "-server.conf")).write_text(text.format(
                name=name, port=self.ports[name], folder=folder, user=user, memory=self.memory, secret=SECRET))
        # Debian's Python, which is the one that has Swift.
        servers.run("/usr/bin/python3", "-c", RINGS, etc, *("%s:%d" % (name, self.ports[name]) for name in SERVERS[:3]))
        servers.release_ports()

        servers.start("memcached", "memcached", "-u", user, "-l", "127.0.0.1", "-p", self.memory, "-U", "0", "-m", "32")
        for name in SERVERS:
            # It says its requests on standard error, for want of a system log.
            servers.start("requests" if name == "proxy" else name, "swift-%s-server" % name,
                          etc / (name + "-server.conf"), "--verbose", env={**os.environ, "SWIFT_DIR": str(etc)})
        (folder / "requests.log").symlink_to("requests.out")
        for name in SERVERS:
            servers.wait_until(name + " answers", lambda name=name: server_process.listens(self.ports[name]))
        for name in self.options.bucket:
            self.make_bucket(name)
        servers.check()

    def make_bucket(self, name):
        endpoint = "http://127.0.0.1:%d" % self.ports["proxy"]
        s3_client.must(s3_client.request(endpoint, ACCESS, SECRET, "PUT", "/" + name))
        return "ok"

    def answer(self, command):
        words = command.split()
        if words[:1] == ["bucket"] and len(words) == 2:
            return self.make_bucket(words[1])
        return "error no such command"


def main():
    parser = argparse.ArgumentParser(description="Runs a second real S3 server; see the head of this file.")
    parser.add_argument("--bucket", action="append", default=[])
    options = parser.parse_args()
    server_process.require(PROGRAMS)

    def start(servers):
        server = SwiftServer(servers, options)
        server.start()
        return "%d %s %s %s" % (server.ports["proxy"], ACCESS, SECRET, servers.folder), server.answer

    server_process.supervise(start, "quire-swift-")


if __name__ == "__main__":
    main()
