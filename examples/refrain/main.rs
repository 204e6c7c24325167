//! The command line of refrain.
fn main() {}
