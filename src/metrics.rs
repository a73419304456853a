//! Measuring: nameless cells that the parts own.

pub mod cell;
