//! Tables: every kind of cell, with values, nulls and empty lists, in Arrow and in JSON.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::borrow::Cow;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use serde_json::json;

use super::*;
use crate::column::{self, FieldKind};

/// A row that has every kind of cell, filled or not.
#[derive(Default)]
struct Row {
    text: Option<&'static str>,
    int: Option<i64>,
    bool: Option<bool>,
    bytes: Option<&'static [u8]>,
    texts: Option<Vec<&'static str>>,
    bytes_list: Option<Vec<&'static [u8]>>,
    hosts: Option<Vec<Host>>,
}

type Host = (Option<&'static str>, Option<i64>, Option<bool>);

struct Outer {
    seq: i64,
    inner: Option<Row>,
}

static OUTER: [Column<Outer>; 1] =
    [Column { name: "seq", sentence: "The number.", cell: Cell::Int(|row| Some(row.seq)) }];

static HOST_FIELDS: [column::Field; 3] = [
    column::Field { name: "host", kind: FieldKind::Text },
    column::Field { name: "preference", kind: FieldKind::Int },
    column::Field { name: "covered", kind: FieldKind::Bool },
];

static INNER: [Column<Row>; 9] = [
    Column { name: "text", sentence: "A text.", cell: Cell::Text(|row| row.text.map(Cow::Borrowed)) },
    Column {
        name: "word",
        sentence: "A word.",
        cell: Cell::Word(|row| row.text.map(|t| Cow::Owned(t.to_lowercase()))),
    },
    Column { name: "int", sentence: "A number.", cell: Cell::Int(|row| row.int) },
    Column { name: "bool", sentence: "A flag.", cell: Cell::Bool(|row| row.bool) },
    Column { name: "bytes", sentence: "Bytes.", cell: Cell::Bytes(|row| row.bytes.map(Cow::Borrowed)) },
    Column { name: "time", sentence: "A time.", cell: Cell::Time(|row| row.int) },
    Column {
        name: "texts",
        sentence: "Texts.",
        cell: Cell::Texts(|row| Some(row.texts.as_ref()?.iter().map(|t| Cow::Borrowed(*t)).collect())),
    },
    Column {
        name: "bytes_list",
        sentence: "Byte strings.",
        cell: Cell::BytesList(|row| Some(row.bytes_list.as_ref()?.iter().map(|b| Cow::Borrowed(*b)).collect())),
    },
    Column {
        name: "hosts",
        sentence: "Hosts.",
        cell: Cell::Structs(&HOST_FIELDS, |row| {
            let value = |(host, preference, covered): &Host| {
                vec![
                    host.map_or(column::Value::Null, |h| column::Value::Text(h.into())),
                    preference.map_or(column::Value::Null, column::Value::Int),
                    covered.map_or(column::Value::Null, column::Value::Bool),
                ]
            };
            Some(row.hosts.as_ref()?.iter().map(value).collect())
        }),
    },
];

fn table() -> Table<Outer> {
    Table::new("domains").columns(&OUTER).probe("p_", &INNER, |row| row.inner.as_ref())
}

/// A full row, a row of empty values, a row of nulls, a row without the probe.
fn rows() -> Vec<Outer> {
    let full = Row {
        text: Some("Ünïcode"),
        int: Some(-1),
        bool: Some(true),
        bytes: Some(b"\x00\xff"),
        texts: Some(vec!["a", ""]),
        bytes_list: Some(vec![b"v=STSv1", b"\xfe"]),
        hosts: Some(vec![(Some("mx.example"), Some(10), Some(false)), (None, None, None)]),
    };
    let empty = Row {
        text: Some(""),
        int: Some(0),
        bool: Some(false),
        bytes: Some(b""),
        texts: Some(vec![]),
        bytes_list: Some(vec![]),
        hosts: Some(vec![]),
    };
    let inner = [Some(full), Some(empty), Some(Row::default()), None];
    (0..).zip(inner).map(|(seq, inner)| Outer { seq, inner }).collect()
}

#[test]
fn every_kind_of_cell_keeps_values_empties_and_nulls_apart() {
    let batch = table().batch("scan-1", &rows()).unwrap();
    let column = |name: &str| batch.column_by_name(name).unwrap();
    assert_eq!(batch.num_rows(), 4);
    assert_eq!(column("scan_id").as_string::<i32>().iter().collect::<Vec<_>>(), [Some("scan-1"); 4]);
    assert_eq!(column("seq").as_primitive::<Int64Type>().values(), &[0, 1, 2, 3]);
    assert_eq!(column("p_text").as_string::<i32>().iter().collect::<Vec<_>>(), [Some("Ünïcode"), Some(""), None, None]);
    assert_eq!(column("p_word").as_string::<i32>().value(0), "ünïcode");
    assert_eq!(column("p_int").as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(-1), Some(0), None, None]);
    assert_eq!(column("p_bool").as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false), None, None]);
    assert_eq!(
        column("p_bytes").as_binary::<i32>().iter().collect::<Vec<_>>(),
        [Some(b"\x00\xff".as_slice()), Some(b"".as_slice()), None, None]
    );
    assert_eq!(
        column("p_time").as_primitive::<TimestampMicrosecondType>().iter().collect::<Vec<_>>(),
        [Some(-1), Some(0), None, None]
    );
    for name in ["p_texts", "p_bytes_list", "p_hosts"] {
        let list = column(name).as_list::<i32>();
        let lengths: Vec<_> = (0..4).map(|row| list.is_valid(row).then(|| list.value_length(row))).collect();
        assert_eq!(lengths, [Some(2), Some(0), None, None], "{name}");
    }
    let texts = column("p_texts").as_list::<i32>().value(0);
    assert_eq!(texts.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("a"), Some("")]);
    let bytes = column("p_bytes_list").as_list::<i32>().value(0);
    assert_eq!(bytes.as_binary::<i32>().iter().collect::<Vec<_>>(), [Some(b"v=STSv1".as_slice()), Some(b"\xfe")]);
}

