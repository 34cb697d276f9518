-- Large files in parts, and what lists are filtered by.

-- A file that arrives in parts. Its bytes wait at staging/<id> until they are verified.
CREATE TABLE uploads (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('checkpoint', 'shard')),
  bytes INTEGER NOT NULL,
  part_bytes INTEGER NOT NULL,
  sha256 TEXT, -- as announced
  name TEXT, -- what the file was called where it came from
  upload_id TEXT, -- of R2's multipart upload; NULL until it is begun
  result TEXT, -- id of the checkpoint or shard, once verified
  created_at TEXT NOT NULL,
  created_by TEXT NOT NULL, -- id of the principal
  expires_at TEXT NOT NULL -- moves on with every part; the sweep ends what is past it
) STRICT;

CREATE INDEX uploads_by_expiry ON uploads (expires_at);

CREATE TABLE upload_parts (
  upload TEXT NOT NULL,
  number INTEGER NOT NULL, -- from 1
  etag TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;

-- Objects that are being deleted: the row is gone, the object perhaps not yet. Keeps an upload of the same bytes from
-- being entered in between.
CREATE TABLE deletions (
  key TEXT PRIMARY KEY,
  created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The last version of a dataset that was deleted: a version is never two things.
CREATE TABLE deleted_datasets (
  name TEXT PRIMARY KEY,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a checkpoint's header says of its family and its training. Rows from before have indexed = 0: whoever filters
-- or sweeps reads their headers.
ALTER TABLE checkpoints ADD COLUMN family TEXT; -- SHA-256 of its alignment facts
ALTER TABLE checkpoints ADD COLUMN dataset TEXT; -- name of what it was trained on
ALTER TABLE checkpoints ADD COLUMN metrics TEXT NOT NULL DEFAULT '{}'; -- JSON, name to number
ALTER TABLE checkpoints ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;

CREATE INDEX checkpoints_by_architecture ON checkpoints (architecture, seq);
CREATE INDEX checkpoints_by_family ON checkpoints (family, seq);
CREATE INDEX checkpoints_by_dataset ON checkpoints (dataset, seq);
CREATE INDEX checkpoints_not_indexed ON checkpoints (seq) WHERE indexed = 0;

-- Answers of probes, for lists. The answer itself is the object; the sweep enters those from before.
CREATE TABLE probes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  a TEXT NOT NULL, -- checkpoint or model
  b TEXT NOT NULL,
  shards TEXT NOT NULL, -- JSON array of ids
  samples INTEGER NOT NULL,
  accuracy_a REAL NOT NULL,
  accuracy_b REAL NOT NULL,
  loss_a REAL NOT NULL,
  loss_b REAL NOT NULL,
  loss_barrier REAL NOT NULL,
  accuracy_barrier REAL NOT NULL,
  created_at TEXT NOT NULL
) STRICT;

CREATE INDEX probes_by_a ON probes (a);
CREATE INDEX probes_by_b ON probes (b);
