//! What all connectors share.
