-- Fusions that are not materialized (yet): lazy models, and what a Workflow is making or failed to make. A fusion that
-- is done has a row in `models` and none here.

CREATE TABLE fusions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, -- of the model
  recipe TEXT NOT NULL, -- JSON; the SHA-256 of its canonical form is the id
  state TEXT NOT NULL CHECK (state IN ('lazy', 'queued', 'running', 'failed', 'cancelled')),
  attempt INTEGER NOT NULL, -- counts the Workflow instances that were started; a write of an older one has no effect
  bytes INTEGER NOT NULL,
  data_offset INTEGER NOT NULL, -- where the data section, weights.bin, begins
  has_weights_form INTEGER NOT NULL, -- whether TF.js can read the dtypes
  part_bytes INTEGER NOT NULL,
  upload_id TEXT, -- of the multipart upload under way
  problem TEXT, -- JSON, RFC 9457; why it failed
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL -- a running fusion that has not moved for long is taken over
) STRICT;

-- Journal of a running fusion: what a new attempt need not make again.
CREATE TABLE fusion_parts (
  fusion TEXT NOT NULL,
  upload_id TEXT NOT NULL,
  number INTEGER NOT NULL, -- from 1
  etag TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  observations TEXT NOT NULL, -- JSON
  PRIMARY KEY (fusion, upload_id, number)
) STRICT, WITHOUT ROWID;

-- What a checkpoint was called where it came from: for people, and for manifests.
ALTER TABLE checkpoints ADD COLUMN name TEXT;

-- A sharded checkpoint is no object of its own: JSON {index, shards}, whose canonical form's SHA-256 is the id.
ALTER TABLE checkpoints ADD COLUMN composite TEXT;
