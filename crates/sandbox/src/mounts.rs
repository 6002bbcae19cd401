//! To follow in the next commit.
