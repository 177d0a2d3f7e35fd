//! The command line.

pub mod codes;
pub mod columns;
pub mod lab;
pub mod lint;
pub mod list;
pub mod output;
