//! Store closure to deterministic OCI images.
