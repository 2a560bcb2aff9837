//! JSON object signing and encryption.
