"""House rules: tenants belong to somebody, farms end and stay within a size, busy hosts are left alone."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.metadata import Description
from wit_world.exports.placement import Exclusion, Outcome_Abstain, Outcome_Rank, Outcome_Refuse, Ranking
from wit_world.imports.types import (
    Answer,
    Approver,
    Failure,
    Reason,
    Resources,
    Severity,
    Verdict_Allow,
    Verdict_CounterOffer,
    Verdict_Deny,
    Verdict_Pend,
)

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "busy_permille": {
            "description": "Hosts with more CPU load than this are left alone, in permille.",
            "type": "integer",
            "minimum": 0,
            "maximum": 1000,
            "default": 900,
        },
        "most_instances": {
            "description": "Most instances in one farm.",
            "type": "integer",
            "minimum": 1,
            "maximum": 100000,
            "default": 100,
        },
    },
}


def setting(ctx, name):
    """What the binding says, or the schema's default."""
    return json.loads(ctx.settings).get(name, SCHEMA["properties"][name]["default"])


class Metadata(exports.Metadata):
    def describe(self):
        return Description(
            name="house-rules",
            version="0.1.0",
            summary="Farms end and stay within a size; busy hosts are left alone, and others filled.",
            settings_schema=json.dumps(SCHEMA),
        )

    def validate_settings(self, settings):
        """What the schema cannot say; the server has checked the schema already."""
        if not isinstance(json.loads(settings), dict):
            raise Err([Failure("settings", "They must be an object.")])


class Admission(exports.Admission):
    def admit_tenant(self, ctx, request):
        tenant, groups = request.subject.tenant, request.subject.groups
        if not groups:
            text = f"Tenant {tenant} belongs to no group; a site admin has to approve it."
            return Answer(Verdict_Pend(Approver.SITE_ADMIN), [Reason(Severity.WARNING, "no-group", text)])
        text = f"Tenant {tenant} belongs to {', '.join(groups)}."
        return Answer(Verdict_Allow(), [Reason(Severity.INFO, "group", text)])

    def admit_farm(self, ctx, request):
        wanted, most = request.total, setting(ctx, "most_instances")
        verdict, reasons = Verdict_Allow(), []
        if request.lease_s == 0:
            verdict = Verdict_Deny()
            text = f"Farm {request.subject.farm} has no end; say for how long it is needed."
            reasons.append(Reason(Severity.DENIAL, "no-lease", text))
        count = wanted.instances
        if count > most:
            if not reasons:
                offer = Resources(
                    instances=most,
                    vcpus=wanted.vcpus // count * most,
                    memory_mib=wanted.memory_mib // count * most,
                    disk_gib=wanted.disk_gib // count * most,
                    addresses=wanted.addresses,
                    networks=wanted.networks,
                )
                verdict = Verdict_CounterOffer(offer)
            text = f"{count} instances are asked for; {most} are allowed in one farm."
            reasons.append(Reason(Severity.DENIAL, "too-many", text))
        else:
            reasons.append(Reason(Severity.INFO, "within", f"{count} instances are within the {most} allowed."))
        return Answer(verdict, reasons)


# How much each consideration counts, in parts of 65536: leaving little free, leaving cores and memory in
# proportion, a host that is in use already, one that has the image.
FILL, BALANCE, IN_USE, CACHED = 26_214, 19_660, 13_107_000, 6_553_000


def permille(part, whole):
    if whole == 0:
        return 0
    if part * 1000 < 1 << 32:
        return min(part * 1000 // whole, 1000)
    # Terabytes: a GiB is precise enough.
    return min((part >> 10) * 1000 // max(whole >> 10, 1), 1000)


class Placement(exports.Placement):
    def rank(self, ctx, who, work, share, hosts):
        busy = setting(ctx, "busy_permille")
        all_hosts = len(hosts.id)
        if all_hosts == 0:
            return Outcome_Abstain()
        vcpus, memory = work.size.vcpus, min(work.size.memory_mib, 0xFFFF_FFFF)
        scores = []
        columns = zip(hosts.vcpus, hosts.vcpus_free, hosts.memory_mib, hosts.memory_free_mib, hosts.traits)
        for cores, cores_free, room, room_free, traits in columns:
            cores_left = permille(max(cores_free - vcpus, 0), cores)
            room_left = permille(max(room_free - memory, 0), room)
            score = (1000 - (cores_left + room_left) // 2) * FILL + (1000 - abs(cores_left - room_left)) * BALANCE
            if cores_free != cores:
                score += IN_USE
            if traits & 1:
                score += CACHED
            scores.append((score >> 16) * 10)
        excluded = [Exclusion(row, 0) for row, load in enumerate(hosts.load_permille) if load > busy]
        left = all_hosts - len(excluded)
        if left == 0:
            text = f"All {all_hosts} hosts are above {busy} permille of load."
            return Outcome_Refuse([Reason(Severity.DENIAL, "all-busy", text)])
        codes = [Reason(Severity.DENIAL, "busy", f"The host's load is above {busy} permille.")] if excluded else []
        reasons = [Reason(Severity.INFO, "ranked", f"{left} of {all_hosts} hosts are ranked.")]
        return Outcome_Rank(Ranking(scores, excluded, codes, reasons))
