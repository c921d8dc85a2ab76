// House rules: tenants belong to somebody, farms end and stay within a size, busy hosts are left alone.
//
// The bindings come from the contract: `cascina policy build` writes built.h into build/ beside this file.
// Memory belongs to one question and ends with it, so nothing here is freed.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "built.h"

static const char SCHEMA[] =
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\","
    "\"additionalProperties\":false,\"properties\":{"
    "\"busy_permille\":{\"description\":\"Hosts with more CPU load than this are left alone, in permille.\","
    "\"type\":\"integer\",\"minimum\":0,\"maximum\":1000,\"default\":900},"
    "\"most_instances\":{\"description\":\"Most instances in one farm.\","
    "\"type\":\"integer\",\"minimum\":1,\"maximum\":100000,\"default\":100}}}";

typedef cascina_policy_types_reason_t reason_t;
typedef cascina_policy_types_resources_t resources_t;

enum { INFO = CASCINA_POLICY_TYPES_SEVERITY_INFO, WARNING = CASCINA_POLICY_TYPES_SEVERITY_WARNING };
enum { DENIAL = CASCINA_POLICY_TYPES_SEVERITY_DENIAL };

// The number that follows "name": in the settings. The server has checked them against the schema, so a
// search is enough.
static uint32_t setting(const built_string_t *settings, const char *name, uint32_t otherwise) {
    size_t length = strlen(name);
    const char *text = (const char *)settings->ptr, *end = text + settings->len;
    for (const char *at = text; at + length + 2 < end; at++) {
        if (*at != '"' || memcmp(at + 1, name, length) || at[length + 1] != '"') continue;
        at += length + 2;
        while (at < end && (*at == ' ' || *at == ':' || *at == '\n' || *at == '\t' || *at == '\r')) at++;
        uint32_t value = 0;
        while (at < end && *at >= '0' && *at <= '9') value = value * 10 + (uint32_t)(*at++ - '0');
        return value;
    }
    return otherwise;
}

// A reason with its text put together as printf does; at most 500 bytes, as the contract wants it.
static reason_t reason(uint8_t severity, const char *code, const char *form, ...) {
    char text[501];
    va_list values;
    va_start(values, form);
    vsnprintf(text, sizeof text, form, values);
    va_end(values);
    reason_t reason = {.severity = severity};
    built_string_dup(&reason.code, code);
    built_string_dup(&reason.text, text);
    return reason;
}

static void add(cascina_policy_types_list_reason_t *list, reason_t reason) {
    list->ptr = realloc(list->ptr, (list->len + 1) * sizeof reason);
    list->ptr[list->len++] = reason;
}

// Texts of the contract do not end with a zero: "%.*s" takes their length.
#define TEXT(string) (int)(string).len, (const char *)(string).ptr

void exports_cascina_policy_metadata_describe(exports_cascina_policy_metadata_description_t *ret) {
    built_string_dup(&ret->name, "house-rules");
    built_string_dup(&ret->version, "0.1.0");
    built_string_dup(&ret->summary, "Farms end and stay within a size; busy hosts are left alone, and others filled.");
    built_string_dup(&ret->settings_schema, SCHEMA);
}

// True: they are good. What the schema says has been checked already.
bool exports_cascina_policy_metadata_validate_settings(
    built_string_t *settings, exports_cascina_policy_metadata_list_failure_t *err) {
    (void)settings, (void)err;
    return true;
}

bool exports_cascina_policy_admission_admit_tenant(
    exports_cascina_policy_admission_context_t *ctx, exports_cascina_policy_admission_tenant_request_t *request,
    exports_cascina_policy_admission_answer_t *ret, exports_cascina_policy_admission_failure_t *err) {
    (void)ctx, (void)err;
    memset(ret, 0, sizeof *ret);
    built_string_t tenant = request->subject.tenant;
    if (request->subject.groups.len == 0) {
        ret->verdict.tag = CASCINA_POLICY_TYPES_VERDICT_PEND;
        ret->verdict.val.pend = CASCINA_POLICY_TYPES_APPROVER_SITE_ADMIN;
        add(&ret->reasons, reason(WARNING, "no-group",
            "Tenant %.*s belongs to no group; a site admin has to approve it.", TEXT(tenant)));
        return true;
    }
    char groups[400] = "";
    size_t length = 0;
    for (size_t i = 0; i < request->subject.groups.len && length < sizeof groups; i++) {
        built_string_t group = request->subject.groups.ptr[i];
        length += (size_t)snprintf(groups + length, sizeof groups - length, "%s%.*s", i ? ", " : "", TEXT(group));
    }
    ret->verdict.tag = CASCINA_POLICY_TYPES_VERDICT_ALLOW;
    add(&ret->reasons, reason(INFO, "group", "Tenant %.*s belongs to %s.", TEXT(tenant), groups));
    return true;
}

