//! The dataset directory: what is made, with which modes, and what is refused.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::column::{Cell, Column};
use crate::store::{ListInfo, Table, Vantage, Versions};

static COLUMNS: [Column<i64>; 1] = [Column { name: "seq", sentence: "The number.", cell: Cell::Int(|row| Some(*row)) }];

fn info() -> ScanInfo {
    let list = ListInfo {
        name: "tranco".to_owned(),
        id: Some("K2X9W".to_owned()),
        format: "csv".to_owned(),
        sha256: "ab".repeat(32),
        rows: 2,
    };
    let options = serde_json::json!({"depth": "mail", "rate": 500});
    ScanInfo {
        scan_id: "s1".to_owned(),
        started_at: "2026-11-23T20:15:00Z".parse().unwrap(),
        lists: vec![list],
        options: options.as_object().unwrap().clone(),
        versions: Versions::new("2026-11-20", BTreeMap::from([("mozilla".to_owned(), "1.0.7".to_owned())])),
        resolvers: vec!["udp://127.0.0.1:53".to_owned()],
        vantage: Vantage { host: "probe-1".to_owned(), mail: "open".to_owned(), ..Vantage::default() },
        seed: u64::MAX,
    }
}

fn totals() -> Totals {
    Totals { lines: 3, rows: 3, outcomes: BTreeMap::from([("not_announced".to_owned(), 3)]), ..Totals::default() }
}

/// Everything below a directory, with its kind and mode.
fn modes(directory: &Path) -> Vec<(PathBuf, bool, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        found.push((path.clone(), path.is_dir(), path.metadata().unwrap().permissions().mode() & 0o7777));
        if path.is_dir() {
            found.extend(modes(&path));
        }
    }
    found
}

#[test]
fn a_scan_is_finished_when_its_manifest_is_there_and_not_before() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("deep/dataset");
    let dataset = Dataset::create(&directory, "s1").unwrap();
    dataset.write_scan_info(&info()).unwrap();
    let table = Table::new("domains").columns(&COLUMNS);
    let mut writer = dataset.part_writer(table.name(), table.schema()).unwrap();
    writer.write(&table.batch("s1", &[0, 1, 2]).unwrap()).unwrap();
    let parts = writer.finish().unwrap();

    let entry = |finished| vec![ScanEntry { scan_id: "s1".to_owned(), finished }];
    assert_eq!(scans(&directory).unwrap(), entry(false));
    assert_eq!(read_manifest(&directory, "s1").unwrap(), None);
    assert_eq!(read_scan_info(&directory, "s1").unwrap(), Some(info()));

    let written = dataset.finish(&totals(), parts.clone(), "2026-11-23T20:16:00Z".parse().unwrap()).unwrap();
    assert_eq!(scans(&directory).unwrap(), entry(true));
    assert_eq!(read_manifest(&directory, "s1").unwrap().as_ref(), Some(&written));
    assert_eq!((written.parts, written.totals), (parts, totals()));

    let found = modes(home.path());
    assert!(found.iter().all(|(path, _, _)| !path.to_string_lossy().contains(".tmp-")), "{found:?}");
    for (path, is_directory, mode) in &found {
        assert_eq!(*mode, if *is_directory { 0o700 } else { 0o600 }, "{}", path.display());
    }
    assert_eq!(found.iter().filter(|(_, is_directory, _)| !is_directory).count(), 3);
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    // The umask belongs to the process: the test of the modes runs again in one of its own.
    let again = "store::dataset::tests::a_scan_is_finished_when_its_manifest_is_there_and_not_before";
    let this = std::env::current_exe().unwrap();
    let output = std::process::Command::new("sh")
        .args(["-c", "umask 000 && exec \"$0\" --exact \"$1\""])
        .arg(this)
        .arg(again)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn json_has_stable_names() {
    let home = tempfile::tempdir().unwrap();
    let dataset = Dataset::create(home.path(), "s1").unwrap();
    dataset.write_scan_info(&info()).unwrap();
    let part = PartInfo {
        table: "t".into(),
        path: "t/scan=s1/part-000000.parquet".into(),
        rows: 1,
        bytes: 2,
        sha256: "ff".into(),
    };
    dataset.finish(&totals(), vec![part], "2026-11-23T20:16:00Z".parse().unwrap()).unwrap();
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(home.path().join("_scans/s1").join(name)).unwrap()).unwrap()
    };
    let scan = json("scan.json");
    assert_eq!(scan["started_at"], "2026-11-23T20:15:00Z");
    assert_eq!(scan["lists"][0]["id"], "K2X9W");
    assert_eq!(scan["options"]["depth"], "mail");
    assert_eq!(scan["versions"]["roots"]["mozilla"], "1.0.7");
    assert_eq!(scan["versions"]["schema"], SCHEMA_VERSION);
    assert_eq!(scan["vantage"]["host"], "probe-1");
    assert_eq!(scan["seed"], u64::MAX);
    let manifest = json("manifest.json");
    assert_eq!(manifest["finished_at"], "2026-11-23T20:16:00Z");
    assert_eq!(manifest["parts"][0]["sha256"], "ff");
    assert_eq!(manifest["totals"]["outcomes"]["not_announced"], 3);
}

