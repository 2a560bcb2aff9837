//! Servers that certificates are deployed to.
