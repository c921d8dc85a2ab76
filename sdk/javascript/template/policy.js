// House rules: tenants belong to somebody, farms end and stay within a size, busy hosts are left alone.

const SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  additionalProperties: false,
  properties: {
    busy_permille: {
      description: "Hosts with more CPU load than this are left alone, in permille.",
      type: "integer",
      minimum: 0,
      maximum: 1000,
      default: 900,
    },
    most_instances: {
      description: "Most instances in one farm.",
      type: "integer",
      minimum: 1,
      maximum: 100000,
      default: 100,
    },
  },
};

// What the binding says, or the schema's default.
const setting = (ctx, name) => JSON.parse(ctx.settings)[name] ?? SCHEMA.properties[name].default;

// The interpreter takes numbers of 32 bits for signed ones.
const u32 = (number) => number >>> 0;

const info = (code, text) => ({ severity: "info", code, text });
const warning = (code, text) => ({ severity: "warning", code, text });
const denial = (code, text) => ({ severity: "denial", code, text });

export const metadata = {
  describe() {
    return {
      name: "house-rules",
      version: "0.1.0",
      summary: "Farms end and stay within a size; busy hosts are left alone, and others filled.",
      settingsSchema: JSON.stringify(SCHEMA),
    };
  },

  // What the schema cannot say; the server has checked the schema already. To complain, throw a list of
  // { code, text }.
  validateSettings(settings) {
    JSON.parse(settings);
  },
};

export const admission = {
  admitTenant(ctx, request) {
    const { tenant, groups } = request.subject;
    if (groups.length === 0) {
      const text = `Tenant ${tenant} belongs to no group; a site admin has to approve it.`;
      return { verdict: { tag: "pend", val: "site-admin" }, reasons: [warning("no-group", text)] };
    }
    const text = `Tenant ${tenant} belongs to ${groups.join(", ")}.`;
    return { verdict: { tag: "allow" }, reasons: [info("group", text)] };
  },

  admitFarm(ctx, request) {
    const wanted = request.total;
    const most = setting(ctx, "most_instances");
    let verdict = { tag: "allow" };
    const reasons = [];
    if (request.leaseS === 0) {
      verdict = { tag: "deny" };
      reasons.push(denial("no-lease", `Farm ${request.subject.farm} has no end; say for how long it is needed.`));
    }
    const count = u32(wanted.instances);
    if (count > most) {
      if (reasons.length === 0) {
        const share = (all) => Math.floor(all / count) * most;
        const offer = {
          instances: most,
          vcpus: share(u32(wanted.vcpus)),
          memoryMib: share(wanted.memoryMib),
          diskGib: share(wanted.diskGib),
          addresses: wanted.addresses,
          networks: wanted.networks,
        };
        verdict = { tag: "counter-offer", val: offer };
      }
      reasons.push(denial("too-many", `${count} instances are asked for; ${most} are allowed in one farm.`));
    } else {
      reasons.push(info("within", `${count} instances are within the ${most} allowed.`));
    }
    return { verdict, reasons };
  },
};

// How much each consideration counts, in parts of 65536: leaving little free, leaving cores and memory in
// proportion, a host that is in use already, one that has the image.
const FILL = 26214;
const BALANCE = 19660;
const IN_USE = 13107000;
const CACHED = 6553000;

function permille(part, whole) {
  if (whole === 0) return 0;
  if (part * 1000 < 4294967296) return Math.min(Math.floor((part * 1000) / whole), 1000);
  // Terabytes: a GiB is precise enough.
  return Math.min(Math.floor(((part >>> 10) * 1000) / Math.max(whole >>> 10, 1)), 1000);
}

export const placement = {
  rank(ctx, who, work, share, hosts) {
    const busy = setting(ctx, "busy_permille");
    const all = hosts.id.length;
    if (all === 0) return { tag: "abstain" };
    const { vcpus, vcpusFree, memoryMib, memoryFreeMib, loadPermille, traits } = hosts;
    const cores = u32(work.size.vcpus);
    const memory = work.size.memoryMib;
    const scores = new Uint32Array(all);
    const excluded = [];
    for (let row = 0; row < all; row++) {
      const coresLeft = permille(Math.max(u32(vcpusFree[row]) - cores, 0), u32(vcpus[row]));
      const roomLeft = permille(Math.max(u32(memoryFreeMib[row]) - memory, 0), u32(memoryMib[row]));
      let score = (1000 - ((coresLeft + roomLeft) >> 1)) * FILL + (1000 - Math.abs(coresLeft - roomLeft)) * BALANCE;
      if (vcpusFree[row] !== vcpus[row]) score += IN_USE;
      if (traits[row] & 1) score += CACHED;
      scores[row] = (score >>> 16) * 10;
      if (loadPermille[row] > busy) excluded.push({ row, code: 0 });
    }
    const left = all - excluded.length;
    if (left === 0) {
      const text = `All ${all} hosts are above ${busy} permille of load.`;
      return { tag: "refuse", val: [denial("all-busy", text)] };
    }
    const codes = excluded.length ? [denial("busy", `The host's load is above ${busy} permille.`)] : [];
    const reasons = [info("ranked", `${left} of ${all} hosts are ranked.`)];
    return { tag: "rank", val: { scores, excluded, codes, reasons } };
  },
};
