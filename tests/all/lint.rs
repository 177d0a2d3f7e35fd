//! The rules against tables of cases, and `lint --jsonl` against lines that nobody should send.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};
use stscan::finding::{Code, Severity};
use stscan::lint::{self, LINE_MAX};

/// The tables: a case a line, with its input, its verdicts, the value read, and the exact set of codes.
const TABLES: [(&str, &str); 4] = [
    ("record", include_str!("../rules/record.jsonl")),
    ("policy", include_str!("../rules/policy.jsonl")),
    ("match", include_str!("../rules/match.jsonl")),
    ("tlsrpt", include_str!("../rules/tlsrpt.jsonl")),
];

fn cases() -> impl Iterator<Item = Value> {
    TABLES.iter().flat_map(|(_, table)| table.lines()).map(|line| serde_json::from_str(line).unwrap())
}

/// Where an answer differs from its case: verdicts, values, and codes as a set.
fn differences(case: &Value, answer: &Value) -> Vec<String> {
    let set = |list: &Value, code: fn(&Value) -> &Value| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|item| code(item).as_str().unwrap().to_owned()).collect()
    };
    let name = &case["case"];
    let mut differences = Vec::new();
    for (key, expected) in case.as_object().unwrap() {
        let same = match &**key {
            "case" => true,
            "input" => answer["kind"] == expected["kind"],
            "codes" => set(&answer["findings"], |finding| &finding["code"]) == set(expected, |code| code),
            _ => &answer[key] == expected,
        };
        if !same {
            differences.push(format!("{name}: {key} should be {expected} in {answer}"));
        }
    }
    differences
}