#[test]
fn a_struct_whose_fields_are_null_is_not_null_itself() {
    let batch = table().batch("scan-1", &rows()).unwrap();
    let hosts = batch.column_by_name("p_hosts").unwrap().as_list::<i32>().value(0);
    let hosts = hosts.as_struct();
    assert_eq!((hosts.len(), hosts.null_count()), (2, 0));
    assert_eq!(hosts.column(0).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("mx.example"), None]);
    assert_eq!(hosts.column(1).as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(10), None]);
    assert_eq!(hosts.column(2).as_boolean().iter().collect::<Vec<_>>(), [Some(false), None]);
}

#[test]
fn rows_without_the_probe_and_no_rows_have_the_same_schema() {
    let table = table();
    let bare: Vec<Outer> = (0..3).map(|seq| Outer { seq, inner: None }).collect();
    for (rows, expected) in [(&bare[..], 3), (&[][..], 0)] {
        let batch = table.batch("scan-1", rows).unwrap();
        assert_eq!((batch.num_rows(), batch.schema()), (expected, table.schema()));
        for field in INNER.iter().map(|column| format!("p_{}", column.name)) {
            assert_eq!(batch.column_by_name(&field).unwrap().null_count(), expected, "{field}");
        }
    }
}

#[test]
fn a_row_many_times_over_is_the_batch_of_as_many_rows() {
    for row in 0..rows().len() {
        for count in [0, 1, 9] {
            let alike: Vec<Outer> = (0..count).filter_map(|_| rows().into_iter().nth(row)).collect();
            let by_rows = table().batch("scan-1", &alike).unwrap();
            let repeated = table().repeated("scan-1", &rows()[row], count).unwrap();
            assert_eq!(repeated, by_rows, "row {row}, {count} times");
        }
    }
}

