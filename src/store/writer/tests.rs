//! The writer: tables commit together and the first last, idle time, and how it stops.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::fs;
use std::path::Path;

use super::*;
use crate::column::{Cell, Column};
use crate::store::{Dataset, Limits, Table};

static COLUMNS: [Column<i64>; 1] = [Column { name: "seq", sentence: "The number.", cell: Cell::Int(|row| Some(*row)) }];

const TABLES: [&str; 3] = ["domains", "findings", "rejects"];

/// No test waits longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

fn part_writers(directory: &Path, limits: Limits) -> Vec<PartWriter> {
    let dataset = Dataset::create(directory, "s1").unwrap().with_limits(limits);
    let schema = Table::new("any").columns(&COLUMNS).schema();
    TABLES.iter().map(|table| dataset.part_writer(table, schema.clone()).unwrap()).collect()
}

fn batch(rows: i64) -> RecordBatch {
    Table::new("any").columns(&COLUMNS).batch("s1", &(0..rows).collect::<Vec<_>>()).unwrap()
}

/// Table, part number and rows of each part.
fn summary(parts: &[PartInfo]) -> Vec<(&str, &str, u64)> {
    parts.iter().map(|p| (p.table.as_str(), p.path.rsplit('/').next().unwrap(), p.rows)).collect()
}

#[test]
fn parts_of_one_commit_have_one_number_and_the_first_table_is_in_each() {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits { rows: 10, bytes: u64::MAX, age: Duration::MAX };
    let writer = Writer::start(part_writers(home.path(), limits), QUEUE).unwrap();
    let sender = writer.sender();
    // The first commit comes with ten domains, the second with ten findings and no domain, the third with the end.
    for (table, rows) in [(1, 3), (0, 10), (1, 10), (0, 2)] {
        sender.send(table, batch(rows)).unwrap();
    }
    drop(sender);
    let parts = writer.finish().unwrap();
    let expected = [
        ("domains", "part-000000.parquet", 10),
        ("domains", "part-000001.parquet", 0),
        ("domains", "part-000002.parquet", 2),
        ("findings", "part-000000.parquet", 3),
        ("findings", "part-000001.parquet", 10),
        ("rejects", "part-000003.parquet", 0),
    ];
    assert_eq!(summary(&parts), expected);
    for part in &parts {
        assert_eq!(fs::metadata(home.path().join(&part.path)).unwrap().len(), part.bytes);
    }
}

#[test]
fn rows_of_the_first_table_are_stored_only_after_the_others() {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits { rows: 10, bytes: u64::MAX, age: Duration::MAX };
    let writer = Writer::start(part_writers(home.path(), limits), QUEUE).unwrap();
    let sender = writer.sender();
    sender.send(1, batch(1)).unwrap();
    sender.send(0, batch(1)).unwrap();
    wait_for(&home.path().join("findings/scan=s1/.tmp-part-000000.parquet"));
    fs::remove_dir_all(home.path().join("findings")).unwrap();
    sender.send(0, batch(10)).unwrap();
    drop(sender);
    assert_eq!(writer.finish().err().map(|error| error.exit_status()), Some(74));
    let left = fs::read_dir(home.path().join("domains/scan=s1")).unwrap().count();
    assert_eq!(left, 0, "a domain without its findings must not look done");
}

#[test]
fn what_is_sent_together_is_committed_together() {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits { rows: 10, bytes: u64::MAX, age: Duration::MAX };
    let writer = Writer::start(part_writers(home.path(), limits), QUEUE).unwrap();
    let sender = writer.sender();
    for _ in 0..2 {
        // The domains alone make the part due.
        sender.send_together(vec![(0, batch(10)), (1, batch(3)), (2, batch(0))]).unwrap();
    }
    drop(sender);
    let expected = [
        ("domains", "part-000000.parquet", 10),
        ("domains", "part-000001.parquet", 10),
        ("findings", "part-000000.parquet", 3),
        ("findings", "part-000001.parquet", 3),
        ("rejects", "part-000002.parquet", 0),
    ];
    assert_eq!(summary(&writer.finish().unwrap()), expected);
}

#[test]
fn age_is_looked_at_when_nothing_comes() {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits { age: Duration::from_millis(1), ..Limits::default() };
    let writer = Writer::start(part_writers(home.path(), limits), QUEUE).unwrap();
    let sender = writer.sender();
    sender.send(1, batch(5)).unwrap();
    wait_for(&home.path().join("findings/scan=s1/part-000000.parquet"));
    wait_for(&home.path().join("domains/scan=s1/part-000000.parquet"));
    drop(sender);
    assert_eq!(writer.finish().unwrap().iter().map(|part| part.rows).sum::<u64>(), 5);
}

#[test]
fn a_scan_without_rows_has_a_part_of_each_table() {
    let home = tempfile::tempdir().unwrap();
    let writer = Writer::start(part_writers(home.path(), Limits::default()), QUEUE).unwrap();
    let parts = writer.finish().unwrap();
    assert_eq!(summary(&parts), TABLES.map(|table| (table, "part-000000.parquet", 0)));
}

#[test]
fn senders_learn_that_the_writer_has_stopped() {
    let home = tempfile::tempdir().unwrap();
    let writer = Writer::start(part_writers(home.path(), Limits::default()), 1).unwrap();
    let sender = writer.sender();
    sender.send(TABLES.len(), batch(1)).unwrap();
    let begun = Instant::now();
    while !writer.has_stopped() && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(sender.send(0, batch(1)).err().map(|error| error.exit_status()), Some(70));
    drop(sender);
    assert_eq!(writer.finish().err().map(|error| error.exit_status()), Some(70));
}

fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < PATIENCE, "{} did not come", path.display());
        thread::sleep(Duration::from_millis(5));
    }
}
