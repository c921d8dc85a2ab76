CREATE TABLE plan (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
-- Of a line of the site's that asks for plans: when it was last served.
CREATE TABLE turn (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
-- Requests that found no room lately.
CREATE TABLE shortage (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
-- Of a host that is emptied, fenced or switched off.
CREATE TABLE upkeep (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
