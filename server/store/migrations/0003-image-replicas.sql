-- Copies of images on hosts; the id is the image's, a slash and the host's number.
CREATE TABLE image_replica (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
