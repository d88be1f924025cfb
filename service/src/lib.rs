//! What every server here does the same way.
