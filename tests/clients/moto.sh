#!/bin/sh
# Runs the suites against moto, a stand-in for Amazon: what fails there fails by the suites' fault, unless
# it is marked with how moto differs. Arguments go to pytest. Needs requirements-moto.txt.
set -eu
cd "$(dirname "$0")"
port=${MOTO_PORT:-5556}

export MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION=true MOTO_ENABLE_KEYPAIR_VALIDATION=true MOTO_ENABLE_AMI_VALIDATION=true
moto_server -H 127.0.0.1 -p "$port" >/dev/null 2>&1 &
server=$!
trap 'kill $server' EXIT
until python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:$port/moto-api/data.json')" 2>/dev/null; do sleep 0.2; done

export EC2_SERVER=moto EC2_URL="http://127.0.0.1:$port/" EC2_REGION=us-east-1 EC2_ZONE=us-east-1a EC2_IMAGE=ami-1e749f67
export EC2_ACCESS_KEY=AKIAIOSFODNN7EXAMPLE EC2_SECRET_KEY=secret
# Keys of another account, which moto tells from the first one's.
export EC2_OTHER_ACCESS_KEY="$(python - <<'END'
import os
import boto3

keys = dict(aws_access_key_id=os.environ["EC2_ACCESS_KEY"], aws_secret_access_key=os.environ["EC2_SECRET_KEY"])
sts = boto3.client("sts", endpoint_url=os.environ["EC2_URL"], region_name="us-east-1", **keys)
role = sts.assume_role(RoleArn="arn:aws:iam::111122223333:role/other", RoleSessionName="other")
print(role["Credentials"]["AccessKeyId"])
END
)" EC2_OTHER_SECRET_KEY=secret
python -m pytest -q "$@"
