//! Content-addressed store with SQLite index.
