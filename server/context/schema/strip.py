"""Makes cloud-config.json of cloud-init's own schema, without what is said for people.

    strip.py /usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json >cloud-config.json
"""

import json
import sys

SAID = {"description", "markdownDescription", "title", "examples", "label", "new", "new_version", "deprecated_description",
        "deprecated_version", "changed", "changed_version", "changed_description"}


def strip(value, names=False):
    if isinstance(value, list):
        return [strip(item) for item in value]
    if not isinstance(value, dict):
        return value
    maps = ("properties", "patternProperties", "$defs")
    return {key: strip(item, not names and key in maps) for key, item in value.items() if names or key not in SAID}


with open(sys.argv[1]) as file:
    print(json.dumps(strip(json.load(file)), separators=(",", ":")))
