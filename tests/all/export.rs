//! `stscan export tlsrpt`: reports from a dataset on disk, held to the RFC's format (tests/tlsrpt.schema.json) and read by
//! parsedmarc, as the mailbox of a domain would read them (tests/tlsrpt.py).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value as Json, json};
use stscan::column::{Cell, Column, Field, FieldKind, Struct, Value};
use stscan::store::{Dataset, Limits, ScanInfo, Table, Totals, Vantage, Versions};

const SCAN: &str = "20261123T235900Z-0000ab";

/// A row of `domains`, as far as an export reads it.
struct Domain {
    seq: i64,
    name: &'static str,
    announced: Option<bool>,
    id: Option<&'static str>,
    status: Option<&'static str>,
    mode: &'static str,
    mx: &'static [&'static str],
    body: Option<&'static str>,
    hosts: &'static [Host],
    reports: &'static [Counted],
}

/// Host, status, covered, DANE, and the counts of addresses usable and broken.
type Host = (&'static str, &'static str, Option<bool>, &'static str, i64, i64);

/// Type of the policy, result type, count.
type Counted = (&'static str, &'static str, i64);

const NOTHING: Domain = Domain {
    seq: 0,
    name: "",
    announced: Some(true),
    id: Some("1"),
    status: None,
    mode: "enforce",
    mx: &[],
    body: None,
    hosts: &[],
    reports: &[],
};

/// A body, by its digest.
const BODIES: [(&str, &[u8]); 2] =
    [("aa", b"version: STSv1\nmode: enforce\nmx: *.mail.test\nmax_age: 86400\n"), ("bb", b"\xff\x00\"\\")];

/// A domain of each kind.
static DOMAINS: [Domain; 8] = [
    Domain {
        seq: 7,
        name: "good.test",
        status: Some("usable"),
        mx: &["*.mail.test"],
        body: Some("aa"),
        hosts: &[("mx1.mail.test", "usable", Some(true), "none", 2, 0)],
        ..NOTHING
    },
    Domain {
        seq: 3,
        name: "expired.test",
        status: Some("usable"),
        mx: &["*.mail.test"],
        body: Some("aa"),
        hosts: &[
            ("mx1.mail.test", "broken", Some(true), "none", 0, 2),
            ("signed.mail.test", "broken", Some(true), "mismatch", 0, 1),
            ("other.test", "broken", Some(false), "none", 1, 0),
        ],
        reports: &[
            ("sts", "certificate-expired", 2),
            ("sts", "certificate-host-mismatch", 1),
            ("sts", "validation-failure", 1),
            ("tlsa", "tlsa-invalid", 1),
        ],
        ..NOTHING
    },
    Domain { seq: 1, name: "absent.test", announced: Some(false), id: None, ..NOTHING },
    Domain { seq: 2, name: "unseen.test", announced: None, id: None, ..NOTHING },
    Domain {
        seq: 4,
        name: "not-found.test",
        status: Some("unusable"),
        hosts: &[("mx1.mail.test", "usable", None, "none", 1, 0)],
        ..NOTHING
    },
    Domain { seq: 5, name: "broken-record.test", id: None, ..NOTHING },
    Domain { seq: 6, name: "timeout.test", status: Some("failed"), ..NOTHING },
    Domain { seq: 8, name: "xn--bcher-kva.test", status: Some("usable"), body: Some("bb"), mode: "none", ..NOTHING },
];

static HOST: [Field; 6] = [
    Field { name: "host", kind: FieldKind::Text },
    Field { name: "status", kind: FieldKind::Text },
    Field { name: "covered", kind: FieldKind::Bool },
    Field { name: "dane", kind: FieldKind::Text },
    Field { name: "addresses_usable", kind: FieldKind::Int },
    Field { name: "addresses_broken", kind: FieldKind::Int },
];

static COUNTED: [Field; 3] = [
    Field { name: "policy_type", kind: FieldKind::Text },
    Field { name: "result_type", kind: FieldKind::Text },
    Field { name: "count", kind: FieldKind::Int },
];

macro_rules! column {
    ($name:literal, $cell:expr) => {
        Column { name: $name, sentence: "As in the tables of a scan.", cell: $cell }
    };
}

static DOMAIN_COLUMNS: [Column<Domain>; 13] = [
    column!("seq", Cell::Int(|r| Some(r.seq))),
    column!("domain", Cell::Text(|r| Some(r.name.into()))),
    column!("observed_at", Cell::Time(|_| Some(1_795_478_395_000_000))),
    column!("announced", Cell::Bool(|r| r.announced)),
    column!("record_id", Cell::Text(|r| r.id.map(Into::into))),
    column!("policy_status", Cell::Word(|r| r.status.map(Into::into))),
    column!("policy_code", Cell::Word(|r| (r.status == Some("unusable")).then(|| "http.status".into()))),
    column!("policy_mode", Cell::Word(|r| r.status.map(|_| r.mode.into()))),
    column!("policy_mx", Cell::Texts(|r| Some(r.mx.iter().map(|mx| Cow::Borrowed(*mx)).collect()))),
    column!("policy_body_sha256", Cell::Text(|r| r.body.map(Into::into))),
    column!("policy_body_bytes", Cell::Int(|r| r.body.map(|_| 64))),
    column!("delivery_hosts", Cell::Structs(&HOST, |r| Some(r.hosts.iter().map(host).collect()))),
    column!("delivery_reports", Cell::Structs(&COUNTED, |r| Some(r.reports.iter().map(counted).collect()))),
];

fn text(text: &'static str) -> Value<'static> {
    Value::Text(text.into())
}

fn host<'a>(host: &Host) -> Struct<'a> {
    let (name, status, covered, dane, usable, broken) = *host;
    let covered = covered.map_or(Value::Null, Value::Bool);
    vec![text(name), text(status), covered, text(dane), Value::Int(usable), Value::Int(broken)]
}

fn counted<'a>(counted: &Counted) -> Struct<'a> {
    vec![text(counted.0), text(counted.1), Value::Int(counted.2)]
}

/// Number of the domain, subject, code, result type, detail.
type Finding = (i64, &'static str, &'static str, Option<&'static str>, &'static str);

static FINDINGS: [Finding; 8] = [
    (3, "", "cert.expired", Some("certificate-expired"), r#"{"host":"mx1.mail.test","address":"192.0.2.1"}"#),
    (3, "", "cert.expired", Some("certificate-expired"), r#"{"host":"mx1.mail.test","address":"2001:db8::1"}"#),
    (3, "", "cert.name", Some("certificate-host-mismatch"), r#"{"host":"mx1.mail.test","address":"192.0.2.1"}"#),
    (3, "", "mx.none_covered", Some("validation-failure"), r#"{"mode":"enforce"}"#),
    (3, "other.test", "mx.uncovered", Some("validation-failure"), ""),
    (3, "", "dane.mismatch", Some("tlsa-invalid"), r#"{"host":"signed.mail.test","address":"192.0.2.3"}"#),
    (4, "", "http.status", Some("sts-policy-fetch-error"), r#"{"status":404}"#),
    (7, "", "record.field_empty", None, ""),
];

static FINDING_COLUMNS: [Column<Finding>; 5] = [
    column!("seq", Cell::Int(|r| Some(r.0))),
    column!("subject", Cell::Text(|r| (!r.1.is_empty()).then(|| r.1.into()))),
    column!("code", Cell::Word(|r| Some(r.2.into()))),
    column!("result_type", Cell::Word(|r| r.3.map(Into::into))),
    column!("detail", Cell::Text(|r| (!r.4.is_empty()).then(|| r.4.into()))),
];

type Body = (&'static str, &'static [u8]);

static BODY_COLUMNS: [Column<Body>; 2] =
    [column!("body_sha256", Cell::Text(|r| Some(r.0.into()))), column!("body", Cell::Bytes(|r| Some(r.1.into())))];

static HOST_COLUMNS: [Column<&'static str>; 2] = [
    column!("host", Cell::Text(|r| Some((*r).into()))),
    column!("tlsa_records", Cell::Texts(|r| r.starts_with("signed").then(|| vec!["3 1 1 00ff".into()]))),
];

/// Writes a table in parts of one row each, so that what belongs together stands in different files.
fn write<R>(dataset: &Dataset, table: &Table<R>, rows: &[R]) -> Vec<stscan::store::PartInfo> {
    let mut writer = dataset.part_writer(table.name(), table.schema()).unwrap();
    for row in rows.chunks(1) {
        writer.write(&table.batch(SCAN, row).unwrap()).unwrap();
    }
    writer.finish().unwrap()
}

/// A dataset with one scan, and the contact of that scan.
fn dataset(at: &Path, finished: bool) -> PathBuf {
    let path = at.join("dataset");
    let dataset = Dataset::create(&path, SCAN).unwrap().with_limits(Limits { rows: 1, ..Limits::default() });
    let info = ScanInfo {
        scan_id: SCAN.to_owned(),
        started_at: "2026-11-23T23:59:00Z".parse().unwrap(),
        lists: Vec::new(),
        options: json!({"user_agent": "stscan/0 (+mailto:sts@research.example)"}).as_object().unwrap().clone(),
        versions: Versions::new("none", BTreeMap::new()),
        resolvers: Vec::new(),
        vantage: Vantage { host: "here".to_owned(), ..Vantage::default() },
        seed: 0,
    };
    dataset.write_scan_info(&info).unwrap();
    let mut parts = write(&dataset, &Table::new("domains").columns(&DOMAIN_COLUMNS), &DOMAINS);
    parts.extend(write(&dataset, &Table::new("findings").columns(&FINDING_COLUMNS), &FINDINGS));
    parts.extend(write(&dataset, &Table::new("policies").columns(&BODY_COLUMNS), &BODIES));
    parts.extend(write(&dataset, &Table::new("hosts").columns(&HOST_COLUMNS), &["mx1.mail.test", "signed.mail.test"]));
    assert!(parts.len() > 8, "the tables are in several parts");
    if finished {
        dataset.finish(&Totals::default(), parts, "2026-11-24T00:10:00Z".parse().unwrap()).unwrap();
    }
    path
}

fn export(dataset: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stscan"));
    command.args(["export", "tlsrpt"]).arg(dataset).args(more).stdin(Stdio::null()).output().unwrap()
}

/// The reports on standard output, by the domain of their first policy.
fn lines(output: &Output) -> BTreeMap<String, Json> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let reports = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    reports
        .map(|report| (report["policies"][0]["policy"]["policy-domain"].as_str().unwrap().to_owned(), report))
        .collect()
}

#[test]
fn each_domain_that_announces_a_policy_has_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path(), true);
    let reports = lines(&export(&dataset, &["--out", "-", "--organization", "Research"]));
    // Where nothing is announced, or we could not see, nothing is reported.
    let domains: Vec<&str> = reports.keys().map(String::as_str).collect();
    assert_eq!(domains, ["broken-record.test", "expired.test", "good.test", "not-found.test", "xn--bcher-kva.test"]);
    let lines_of_policy = json!(["version: STSv1", "mode: enforce", "mx: *.mail.test", "max_age: 86400"]);
    let policy = json!({"policy-type": "sts", "policy-string": lines_of_policy, "policy-domain": "expired.test", "mx-host": ["*.mail.test"]});
    let summary =
        |good: u64, bad: u64| json!({"total-successful-session-count": good, "total-failure-session-count": bad});
    let detail = |result: &str, host: &str, address: &str, code: &str| json!({"result-type": result, "receiving-mx-hostname": host, "receiving-ip": address, "failure-reason-code": code, "failed-session-count": 1});
    let expected = json!({
        "organization-name": "Research",
        "date-range": {"start-datetime": "2026-11-23T00:00:00Z", "end-datetime": "2026-11-24T23:59:59Z"},
        "contact-info": "sts@research.example",
        "report-id": format!("{SCAN}-3"),
        "policies": [
            {
                "policy": policy,
                "summary": summary(0, 3),
                "failure-details": [
                    detail("certificate-expired", "mx1.mail.test", "192.0.2.1", "cert.expired"),
                    detail("certificate-expired", "mx1.mail.test", "2001:db8::1", "cert.expired"),
                    detail("certificate-host-mismatch", "mx1.mail.test", "192.0.2.1", "cert.name"),
                    {"result-type": "validation-failure", "receiving-mx-hostname": "other.test", "failure-reason-code": "mx.uncovered", "failed-session-count": 1},
                ],
            },
            {
                "policy": {"policy-type": "tlsa", "policy-string": ["3 1 1 00ff"], "policy-domain": "signed.mail.test"},
                "summary": summary(0, 1),
                "failure-details": [detail("tlsa-invalid", "signed.mail.test", "192.0.2.3", "dane.mismatch")],
            },
        ],
    });
    assert_eq!(reports["expired.test"], expected);
    assert_eq!(reports["good.test"]["policies"][0]["summary"], summary(2, 0));
    let none = &reports["not-found.test"]["policies"][0];
    assert_eq!(none["policy"], json!({"policy-type": "no-policy-found", "policy-domain": "not-found.test"}));
    assert_eq!(
        (&none["summary"], &none["failure-details"][0]["failure-reason-code"]),
        (&summary(1, 1), &json!("http.status"))
    );
    assert_eq!(reports["broken-record.test"]["policies"][0]["policy"]["policy-type"], "no-policy-found");
    assert_eq!(reports["xn--bcher-kva.test"]["policies"][0]["policy"]["policy-string"], json!(["\u{fffd}\u{0}\"\\"]));
}

#[test]
fn what_cannot_be_exported_is_refused_by_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let whole = dataset(at, true);
    std::fs::write(at.join("file"), "").unwrap();
    std::fs::create_dir(at.join("half")).unwrap();
    let half = dataset(&at.join("half"), false);
    let status = |dataset: &Path, more: &[&str]| export(dataset, more).status.code();
    assert_eq!(status(&at.join("none"), &["--out", "-"]), Some(65));
    assert_eq!(status(&whole, &["--out", "-", "--scan", "another"]), Some(2));
    assert_eq!(status(&whole, &["--out", "-", "--gzip"]), Some(2));
    assert_eq!(status(&whole, &["--out", "-", "--contact-info", "nobody"]), Some(2));
    assert_eq!(status(&whole, &["--out", at.join("file").join("below").to_str().unwrap()]), Some(73));
    assert_eq!(status(&half, &["--out", "-"]), Some(65));
    assert_eq!(lines(&export(&half, &["--out", "-", "--unfinished"])).len(), 5);
    assert_eq!(lines(&export(&whole, &["--out", "-", "--scan", SCAN])).len(), 5);
    for name in ["", " "] {
        assert_eq!(status(&whole, &["--out", "-", "--organization", name]), Some(2));
    }
    // A file that is there, and is meant neither as a directory nor for lines, stays as it is.
    std::fs::write(at.join("file"), "kept").unwrap();
    assert_eq!(status(&whole, &["--out", at.join("file").to_str().unwrap()]), Some(73));
    assert_eq!(std::fs::read(at.join("file")).unwrap(), b"kept");
    // A part that the manifest names and that is gone is a loss, not an absence.
    std::fs::remove_dir_all(whole.join("findings")).unwrap();
    assert_eq!(status(&whole, &["--out", "-"]), Some(74));
}

#[test]
fn a_scan_that_is_not_finished_does_not_hide_the_one_before() {
    /// Later than [`SCAN`].
    const LATER: &str = "20261124T235900Z-0000ab";
    let folder = tempfile::tempdir().unwrap();
    let path = dataset(folder.path(), true);
    drop(Dataset::create(&path, LATER).unwrap());
    let output = export(&path, &["--out", "-"]);
    assert_eq!(lines(&output).len(), 5);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(LATER) && said.contains(SCAN), "{said}");
    // Where it is asked for, it is told as what it is.
    assert_eq!(export(&path, &["--out", "-", "--scan", LATER]).status.code(), Some(65));
    assert_eq!(lines(&export(&path, &["--out", "-", "--unfinished"])).len(), 0);
}

#[test]
fn reports_validate_against_the_rfc_and_parse_with_parsedmarc() {
    let Some(python) = crate::queries::python(["jsonschema", "parsedmarc"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path(), true);
    let (plain, packed) = (folder.path().join("plain"), folder.path().join("packed"));
    let all = folder.path().join("all.jsonl");
    for (out, more) in [(&plain, None), (&packed, Some("--gzip")), (&all, None)] {
        let line: Vec<&str> = ["--out", out.to_str().unwrap()].into_iter().chain(more).collect();
        let output = export(&dataset, &line);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let name = "research.example!good.test!1795392000!1795564799!20261123T235900Zx0000abx7.json";
    assert!(plain.join(name).is_file() && packed.join(format!("{name}.gz")).is_file());
    for place in [&plain, &packed, &all] {
        assert_eq!(valid(&python, place), 5);
    }
}

#[test]
fn every_kind_of_domain_of_the_lab_has_a_valid_report() {
    let Some(python) = crate::queries::python(["jsonschema", "parsedmarc"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let dataset = folder.path().join("dataset");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_stscan"));
    demo.args(["demo", "--size", "1", "--progress", "none", "--out"]).arg(&dataset).stdin(Stdio::null());
    // Whether each row is as it should be is the business of the test of the demo.
    assert!(matches!(demo.output().unwrap().status.code(), Some(0 | 1)));
    let scans = stscan::store::scans(&dataset).unwrap();
    let out = folder.path().join("reports");
    let output = export(&dataset, &["--scan", &scans[0].scan_id, "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let count = valid(&python, &out);
    assert!(count >= REPORTS_OF_THE_LAB, "{count} reports");
}

/// Kinds of domain of the lab that announce a policy of which something is seen, at the least.
const REPORTS_OF_THE_LAB: usize = 300;

/// How many reports there are, all of them valid.
fn valid(python: &str, place: &Path) -> usize {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tlsrpt.py");
    let output = Command::new(python).arg(&script).arg(place).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let count = said.trim_end().strip_suffix(" reports, all valid").and_then(|count| count.parse().ok());
    assert!(output.status.success(), "{said}");
    count.unwrap_or_else(|| panic!("{said}"))
}
