//! The program `courier`.
fn main() {}
