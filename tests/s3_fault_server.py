#!/usr/bin/env python3
"""An S3 server in memory that checks no signature and misbehaves as it is told.

    s3_fault_server.py [SMALLEST_PART]     on 127.0.0.1; prints the port, then runs until killed

Without rules it is a good one, in path style and as BUCKET.localhost: objects with Range and conditions,
multipart uploads (a part but the last has SMALLEST_PART bytes, 5 MiB), lists of objects, uploads and parts.
It checks x-amz-content-sha256 and Content-MD5 against the body.

    PUT /__script/BUCKET      makes the bucket, and gives it the body's rules instead of those it had
    PUT /__age/BUCKET         makes its open uploads older by the body's number of seconds
    GET /__log[/BUCKET]       a line for each request: METHOD TARGET STATUS, then NAME=VALUE for what there is
                              of LOGGED below, connection=N, and fault=ACTION; the status is 0 without an answer
    DELETE /__log[/BUCKET]    forgets them
    GET /__state[/BUCKET]     {BUCKET: {KEY: {"size", "md5", "etag"}}}
    GET /__uploads[/BUCKET]   [{"bucket", "key", "id", "initiated", "parts": {NUMBER: SIZE}}]

The rules are a JSON list; the first that fits and is not used up decides. All its members but `action` may
be left out:

    method, key, query   which requests: this method, a key that begins so, a raw query that holds this
    unless_region        not if the signature's credential scope names this region
    skip, times          not the first `skip` that fit, then `times` of them (all)
    before_body          decided before the request's body is read, and the connection ends
    action               what happens instead, or to the answer of what was asked

    NAME of an error     of ERRORS below, or with `status`: its answer, with `headers`, and `fields` in the XML
    answer               `status`, `headers`, `body` as they are given
    wrong_region         AuthorizationHeaderMalformed that names `region`, to all who do not sign for it
    do_then_reset        what was asked is done, but the answer is a reset connection
    do_then_answer       … but the answer is the error named by `error`
    error_in_200         200, and the error named by `error` (InternalError) as its body; nothing is done
    reset                the connection is reset after `at` bytes of the answer's body (0); what was asked is done
    reset_request        … after `at` bytes of the request's body; nothing is done
    slow_request         the request's body is read slowly, in `seconds` (1)
    stall                nothing more comes after `at` bytes of the answer's body (0)
    silent               no answer; nothing is done
    wrong_etag, no_etag  another ETag, or none, in the answer's headers and XML
    corrupt              the first byte of the answer's body is another
    ignore_conditions    If-Match and If-None-Match are not looked at
    ignore_range         the whole, with 200
    truncate_xml         half the answer's body, with a length that says so
    garbage_xml          a body that is no XML
    deep_xml             a hundred thousand elements in one another
    entities_xml         a DOCTYPE whose entities multiply
    huge_xml             a list that never ends
    same_token           a list that says it goes on where it began
    no_token             a list that says it goes on, and not where
"""

import asyncio
import base64
import collections
import email.utils
import hashlib
import http
import itertools
import json
import re
import sys
import time
import urllib.parse
from xml.sax.saxutils import escape

SMALLEST_PART = 5 << 20
REGION = "us-east-1"
LOGGED = ("range", "if-match", "if-none-match", "content-length", "content-md5", "x-amz-content-sha256",
          "x-amz-security-token", "authorization", "host", "expect")
ERRORS = {
    "AccessDenied": 403, "AuthorizationHeaderMalformed": 400, "BadDigest": 400, "BucketNotEmpty": 409,
    "ConditionalRequestConflict": 409, "EntityTooSmall": 400, "ExpiredToken": 400, "InternalError": 500,
    "InvalidAccessKeyId": 403, "InvalidArgument": 400, "InvalidObjectState": 403, "InvalidPart": 400,
    "InvalidPartOrder": 400, "InvalidRange": 416, "InvalidToken": 400, "MalformedXML": 400,
    "MethodNotAllowed": 405, "NoSuchBucket": 404, "NoSuchKey": 404, "NoSuchUpload": 404, "NotImplemented": 501,
    "OperationAborted": 409, "PermanentRedirect": 301, "PreconditionFailed": 412, "RequestTimeTooSkewed": 403,
    "RequestTimeout": 400, "ServiceUnavailable": 503, "SignatureDoesNotMatch": 403, "SlowDown": 503,
    "TemporaryRedirect": 307, "TooManyRequests": 429, "XAmzContentSHA256Mismatch": 400,
}
ACTIONS = {
    "answer", "wrong_region", "do_then_reset", "do_then_answer", "error_in_200", "reset", "reset_request", "slow_request", "stall",
    "silent", "wrong_etag", "no_etag", "corrupt", "ignore_conditions", "ignore_range", "truncate_xml", "garbage_xml",
    "deep_xml", "entities_xml", "huge_xml", "same_token", "no_token",
}
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
DEEP = DECLARATION + "<a>" * 100000 + "</a>" * 100000
ENTITIES = DECLARATION + "<!DOCTYPE l [<!ENTITY a0 \"lol\">" + "".join(
    "<!ENTITY a%d \"%s\">" % (i + 1, ("&a%d;" % i) * 10) for i in range(12)
) + "]><ListBucketResult>&a12;</ListBucketResult>"

