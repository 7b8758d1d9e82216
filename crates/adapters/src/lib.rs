//! Adapters of the engine's ports to what is outside, a room for each port.

pub mod archive;
pub mod folders;
