"""The EC2 endpoint under load, beside moto's server under the same.

    apt-get install wrk
    pip install -r tests/clients/requirements-moto.txt
    python benches/ec2/run.py [--clients 4] [--seconds 60] [--instances 1000] [--runs 20000]

Requests are signed before the clock runs, and replayed by wrk over connections that are kept. The endpoint and its keys
come from EC2_URL, EC2_ACCESS_KEY, EC2_SECRET_KEY, EC2_IMAGE and EC2_FLAVOR, and the farm needs the quota for
--instances and --runs together; without EC2_URL it is moto alone. moto is started here.

- DescribeInstances: all of --instances, without a filter, again and again.
- RunInstances: one instance each, every request with a token of its own; --runs of them, or for --seconds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

HERE = Path(__file__).parent
REGION = "us-east-1"
BATCH = 100


class Target:
    def __init__(self, name, url, keys, image, flavor):
        self.name, self.url, self.image, self.flavor = name, url, image, flavor
        self.credentials = Credentials(*keys)
        self.ec2 = boto3.client(
            "ec2",
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id=keys[0],
            aws_secret_access_key=keys[1],
            config=Config(read_timeout=300, retries={"total_max_attempts": 1}),
        )

    def have(self, count):
        """Runs what is missing, and waits for all of it."""
        missing = count - len(self.instances())
        while missing > 0:
            some = min(missing, BATCH)
            self.ec2.run_instances(ImageId=self.image, InstanceType=self.flavor, MinCount=some, MaxCount=some)
            missing -= some
        while self.instances("pending"):
            time.sleep(0.2)

    def instances(self, *states):
        filters = [{"Name": "instance-state-name", "Values": list(states or ("pending", "running"))}]
        pages = self.ec2.get_paginator("describe_instances").paginate(Filters=filters)
        return [one["InstanceId"] for page in pages for each in page["Reservations"] for one in each["Instances"]]

    def end_all(self):
        ids = self.instances()
        for start in range(0, len(ids), BATCH):
            self.ec2.terminate_instances(InstanceIds=ids[start : start + BATCH])

    def signed(self, action, **parameters):
        """The bytes of a POST, signed as boto3 signs it."""
        body = urlencode({"Action": action, "Version": "2016-11-15", **parameters}).encode()
        host = urlsplit(self.url)
        kind = "application/x-www-form-urlencoded; charset=utf-8"
        request = AWSRequest("POST", self.url, data=body, headers={"Host": host.netloc, "Content-Type": kind})
        SigV4Auth(self.credentials, "ec2", REGION).add_auth(request)
        lines = [f"POST {host.path or '/'} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body

    def describe(self):
        return [self.signed("DescribeInstances")]

    def runs(self, count):
        how = {"ImageId": self.image, "InstanceType": self.flavor, "MinCount": 1, "MaxCount": 1}
        return [self.signed("RunInstances", ClientToken=uuid.uuid4(), **how) for _ in range(count)]


def load(target, requests, options, again):
    """What wrk says of these requests, each of which is sent once, or of one that is sent again and again."""
    with tempfile.NamedTemporaryFile() as file:
        for request in requests:
            file.write(f"{len(request)}\n".encode() + request)
        file.flush()
        words = ["wrk", "-t1", f"-c{options.clients}", f"-d{options.seconds}s", "--timeout", "300s"]
        words += ["-s", HERE / "replay.lua", target.url, "--", file.name, *(["again"] if again else [])]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stderr.splitlines()[-1])


@contextmanager
def moto(port):
    """moto's own server, and nothing else of its."""
    url = f"http://127.0.0.1:{port}/"
    server = subprocess.Popen(
        [Path(sys.executable).parent / "moto_server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                urllib.request.urlopen(f"{url}moto-api/data.json").close()
                break
            except OSError:
                time.sleep(0.1)
        yield Target("moto", url, ("AKIAIOSFODNN7EXAMPLE", "secret"), "ami-1e749f67", "m1.small")
    finally:
        server.terminate()
        server.wait()


def measure(target, options):
    print(f"{target.name}: {options.instances} instances …", file=sys.stderr)
    target.have(options.instances)
    describe = load(target, target.describe(), options, again=True)
    run = load(target, target.runs(options.runs), options, again=False)
    return {f"DescribeInstances of {options.instances}": describe, "RunInstances of 1": run}


def table(results):
    print("| request | server | requests/s | p50 | p99 | an answer | failed |")
    print("|---|---|---|---|---|---|---|")
    for what in next(iter(results.values())):
        rates = {}
        for name, cases in results.items():
            one = cases[what]
            rates[name] = one["requests"] / one["seconds"]
            size = one["bytes"] / max(one["requests"], 1) / 1024
            cells = f"{rates[name]:.1f} | {one['p50_ms']:.1f} ms | {one['p99_ms']:.1f} ms | {size:.0f} KiB | {one['failed']}"
            print(f"| {what} | {name} | {cells} |")
        if len(rates) == 2:
            ours, theirs = rates["ours"], rates["moto"]
            print(f"| {what} | ours / moto | {ours / theirs:.0f} × | | | | |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=4, help="connections at a time")
    parser.add_argument("--seconds", type=int, default=60, help="for each kind of request, at most")
    parser.add_argument("--instances", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=20000, help="at most")
    parser.add_argument("--port", type=int, default=5560, help="for moto")
    options = parser.parse_args()

    results = {}
    if "EC2_URL" in os.environ:
        keys = os.environ["EC2_ACCESS_KEY"], os.environ["EC2_SECRET_KEY"]
        flavor = os.environ.get("EC2_FLAVOR", "m1.small")
        target = Target("ours", os.environ["EC2_URL"], keys, os.environ["EC2_IMAGE"], flavor)
        try:
            results["ours"] = measure(target, options)
        finally:
            target.end_all()
    with moto(options.port) as target:
        results["moto"] = measure(target, options)
    table(results)


if __name__ == "__main__":
    main()
