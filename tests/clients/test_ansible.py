"""Ansible's amazon.aws modules, with the playbook in ansible/; a second run has nothing to change."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from conftest import FLAVOR, IMAGE, KEYS, REGION, URL, ZONE, moto_differs

PLAYBOOK = Path(__file__).parent / "ansible" / "farm.yml"
ANSIBLE = shutil.which("ansible-playbook")

pytestmark = pytest.mark.skipif(not ANSIBLE, reason="ansible-playbook is not installed (requirements-ansible.txt)")


@moto_differs("leaves out whether a volume may be attached several times, which ec2_vol takes")
def test_a_playbook(name):
    public = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    variables = {"thing": name, "image": IMAGE, "flavor": FLAVOR, "zone": ZONE, "public_key": f"'{public.decode()}'"}
    words = [
        ANSIBLE,
        "-i",
        "localhost,",
        PLAYBOOK,
        "-e",
        " ".join(f"{key}={value}" for key, value in variables.items()),
    ]
    keys = dict(zip(("EC2_ACCESS_KEY", "EC2_SECRET_KEY"), KEYS, strict=True))
    quiet = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_RETRY_FILES_ENABLED": "0"}
    environment = {**os.environ, **keys, **quiet, "EC2_URL": URL, "EC2_REGION": REGION}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
