-- The catalog: what is in the bucket, without opening it. Bytes and everything that can be recomputed live in R2.
-- `seq` orders lists and is what a page's cursor says.

CREATE TABLE checkpoints (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  bytes INTEGER NOT NULL,
  tensors INTEGER NOT NULL,
  elements INTEGER NOT NULL,
  dtypes TEXT NOT NULL, -- JSON array
  architecture TEXT, -- name, such as mlp
  alignment TEXT, -- JSON, as the file declares it
  created_at TEXT NOT NULL
) STRICT;

CREATE TABLE shards (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  bytes INTEGER NOT NULL,
  samples INTEGER NOT NULL,
  input_shape TEXT NOT NULL, -- JSON array
  created_at TEXT NOT NULL
) STRICT;

CREATE TABLE datasets (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  shards TEXT NOT NULL, -- JSON array of ids, in order
  samples INTEGER NOT NULL,
  input_shape TEXT NOT NULL, -- JSON array
  created_at TEXT NOT NULL,
  UNIQUE (name, version)
) STRICT;

CREATE TABLE models (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  recipe TEXT NOT NULL, -- JSON; the SHA-256 of its canonical form is the id
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL, -- of model.safetensors
  data_offset INTEGER NOT NULL, -- where its data section, weights.bin, begins
  data_sha256 TEXT, -- of weights.bin; NULL where TF.js cannot read the dtypes
  manifest_sha256 TEXT NOT NULL,
  manifest_bytes INTEGER NOT NULL,
  created_at TEXT NOT NULL
) STRICT;
