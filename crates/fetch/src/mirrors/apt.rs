//! Reads apt's lists of sources.