#[test]
fn a_scan_is_begun_once_and_only_where_files_can_be_made() {
    let home = tempfile::tempdir().unwrap();
    Dataset::create(home.path(), "s1").unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let cases = [
        (home.path().to_owned(), "s1", 73),
        (file.clone(), "s1", 73),
        (file.join("below"), "s1", 73),
        (PathBuf::from("/proc/stscan"), "s1", 73),
        (home.path().to_owned(), "", 2),
        (home.path().to_owned(), "..", 2),
        (home.path().to_owned(), "a/b", 2),
        (home.path().to_owned(), "é", 2),
    ];
    for (directory, scan_id, expected) in cases {
        let refused = Dataset::create(&directory, scan_id).err().map(|error| error.exit_status());
        assert_eq!(refused, Some(expected), "{} {scan_id:?}", directory.display());
    }
    Dataset::create(home.path(), "s2").unwrap();
}

#[test]
fn a_directory_that_was_there_keeps_its_mode() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    Dataset::create(home.path(), "s1").unwrap();
    assert_eq!(home.path().metadata().unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn what_is_no_dataset_and_what_is_damaged_is_bad_input() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(scans(home.path()).err().map(|error| error.exit_status()), Some(65));
    assert_eq!(scans(&home.path().join("missing")).err().map(|error| error.exit_status()), Some(65));
    Dataset::create(home.path(), "s1").unwrap();
    fs::write(home.path().join("_scans/s1/manifest.json"), "{\"scan_id\":").unwrap();
    assert_eq!(read_manifest(home.path(), "s1").err().map(|error| error.exit_status()), Some(65));
    assert_eq!(read_scan_info(home.path(), "s1").unwrap(), None);
}

#[test]
fn scans_are_named_and_sorted_by_time() {
    let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let earlier = new_scan_id(time("2026-11-23T20:15:00.9Z"), 0xffab_12cd);
    let later = new_scan_id(time("2026-11-23T20:15:01Z"), 1);
    assert_eq!((earlier.as_str(), later.as_str()), ("20261123T201500Z-ab12cd", "20261123T201501Z-000001"));
    let home = tempfile::tempdir().unwrap();
    for scan_id in [&later, &earlier] {
        Dataset::create(home.path(), scan_id).unwrap();
    }
    fs::write(home.path().join("_scans/notes.txt"), "").unwrap();
    let names: Vec<_> = scans(home.path()).unwrap().into_iter().map(|scan| scan.scan_id).collect();
    assert_eq!(names, [earlier, later]);
}
