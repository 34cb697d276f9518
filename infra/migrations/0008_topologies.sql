-- Structures of TF.js models, whose weights are checkpoints; the structure itself is in R2.

CREATE TABLE topologies (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE, -- SHA-256 of its canonical JSON
  format TEXT NOT NULL CHECK (format IN ('layers-model', 'graph-model')),
  input_shape TEXT NOT NULL, -- JSON array
  output_shape TEXT, -- JSON array; NULL for a graph that does not say
  parameters INTEGER NOT NULL,
  parts TEXT NOT NULL, -- JSON object: how often each layer or operation occurs
  created_at TEXT NOT NULL
) STRICT;

-- `edgefuse.topology` of the file. Rows from before have none: nobody could say it then.
ALTER TABLE checkpoints ADD COLUMN topology TEXT;
CREATE INDEX checkpoints_by_topology ON checkpoints (topology) WHERE topology IS NOT NULL;