Object = collections.namedtuple("Object", "data etag modified headers")
Upload = collections.namedtuple("Upload", "bucket key id initiated headers parts")
Answer = collections.namedtuple("Answer", "status headers body")


class Refused(Exception):
    """An error of S3, by its code."""

    def __init__(self, code, status=None, headers=None, fields=None):
        super().__init__(code)
        self.code = code
        self.status = status or ERRORS[code]
        self.headers = headers or {}
        self.fields = fields or {}

    def answer(self):
        return Answer(self.status, {"Content-Type": "application/xml", **self.headers}, xml(
            "Error", "", Code=self.code, Message=self.code, RequestId="0", **self.fields))


def xml(name, attributes, *inner, **elements):
    parts = ["<%s>%s</%s>" % (element, escape(str(value)), element) for element, value in elements.items()]
    return (DECLARATION + "<%s%s>" % (name, attributes) + "".join(parts) + "".join(inner) + "</%s>" % name).encode()


def elements(name, **values):
    return "<%s>%s</%s>" % (
        name, "".join("<%s>%s</%s>" % (key, escape(str(value)), key) for key, value in values.items()), name)


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def quoted_md5(data):
    return '"%s"' % hashlib.md5(data).hexdigest()


class Request:
    def __init__(self, method, target, headers):
        self.method, self.target, self.headers = method, target, headers
        path, _, self.raw_query = target.partition("?")
        self.query = dict(urllib.parse.parse_qsl(self.raw_query, keep_blank_values=True))
        name = headers.get("host", "").rsplit(":", 1)[0]
        if name.endswith(".localhost") and not path.startswith("/__"):
            path = "/" + name[:-len(".localhost")] + path
        self.bucket, _, key = path[1:].partition("/")
        self.key = urllib.parse.unquote(key)
        self.body = b""

    def region(self):
        """Of the credential scope KEY/DAY/REGION/SERVICE/aws4_request."""
        scope = re.search(r"Credential=([^,\s]+)", self.headers.get("authorization", ""))
        parts = (scope.group(1) if scope else self.query.get("X-Amz-Credential", "")).split("/")
        return parts[-3] if len(parts) >= 5 else ""


class Rule:
    def __init__(self, members):
        self.members = members
        self.action = members["action"]
        if self.action not in ACTIONS:
            self.refusal(self.action)
        self.refusal(self.get("error", "InternalError"))
        self.fitted = 0

    def get(self, name, otherwise=None):
        return self.members.get(name, otherwise)

    def fits(self, request):
        if self.action == "wrong_region" and request.region() == self.get("region"):
            return False
        return (self.get("method", request.method) == request.method and
                request.key.startswith(self.get("key", "")) and self.get("query", "") in request.raw_query and
                self.get("unless_region", "?") != request.region())

    def decides(self, request):
        if not self.fits(request):
            return False
        self.fitted += 1
        return self.get("skip", 0) < self.fitted <= self.get("skip", 0) + self.get("times", 1 << 60)

    def refusal(self, code):
        return Refused(code, self.get("status"), self.get("headers"), self.get("fields"))


