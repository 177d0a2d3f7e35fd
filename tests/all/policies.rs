//! The verdict on every policy of the corpus: 152 files as they stand in public repositories (tests/corpus/index.csv).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use stscan::sts::policy;

/// The verdicts, read against RULES.md by eye. A change of the rules shows here which policies it touches.
const VERDICTS: &str = include_str!("../corpus/verdicts.txt");

/// One line a policy: file, strict, effective, mode, max_age, number of mx, codes.
fn verdicts() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/policies");
    let files: BTreeSet<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut out = String::new();
    for file in files {
        let reading = policy::read(&std::fs::read(&file).unwrap());
        let letter = |yes: bool| if yes { "yes" } else { "no" };
        let name = file.file_name().unwrap().to_str().unwrap();
        let value = reading.value.as_ref().map_or("- - -".to_owned(), |policy| {
            format!("{} {} {}", policy.mode.word(), policy.max_age, policy.mx.len())
        });
        let codes: BTreeSet<&str> = reading.findings.iter().map(|finding| finding.code.as_str()).collect();
        let codes: Vec<&str> = codes.into_iter().collect();
        let codes = if codes.is_empty() { "-".to_owned() } else { codes.join(",") };
        writeln!(out, "{name} {} {} {value} {codes}", letter(reading.strict_ok()), letter(reading.effective_ok()))
            .unwrap();
    }
    out
}

#[test]
fn every_policy_of_the_corpus_has_its_verdict() {
    let found = verdicts();
    let header: String =
        VERDICTS.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let found = header + &found;
    if found != VERDICTS {
        let changed: Vec<(&str, &str)> = VERDICTS.lines().zip(found.lines()).filter(|(old, new)| old != new).collect();
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verdicts.txt");
        std::fs::write(&new, &found).unwrap();
        panic!("the verdicts changed; the new ones stand in {}\n{changed:#?}", new.display());
    }
}

#[test]
fn the_corpus_is_whole() {
    let index = include_str!("../corpus/index.csv");
    let listed: Vec<&str> = index.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    let judged: Vec<&str> =
        VERDICTS.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(listed.len(), 152);
    assert_eq!(listed, judged);
}

/// CRLF or LF, and a terminator at the end or none, never change what a sender makes of a policy.
#[test]
fn terminators_do_not_matter() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/policies");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let lf = std::fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
        let reading = policy::read(lf.as_bytes());
        assert_eq!(policy::read(lf.replace('\n', "\r\n").as_bytes()), reading, "{path:?}");
        let without = lf.strip_suffix('\n').unwrap_or(&lf);
        assert_eq!(policy::read(without.as_bytes()).value, reading.value, "{path:?}");
    }
}