#[test]
fn the_schema_holds_no_type_that_a_reader_would_stumble_over() {
    fn plain(data_type: &DataType, depth: u32) -> bool {
        match data_type {
            DataType::Utf8 | DataType::Int64 | DataType::Boolean | DataType::Binary => true,
            DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, Some(zone)) => zone.as_ref() == "UTC",
            DataType::List(element) => depth == 0 && plain(element.data_type(), 1),
            DataType::Struct(fields) => depth == 1 && fields.iter().all(|field| plain(field.data_type(), 2)),
            _ => false,
        }
    }
    let schema = table().schema();
    assert_eq!(schema.field(0).name(), SCAN_ID);
    for field in schema.fields() {
        assert!(plain(field.data_type(), 0), "{field}");
        assert!(field.metadata().get(COMMENT).is_some_and(|sentence| sentence.ends_with('.')), "{field}");
    }
    let words: Vec<_> = schema.fields().iter().filter(|f| f.metadata().get(KIND).is_some()).map(|f| f.name()).collect();
    assert_eq!(words, ["scan_id", "p_word"]);
}

#[test]
fn json_tells_the_same_facts() {
    let table = table();
    let rows: Vec<_> = rows().iter().map(|row| serde_json::Value::Object(table.json(row))).collect();
    let full = json!({
        "seq": 0, "p_text": "Ünïcode", "p_word": "ünïcode", "p_int": -1, "p_bool": true, "p_bytes": {"base64": "AP8="},
        "p_time": "1969-12-31T23:59:59.999999Z", "p_texts": ["a", ""], "p_bytes_list": ["v=STSv1", {"base64": "/g=="}],
        "p_hosts": [{"host": "mx.example", "preference": 10, "covered": false},
                    {"host": null, "preference": null, "covered": null}],
    });
    assert_eq!(rows[0], full);
    let empty = json!({
        "seq": 1, "p_text": "", "p_word": "", "p_int": 0, "p_bool": false, "p_bytes": "",
        "p_time": "1970-01-01T00:00:00Z", "p_texts": [], "p_bytes_list": [], "p_hosts": [],
    });
    assert_eq!(rows[1], empty);
    for (row, seq) in [(&rows[2], 2), (&rows[3], 3)] {
        assert_eq!(row["seq"], seq);
        let others: Vec<_> = row.as_object().unwrap().iter().filter(|(name, _)| *name != "seq").collect();
        assert_eq!(others.len(), INNER.len());
        assert!(others.iter().all(|(_, value)| value.is_null()), "{row}");
    }
}