class Store:
    """Buckets, and what S3 does with them."""

    def __init__(self, smallest_part):
        self.smallest_part = smallest_part
        self.buckets = {}
        self.uploads = {}
        self.numbers = itertools.count(1)

    def perform(self, request, has_conditions=True, has_range=True):
        if not has_conditions:
            request.headers.pop("if-match", None)
            request.headers.pop("if-none-match", None)
        if not has_range:
            request.headers.pop("range", None)
        if request.bucket == "":
            return self.list_buckets()
        if request.key == "":
            return self.bucket_operation(request)
        if request.bucket not in self.buckets:
            raise Refused("NoSuchBucket")
        self.check_body(request)
        return self.object_operation(request)

    @staticmethod
    def check_body(request):
        claimed = request.headers.get("x-amz-content-sha256", "")
        if re.fullmatch("[0-9a-f]{64}", claimed) and claimed != hashlib.sha256(request.body).hexdigest():
            raise Refused("XAmzContentSHA256Mismatch")
        claimed = request.headers.get("content-md5")
        if claimed is not None and claimed != base64.b64encode(hashlib.md5(request.body).digest()).decode():
            raise Refused("BadDigest")
        if claimed is None and "aws-chunked" in request.headers.get("content-encoding", ""):
            raise Refused("NotImplemented")

    def list_buckets(self):
        inner = "".join(elements("Bucket", Name=name) for name in self.buckets)
        return Answer(200, {}, xml("ListAllMyBucketsResult", NAMESPACE, "<Buckets>" + inner + "</Buckets>"))

    def bucket_operation(self, request):
        query = request.query
        if request.method == "PUT":
            self.buckets.setdefault(request.bucket, {})
            return Answer(200, {}, b"")
        if request.bucket not in self.buckets:
            raise Refused("NoSuchBucket")
        if request.method == "HEAD":
            return Answer(200, {"x-amz-bucket-region": REGION}, b"")
        if request.method == "DELETE":
            if self.buckets[request.bucket]:
                raise Refused("BucketNotEmpty")
            del self.buckets[request.bucket]
            return Answer(204, {}, b"")
        if request.method == "POST" and "delete" in query:
            return self.delete_objects(request)
        if request.method != "GET":
            raise Refused("MethodNotAllowed")
        if "location" in query:
            return Answer(200, {}, xml("LocationConstraint", NAMESPACE))
        if "uploads" in query:
            return self.list_uploads(request)
        if query.get("list-type") == "2":
            return self.list_objects(request)
        raise Refused("NotImplemented")

    def object_operation(self, request):
        query, method = request.query, request.method
        if method in ("GET", "HEAD"):
            return self.list_parts(request) if "uploadId" in query else self.get(request)
        if method == "PUT":
            return self.put_part(request) if "uploadId" in query else self.put(request)
        if method == "DELETE":
            return self.abort(request) if "uploadId" in query else self.delete(request)
        if method == "POST" and "uploads" in query:
            return self.initiate(request)
        if method == "POST" and "uploadId" in query:
            return self.complete(request)
        raise Refused("MethodNotAllowed")

    # Objects.

    def get(self, request):
        found = self.buckets[request.bucket].get(request.key)
        if found is None:
            raise Refused("NoSuchKey")
        headers = {"ETag": found.etag, "Last-Modified": email.utils.formatdate(found.modified, usegmt=True),
                   "Accept-Ranges": "bytes", **found.headers}
        wanted, unwanted = request.headers.get("if-match"), request.headers.get("if-none-match")
        if wanted is not None and wanted not in ("*", found.etag):
            raise Refused("PreconditionFailed")
        if unwanted is not None and unwanted in ("*", found.etag):
            return Answer(304, headers, b"")

        size = len(found.data)
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
        if asked is None or asked.group(0) == "bytes=-":
            return Answer(200, headers, found.data)
        first, last = asked.groups()
        if first == "":
            begin, end = max(0, size - int(last)), size
        else:
            begin, end = int(first), min(int(last or size) + 1, size)
        if begin >= end:
            raise Refused("InvalidRange", headers={"Content-Range": "bytes */%d" % size})
        headers["Content-Range"] = "bytes %d-%d/%d" % (begin, end - 1, size)
        return Answer(206, headers, found.data[begin:end])

    def check_conditions(self, request):
        """Those of a request that changes the object."""
        found = self.buckets[request.bucket].get(request.key)
        wanted = request.headers.get("if-match")
        if wanted is not None:
            if found is None:
                raise Refused("NoSuchKey")
            if wanted not in ("*", found.etag):
                raise Refused("PreconditionFailed")
        if "if-none-match" in request.headers and found is not None:
            raise Refused("PreconditionFailed")

    @staticmethod
    def kept_headers(request):
        return {name: value for name, value in request.headers.items()
                if name in ("content-type", "cache-control") or name.startswith("x-amz-meta-")}

    def put(self, request):
        if "x-amz-copy-source" in request.headers:
            raise Refused("NotImplemented")
        self.check_conditions(request)
        made = Object(request.body, quoted_md5(request.body), time.time(), self.kept_headers(request))
        self.buckets[request.bucket][request.key] = made
        return Answer(200, {"ETag": made.etag}, b"")

    def delete(self, request):
        if request.headers.get("if-match") is not None:
            self.check_conditions(request)
        self.buckets[request.bucket].pop(request.key, None)
        return Answer(204, {}, b"")

    def delete_objects(self, request):
        keys = [urllib.parse.unquote(self.unescaped(key)) if "encoding-type" in request.query else self.unescaped(key)
                for key in re.findall(r"<Key>([^<]*)</Key>", request.body.decode())]
        for key in keys:
            self.buckets[request.bucket].pop(key, None)
        return Answer(200, {}, xml("DeleteResult", NAMESPACE, *(elements("Deleted", Key=key) for key in keys)))

    @staticmethod
    def unescaped(text):
        for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&")):
            text = text.replace(entity, character)
        return text

    # Lists.

    @staticmethod
    def spelling(request):
        if request.query.get("encoding-type") == "url":
            return lambda text: urllib.parse.quote(text, safe="/-_.~*")
        return lambda text: text

    @staticmethod
    def most(request, name):
        try:
            return min(1000, int(request.query.get(name, 1000)))
        except ValueError:
            raise Refused("InvalidArgument") from None

    def list_objects(self, request):
        query, spelled = request.query, self.spelling(request)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        most = self.most(request, "max-keys")
        after, last = query.get("start-after", ""), ""
        token = query.get("continuation-token")
        if token is not None:
            try:
                last = base64.urlsafe_b64decode(token).decode()
            except ValueError:
                raise Refused("InvalidArgument") from None

        contents, common, more = [], [], False
        for key in sorted(self.buckets[request.bucket], key=str.encode):
            if not key.startswith(prefix) or key.encode() <= after.encode():
                continue
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            entry = key if end < 0 else key[:end + len(delimiter)]
            # A common prefix that was listed stands for all its keys, which may come after it.
            if entry.encode() <= last.encode():
                continue
            if len(contents) + len(common) == most:
                more = most > 0
                break
            last = entry
            if end < 0:
                found = self.buckets[request.bucket][key]
                contents.append(elements("Contents", Key=spelled(key), LastModified=iso(found.modified),
                                         ETag=found.etag, Size=len(found.data), StorageClass="STANDARD"))
            else:
                common.append(elements("CommonPrefixes", Prefix=spelled(entry)))
        said = {"Name": request.bucket, "Prefix": spelled(prefix), "KeyCount": len(contents) + len(common),
                "MaxKeys": most, "IsTruncated": str(more).lower()}
        if delimiter:
            said["Delimiter"] = spelled(delimiter)
        if "encoding-type" in query:
            said["EncodingType"] = "url"
        if token is not None:
            said["ContinuationToken"] = token
        if more:
            said["NextContinuationToken"] = base64.urlsafe_b64encode(last.encode()).decode()
        return Answer(200, {}, xml("ListBucketResult", NAMESPACE, *contents, *common, **said))

    def list_uploads(self, request):
        query, spelled = request.query, self.spelling(request)
        most = self.most(request, "max-uploads")
        marker = (query.get("key-marker", "").encode(), query.get("upload-id-marker", "\U0010ffff"))
        uploads = sorted((upload for upload in self.uploads.values() if upload.bucket == request.bucket and
                          upload.key.startswith(query.get("prefix", ""))),
                         key=lambda upload: (upload.key.encode(), upload.id))
        if "key-marker" in query:
            uploads = [upload for upload in uploads if (upload.key.encode(), upload.id) > marker]
        more, uploads = len(uploads) > most, uploads[:most]
        said = {"Bucket": request.bucket, "MaxUploads": most, "IsTruncated": str(more).lower()}
        if more:
            said["NextKeyMarker"] = spelled(uploads[-1].key)
            said["NextUploadIdMarker"] = uploads[-1].id
        if "encoding-type" in query:
            said["EncodingType"] = "url"
        return Answer(200, {}, xml("ListMultipartUploadsResult", NAMESPACE, *(elements(
            "Upload", Key=spelled(upload.key), UploadId=upload.id, StorageClass="STANDARD",
            Initiated=iso(upload.initiated)) for upload in uploads), **said))

    def list_parts(self, request):
        upload = self.upload(request)
        most = self.most(request, "max-parts")
        numbers = sorted(number for number in upload.parts if number > int(request.query.get("part-number-marker", 0)))
        more, numbers = len(numbers) > most, numbers[:most]
        said = {"Bucket": request.bucket, "Key": request.key, "UploadId": upload.id, "MaxParts": most,
                "IsTruncated": str(more).lower()}
        if more:
            said["NextPartNumberMarker"] = numbers[-1]
        return Answer(200, {}, xml("ListPartsResult", NAMESPACE, *(elements(
            "Part", PartNumber=number, LastModified=iso(upload.initiated), ETag=quoted_md5(upload.parts[number]),
            Size=len(upload.parts[number])) for number in numbers), **said))

    # Multipart uploads.

    def upload(self, request):
        found = self.uploads.get(request.query["uploadId"])
        if found is None or (found.bucket, found.key) != (request.bucket, request.key):
            raise Refused("NoSuchUpload")
        return found

    def initiate(self, request):
        name = "upload-%06d" % next(self.numbers)
        self.uploads[name] = Upload(request.bucket, request.key, name, time.time(), self.kept_headers(request), {})
        return Answer(200, {}, xml("InitiateMultipartUploadResult", NAMESPACE, Bucket=request.bucket,
                                   Key=request.key, UploadId=name))

    def put_part(self, request):
        upload = self.upload(request)
        number = request.query.get("partNumber", "")
        if not number.isdigit() or not 1 <= int(number) <= 10000:
            raise Refused("InvalidArgument")
        upload.parts[int(number)] = request.body
        return Answer(200, {"ETag": quoted_md5(request.body)}, b"")

    def complete(self, request):
        upload = self.upload(request)
        text = request.body.decode()
        listed = []
        for part in re.findall(r"<Part>(.*?)</Part>", text, re.DOTALL):
            number = re.search(r"<PartNumber>\s*(\d+)\s*</PartNumber>", part)
            etag = re.search(r"<ETag>\s*([^<]*?)\s*</ETag>", part)
            if number is None or etag is None:
                raise Refused("MalformedXML")
            listed.append((int(number.group(1)), self.unescaped(etag.group(1)).strip('"')))
        if not listed:
            raise Refused("MalformedXML")
        if any(left[0] >= right[0] for left, right in zip(listed, listed[1:])):
            raise Refused("InvalidPartOrder")
        if any(number not in upload.parts or quoted_md5(upload.parts[number]) != '"%s"' % etag
               for number, etag in listed):
            raise Refused("InvalidPart")
        parts = [upload.parts[number] for number, _ in listed]
        if any(len(part) < self.smallest_part for part in parts[:-1]):
            raise Refused("EntityTooSmall")
        self.check_conditions(request)
        digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()
        made = Object(b"".join(parts), '"%s-%d"' % (digest, len(parts)), time.time(), upload.headers)
        self.buckets[request.bucket][request.key] = made
        del self.uploads[upload.id]
        return Answer(200, {}, xml("CompleteMultipartUploadResult", NAMESPACE, Bucket=request.bucket,
                                   Key=request.key, ETag=made.etag))

    def abort(self, request):
        del self.uploads[self.upload(request).id]
        return Answer(204, {}, b"")

    # What tests ask.

    def state(self, bucket):
        return {name: {key: {"size": len(found.data), "md5": hashlib.md5(found.data).hexdigest(), "etag": found.etag}
                       for key, found in objects.items()}
                for name, objects in self.buckets.items() if bucket in ("", name)}

    def open_uploads(self, bucket):
        return [{"bucket": upload.bucket, "key": upload.key, "id": upload.id, "initiated": iso(upload.initiated),
                 "parts": {number: len(part) for number, part in sorted(upload.parts.items())}}
                for upload in self.uploads.values() if bucket in ("", upload.bucket)]

    def age(self, bucket, seconds):
        for name, upload in self.uploads.items():
            if upload.bucket == bucket:
                self.uploads[name] = upload._replace(initiated=upload.initiated - seconds)


