//! The dataset as others read it: written through the public interface, read back with DuckDB and PyArrow
//! (tests/requirements.txt).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use stscan::cli::output::complain;
use stscan::column::{Cell, Column, Field, FieldKind, Struct, Value};
use stscan::store::{Dataset, Limits, PartInfo, QUEUE, Table, Totals, Writer, read_manifest, scans};

/// One domain; every tenth announces a policy.
struct Row {
    seq: i64,
    record: Option<Record>,
    policy: Option<Policy>,
}

struct Record {
    txt: Vec<Vec<u8>>,
    id: String,
}

struct Policy {
    body: Vec<u8>,
    mx: Vec<String>,
    hosts: Vec<Option<(String, i64)>>,
}

static ROW: [Column<Row>; 6] = [
    Column { name: "seq", sentence: "The number of the domain in the scan.", cell: Cell::Int(|row| Some(row.seq)) },
    Column {
        name: "domain",
        sentence: "The domain, in A-labels.",
        cell: Cell::Text(|row| Some(Cow::Owned(format!("d{}.example", row.seq)))),
    },
    Column {
        name: "rank",
        sentence: "The rank in the list, where it has ranks.",
        cell: Cell::Int(|row| (row.seq % 2 == 1).then_some(row.seq + 1)),
    },
    Column {
        name: "observed_at",
        sentence: "When the survey began.",
        cell: Cell::Time(|row| Some(1_795_464_900_000_000 + row.seq)),
    },
    Column {
        name: "outcome",
        sentence: "What the domain came to.",
        cell: Cell::Word(|row| Some(if row.record.is_some() { "testing" } else { "not_announced" }.into())),
    },
    Column {
        name: "announced",
        sentence: "Whether there is a record.",
        cell: Cell::Bool(|row| Some(row.record.is_some())),
    },
];

static RECORD: [Column<Record>; 3] = [
    Column {
        name: "txt",
        sentence: "The TXT records, each with its strings joined.",
        cell: Cell::BytesList(|record| Some(record.txt.iter().map(|txt| Cow::Borrowed(txt.as_slice())).collect())),
    },
    Column { name: "id", sentence: "The id.", cell: Cell::Text(|record| Some(Cow::Borrowed(&record.id))) },
    Column { name: "ttl", sentence: "The TTL in seconds.", cell: Cell::Int(|_| Some(i64::from(u32::MAX))) },
];

static HOST: [Field; 3] = [
    Field { name: "host", kind: FieldKind::Text },
    Field { name: "preference", kind: FieldKind::Int },
    Field { name: "covered", kind: FieldKind::Bool },
];

static POLICY: [Column<Policy>; 2] = [
    Column { name: "body", sentence: "The body.", cell: Cell::Bytes(|policy| Some(Cow::Borrowed(&policy.body))) },
    Column {
        name: "mx",
        sentence: "The mx patterns, in order; empty where there is none.",
        cell: Cell::Texts(|policy| Some(policy.mx.iter().map(|mx| Cow::Borrowed(mx.as_str())).collect())),
    },
];

static MX: [Column<Policy>; 1] = [Column {
    name: "hosts",
    sentence: "The MX hosts.",
    cell: Cell::Structs(&HOST, |policy| Some(policy.hosts.iter().map(host).collect())),
}];

/// A host as a struct; one that is not known has no field.
fn host(host: &Option<(String, i64)>) -> Struct<'_> {
    match host {
        Some((name, preference)) => {
            vec![Value::Text(name.as_str().into()), Value::Int(*preference), Value::Bool(true)]
        }
        None => vec![Value::Null, Value::Null, Value::Null],
    }
}

static REJECT: [Column<()>; 2] = [
    Column { name: "line", sentence: "The number of the line.", cell: Cell::Int(|()| None) },
    Column { name: "bytes", sentence: "The line in hexadecimal, cut.", cell: Cell::Text(|()| None) },
];

fn domains() -> Table<Row> {
    Table::new("domains")
        .columns(&ROW)
        .probe("record_", &RECORD, |row| row.record.as_ref())
        .probe("policy_", &POLICY, |row| row.policy.as_ref())
        .probe("mx_", &MX, |row| row.policy.as_ref())
}

fn row(seq: i64) -> Row {
    if seq % 10 != 0 {
        return Row { seq, record: None, policy: None };
    }
    let mx = if seq % 50 == 0 { vec![] } else { vec![format!("*.d{seq}.example")] };
    let hosts = vec![Some((format!("mx1.d{seq}.example"), 10)), None];
    Row {
        seq,
        record: Some(Record { txt: vec![format!("v=STSv1; id={seq};").into(), vec![0xff, 0]], id: seq.to_string() }),
        policy: Some(Policy { body: b"version: STSv1\nmode: testing\n".to_vec(), mx, hosts }),
    }
}

