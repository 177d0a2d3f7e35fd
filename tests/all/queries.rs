//! The dataset of the demo as an analyst has it: the queries of `tests/queries` in a real DuckDB, each against a count of
//! its own (PyArrow and plain Python), and what must hold in every dataset.

use std::path::Path;
use std::process::{Command, Stdio};

use stscan::cli::output::complain;

#[test]
fn queries_find_what_was_counted_without_them() {
    let Some(python) = python(["duckdb", "pyarrow"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let dataset = folder.path().join("dataset");
    // Whether each row is as it should be is the business of the test of the demo; here it is what queries make of them.
    let demo = Command::new(env!("CARGO_BIN_EXE_stscan"))
        .args(["demo", "--size", "3000", "--progress", "none", "--out"])
        .arg(&dataset)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&demo.stderr);
    assert!(matches!(demo.status.code(), Some(0 | 1)), "{:?}: {said}", demo.status);

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/queries/check.py");
    let output = Command::new(python).arg(script).arg(&dataset).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.trim_end().ends_with("all as counted"), "{text}");
    complain(&text);
}

/// A Python that has these modules of tests/requirements.txt: that of `STSCAN_PYTHON`, or else `python3`. Without one the
/// test is skipped, unless `STSCAN_REQUIRE_SERVERS` says that nothing may be.
pub(crate) fn python([one, other]: [&str; 2]) -> Option<String> {
    let python = std::env::var("STSCAN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", &format!("import {one}, {other}")]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let reason = format!("{python} has no {one} and {other} (pip install -r tests/requirements.txt)");
    assert!(std::env::var_os("STSCAN_REQUIRE_SERVERS").is_none(), "{reason}");
    complain(&format!("skipped: {reason}"));
    None
}
