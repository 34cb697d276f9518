-- Probes of several kinds, and what a probe that runs has evaluated so far.

-- Anew, since means and planes have no two ends, and a regression no accuracy. `members` replaces the columns of a and b:
-- every model that was evaluated by itself, in the question's order.
CREATE TABLE probes_by_kind (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('path', 'mean', 'plane')),
  members TEXT NOT NULL, -- JSON array of {id, loss, accuracy}; accuracy is null for a regression
  shards TEXT NOT NULL, -- JSON array of ids
  calibration TEXT, -- a shard
  samples INTEGER NOT NULL,
  loss_barrier REAL, -- NULL for a plane
  accuracy_barrier REAL,
  created_at TEXT NOT NULL
) STRICT;

INSERT INTO probes_by_kind (seq, id, kind, members, shards, samples, loss_barrier, accuracy_barrier, created_at)
SELECT seq, id, 'path',
  json_array(
    json_object('id', a, 'loss', loss_a, 'accuracy', accuracy_a),
    json_object('id', b, 'loss', loss_b, 'accuracy', accuracy_b)),
  shards, samples, loss_barrier, accuracy_barrier, created_at
FROM probes;

DROP TABLE probes;
ALTER TABLE probes_by_kind RENAME TO probes;

-- A question that a Workflow answers, with every name resolved; it goes when it is answered.
CREATE TABLE probe_questions (
  id TEXT PRIMARY KEY, -- the probe's
  question TEXT NOT NULL, -- JSON
  attempt INTEGER NOT NULL, -- counts the Workflow instances that were started for it
  positions TEXT NOT NULL, -- JSON array of {x, y}: of a plane, where its models lie
  problem TEXT, -- JSON: why it failed
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL -- its last sign of life
) STRICT, WITHOUT ROWID;

-- Sums over one shard at a run of the grid's points. A probe that is killed begins after what is here.
CREATE TABLE probe_parts (
  probe TEXT NOT NULL,
  shard INTEGER NOT NULL, -- index into the question's shards
  first INTEGER NOT NULL, -- index into the grid's points
  points INTEGER NOT NULL,
  sums TEXT NOT NULL, -- JSON array, one entry a point
  created_at TEXT NOT NULL,
  PRIMARY KEY (probe, shard, first)
) STRICT, WITHOUT ROWID;