/// Checks all answers, and shows all differences at once.
fn check(answers: &[Value]) {
    assert_eq!(answers.len(), cases().count());
    let differences: Vec<String> = cases().zip(answers).flat_map(|(case, answer)| differences(&case, answer)).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// Runs lines through the stream behind `lint --jsonl`; one answer a line.
fn through_the_stream(input: &[u8]) -> Vec<Value> {
    let mut output = Vec::new();
    lint::stream(input, &mut output).unwrap();
    output.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
fn every_case_has_its_answer() {
    let answer = |case: Value| lint::answer(case["input"].to_string().as_bytes());
    let answers: Vec<String> = cases().map(answer).collect();
    assert!(answers.iter().all(|answer| !answer.contains('\n')));
    check(&answers.iter().map(|answer| serde_json::from_str(answer).unwrap()).collect::<Vec<_>>());
}

#[test]
fn the_tables_are_sound() {
    assert!(cases().count() >= 300);
    for (kind, table) in TABLES {
        let mut names = BTreeSet::new();
        for case in table.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            assert_eq!(case["input"]["kind"], kind);
            assert!(names.insert(case["case"].as_str().unwrap().to_owned()), "{} stands twice", case["case"]);
            let gravest = case["codes"].as_array().unwrap().iter().map(|code| {
                Code::find(code.as_str().unwrap()).and_then(Code::severity).unwrap_or_else(|| panic!("{code}"))
            });
            let gravest = gravest.max().unwrap_or(Severity::Note);
            if kind != "match" {
                assert_eq!(case["effective_ok"], gravest < Severity::Fatal, "{}", case["case"]);
                assert_eq!(case["strict_ok"], gravest < Severity::Violation, "{}", case["case"]);
            }
        }
    }
}

#[test]
fn every_code_of_the_rules_has_a_case() {
    let covered: BTreeSet<String> = cases()
        .flat_map(|case| case["codes"].as_array().unwrap().clone())
        .map(|code| code.as_str().unwrap().to_owned())
        .collect();
    // What only a look at the network can find.
    let elsewhere = [
        "record.wildcard",
        "record.too_long",
        "record.at_apex",
        "record.at_parent",
        "record.dangling",
        "record.delegated",
        "policy.host_none",
        "policy.host_dangling",
        "policy.host_delegated",
    ];
    let missing: Vec<&str> = stscan::finding::all()
        .map(Code::as_str)
        .filter(|code| ["record.", "policy.", "tlsrpt."].iter().any(|area| code.starts_with(area)))
        .filter(|code| !covered.contains(*code) && !elsewhere.contains(code))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn answers_come_in_order() {
    let input: String = cases().map(|case| case["input"].to_string() + "\n").collect();
    check(&through_the_stream(input.as_bytes()));
}

/// All cases, through the binary itself.
#[test]
fn the_binary_answers_every_case() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cases.jsonl");
    std::fs::write(&file, cases().map(|case| case["input"].to_string() + "\n").collect::<String>()).unwrap();
    for from_stdin in [false, true] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_stscan"));
        command.args(["lint", "--jsonl"]);
        if from_stdin {
            command.stdin(std::fs::File::open(&file).unwrap());
        } else {
            command.arg(&file);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let answers: Vec<Value> =
            String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        check(&answers);
    }
}

#[test]
fn a_line_that_is_no_request_gets_an_error_and_the_next_is_read() {
    let hostile: &[&[u8]] = &[
        b"",
        b" ",
        b"\r",
        b"\0",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"1",
        b"\"record\"",
        b"{}",
        b"{",
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b"{\"kind\":null}",
        b"{\"kind\":\"Record\",\"input\":[]}",
        b"{\"kind\":\"spf\",\"input\":[]}",
        b"{\"kind\":\"record\"}",
        b"{\"kind\":\"record\",\"input\":1}",
        b"{\"kind\":\"record\",\"input\":[1]}",
        b"{\"kind\":\"record\",\"input\":[[1]]}",
        b"{\"kind\":\"record\",\"input\":[[[\"a\"]]]}",
        b"{\"kind\":\"record\",\"input\":{\"a\":\"b\"}}",
        b"{\"kind\":\"tlsrpt\",\"input\":null}",
        b"{\"kind\":\"record\",\"input\":null,\"input_base64\":null}",
        b"{\"kind\":\"record\",\"input\":[null]}",
        b"{\"kind\":\"record\",\"input_base64\":[\"*\"]}",
        b"{\"kind\":\"record\",\"input_base64\":[[[\"YQ==\"]]]}",
        b"{\"kind\":\"record\",\"input_base64\":[1]}",
        b"{\"kind\":\"record\",\"input\":[\"a\"],\"input_base64\":[\"YQ==\"]}",
        b"{\"kind\":\"tlsrpt\",\"input_base64\":1}",
        b"{\"kind\":\"policy\"}",
        b"{\"kind\":\"policy\",\"input\":null,\"input_base64\":null}",
        b"{\"kind\":\"policy\",\"input\":[\"a\"]}",
        b"{\"kind\":\"policy\",\"input_base64\":\"*\"}",
        b"{\"kind\":\"policy\",\"input_base64\":1}",
        b"{\"kind\":\"policy\",\"input\":\"a\",\"input_base64\":\"YQ==\"}",
        b"{\"kind\":\"policy\",\"input\":\"\xff\"}",
        b"{\"kind\":\"policy\",\"input\":\"\\ud800\"}",
        b"{\"kind\":\"match\",\"patterns\":\"a\",\"host\":\"a\"}",
        b"{\"kind\":\"match\",\"patterns\":[1],\"host\":\"a\"}",
        b"{\"kind\":\"match\",\"patterns\":[]}",
        b"{\"kind\":\"match\",\"host\":\"a\"}",
        b"{\"kind\":\"match\",\"patterns\":[],\"host\":null}",
    ];
    let deep = [b"[".repeat(100_000), b"{\"a\":".repeat(10_000)];
    let good = br#"{"kind":"record","input":["v=STSv1; id=1;"]}"#;
    let mut input = Vec::new();
    for line in hostile.iter().copied().chain(deep.iter().map(Vec::as_slice)) {
        input.extend_from_slice(line);
        input.push(b'\n');
        input.extend_from_slice(good);
        input.push(b'\n');
    }
    let answers = through_the_stream(&input);
    assert_eq!(answers.len(), 2 * (hostile.len() + deep.len()));
    for (index, pair) in answers.chunks(2).enumerate() {
        assert!(pair[0]["error"].is_string(), "line {index}: {}", pair[0]);
        assert_eq!(pair[0].as_object().unwrap().len(), 1);
        assert_eq!(pair[1]["strict_ok"], true);
    }
}

#[test]
fn a_line_has_a_longest_length() {
    let good = json!({"kind": "record", "input": ["v=STSv1; id=1;"]}).to_string();
    let line = |length: usize| good.clone() + &" ".repeat(length - good.len());
    let input = [line(LINE_MAX), line(LINE_MAX + 1), line(10 * LINE_MAX), good.clone()].join("\n");
    let answers = through_the_stream(input.as_bytes());
    let errors: Vec<bool> = answers.iter().map(|answer| answer["error"].is_string()).collect();
    assert_eq!(errors, [false, true, true, false], "the last line needs no line end");
    assert!(through_the_stream(b"").is_empty());
    assert_eq!(through_the_stream(b"\n").len(), 1);
    assert_eq!(through_the_stream(b"\n\n{}").len(), 3);
}

/// Gives its bytes in pieces, as a pipe does.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.1.min(self.0.len()).min(buffer.len());
        buffer[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

#[test]
fn where_the_input_is_cut_does_not_matter() {
    let input: String = cases().take(50).map(|case| case["input"].to_string() + "\n").collect();
    let mut whole = Vec::new();
    lint::stream(input.as_bytes(), &mut whole).unwrap();
    for size in [1, 7, 64, 4096] {
        let mut output = Vec::new();
        lint::stream(Pieces(input.as_bytes(), size), &mut output).unwrap();
        assert!(output == whole, "pieces of {size} bytes");
    }
}

/// A program that waits for each answer before it sends the next line must not wait for ever.
#[test]
fn an_answer_does_not_wait_for_the_next_line() {
    use std::io::{BufRead as _, BufReader, Write as _, pipe};
    let (questions, mut ask) = pipe().unwrap();
    let (hear, answers) = pipe().unwrap();
    let worker = std::thread::spawn(move || lint::stream(questions, answers));
    let mut hear = BufReader::new(hear);
    for id in ["1", "a-b", "2"] {
        writeln!(ask, "{}", json!({"kind": "record", "input": [format!("v=STSv1; id={id}")]})).unwrap();
        let mut answer = String::new();
        hear.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["effective_ok"], id != "a-b");
    }
    // Nobody listens any more: the stream ends with that, and does not panic.
    drop(hear);
    let _ = writeln!(ask, "{{}}");
    drop(ask);
    assert_eq!(worker.join().unwrap().unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
}

/// Generous, for the test profile on a busy machine: what is looked for is the quadratic, not the slow.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn large_inputs_take_their_time_and_no_more() {
    let head = "version: STSv1\nmode: enforce\nmax_age: 604800\n";
    let bodies = [
        head.to_owned() + &(0..10_000).map(|n| format!("mx: mx{n}.example.com\n")).collect::<String>(),
        head.to_owned() + &"mx: *.com\n".repeat(10_000),
        head.to_owned() + &"mx: 10 a.example, b\n".repeat(10_000),
        head.to_owned() + &(0..10_000).map(|n| format!("field{n}: x\n")).collect::<String>(),
        head.to_owned() + &"\n".repeat(65_536),
        head.to_owned() + &"<".repeat(65_536),
        head.to_owned() + "mx: " + &"a.".repeat(32_768),
        head.to_owned() + "mx: " + &"*, ".repeat(21_845),
        head.to_owned() + &"x".repeat(65_536),
        "\r".repeat(65_536) + head,
    ];
    for body in &bodies {
        let start = Instant::now();
        let reading = stscan::sts::policy::read(body.as_bytes());
        assert!(start.elapsed() < SOON / 2, "{:.40}: {:?}", body[head.len()..].trim_start(), start.elapsed());
        assert!(reading.findings.len() < 1000);
    }
    let texts = [
        b"v=STSv1".repeat(100_000),
        [b"v=STSv1;".to_vec(), b";".repeat(900_000)].concat(),
        [b"v=STSv1;".to_vec(), b"a=b;".repeat(200_000)].concat(),
        b"v=STSv".repeat(100_000),
        b"\"".repeat(900_000),
        b" ".repeat(900_000),
    ];
    for text in &texts {
        let start = Instant::now();
        let findings = stscan::sts::record::read(&[text]).reading.findings;
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        assert!(findings.len() < 1000);
    }
}

#[test]
fn fifty_thousand_lines_are_soon_answered() {
    let lines: Vec<String> = cases().map(|case| case["input"].to_string()).filter(|line| line.len() < 4096).collect();
    let input: String = lines.iter().cycle().take(50_000).map(|line| line.clone() + "\n").collect();
    let start = Instant::now();
    let mut output = Vec::new();
    lint::stream(input.as_bytes(), &mut output).unwrap();
    assert_eq!(output.iter().filter(|byte| **byte == b'\n').count(), 50_000);
    assert!(start.elapsed() < 6 * SOON, "{:?}", start.elapsed());
}

proptest! {
    #[test]
    fn any_line_has_one_answer(line in prop::collection::vec(any::<u8>(), 0..100)) {
        let answer = lint::answer(&line);
        prop_assert!(!answer.contains('\n'));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        prop_assert!(answer["error"].is_string() != answer["kind"].is_string());
    }

    #[test]
    fn strictly_right_is_usable(kind in 0..3_usize, text in "(v=STSv1;|v=TLSRPTv1;|version: )?(id=1;|rua=mailto:a@b)?\\PC{0,20}") {
        let kind = ["record", "policy", "tlsrpt"][kind];
        let answer: Value =
            serde_json::from_str(&lint::answer(json!({"kind": kind, "input": text}).to_string().as_bytes())).unwrap();
        prop_assert!(answer["effective_ok"] == true || answer["strict_ok"] == false);
        let value = if kind == "record" { "id" } else if kind == "policy" { "mode" } else { "rua" };
        prop_assert_eq!(answer["effective_ok"] == true, !answer[value].is_null());
        let fatal = answer["findings"].as_array().unwrap().iter().any(|finding| finding["severity"] == "fatal");
        prop_assert_eq!(answer["effective_ok"] == false, fatal);
    }

    #[test]
    fn what_matches_is_usable(patterns in prop::collection::vec("(\\*\\.)?[a-c._-]{0,4}(example\\.com\\.?)?", 0..4), host in "([a-c]\\.)?example\\.com\\.?|\\PC{0,6}") {
        let answer = lint::matching(&patterns, &host);
        let matched = answer.values.iter().any(|(name, value)| *name == "matched" && *value == true);
        prop_assert!(answer.effective_ok || !(answer.strict_ok || matched));
    }
}
