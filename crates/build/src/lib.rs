//! Scheduler: substitute, fetch or build, then register.
