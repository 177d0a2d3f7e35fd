//! The dataset: a directory of scans as Hive-partitioned Parquet, and how it stays whole (DESIGN.md, "The dataset").
//!
//! ```text
//! DIR/<table>/scan=<scan_id>/part-000000.parquet   rows of a table
//! DIR/_scans/<scan_id>/scan.json                   what was asked
//! DIR/_scans/<scan_id>/manifest.json               written last: a scan without it is not finished
//! ```
//!
//! [`Table`] turns rows into Arrow batches, [`PartWriter`] batches into part files, [`Writer`] is the one thread that owns
//! the part writers of a scan, [`Dataset`] the directory around them, and [`reader`] reads it back.

mod array;
mod dataset;
mod durable;
mod encoding;
mod manifest;
mod part;
pub mod reader;
mod scan_info;
mod table;
mod writer;

pub use dataset::{Dataset, ScanEntry, new_scan_id, read_manifest, read_scan_info, scans};
pub use manifest::{Manifest, PartInfo, Totals};
pub use part::{Limits, PartWriter};
pub use scan_info::{ListInfo, ScanInfo, Vantage, Versions};
pub use table::{ColumnInfo, Table};
pub use writer::{BatchSender, QUEUE, TableRows, Writer};

/// The version of the schema and layout, kept in every scan. It rises when a column changes its meaning or goes;
/// a new column is no change.
pub const SCHEMA_VERSION: u32 = 1;
