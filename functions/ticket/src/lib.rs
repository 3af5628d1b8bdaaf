//! Writes a paid booking's tickets: one PDF, one page and one signed code a place.

pub mod fonts;
pub mod pdf;
mod text;
