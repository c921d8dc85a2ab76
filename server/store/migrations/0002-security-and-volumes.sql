CREATE TABLE security_group (
    id   TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    farm TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (farm, name)
) STRICT;
CREATE TABLE key_pair (
    id   TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    farm TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (farm, name)
) STRICT;
-- Of a farm on a thing: `farm-…/i-…`.
CREATE TABLE tags (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
-- Beside instances, which change often.
CREATE TABLE user_data (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE volume (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE snapshot (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
