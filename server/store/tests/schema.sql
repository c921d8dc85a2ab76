CREATE TABLE access_key (id TEXT PRIMARY KEY, body TEXT NOT NULL, public TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE address (id TEXT PRIMARY KEY, body TEXT NOT NULL, ip TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE binding (id TEXT PRIMARY KEY, body TEXT NOT NULL, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE checkpoint (
    seq   INTEGER PRIMARY KEY,
    parts INTEGER NOT NULL,
    hash  BLOB NOT NULL -- SHA-256 of the parts' bodies
) STRICT;

CREATE TABLE checkpoint_part (
    seq  INTEGER NOT NULL REFERENCES checkpoint (seq) ON DELETE CASCADE,
    part INTEGER NOT NULL,
    body TEXT NOT NULL, -- JSON: a list of rows
    PRIMARY KEY (seq, part)
) STRICT;

CREATE TABLE class (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE component (
    digest TEXT PRIMARY KEY,
    bytes  BLOB NOT NULL
) STRICT;

CREATE TABLE decision (
    number    INTEGER PRIMARY KEY,
    id        TEXT NOT NULL UNIQUE,
    hook      TEXT NOT NULL,
    at        INTEGER NOT NULL, -- milliseconds since 1970
    tenant    TEXT,
    farm      TEXT,
    operation TEXT,
    revision  INTEGER NOT NULL,
    decided   TEXT NOT NULL,
    body      TEXT NOT NULL -- JSON
) STRICT;

CREATE TRIGGER decision_is_never_changed BEFORE UPDATE ON decision
BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;

CREATE TRIGGER decision_is_never_deleted BEFORE DELETE ON decision
BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;

CREATE INDEX decision_of_farm ON decision (farm) WHERE farm IS NOT NULL;

CREATE INDEX decision_of_operation ON decision (operation) WHERE operation IS NOT NULL;

CREATE INDEX decision_of_tenant ON decision (tenant) WHERE tenant IS NOT NULL;

CREATE TABLE event (
    seq       INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL, -- milliseconds since 1970
    kind      TEXT NOT NULL,
    actor     TEXT NOT NULL,
    tenant    TEXT,
    farm      TEXT,
    operation TEXT,
    decision  TEXT,
    subject   TEXT NOT NULL,
    text      TEXT NOT NULL,
    changes   TEXT NOT NULL, -- JSON: rows as they are after the event
    hash      BLOB NOT NULL
) STRICT;

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END;

CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END;

CREATE INDEX event_of_farm ON event (farm) WHERE farm IS NOT NULL;

CREATE INDEX event_of_operation ON event (operation) WHERE operation IS NOT NULL;

CREATE INDEX event_of_subject ON event (subject);

CREATE INDEX event_of_tenant ON event (tenant) WHERE tenant IS NOT NULL;

CREATE TABLE farm (
    id     TEXT PRIMARY KEY,
    body   TEXT NOT NULL,
    tenant TEXT NOT NULL,
    name   TEXT NOT NULL,
    live   INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX farm_name ON farm (tenant, name) WHERE live;

CREATE TABLE flavor (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE head (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seq  INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE hold (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE host (id TEXT PRIMARY KEY, body TEXT NOT NULL, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE image (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE image_replica (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE instance (
    id   TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    farm TEXT NOT NULL,
    ip   TEXT NOT NULL,
    mac  TEXT NOT NULL,
    live INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX instance_ip ON instance (farm, ip) WHERE live;

CREATE UNIQUE INDEX instance_mac ON instance (mac) WHERE live;

CREATE TABLE key_pair (
    id   TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    farm TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (farm, name)
) STRICT;

CREATE TABLE network (
    id      TEXT PRIMARY KEY,
    body    TEXT NOT NULL,
    segment INTEGER NOT NULL UNIQUE,
    cidr    TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE operation (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE plan (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE policy (
    id    TEXT PRIMARY KEY REFERENCES component (digest),
    body  TEXT NOT NULL,
    label TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE quota (
    id     TEXT PRIMARY KEY,
    body   TEXT NOT NULL,
    tenant TEXT NOT NULL,
    class  TEXT NOT NULL, -- '' for the tenant as a whole
    UNIQUE (tenant, class)
) STRICT;

CREATE TABLE receipt (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE router (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE security_group (
    id   TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    farm TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (farm, name)
) STRICT;

CREATE TABLE share (id TEXT PRIMARY KEY, body TEXT NOT NULL, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE shortage (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE site (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE snapshot (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE tags (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE tenant (id TEXT PRIMARY KEY, body TEXT NOT NULL, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE turn (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE upkeep (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE user (
    id    TEXT PRIMARY KEY,
    body  TEXT NOT NULL,
    owner TEXT NOT NULL,
    name  TEXT NOT NULL,
    UNIQUE (owner, name)
) STRICT;

CREATE TABLE user_data (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

CREATE TABLE volume (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;

