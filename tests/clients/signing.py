"""Signatures of version 4 (in headers and in queries) and 2, made from the ground, and requests exactly as wanted."""

import base64
import hashlib
import hmac
import http.client
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode, urlsplit

from conftest import KEYS, REGION, URL

ENDPOINT = urlsplit(URL)
HOST = ENDPOINT.netloc
PATH = ENDPOINT.path or "/"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
ASK = {"Action": "DescribeRegions", "Version": "2016-11-15"}


def send(method, target, headers, body=b""):
    """Exactly this, over a connection of its own. Returns status, headers and body."""
    connection = http.client.HTTPConnection(HOST, timeout=30)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body and "Content-Length" not in dict(headers):
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def encode(text):
    return quote(text, safe="-_.~")


class V4:
    """A request signed with version 4, each part of which can be made otherwise."""

    def __init__(self, method="POST", query=(), body=None, keys=KEYS, region=REGION, service="ec2", late=timedelta()):
        self.method, self.query, self.keys = method, list(query), keys
        self.body = urlencode(ASK).encode() if body is None and method == "POST" else (body or b"")
        self.when = datetime.now(UTC) + late
        self.day, self.stamp = self.when.strftime("%Y%m%d"), self.when.strftime("%Y%m%dT%H%M%SZ")
        self.region, self.service = region, service
        self.headers = [("Host", HOST), ("X-Amz-Date", self.stamp)]
        if self.body:
            self.headers.append(("Content-Type", FORM))
        self.signed = None
        self.target = None
        self.separator = ", "
        self.payload = hashlib.sha256(self.body).hexdigest()

    def scope(self):
        return f"{self.day}/{self.region}/{self.service}/aws4_request"

    def signature(self, canonical_query, names):
        values = {name.lower(): " ".join(value.split()) for name, value in self.headers}
        canonical = "\n".join(
            [
                self.method,
                PATH,
                canonical_query,
                *(f"{name}:{values[name]}" for name in names),
                "",
                ";".join(names),
                self.payload,
            ]
        )
        key = mac(mac(mac(mac(f"AWS4{self.keys[1]}".encode(), self.day), self.region), self.service), "aws4_request")
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        return mac(key, f"AWS4-HMAC-SHA256\n{self.stamp}\n{self.scope()}\n{hashed}").hex()

    def canonical_query(self):
        return "&".join(sorted(f"{encode(name)}={encode(value)}" for name, value in self.query))

    def names(self):
        return self.signed or sorted(name.lower() for name, _ in self.headers)

    def authorization(self):
        names = self.names()
        parts = [
            f"Credential={self.keys[0]}/{self.scope()}",
            f"SignedHeaders={';'.join(names)}",
            f"Signature={self.signature(self.canonical_query(), names)}",
        ]
        return "AWS4-HMAC-SHA256 " + self.separator.join(parts)

    def send(self):
        query = "&".join(f"{encode(name)}={encode(value)}" for name, value in self.query)
        target = self.target or (f"{PATH}?{query}" if query else PATH)
        return send(self.method, target, [*self.headers, ("Authorization", self.authorization())], self.body)


def presign(request, expires):
    """The query that stands for the request's headers."""
    request.query += [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", f"{request.keys[0]}/{request.scope()}"),
        ("X-Amz-Date", request.stamp),
        ("X-Amz-Expires", str(expires)),
        ("X-Amz-SignedHeaders", "host"),
    ]
    request.headers = [("Host", HOST)]
    return [*request.query, ("X-Amz-Signature", request.signature(request.canonical_query(), ["host"]))]


def stamp(form="%Y-%m-%dT%H:%M:%SZ", **late):
    return (datetime.now(UTC) + timedelta(**late)).strftime(form)


def sign_v2(parameters, method="POST", digest="HmacSHA256", host=HOST, keys=KEYS, when=None):
    parameters = {
        "AWSAccessKeyId": keys[0],
        "SignatureVersion": "2",
        "SignatureMethod": digest,
        **(when or {"Timestamp": stamp()}),
        **parameters,
    }
    canonical = "&".join(f"{encode(name)}={encode(value)}" for name, value in sorted(parameters.items()))
    text = f"{method}\n{host.lower()}\n{PATH}\n{canonical}"
    function = hashlib.sha1 if digest == "HmacSHA1" else hashlib.sha256
    parameters["Signature"] = base64.b64encode(hmac.new(keys[1].encode(), text.encode(), function).digest()).decode()
    return parameters
