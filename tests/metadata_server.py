#!/usr/bin/env python3
"""A server like those that clouds run beside a machine or a container, which give out credentials.

    metadata_server.py ROOT     serves on 127.0.0.1; prints the port, then runs until killed

    PUT /latest/api/token                                   a token, if its lifetime is asked for
    GET /latest/meta-data/iam/security-credentials/         the role, if the token is right
    GET /latest/meta-data/iam/security-credentials/ROLE     credentials, if the token is right
    GET /container                                          credentials, if Authorization is what the file "authorization" in
                                                            ROOT says, if it is there

The n-th credentials are AKIAMETADATA<n>, hidden-secret-<n>, hidden-token-<n>; they live an hour, or as many seconds as the
file "lifetime" says. A file "token", "roles", "role" or "container" says what that request is answered with instead:

    a number   this status        stall      nothing
    redirect   302 to /good       broken     half of the JSON
    else       this text

Each request adds "METHOD path" to the file "log"; n is in the file "given".
"""

import http.server
import json
import os
import sys
import time

ROLES = "/latest/meta-data/iam/security-credentials/"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def setting(self, name):
        try:
            with open(os.path.join(sys.argv[1], name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def send(self, status, text, headers=()):
        body = text.encode()
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def credentials(self):
        given = int(self.setting("given") or 0) + 1
        with open(os.path.join(sys.argv[1], "given"), "w", encoding="utf-8") as file:
            file.write(str(given))
        expires = time.time() + int(self.setting("lifetime") or 3600)
        return json.dumps({
            "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2012-04-26T16:39:16Z",
            "AccessKeyId": f"AKIAMETADATA{given}",
            "SecretAccessKey": f"hidden-secret-{given}",
            "Token": f"hidden-token-{given}",
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires))})

    def answer(self, what, text):
        """Sends `text`, or what the file `what` says."""
        instead = self.setting(what).strip()
        if instead.isdigit():
            self.send(int(instead), "hidden-words")
        elif instead == "stall":
            time.sleep(600)
        elif instead == "redirect":
            self.send(302, "", [("Location", "/good")])
        elif instead == "broken":
            self.send(200, text[:len(text) // 2])
        else:
            self.send(200, instead or text)

    def log(self):
        with open(os.path.join(sys.argv[1], "log"), "a", encoding="utf-8") as file:
            file.write(f"{self.command} {self.path}\n")

    def do_PUT(self):
        self.log()
        if self.path != "/latest/api/token" or self.headers.get("Content-Length", "0") != "0":
            return self.send(404, "")
        if not self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "").isdigit():
            return self.send(400, "")
        return self.answer("token", "hidden-session")

    def do_GET(self):
        self.log()
        if self.path == "/good":
            return self.send(200, self.credentials())
        if self.path == "/container":
            if self.headers.get("Authorization", "") != self.setting("authorization"):
                return self.send(401, "")
            return self.answer("container", self.credentials())
        if self.headers.get("X-aws-ec2-metadata-token", "") != "hidden-session":
            return self.send(401, "")
        if self.path == ROLES:
            return self.answer("roles", "reader")
        if self.path == ROLES + "reader":
            return self.answer("role", self.credentials())
        return self.send(404, "")


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
