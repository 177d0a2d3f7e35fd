//! Parts: rolling, the commit, digests, and what stands in the files.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding};
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::*;
use crate::column::{Cell, Column};
use crate::store::{Dataset, Table};

static COLUMNS: [Column<i64>; 5] = [
    Column { name: "seq", sentence: "The number.", cell: Cell::Int(|row| Some(*row)) },
    Column {
        name: "domain",
        sentence: "The name.",
        cell: Cell::Text(|row| Some(Cow::Owned(format!("d{row}.example")))),
    },
    Column {
        name: "status",
        sentence: "How it went.",
        cell: Cell::Word(|row| Some(if row % 2 == 0 { "found" } else { "absent" }.into())),
    },
    Column { name: "body", sentence: "What it sent.", cell: Cell::Bytes(|row| Some(Cow::Owned(noise(*row)))) },
    Column { name: "tags", sentence: "Tags.", cell: Cell::Texts(|row| (row % 3 > 0).then(Vec::new)) },
];

/// 64 bytes that do not compress.
fn noise(seed: i64) -> Vec<u8> {
    let digest = |n: i64| Sha256::digest(n.to_be_bytes());
    digest(seed).iter().chain(digest(!seed).iter()).copied().collect()
}

fn table() -> Table<i64> {
    Table::new("domains").columns(&COLUMNS)
}

fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
    table().batch("s1", &rows.collect::<Vec<_>>()).unwrap()
}

/// A dataset in a fresh directory, and a writer for one table of it.
fn writer(limits: Limits) -> (tempfile::TempDir, PartWriter) {
    let home = tempfile::tempdir().unwrap();
    let dataset = Dataset::create(home.path(), "s1").unwrap().with_limits(limits);
    let writer = dataset.part_writer("domains", table().schema()).unwrap();
    (home, writer)
}

