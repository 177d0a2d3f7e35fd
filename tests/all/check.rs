//! `check` and `scan` as an operator and a researcher use them, against a lab in this process.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use stscan::lab::{self, Lab, LabOptions, Population};

/// A lab with one domain of each kind, and the network options that reach it.
struct Served {
    runtime: tokio::runtime::Runtime,
    lab: Option<Lab>,
    folder: tempfile::TempDir,
    options: Vec<String>,
}

impl Served {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let population = Population::new(lab::worlds().unwrap(), 0, 1);
        let lab = runtime.block_on(Lab::start(population, LabOptions::default())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (roots, _) = lab.write_roots(folder.path()).unwrap();
        let options = [
            "--resolver",
            &lab.resolver.to_string(),
            "--https-port",
            &lab.https_port.to_string(),
            "--smtp-port",
            &lab.smtp_port.to_string(),
            "--timeout-banner",
            "2",
            "--timeout-smtp",
            "4",
            "--roots",
            roots.to_str().unwrap(),
            "--allow-network",
            lab::NETWORK,
            "--dns-canary",
            lab::CANARY,
            "--timeout-dns",
            "2",
            "--timeout-https",
            "4",
        ]
        .map(String::from)
        .to_vec();
        Self { runtime, lab: Some(lab), folder, options }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stscan"));
        command
            .args(arguments)
            .args(&self.options)
            .args(if arguments.contains(&"--smtp-canary") { &[][..] } else { &["--smtp-canary", lab::CANARY] })
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn stscan(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(lab) = self.lab.take() {
            let _ = self.runtime.block_on(lab.stop());
        }
    }
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
}

#[test]
fn the_exit_status_says_how_a_domain_does() {
    let served = Served::start();
    // domain, exit status, outcome, a code that is among the findings or failures
    let table = [
        ("enforce.test", 0, "enforce_deliverable", None),
        ("smtp-no-starttls.test", 1, "enforce_refused", Some("smtp.no_starttls")),
        ("smtp-banner-silence.test", 75, "unknown", Some("smtp.banner_timeout")),
        ("dane-mismatch.test", 1, "enforce_refused", Some("dane.mismatch")),
        ("nobody-has-this-name.test", 0, "not_announced", None),
        ("outlook-2019.test", 1, "unusable", Some("http.status")),
        ("record-id-dashes.test", 1, "unusable", Some("record.id_syntax")),
        ("dns-rcode-2.test", 75, "unknown", Some("dns.rcode_2")),
    ];
    for (domain, status, outcome, code) in table {
        let output = served.stscan(&["check", "--json", domain]);
        let facts = json(&output);
        assert_eq!(output.status.code(), Some(status), "{domain}: {facts}");
        assert_eq!(facts["domain"], domain);
        assert_eq!(facts["outcome"], outcome, "{domain}");
        if let Some(code) = code {
            let listed = |list: &str| facts[list].as_array().unwrap().iter().any(|entry| entry["code"] == code);
            assert!(listed("findings") || listed("failures"), "{domain}: {facts}");
        }
    }
}

#[test]
fn nothing_that_a_stranger_sent_acts_on_the_terminal() {
    let served = Served::start();
    let worlds = lab::worlds().unwrap();
    // The kinds whose zone or web server sends what acts on a terminal.
    let active = |bytes: &[u8]| bytes.iter().any(|byte| *byte < 0x20 && !b"\r\n\t".contains(byte) || *byte >= 0x7f);
    let sends = |world: &&stscan::lab::World| {
        world.hosts.iter().any(|host| active(&host.body))
            || world.records.iter().any(|record| match &record.data {
                stscan::lab::world::Data::Txt(strings) => strings.iter().any(|string| active(string)),
                _ => false,
            })
    };
    let domains: Vec<String> = worlds.iter().filter(sends).map(|world| format!("{}.test", world.name)).collect();
    assert!(domains.len() >= 5, "{domains:?}");
    for domain in domains.iter().map(String::as_str) {
        for json in [&[][..], &["--json"]] {
            let output = served.stscan(&[&["check", domain], json].concat());
            let bytes = [output.stdout, output.stderr].concat();
            let active: Vec<u8> =
                bytes.iter().copied().filter(|byte| (*byte < 0x20 && *byte != b'\n') || *byte == 0x7f).collect();
            assert!(active.is_empty(), "{domain}: {active:x?} in {}", String::from_utf8_lossy(&bytes));
            let text = String::from_utf8(bytes).unwrap();
            assert!(
                !text.chars().any(|c| ('\u{80}'..='\u{9f}').contains(&c) || ('\u{202a}'..='\u{202e}').contains(&c))
            );
        }
    }
}

#[test]
fn the_page_explains_and_says_how_to_mend() {
    let served = Served::start();
    let output = served.stscan(&["check", "outlook-2019.test"]);
    let page = String::from_utf8(output.stdout).unwrap();
    for part in [
        "TXT _mta-sts.outlook-2019.test",
        "GET https://mta-sts.outlook-2019.test/",
        "http.status",
        "RFC 8461 3.3",
        "mend: ",
    ] {
        assert!(page.contains(part), "{part} is missing in:\n{page}");
    }
    assert!(!page.contains('\u{1b}'), "no colour where standard output is no terminal");
}

/// The first signal ends a scan within the time to drain, whatever a stranger's server keeps us waiting for.
#[test]
fn a_signal_drains_and_ends_the_scan() {
    let mut served = Served::start();
    let place = served.options.iter().position(|option| option == "--timeout-https").unwrap();
    served.options[place + 1] = "60".to_owned();
    std::fs::write(served.folder.path().join("list.txt"), "http-silent.test\n").unwrap();
    let arguments = ["scan", "list.txt", "--out", "dataset", "--progress", "none"];
    let scan = served.command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    let started = std::time::Instant::now();
    assert!(Command::new("kill").args(["-INT", &scan.id().to_string()]).status().unwrap().success());
    let output = scan.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(started.elapsed() < std::time::Duration::from_secs(14), "{:?}", started.elapsed());
    // What was asked stays, without a manifest that would call it finished.
    let [scan] = stscan::store::scans(&served.folder.path().join("dataset")).unwrap().try_into().unwrap();
    assert!(!scan.finished);
}

/// While a mail host that is known to work keeps us waiting nothing was asked yet, so nothing is kept.
#[test]
fn a_signal_before_the_first_question_leaves_nothing() {
    let served = Served::start();
    std::fs::write(served.folder.path().join("list.txt"), "enforce.test\n").unwrap();
    let dataset = served.folder.path().join("dataset");
    for (signal, status) in [("-INT", 130), ("-TERM", 143)] {
        let arguments = ["scan", "list.txt", "--out", "dataset", "--progress", "none", "--no-contact"];
        let arguments = [&arguments[..], &["--smtp-canary", "smtp-banner-silence.test"]].concat();
        let scan = served.command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_secs(1));
        assert!(dataset.join("_scans").is_dir(), "it has begun");
        let started = std::time::Instant::now();
        assert!(Command::new("kill").args([signal, &scan.id().to_string()]).status().unwrap().success());
        let output = scan.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(started.elapsed() < std::time::Duration::from_secs(3), "{:?}", started.elapsed());
        assert!(!dataset.exists(), "nothing is left");
    }
}

