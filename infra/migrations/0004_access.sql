-- Who may come in, and what they may see.

CREATE TABLE tokens (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  sha256 TEXT NOT NULL UNIQUE, -- of the token, which is not kept
  name TEXT NOT NULL,
  scopes TEXT NOT NULL, -- JSON array
  created_at TEXT NOT NULL,
  created_by TEXT NOT NULL, -- id of the principal
  expires_at TEXT, -- NULL: never
  last_used_at TEXT, -- to within minutes
  revoked_at TEXT
) STRICT;

-- A private model is read with the scope `read` or a signed link. Private becomes public, never the other way round.
ALTER TABLE models ADD COLUMN visibility TEXT NOT NULL DEFAULT 'public' CHECK (visibility IN ('public', 'private'));
ALTER TABLE fusions ADD COLUMN visibility TEXT NOT NULL DEFAULT 'public' CHECK (visibility IN ('public', 'private'));