/// The files of the partition with their lengths.
fn files(home: &tempfile::TempDir) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(home.path().join("domains/scan=s1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn read_seq(path: &Path) -> Vec<i64> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let of_batch =
        |batch: RecordBatch| batch.column_by_name("seq").unwrap().as_primitive::<Int64Type>().values().to_vec();
    reader.flat_map(|batch| of_batch(batch.unwrap())).collect()
}

#[test]
fn parts_roll_by_rows_by_bytes_and_by_age() {
    let endless = Limits { rows: u64::MAX, bytes: u64::MAX, age: Duration::MAX };
    // Six batches of ten rows each.
    let cases = [
        ("never", endless, vec![60]),
        ("by rows", Limits { rows: 20, ..endless }, vec![20, 20, 20]),
        ("by rows, one batch over", Limits { rows: 25, ..endless }, vec![30, 30]),
        ("by age", Limits { age: Duration::ZERO, ..endless }, vec![10; 6]),
        ("by bytes, each batch more than enough", Limits { bytes: 1, ..endless }, vec![10; 6]),
    ];
    for (name, limits, expected) in cases {
        let (home, mut writer) = writer(limits);
        for start in (0..60).step_by(10) {
            writer.write(&batch(start..start + 10)).unwrap();
        }
        let parts = writer.finish().unwrap();
        assert_eq!(parts.iter().map(|part| part.rows).collect::<Vec<_>>(), expected, "{name}");
        let read: Vec<i64> = parts.iter().flat_map(|part| read_seq(&home.path().join(&part.path))).collect();
        assert_eq!(read, (0..60).collect::<Vec<_>>(), "{name}");
        let names: Vec<_> = (0..expected.len()).map(|number| format!("part-{number:06}.parquet")).collect();
        assert_eq!(files(&home), names, "{name}");
    }
}

#[test]
fn bytes_not_yet_written_count_towards_the_limit() {
    let (home, mut writer) = writer(Limits { bytes: 256 << 10, ..Limits::default() });
    for start in (0..40_000).step_by(1_000) {
        writer.write(&batch(start..start + 1_000)).unwrap();
    }
    let parts = writer.finish().unwrap();
    // 40,000 rows of 64 bytes that do not compress.
    assert!((5..=20).contains(&parts.len()), "{} parts", parts.len());
    assert!(parts.iter().all(|part| part.bytes < 2 * (256 << 10)), "{parts:?}");
    assert_eq!(parts.iter().map(|part| part.rows).sum::<u64>(), 40_000);
    drop(home);
}

#[test]
fn a_part_has_its_name_only_when_it_is_whole() {
    let (home, mut writer) = writer(Limits { rows: 20, ..Limits::default() });
    assert_eq!(files(&home), [""; 0], "nothing is opened before there are rows");
    writer.write(&batch(0..10)).unwrap();
    assert_eq!(files(&home), [".tmp-part-000000.parquet"]);
    writer.write(&batch(10..20)).unwrap();
    assert_eq!(files(&home), ["part-000000.parquet"]);
    writer.write(&batch(20..30)).unwrap();
    assert_eq!(files(&home), [".tmp-part-000001.parquet", "part-000000.parquet"]);
    drop(writer);
    assert_eq!(files(&home), ["part-000000.parquet"], "what was not committed is gone");
}

#[test]
fn a_batch_without_rows_opens_nothing() {
    let (home, mut writer) = writer(Limits { age: Duration::ZERO, ..Limits::default() });
    for rows in [0..0, 0..5, 5..5, 5..5] {
        writer.write(&batch(rows)).unwrap();
    }
    assert_eq!(files(&home), ["part-000000.parquet"]);
    assert_eq!(writer.finish().unwrap().iter().map(|part| part.rows).collect::<Vec<_>>(), [5]);
}

#[test]
fn length_and_digest_are_those_of_the_file() {
    let (home, mut writer) = writer(Limits { rows: 10, ..Limits::default() });
    for start in (0..30).step_by(10) {
        writer.write(&batch(start..start + 10)).unwrap();
    }
    for part in writer.finish().unwrap() {
        let bytes = fs::read(home.path().join(&part.path)).unwrap();
        assert_eq!((part.bytes, part.sha256), (bytes.len() as u64, hex(&Sha256::digest(&bytes))));
        assert_eq!(part.table, "domains");
    }
}

#[test]
fn a_table_without_rows_has_one_part_with_its_schema() {
    let (home, writer) = writer(Limits::default());
    let parts = writer.finish().unwrap();
    assert_eq!(
        parts.iter().map(|part| (part.path.as_str(), part.rows)).collect::<Vec<_>>(),
        [("domains/scan=s1/part-000000.parquet", 0)]
    );
    let file = File::open(home.path().join(&parts[0].path)).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert_eq!(builder.schema().fields(), table().schema().fields());
}

#[test]
fn columns_lie_in_the_encodings_that_suit_them() {
    let (home, mut writer) = writer(Limits::default());
    writer.write(&batch(0..5_000)).unwrap();
    let parts = writer.finish().unwrap();
    let reader = SerializedFileReader::new(File::open(home.path().join(&parts[0].path)).unwrap()).unwrap();
    let chunks: BTreeMap<String, _> = reader
        .metadata()
        .row_group(0)
        .columns()
        .iter()
        .map(|chunk| (chunk.column_path().string(), (chunk.encodings().collect::<Vec<_>>(), chunk.compression())))
        .collect();
    let cases = [
        ("seq", Encoding::DELTA_BINARY_PACKED, false),
        ("domain", Encoding::DELTA_LENGTH_BYTE_ARRAY, false),
        ("status", Encoding::RLE_DICTIONARY, true),
        ("scan_id", Encoding::RLE_DICTIONARY, true),
        ("body", Encoding::RLE_DICTIONARY, true),
    ];
    for (name, encoding, dictionary) in cases {
        let (encodings, compression) = &chunks[name];
        assert!(encodings.contains(&encoding), "{name}: {encodings:?}");
        assert_eq!(encodings.contains(&Encoding::RLE_DICTIONARY), dictionary, "{name}: {encodings:?}");
        assert!(matches!(compression, Compression::ZSTD(_)), "{name}: {compression:?}");
    }
}

#[test]
fn numbers_have_a_smallest_and_a_largest_and_texts_have_none() {
    let (home, mut writer) = writer(Limits::default());
    writer.write(&batch(0..100)).unwrap();
    let parts = writer.finish().unwrap();
    let reader = SerializedFileReader::new(File::open(home.path().join(&parts[0].path)).unwrap()).unwrap();
    for (name, expected) in [("seq", true), ("domain", false), ("status", false), ("scan_id", false)] {
        let columns = reader.metadata().row_group(0).columns();
        let chunk = columns.iter().find(|chunk| chunk.column_path().string() == name).unwrap();
        let bounds = chunk.statistics().is_some_and(|statistics| statistics.min_bytes_opt().is_some());
        assert_eq!(bounds, expected, "{name}");
    }
}

#[test]
fn an_open_part_holds_no_more_than_one_row_group() {
    let (home, mut writer) = writer(Limits::default());
    let mut open = 0;
    for start in (0..600_000).step_by(50_000) {
        let rows: Vec<i64> = (start..start + 50_000).map(|row| row % 1_000).collect();
        writer.write(&table().batch("s1", &rows).unwrap()).unwrap();
        open = open.max(writer.open.as_ref().unwrap().writer.in_progress_rows());
    }
    assert!((50_000..encoding::GROUP_ROWS).contains(&open), "{open} rows");
    let parts = writer.finish().unwrap();
    let reader = SerializedFileReader::new(File::open(home.path().join(&parts[0].path)).unwrap()).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 600_000_usize.div_ceil(encoding::GROUP_ROWS));
}