class Server:
    def __init__(self, store):
        self.store = store
        self.rules = {}
        self.log = []
        self.connections = itertools.count(1)

    async def serve(self, reader, writer):
        connection = next(self.connections)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
                method, target, _ = first.split(" ")
                headers = {}
                for line in lines:
                    name, value = line.split(":", 1)
                    headers[name.strip().lower()] = value.strip()
                if not await self.answer(reader, writer, Request(method, target, headers), connection):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def read_body(self, reader, writer, request):
        if request.headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.headers.get("transfer-encoding", "").lower() != "chunked":
            request.body = await reader.readexactly(int(request.headers.get("content-length", 0)))
            return
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            request.body += (await reader.readexactly(size + 2))[:-2]
            if size == 0:
                return

    async def answer(self, reader, writer, request, connection):
        """False if the connection is over."""
        if request.bucket.startswith("__"):
            await self.read_body(reader, writer, request)
            return await self.send(writer, request, self.control(request))
        entry = {"request": request, "status": 0, "connection": connection, "fault": ""}
        self.log.append(entry)
        rule = next((rule for rule in self.rules.get(request.bucket, []) if rule.decides(request)), None)
        if rule is not None:
            entry["fault"] = rule.action
            if rule.action == "reset_request":
                size = int(request.headers.get("content-length", 1 << 60))
                await self.read_some(reader, writer, request, min(size, rule.get("at", 0)))
                writer.transport.abort()
                return False
            if rule.get("before_body"):
                answer = self.instead(rule, request)
                entry["status"] = answer.status
                await self.send(writer, request, answer, ends=True)
                await self.drain_input(reader)
                return False
        if rule is not None and rule.action == "slow_request":
            size = int(request.headers.get("content-length", 0))
            while len(request.body) < size:
                request.body += await reader.readexactly(min(size // 10 + 1, size - len(request.body)))
                await asyncio.sleep(rule.get("seconds", 1) / 10)
        else:
            await self.read_body(reader, writer, request)
        if rule is not None and rule.action == "silent":
            await asyncio.sleep(600)
            return False

        answer = self.instead(rule, request)
        if rule is not None and rule.action == "do_then_reset":
            writer.transport.abort()
            return False
        entry["status"] = answer.status
        return await self.send(writer, request, answer, rule)

    @staticmethod
    async def read_some(reader, writer, request, size):
        if request.headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while size > 0:
            read = await reader.read(size)
            if not read:
                return
            size -= len(read)

    @staticmethod
    async def drain_input(reader):
        """Closing with unread input would be a reset, which may overtake the answer."""
        try:
            await asyncio.wait_for(reader.read(-1), 1)
        except asyncio.TimeoutError:
            pass

    def perform(self, request, **options):
        try:
            return self.store.perform(request, **options)
        except Refused as refused:
            return refused.answer()

    def instead(self, rule, request):
        """The answer of a request for which this rule decides."""
        if rule is None:
            return self.perform(request)
        action = rule.action
        if action not in ACTIONS:
            return rule.refusal(action).answer()
        if action == "answer":
            return Answer(rule.get("status", 200), rule.get("headers", {}), rule.get("body", "").encode())
        if action == "wrong_region":
            return Refused("AuthorizationHeaderMalformed", headers={"x-amz-bucket-region": rule.get("region")},
                           fields={"Region": rule.get("region")}).answer()
        if action == "error_in_200":
            return rule.refusal(rule.get("error", "InternalError")).answer()._replace(status=200)
        if action == "do_then_answer":
            self.perform(request)
            return rule.refusal(rule.get("error", "InternalError")).answer()
        if action in ("garbage_xml", "deep_xml", "entities_xml", "huge_xml"):
            body = {"garbage_xml": "{ this is no XML", "deep_xml": DEEP, "entities_xml": ENTITIES, "huge_xml": ""}
            return Answer(200, {"Content-Type": "application/xml"}, body[action].encode())
        return self.changed(rule, request, self.perform(
            request, has_conditions=action != "ignore_conditions", has_range=action != "ignore_range"))

    @staticmethod
    def changed(rule, request, answer):
        action, body, headers = rule.action, answer.body, dict(answer.headers)
        if action == "truncate_xml":
            body = body[:len(body) // 2]
        elif action == "corrupt" and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        elif action in ("wrong_etag", "no_etag"):
            if headers.pop("ETag", None) and action == "wrong_etag":
                headers["ETag"] = '"00000000000000000000000000000000"'
            if body.startswith(DECLARATION.encode()):
                body = re.sub(b"<ETag>[^<]*</ETag>", b"" if action == "no_etag" else
                              b"<ETag>&quot;00000000000000000000000000000000&quot;</ETag>", body)
        elif action in ("same_token", "no_token"):
            token = request.query.get("continuation-token", "c2FtZQ==")
            body = re.sub(b"<NextContinuationToken>.*?</NextContinuationToken>", b"", body)
            body = body.replace(b"<IsTruncated>false", b"<IsTruncated>true")
            if action == "same_token":
                body = body.replace(b"</ListBucketResult>", (
                    "<NextContinuationToken>%s</NextContinuationToken></ListBucketResult>" % token).encode())
        return Answer(answer.status, headers, body)

    async def send(self, writer, request, answer, rule=None, ends=False):
        """False if the connection is over."""
        action = rule.action if rule is not None else ""
        try:
            reason = http.HTTPStatus(answer.status).phrase
        except ValueError:
            reason = "Unknown"
        headers = {"x-amz-request-id": "0", "Date": email.utils.formatdate(usegmt=True), **answer.headers}
        if action == "huge_xml":
            headers["Transfer-Encoding"] = "chunked"
        elif answer.status not in (204, 304):
            headers["Content-Length"] = str(len(answer.body))
        ends = ends or request.headers.get("connection", "").lower() == "close"
        if ends:
            headers["Connection"] = "close"
        lines = ["HTTP/1.1 %d %s" % (answer.status, reason)] + ["%s: %s" % header for header in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        if action == "huge_xml":
            await self.send_without_end(writer)
        body = b"" if request.method == "HEAD" or answer.status in (204, 304) else answer.body
        if action in ("reset", "stall"):
            body = body[:rule.get("at", 0)]
        writer.write(body)
        await writer.drain()
        if action == "stall":
            await asyncio.sleep(600)
        if action == "reset":
            await asyncio.sleep(0.02)  # what was sent may arrive
            writer.transport.abort()
        return action not in ("reset", "stall") and not ends

    @staticmethod
    async def send_without_end(writer):
        page = "".join(elements("Contents", Key="key-NUMBER-%03d" % i, LastModified=iso(0), ETag='"0"', Size=1)
                       for i in range(1000))
        text = DECLARATION + "<ListBucketResult" + NAMESPACE + "><IsTruncated>false</IsTruncated>"
        for number in itertools.count():
            data = text.encode()
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
            text = page.replace("NUMBER", "%012d" % number)

    # What tests tell and ask.

    def control(self, request):
        what, bucket = request.bucket, request.key
        if request.method == "PUT" and what == "__script" and bucket:
            self.store.buckets.setdefault(bucket, {})
            try:
                self.rules[bucket] = [Rule(members) for members in json.loads(request.body or b"[]")]
            except (ValueError, KeyError, TypeError) as error:
                return Answer(400, {}, ("no list of rules: %r\n" % error).encode())
            return Answer(200, {}, b"")
        if request.method == "PUT" and what == "__age":
            self.store.age(bucket, int(request.body))
            return Answer(200, {}, b"")
        if what == "__log":
            chosen = [entry for entry in self.log if bucket in ("", entry["request"].bucket)]
            if request.method == "DELETE":
                self.log = [entry for entry in self.log if entry not in chosen]
                return Answer(200, {}, b"")
            return Answer(200, {}, "".join(self.log_line(entry) for entry in chosen).encode("latin-1"))
        if what == "__state":
            return Answer(200, {}, json.dumps(self.store.state(bucket)).encode())
        if what == "__uploads":
            return Answer(200, {}, json.dumps(self.store.open_uploads(bucket)).encode())
        return Answer(404, {}, b"no such control request\n")

    @staticmethod
    def log_line(entry):
        request = entry["request"]
        words = [request.method, request.target, str(entry["status"])]
        words += ["%s=%s" % (name, request.headers[name].replace(" ", "_"))
                  for name in LOGGED if name in request.headers]
        words.append("connection=%d" % entry["connection"])
        if entry["fault"]:
            words.append("fault=" + entry["fault"])
        return " ".join(words) + "\n"


async def main():
    server = Server(Store(int(sys.argv[1]) if len(sys.argv) > 1 else SMALLEST_PART))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 20)
    print(listening.sockets[0].getsockname()[1], flush=True)
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
