//! What can be measured, one file each.

pub(crate) mod issue;
pub(crate) mod ocsp;
pub(crate) mod sign;
