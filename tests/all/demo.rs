//! The demo: the shipped scan of the lab, against ground truth; and what a user does with the dataset and `check`.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn stscan(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stscan"))
        .args(arguments)
        .current_dir(folder)
        // HOSTILE.md 71: a proxy of the environment is never asked.
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env("ALL_PROXY", "http://127.0.0.1:9")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn every_row_is_on_the_diagonal() {
    let folder = tempfile::tempdir().unwrap();
    let output = stscan(folder.path(), &["demo", "--size", "1000", "--out", "dataset", "--progress", "none"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&output.stderr));

    // The dataset is whole: a manifest for each scan, whose parts are there, as long as it says.
    let dataset = folder.path().join("dataset");
    let scans = stscan::store::scans(&dataset).unwrap();
    assert!(scans.len() >= 2 && scans.iter().all(|scan| scan.finished), "{scans:?}");
    let mut mail_hosts = 0;
    for scan in scans {
        let manifest = stscan::store::read_manifest(&dataset, &scan.scan_id).unwrap().unwrap();
        assert!(manifest.totals.balance());
        assert!(manifest.parts.iter().any(|part| part.table == "domains" && part.rows > 0));
        mail_hosts += manifest.parts.iter().filter(|part| part.table == "hosts").map(|part| part.rows).sum::<u64>();
        for part in &manifest.parts {
            assert_eq!(std::fs::metadata(dataset.join(&part.path)).unwrap().len(), part.bytes);
        }
        let info: Value = serde_json::from_slice(
            &std::fs::read(dataset.join("_scans").join(&scan.scan_id).join("scan.json")).unwrap(),
        )
        .unwrap();
        assert_eq!(info["lists"][0]["rows"], manifest.totals.lines);
    }
    // The mail hosts of the lab's kinds were truly talked to: most kinds have one of their own.
    assert!(mail_hosts > 300, "{mail_hosts} mail hosts");
}
