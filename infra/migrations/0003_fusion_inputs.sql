-- Which version of each object a fusion was planned over: JSON, checkpoint id to R2 etag. Whoever computes a part of it
-- later, a lazy read or a new attempt, reads these versions or none.
ALTER TABLE fusions ADD COLUMN etags TEXT NOT NULL DEFAULT '{}';
