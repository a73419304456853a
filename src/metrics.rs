//! Measuring: nameless cells that the parts own, and the catalogue that names them.

pub mod catalog;
pub mod cell;
pub mod facts;
pub mod meter;
pub mod report;
pub mod sheet;
pub mod text;
