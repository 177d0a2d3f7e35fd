#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use proptest::prelude::*;

use super::*;
use crate::finding::{REPEATS_MAX, Severity};
use crate::text;

fn codes(body: &[u8]) -> Vec<&'static str> {
    let mut codes: Vec<_> = read(body).findings.iter().map(|finding| finding.code.as_str()).collect();
    codes.sort_unstable();
    codes
}

#[test]
fn every_finding_has_its_line() {
    let reading = read(b"version: STSv1\n mode: enforce\n\nmx: 192.0.2.1\rmx: a.example\nmax_age : 86400\nx\n");
    let places: Vec<_> = reading
        .findings
        .iter()
        .map(|finding| (finding.code.as_str(), finding.detail.get("line").and_then(serde_json::Value::as_u64).unwrap()))
        .collect();
    let expected = [
        ("policy.leading_space", 2),
        ("policy.blank_line", 3),
        ("policy.line_end", 4),
        ("policy.mx_address", 4),
        ("policy.space_before_colon", 6),
        ("policy.line_syntax", 7),
    ];
    assert_eq!(places, expected, "in the order of the input");
    assert_eq!(reading.value.unwrap().mx.len(), 1);
}

#[test]
fn every_line_end_counts() {
    let line = |body: &[u8]| read(body).findings[0].detail.get("line").and_then(serde_json::Value::as_u64);
    for end in ["\n", "\r\n", "\r"] {
        let body = |last: &[u8]| [["x: y", "", ""].join(end).as_bytes(), last].concat();
        let reading = read(&body(b"x: \xff"));
        let utf8 = reading.findings.iter().find(|finding| finding.code == policy::UTF8).unwrap();
        assert_eq!(utf8.detail.get("line"), Some(&3.into()), "{end:?}");
        assert_eq!(line(&body(b"<html>")), Some(3), "{end:?}");
    }
}

#[test]
fn bytes_that_are_no_text() {
    assert_eq!(
        codes(b"version: STSv1\nmode: none\nmax_age: 86400\nx: \xff\n"),
        ["policy.extension", "policy.utf8"],
        "the rest is read all the same"
    );
    assert_eq!(codes(b"\xef\xbb\xbf"), ["policy.bom", "policy.empty"]);
    assert_eq!(codes(b""), ["policy.empty"]);
    assert_eq!(codes(b" \r\n\t\n"), ["policy.empty"]);
}

#[test]
fn a_flood_is_bounded() {
    let flood = "version: STSv1\nmode: enforce\nmax_age: 86400\n".to_owned() + &"mx: 192.0.2.1\n".repeat(10_000);
    let reading = read(flood.as_bytes());
    assert!(reading.value.is_none() && reading.findings.len() == REPEATS_MAX + 2);
    let long = format!("version: STSv1\nmode: none\nmax_age: 86400\n{}: {}\n", "x".repeat(30_000), "y".repeat(30_000));
    let reading = read(long.as_bytes());
    assert!(reading.value.is_some());
    assert!(reading.findings.iter().all(|finding| finding.subject.len() <= text::KEPT));
}

/// Lines that are a policy, almost.
fn bodies() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("version: STSv1".to_owned()),
        4 => prop_oneof![Just("mode: enforce"), Just("mode: testing"), Just("mode: none")].prop_map(str::to_owned),
        4 => "max_age: [0-9]{1,10}",
        4 => "mx: (\\*\\.)?[a-z]{1,5}\\.[a-z]{2,3}\\.?",
        1 => "[a-zA-Z_]{1,4}: ?[!-~]{0,5}",
        1 => "[^\r\n]{0,8}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn a_reading_is_whole(body in bodies()) {
        let reading = read(body.as_bytes());
        let fatal = reading.findings.iter().any(|finding| finding.severity() == Severity::Fatal);
        prop_assert_eq!(reading.value.is_none(), fatal, "{:?}", reading.findings);
        prop_assert!(reading.effective_ok() || !reading.strict_ok());
        if let Some(policy) = reading.value {
            prop_assert!(policy.mode == Mode::None || !policy.mx.is_empty());
            prop_assert!(policy.max_age <= MAX_AGE_MAX);
        }
    }

    #[test]
    fn any_bytes_are_read(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let reading = read(&body);
        let fatal = reading.findings.iter().any(|finding| finding.severity() == Severity::Fatal);
        prop_assert_eq!(reading.value.is_none(), fatal);
    }

    #[test]
    fn lf_and_crlf_read_alike(body in bodies()) {
        prop_assert_eq!(read(body.as_bytes()), read(body.replace('\n', "\r\n").as_bytes()));
    }

    #[test]
    fn the_last_terminator_is_optional(body in bodies().prop_filter("a last line", |body| !body.is_empty() && !body.ends_with('\n'))) {
        let with = body.clone() + "\n";
        prop_assert_eq!(read(body.as_bytes()).value, read(with.as_bytes()).value);
    }

    #[test]
    fn the_order_of_lines_is_free(lines in Just(vec!["version: STSv1", "mode: enforce", "max_age: 604800", "mx: a.example"]).prop_shuffle()) {
        let reading = read(lines.join("\n").as_bytes());
        prop_assert!(reading.strict_ok());
        let noted = reading.findings.iter().any(|finding| finding.code == policy::VERSION_NOT_FIRST);
        prop_assert_eq!(noted, lines[0] != "version: STSv1");
    }
}