/// What the mail hosts that are known to work said stands beside the scan, by its code.
#[test]
fn the_scan_says_why_no_mail_host_was_asked() {
    let served = Served::start();
    std::fs::write(served.folder.path().join("list.txt"), "enforce.test\n").unwrap();
    let words = |mail: &str, cause: Option<&str>, v4: Option<&str>, v6: Option<&str>| {
        (mail.to_owned(), [cause, v4, v6].map(|word| word.map(str::to_owned)))
    };
    for (canary, expected) in [
        ("enforce.test", words("open", None, Some("open"), Some("unknown"))),
        ("smtp-banner-554.test", words("blocked", Some("smtp.banner_5xx"), None, None)),
        ("no-such-domain.test", words("unknown", Some("mx.none"), None, None)),
        ("none", words("granted", None, None, None)),
    ] {
        let scan = ["scan", "list.txt", "--out", canary, "--progress", "none", "--no-contact"];
        let output = served.stscan(&[&scan[..], &["--smtp-canary", canary]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let dataset = served.folder.path().join(canary);
        let [scan] = stscan::store::scans(&dataset).unwrap().try_into().unwrap();
        let vantage = stscan::store::read_scan_info(&dataset, &scan.scan_id).unwrap().unwrap().vantage;
        let told = (vantage.mail, [vantage.mail_cause, vantage.mail_ipv4, vantage.mail_ipv6]);
        assert_eq!(told, expected, "{canary}: {said}");
        // Whoever answered is named, and was reached.
        if let Some(cause) = expected.1[0].as_deref() {
            assert!(said.contains(cause) && said.contains(canary), "{said}");
            assert!(!said.contains("cannot be reached from this network"), "{said}");
        }
    }
}

/// HOSTILE.md 11: a name of compatibility characters is scanned as another spelling, and that is never silent.
#[test]
fn a_mapped_name_is_flagged() {
    let served = Served::start();
    let facts = json(&served.stscan(&["check", "--json", "ｅｎｆｏｒｃｅ．test"]));
    assert_eq!((&facts["domain"], &facts["mapped"]), (&"enforce.test".into(), &true.into()));
    assert_eq!(facts["original"], "ｅｎｆｏｒｃｅ．test");
    assert!(facts["finding_codes"].as_array().unwrap().contains(&"list.mapped".into()), "{facts}");
    std::fs::write(served.folder.path().join("list.txt"), "ｅｎｆｏｒｃｅ．test\n").unwrap();
    let output = served.stscan(&["scan", "list.txt", "--out", "dataset", "--progress", "none"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let dataset = served.folder.path().join("dataset");
    let [scan] = stscan::store::scans(&dataset).unwrap().try_into().unwrap();
    let manifest = stscan::store::read_manifest(&dataset, &scan.scan_id).unwrap().unwrap();
    assert_eq!(manifest.totals.counts.get("finding:list.mapped"), Some(&1));
    assert_eq!(manifest.totals.counts.get("mode:enforce"), Some(&1));
}