/// One finished scan of so many domains.
fn write(directory: &Path, scan_id: &str, rows: i64, limits: Limits) -> Vec<PartInfo> {
    let dataset = Dataset::create(directory, scan_id).unwrap().with_limits(limits);
    let (domains, rejects) = (domains(), Table::<()>::new("rejects").columns(&REJECT));
    let tables = vec![
        dataset.part_writer(domains.name(), domains.schema()).unwrap(),
        dataset.part_writer(rejects.name(), rejects.schema()).unwrap(),
    ];
    let writer = Writer::start(tables, QUEUE).unwrap();
    let sender = writer.sender();
    for start in (0..rows).step_by(500) {
        let batch: Vec<Row> = (start..rows.min(start + 500)).map(row).collect();
        sender.send(0, domains.batch(scan_id, &batch).unwrap()).unwrap();
    }
    drop(sender);
    let parts = writer.finish().unwrap();
    let announced = u64::try_from(rows.div_euclid(10)).unwrap();
    let rows = u64::try_from(rows).unwrap();
    let outcomes = BTreeMap::from([("testing".to_owned(), announced), ("not_announced".to_owned(), rows - announced)]);
    let totals = Totals { lines: rows, rows, outcomes, ..Totals::default() };
    assert!(totals.balance());
    dataset.finish(&totals, parts.clone(), "2026-11-23T21:00:00Z".parse().unwrap()).unwrap();
    parts
}

#[test]
fn duckdb_and_pyarrow_read_what_was_written() {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits { rows: 1_000, ..Limits::default() };
    let scan_ids = ["20261123T201500Z-00ab12", "20261124T201500Z-00ab13"];
    for scan_id in scan_ids {
        let parts = write(home.path(), scan_id, 2_500, limits);
        assert_eq!(read_manifest(home.path(), scan_id).unwrap().unwrap().parts, parts);
    }
    assert_eq!(
        scans(home.path()).unwrap().iter().map(|scan| (scan.scan_id.as_str(), scan.finished)).collect::<Vec<_>>(),
        scan_ids.map(|id| (id, true))
    );

    let Some(python) = crate::queries::python(["duckdb", "pyarrow"]) else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dataset/read_back.py");
    let output = Command::new(python).arg(script).arg(home.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(output.stdout, b"read back\n", "{said}");
}

/// A domain of the measurement: a name that follows from no other, as in a shuffled list. Consecutive names compress to
/// half a byte a row, which no real list does.
fn unordered(seq: i64) -> u64 {
    // The finaliser of splitmix64.
    let mut mixed = seq.unsigned_abs().wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

static UNORDERED: [Column<Row>; 3] = [
    Column {
        name: "name",
        sentence: "A name of seven to ten letters.",
        cell: Cell::Text(|row| {
            let mut mixed = unordered(row.seq);
            let length = 7 + mixed % 4;
            let letters = (0..length).map(|_| {
                let letter = b'a' + u8::try_from(mixed % 26).unwrap();
                mixed /= 26;
                char::from(letter)
            });
            Some(Cow::Owned(letters.chain(".com".chars()).collect()))
        }),
    },
    Column {
        name: "list_rank",
        sentence: "A rank in no order.",
        cell: Cell::Int(|row| Some(i64::try_from(unordered(row.seq) % 1_000_000).unwrap())),
    },
    Column {
        name: "elapsed_ms",
        sentence: "A time of some milliseconds.",
        cell: Cell::Int(|row| Some(i64::try_from(unordered(row.seq) % 64).unwrap())),
    },
];

static SEQ_ONLY: [Column<Row>; 1] =
    [Column { name: "seq", sentence: "The number of the domain in the scan.", cell: Cell::Int(|row| Some(row.seq)) }];

#[test]
#[ignore = "a measurement, of use in the release profile only"]
fn a_million_rows_that_are_mostly_null_cost_little() {
    const ROWS: i64 = 1_000_000;
    let mut table = Table::new("domains").columns(&SEQ_ONLY).columns(&UNORDERED);
    for prefix in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] {
        table = table
            .probe(&format!("{prefix}_record_"), &RECORD, |row| row.record.as_ref())
            .probe(&format!("{prefix}_policy_"), &POLICY, |row| row.policy.as_ref())
            .probe(&format!("{prefix}_mx_"), &MX, |row| row.policy.as_ref());
    }
    for (name, announced_every) in [("nothing announced", None), ("0.1 % announced, in every batch", Some(1_000))] {
        let of = |seq| match announced_every {
            Some(every) if seq % every == 0 => row(seq),
            _ => Row { seq, record: None, policy: None },
        };
        let rows: Vec<Row> = (0..ROWS).map(of).collect();
        let home = tempfile::tempdir().unwrap();
        let dataset = Dataset::create(home.path(), "bench").unwrap();
        let mut writer = dataset.part_writer(table.name(), table.schema()).unwrap();
        let (mut building, begun) = (Duration::ZERO, Instant::now());
        for rows in rows.chunks(4_096) {
            let start = Instant::now();
            let batch = table.batch("bench", rows).unwrap();
            building += start.elapsed();
            writer.write(&batch).unwrap();
        }
        let parts = writer.finish().unwrap();
        let writing = begun.elapsed() - building;
        let (stored, bytes) = parts.iter().fold((0, 0), |(rows, bytes), part| (rows + part.rows, bytes + part.bytes));
        complain(&format!(
            "{name}: {} columns, {} ns a row to build, {} ns to write, {:.1} bytes",
            table.describe().len(),
            building.as_nanos() / 1_000_000,
            writing.as_nanos() / 1_000_000,
            bytes as f64 / ROWS as f64
        ));
        assert_eq!(stored, ROWS.unsigned_abs());
        assert!(bytes < 20 * ROWS.unsigned_abs(), "{bytes} bytes");
    }
}