bool exports_cascina_policy_admission_admit_farm(
    exports_cascina_policy_admission_context_t *ctx, exports_cascina_policy_admission_farm_request_t *request,
    exports_cascina_policy_admission_answer_t *ret, exports_cascina_policy_admission_failure_t *err) {
    (void)err;
    memset(ret, 0, sizeof *ret);
    resources_t wanted = request->total;
    uint32_t count = wanted.instances, most = setting(&ctx->settings, "most_instances", 100);
    ret->verdict.tag = CASCINA_POLICY_TYPES_VERDICT_ALLOW;
    if (request->lease_s == 0) {
        ret->verdict.tag = CASCINA_POLICY_TYPES_VERDICT_DENY;
        add(&ret->reasons, reason(DENIAL, "no-lease",
            "Farm %.*s has no end; say for how long it is needed.", TEXT(request->subject.farm)));
    }
    if (count > most) {
        if (ret->reasons.len == 0) {
            resources_t offer = wanted;
            offer.instances = most;
            offer.vcpus = wanted.vcpus / count * most;
            offer.memory_mib = wanted.memory_mib / count * most;
            offer.disk_gib = wanted.disk_gib / count * most;
            ret->verdict.tag = CASCINA_POLICY_TYPES_VERDICT_COUNTER_OFFER;
            ret->verdict.val.counter_offer = offer;
        }
        add(&ret->reasons, reason(DENIAL, "too-many",
            "%u instances are asked for; %u are allowed in one farm.", (unsigned)count, (unsigned)most));
    } else {
        add(&ret->reasons, reason(INFO, "within",
            "%u instances are within the %u allowed.", (unsigned)count, (unsigned)most));
    }
    return true;
}

// How much each consideration counts, in parts of 65536: leaving little free, leaving cores and memory in
// proportion, a host that is in use already, one that has the image.
enum { FILL = 26214, BALANCE = 19660, IN_USE = 13107000, CACHED = 6553000 };

static uint32_t permille(uint32_t part, uint32_t whole) {
    if (whole == 0) return 0;
    uint32_t value;
    if (part <= UINT32_MAX / 1000) {
        value = part * 1000 / whole;
    } else {
        // Terabytes: a GiB is precise enough.
        uint32_t of = whole >> 10;
        value = (part >> 10) * 1000 / (of ? of : 1);
    }
    return value < 1000 ? value : 1000;
}

static uint32_t less(uint32_t a, uint32_t b) { return a > b ? a - b : 0; }

bool exports_cascina_policy_placement_rank(
    exports_cascina_policy_placement_context_t *ctx, exports_cascina_policy_placement_subject_t *who,
    exports_cascina_policy_placement_workload_t *work, exports_cascina_policy_placement_share_t *share,
    exports_cascina_policy_placement_hosts_t *hosts, exports_cascina_policy_placement_outcome_t *ret,
    exports_cascina_policy_placement_failure_t *err) {
    (void)who, (void)share, (void)err;
    memset(ret, 0, sizeof *ret);
    uint32_t busy = setting(&ctx->settings, "busy_permille", 900);
    size_t all = hosts->id.len;
    if (all == 0) {
        ret->tag = EXPORTS_CASCINA_POLICY_PLACEMENT_OUTCOME_ABSTAIN;
        return true;
    }
    uint32_t vcpus = work->size.vcpus;
    uint32_t memory = work->size.memory_mib < UINT32_MAX ? (uint32_t)work->size.memory_mib : UINT32_MAX;
    uint32_t *scores = malloc(all * sizeof *scores);
    exports_cascina_policy_placement_exclusion_t *excluded = malloc(all * sizeof *excluded);
    size_t out = 0;
    for (size_t row = 0; row < all; row++) {
        uint32_t cores = hosts->vcpus.ptr[row], cores_free = hosts->vcpus_free.ptr[row];
        uint32_t cores_left = permille(less(cores_free, vcpus), cores);
        uint32_t room_left = permille(less(hosts->memory_free_mib.ptr[row], memory), hosts->memory_mib.ptr[row]);
        uint32_t apart = cores_left > room_left ? cores_left - room_left : room_left - cores_left;
        uint32_t score = (1000 - (cores_left + room_left) / 2) * FILL + (1000 - apart) * BALANCE;
        if (cores_free != cores) score += IN_USE;
        if (hosts->traits.ptr[row] & 1) score += CACHED;
        scores[row] = (score >> 16) * 10;
        if (hosts->load_permille.ptr[row] > busy) {
            excluded[out].row = (uint32_t)row;
            excluded[out++].code = 0;
        }
    }
    if (out == all) {
        ret->tag = EXPORTS_CASCINA_POLICY_PLACEMENT_OUTCOME_REFUSE;
        cascina_policy_types_list_reason_t reasons = {0};
        add(&reasons, reason(DENIAL, "all-busy",
            "All %u hosts are above %u permille of load.", (unsigned)all, (unsigned)busy));
        ret->val.refuse.ptr = reasons.ptr;
        ret->val.refuse.len = reasons.len;
        return true;
    }
    ret->tag = EXPORTS_CASCINA_POLICY_PLACEMENT_OUTCOME_RANK;
    exports_cascina_policy_placement_ranking_t *ranking = &ret->val.rank;
    ranking->scores.ptr = scores;
    ranking->scores.len = all;
    ranking->excluded.ptr = excluded;
    ranking->excluded.len = out;
    cascina_policy_types_list_reason_t codes = {0}, reasons = {0};
    if (out > 0) add(&codes, reason(DENIAL, "busy", "The host's load is above %u permille.", (unsigned)busy));
    add(&reasons, reason(INFO, "ranked", "%u of %u hosts are ranked.", (unsigned)(all - out), (unsigned)all));
    ranking->codes.ptr = codes.ptr;
    ranking->codes.len = codes.len;
    ranking->reasons.ptr = reasons.ptr;
    ranking->reasons.len = reasons.len;
    return true;
}