#[test]
fn bytes_stand_as_text_only_where_a_person_can_read_them() {
    static BYTES: [Column<&'static [u8]>; 1] =
        [Column { name: "b", sentence: "Bytes.", cell: Cell::Bytes(|row| Some(Cow::Borrowed(row))) }];
    let table = Table::new("t").columns(&BYTES);
    let cases: [(&'static [u8], serde_json::Value); 5] = [
        (b"version: STSv1\r\n\tmode", json!("version: STSv1\r\n\tmode")),
        ("é".as_bytes(), json!("é")),
        (b"\x1b[31m", json!({"base64": "G1szMW0="})),
        (b"a\x00", json!({"base64": "YQA="})),
        (b"\xc3", json!({"base64": "ww=="})),
    ];
    for (bytes, expected) in cases {
        assert_eq!(table.json(&bytes)["b"], expected, "{bytes:?}");
    }
}

#[test]
fn times_beyond_the_calendar_stay_numbers() {
    static TIME: [Column<i64>; 1] = [Column { name: "t", sentence: "A time.", cell: Cell::Time(|row| Some(*row)) }];
    let table = Table::new("t").columns(&TIME);
    assert_eq!(table.json(&1_795_464_900_000_000)["t"], "2026-11-23T20:15:00Z");
    assert_eq!(table.json(&i64::MAX)["t"], i64::MAX);
}

#[test]
fn columns_describe_themselves() {
    let described = table().describe();
    let names: Vec<_> = described.iter().map(|c| (c.table, c.name.as_str(), c.type_name.as_str())).collect();
    let expected = [
        ("scan_id", "text"),
        ("seq", "integer"),
        ("p_text", "text"),
        ("p_word", "text"),
        ("p_int", "integer"),
        ("p_bool", "boolean"),
        ("p_bytes", "bytes"),
        ("p_time", "timestamp"),
        ("p_texts", "list<text>"),
        ("p_bytes_list", "list<bytes>"),
        ("p_hosts", "list<struct<host text, preference integer, covered boolean>>"),
    ];
    assert_eq!(names, expected.map(|(name, type_name)| ("domains", name, type_name)));
    assert_eq!(described[2].sentence, "A text.");
}

#[test]
fn a_struct_that_does_not_match_its_declaration_is_our_fault() {
    static FIELDS: [column::Field; 1] = [column::Field { name: "host", kind: FieldKind::Text }];
    static WRONG: [Column<i64>; 1] = [Column {
        name: "hosts",
        sentence: "Hosts.",
        cell: Cell::Structs(&FIELDS, |row| {
            Some(vec![match *row {
                0 => vec![column::Value::Int(1)],
                1 => vec![],
                2 => vec![column::Value::Null, column::Value::Null],
                _ => vec![column::Value::Text("mx.example".into())],
            }])
        }),
    }];
    let table = Table::new("t").columns(&WRONG);
    for (row, expected) in [(0, Some(70)), (1, Some(70)), (2, Some(70)), (3, None)] {
        assert_eq!(table.batch("s", &[row]).err().map(|error| error.exit_status()), expected, "{row}");
    }
}

#[test]
fn a_batch_takes_as_many_rows_as_a_batch_of_domains_has_findings() {
    let rows: Vec<Outer> = (0..100_000).map(|seq| Outer { seq, inner: None }).collect();
    assert_eq!(table().batch("s", &rows).unwrap().num_rows(), rows.len());
}

#[test]
fn more_bytes_than_offsets_can_tell_are_an_error_and_no_panic() {
    static TEXT: [Column<&'static str>; 1] =
        [Column { name: "c", sentence: "A text.", cell: Cell::Text(|row| Some(Cow::Borrowed(row))) }];
    static BYTES: [Column<&'static str>; 1] =
        [Column { name: "c", sentence: "Bytes.", cell: Cell::Bytes(|row| Some(Cow::Borrowed(row.as_bytes()))) }];
    static TEXTS: [Column<&'static str>; 1] =
        [Column { name: "c", sentence: "Texts.", cell: Cell::Texts(|row| Some(vec![Cow::Borrowed(row)])) }];
    static LIST: [Column<&'static str>; 1] = [Column {
        name: "c",
        sentence: "Bytes.",
        cell: Cell::BytesList(|row| Some(vec![Cow::Borrowed(row.as_bytes())])),
    }];
    static FIELDS: [column::Field; 1] = [column::Field { name: "c", kind: FieldKind::Text }];
    static STRUCTS: [Column<&'static str>; 1] = [Column {
        name: "c",
        sentence: "Structs.",
        cell: Cell::Structs(&FIELDS, |row| Some(vec![vec![column::Value::Text(Cow::Borrowed(row))]])),
    }];
    // The bound is an argument here: 2 GiB would be a slow test.
    let rows: [&'static str; 3] = ["aaaa", "bbbb", "cc"];
    for columns in [&TEXT, &BYTES, &TEXTS, &LIST, &STRUCTS] {
        let build = |most| array::build_within(most, &columns[0].cell, rows.iter().map(Some));
        assert_eq!(build(10).unwrap().len(), 3);
        assert!(build(9).is_err());
    }
}

#[test]
#[should_panic(expected = "twice")]
fn a_column_stands_only_once() {
    let _ = table().columns(&OUTER);
}
