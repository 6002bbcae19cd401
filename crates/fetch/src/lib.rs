//! Hashed fetchers, unpackers and mirrors.
