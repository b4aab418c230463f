"""One signed request to an S3 server, or to its IAM and STS: a small AWS Signature Version 4."""

import collections
import hashlib
import hmac
import http.client
import re
import time
import urllib.parse

Answer = collections.namedtuple("Answer", "status headers body")  # header names in lower case


def encoded(text):
    return urllib.parse.quote(text, safe="-_.~")


def request(endpoint, access, secret, method, path, query=None, headers=None, body=b"", service="s3",
            region="us-east-1", token=None):
    """Path and query are plain text, not percent-encoded; an endpoint is "http://HOST:PORT"."""
    url = urllib.parse.urlsplit(endpoint)
    now = time.gmtime()
    day, moment = time.strftime("%Y%m%d", now), time.strftime("%Y%m%dT%H%M%SZ", now)
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    sent.update({"host": url.netloc, "x-amz-date": moment, "x-amz-content-sha256": hashlib.sha256(body).hexdigest()})
    if token is not None:
        sent["x-amz-security-token"] = token

    target = "/".join(encoded(part) for part in path.split("/"))
    asked = "&".join(sorted("%s=%s" % (encoded(name), encoded(value)) for name, value in (query or {}).items()))
    names = ";".join(sorted(sent))
    canonical = "\n".join([method, target, asked, *("%s:%s" % (name, sent[name]) for name in sorted(sent)), "", names,
                           sent["x-amz-content-sha256"]])
    scope = "%s/%s/%s/aws4_request" % (day, region, service)
    text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (moment, scope, hashlib.sha256(canonical.encode()).hexdigest())
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    sent["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        access, scope, names, hmac.new(key, text.encode(), hashlib.sha256).hexdigest())

    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    try:
        connection.request(method, target + ("?" + asked if asked else ""), body, sent)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def must(answer):
    if answer.status // 100 != 2:
        raise RuntimeError("status %d: %s" % (answer.status, answer.body.decode(errors="replace")))
    return answer


def element(xml, name):
    """The text of the first element of that name; "" without one."""
    found = re.search(b"<%s>([^<]*)</%s>" % (name.encode(), name.encode()), xml)
    return found.group(1).decode() if found else ""
