"""The S3 servers that tests start: what they do, what they log, and that nothing of them is left.

The server that misbehaves is held against the real one, and with QUIRE_NIGHTLY=1 a second real one too: what it
does without rules is what they do."""

import http.client
import json
import os
import pathlib
import subprocess
import sys
import time
import unittest

import s3_client

FOLDER = pathlib.Path(__file__).resolve().parent


class Server:
    """A script that says "PORT …" and takes commands."""

    def __init__(self, test, script, *options):
        self.process = subprocess.Popen([sys.executable, "-B", FOLDER / script, *options], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        test.addCleanup(self.end)
        words = self.process.stdout.readline().split()
        self.endpoint = "http://127.0.0.1:" + words[0]
        self.access, self.secret, self.folder = words[1:4] if len(words) > 3 else ("any", "any", "")

    def end(self):
        if self.process.returncode is None:
            self.process.kill()
            self.process.communicate()

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def request(self, method, path, secret=None, **more):
        return s3_client.request(self.endpoint, self.access, secret or self.secret, method, path, **more)

    def is_gone(self):
        """Within some seconds."""
        for _ in range(500):
            if not os.path.exists(self.folder) and self.processes() == []:
                return True
            time.sleep(0.01)
        return False

    def processes(self):
        """Those that have its folder among their words."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if self.folder.encode() in entry.read_bytes():
                    found.append(entry.parent.name)
            except OSError:
                pass
        return found


def faulty(test, *rules):
    server = Server(test, "s3_fault_server.py")
    assert server.request("PUT", "/__script/bucket", body=json.dumps(rules).encode()).status == 200
    return server


class S3ServerTest(unittest.TestCase):
    def check_good_behaviour(self, server, is_conditional=True):
        def ask(method, key, status, **more):
            answer = server.request(method, "/bucket/" + key, **more)
            self.assertEqual(answer.status, status, (method, key, more, answer))
            return answer

        etag = ask("PUT", "a b/+ü", 200, body=b"0123456789").headers["etag"]
        answer = ask("GET", "a b/+ü", 206, headers={"Range": "bytes=2-4", "If-Match": etag})
        self.assertEqual((answer.body, answer.headers["content-range"], answer.headers["etag"]),
                         (b"234", "bytes 2-4/10", etag))
        self.assertEqual(ask("GET", "a b/+ü", 206, headers={"Range": "bytes=-3"}).body, b"789")
        ask("GET", "a b/+ü", 416, headers={"Range": "bytes=10-"})
        ask("GET", "a b/+ü", 412, headers={"If-Match": '"other"'})
        self.assertEqual(ask("HEAD", "a b/+ü", 200).headers["content-length"], "10")
        self.assertEqual(s3_client.element(ask("GET", "none", 404).body, "Code"), "NoSuchKey")
        if is_conditional:
            ask("PUT", "a b/+ü", 412, headers={"If-None-Match": "*"})

        upload = s3_client.element(ask("POST", "long", 200, query={"uploads": ""}).body, "UploadId")
        parts = [b"p" * (5 << 20), b"end"]
        etags = [ask("PUT", "long", 200, body=part, query={"uploadId": upload, "partNumber": number}).headers["etag"]
                 for number, part in (("1", parts[0]), ("2", parts[1]))]
        self.assertEqual(ask("GET", "long", 200, query={"uploadId": upload}).body.count(b"<Part>"), 2)
        body = "".join("<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>" % part for part in enumerate(etags, 1))
        body = "<CompleteMultipartUpload>" + body + "</CompleteMultipartUpload>"
        ask("POST", "long", 200, query={"uploadId": upload}, body=body.encode())
        answer = ask("GET", "long", 206, headers={"Range": "bytes=%d-" % ((5 << 20) - 1)})
        self.assertEqual(answer.body, b"pend")
        self.assertTrue(answer.headers["etag"].endswith('-2"'), answer.headers)

        for key in ("d/1", "d/2", "e"):
            ask("PUT", key, 200, body=b"x")
        query = {"list-type": "2", "prefix": "", "delimiter": "/", "max-keys": "2", "encoding-type": "url"}
        first = ask("GET", "", 200, query=query).body
        token = s3_client.element(first, "NextContinuationToken")
        second = ask("GET", "", 200, query={**query, "continuation-token": token}).body
        self.assertEqual([s3_client.element(first, "IsTruncated"), s3_client.element(second, "IsTruncated")],
                         ["true", "false"])
        for text in (b"<Prefix>d/</Prefix>", b"<Key>e</Key>", b"<Key>long</Key>"):
            self.assertEqual((first + second).count(text), 1, (text, first, second))
        ask("DELETE", "e", 204)
        ask("GET", "e", 404)

    def test_the_real_server(self):
        server = Server(self, "s3_server.py", "--bucket", "bucket")
        self.check_good_behaviour(server)
        self.assertEqual(server.request("GET", "/bucket/long", secret="wrong").status, 403)
        self.assertEqual(server.command("bucket another"), "ok")
        self.assertEqual(server.request("HEAD", "/another").status, 200)
        self.assertEqual(server.command("nonsense").split()[0], "error")
        access, secret, token = server.command("token").split()
        for given, status in ((token, 200), (None, 403)):
            self.assertEqual(s3_client.request(server.endpoint, access, secret, "HEAD", "/bucket/long",
                                               token=given).status, status)

        server.request("GET", "/bucket/only-once", headers={"Range": "bytes=1-2"})
        self.assertEqual(server.command("flush"), "ok")
        log = pathlib.Path(server.folder, "requests.log").read_text(encoding="utf-8")
        lines = [line for line in log.splitlines() if " beast: " in line and "/bucket/only-once" in line]
        self.assertEqual(len(lines), 1, log)
        self.assertRegex(lines[0], r'"GET /bucket/only-once HTTP/1.1" 404 .* bytes=1-2 ')

        server.process.kill()
        server.process.communicate()
        self.assertTrue(server.is_gone(), server.processes())

    @unittest.skipUnless(os.environ.get("QUIRE_NIGHTLY"), "only in nightly runs")
    def test_the_second_real_server(self):
        server = Server(self, "swift_server.py", "--bucket", "bucket")
        self.check_good_behaviour(server, is_conditional=False)
        server.process.terminate()
        server.process.communicate()
        self.assertTrue(server.is_gone(), server.processes())

    def test_the_faulty_server_behaves_without_rules(self):
        self.check_good_behaviour(faulty(self))

    def test_rules_count_what_fits_them(self):
        server = faulty(self, {"action": "SlowDown", "method": "PUT", "key": "k", "skip": 1, "times": 2,
                               "headers": {"Retry-After": "7"}})
        answers = [server.request("PUT", "/bucket/" + key) for key in ("k", "k", "other", "k", "k")]
        self.assertEqual([answer.status for answer in answers], [200, 503, 200, 503, 200])
        self.assertEqual(answers[1].headers["retry-after"], "7")
        self.assertEqual(s3_client.element(answers[1].body, "Code"), "SlowDown")
        log = server.request("GET", "/__log/bucket").body.decode().splitlines()
        self.assertEqual([line.split()[:3] for line in log[:2]],
                         [["PUT", "/bucket/k", "200"], ["PUT", "/bucket/k", "503"]])

    def test_a_wrong_region_is_refused_until_it_is_right(self):
        server = faulty(self, {"action": "wrong_region", "region": "eu-west-1"})
        refused = server.request("PUT", "/bucket/k")
        self.assertEqual((refused.status, s3_client.element(refused.body, "Region")), (400, "eu-west-1"))
        self.assertEqual(server.request("PUT", "/bucket/k", region="eu-west-1").status, 200)

    def test_a_lost_answer_is_of_what_was_done(self):
        server = faulty(self, {"action": "do_then_reset", "times": 1})
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            server.request("PUT", "/bucket/k", body=b"done")
        self.assertEqual(server.request("GET", "/bucket/k").body, b"done")

    def test_an_unknown_action_is_refused(self):
        server = faulty(self)
        self.assertEqual(server.request("PUT", "/__script/bucket", body=b'[{"action": "slowdown"}]').status, 400)


if __name__ == "__main__":
    unittest.main()