#[test]
fn a_dictionary_that_grows_too_large_gives_way() {
    let (home, mut writer) = writer(Limits::default());
    for start in (0..40_000).step_by(10_000) {
        writer.write(&batch(start..start + 10_000)).unwrap();
    }
    let parts = writer.finish().unwrap();
    let reader = SerializedFileReader::new(File::open(home.path().join(&parts[0].path)).unwrap()).unwrap();
    let columns = reader.metadata().row_group(0).columns();
    let body = columns.iter().find(|chunk| chunk.column_path().string() == "body").unwrap();
    assert!(body.encodings().any(|encoding| encoding == Encoding::DELTA_LENGTH_BYTE_ARRAY));
}

#[test]
fn a_disk_that_refuses_is_an_io_error_and_leaves_no_part() {
    // The directory goes between the first row and the commit; then before the first row.
    let (home, mut open) = writer(Limits::default());
    open.write(&batch(0..10)).unwrap();
    fs::remove_dir_all(home.path().join("domains/scan=s1")).unwrap();
    assert_eq!(open.finish().err().map(|error| error.exit_status()), Some(74));

    let (home, mut closed) = writer(Limits::default());
    fs::remove_dir_all(home.path().join("domains/scan=s1")).unwrap();
    assert_eq!(closed.write(&batch(0..10)).err().map(|error| error.exit_status()), Some(74));
}

#[test]
fn a_full_device_is_an_io_error() {
    // The first is refused while rows are written, the second with the footer.
    for row_group in [10, 1_000] {
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(row_group)).build();
        let mut full = ArrowWriter::try_new(Hashed::new(Full), table().schema(), Some(properties)).unwrap();
        let written = full.write(&batch(0..200)).and_then(|()| full.finish().map(|_| ()));
        let (_home, writer) = writer(Limits::default());
        assert_eq!(writer.failed(written.unwrap_err()).exit_status(), 74, "row groups of {row_group}");
    }
}

/// A device without space.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
