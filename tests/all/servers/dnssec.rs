//! An unbound that validates in front of an nsd that serves zones signed with ldns, under a root and a trust anchor of our
//! own; and TLSA records of certificates that openssl made.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use stscan::dane::{self, Tlsa};
use stscan::name::HostName;
use stscan::net::NetConfig;
use stscan::net::dns::{Answer, Lookup, Resolver, Security};

use super::program;
use super::unbound::{Servers, Validation, Zone, verdict};
use crate::dns::config;

/// How a zone below the root is signed and delegated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Signing {
    /// Signed, with NSEC and a DS record that fits.
    Secure,
    /// The same with NSEC3.
    Nsec3,
    /// Neither signed nor said to be.
    Insecure,
    /// Signed, until a time that has passed.
    Expired,
    /// Signed, with the DS record of another key.
    WrongDs,
    /// Not signed, with a DS record.
    Stripped,
    /// Not served at all: the zone has no file.
    Broken,
}

/// Zones below a signed root, and its trust anchor.
pub(crate) struct Tree {
    /// The root and all zones, signed or not.
    pub(crate) zones: Vec<Zone>,
    /// The DNSKEY record of the root.
    pub(crate) anchor: String,
}

impl Tree {
    /// Signs zones, each a name, the text of its file (with SOA and NS) and how, and puts a root above them that delegates
    /// to each. `None` where ldns is not installed.
    ///
    /// The name server of each is `ns.` below it, and its address is nobody's business: unbound is told where nsd is.
    pub(crate) fn sign(zones: &[(&'static str, String, Signing)]) -> Option<Self> {
        program("ldns-keygen")?;
        program("ldns-signzone")?;
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let mut signed = Vec::new();
        let mut root = "$ORIGIN .\n$TTL 300\n@ SOA ns.root.test. hostmaster.root.test. 1 3600 600 86400 60\n\
            @ NS ns.root.test.\nns.root.test. A 127.0.0.1\n"
            .to_owned();
        for (name, text, signing) in zones {
            writeln!(root, "{name}. NS ns.{name}.\nns.{name}. A 127.0.0.1").unwrap();
            let (key, delegated) = match signing {
                Signing::Insecure | Signing::Broken => (None, None),
                Signing::Stripped => (None, Some(keygen(at, name))),
                Signing::WrongDs => (Some(keygen(at, name)), Some(keygen(at, name))),
                Signing::Secure | Signing::Nsec3 | Signing::Expired => {
                    let key = keygen(at, name);
                    (Some(key.clone()), Some(key))
                }
            };
            if let Some(key) = delegated {
                root.push_str(&fs::read_to_string(at.join(format!("{key}.ds"))).unwrap());
            }
            let options: &[&str] = match signing {
                Signing::Nsec3 => &["-n", "-t", "0"],
                Signing::Expired => &["-i", "20200101", "-e", "20200201"],
                _ => &[],
            };
            let text = match key {
                Some(key) => sign(at, name, text, &key, options),
                None if *signing == Signing::Broken => String::new(),
                None => text.clone(),
            };
            signed.push((*name, text));
        }
        let key = keygen(at, ".");
        signed.push((".", sign(at, ".", &root, &key, &[])));
        Some(Self { zones: signed, anchor: fs::read_to_string(at.join(format!("{key}.key"))).unwrap() })
    }

    /// Serves the zones and validates them, once there is text at a name; `None` where unbound or nsd is not installed.
    pub(crate) async fn serve(&self, text_at: &str, explains: bool) -> Option<Servers> {
        let validation = Validation { anchor: self.anchor.clone(), explains };
        Servers::start_with(&self.zones, text_at, Some(&validation)).await
    }
}

/// Makes a key that signs both keys and zone, with its DS record; gives the base name of its files.
fn keygen(at: &Path, zone: &str) -> String {
    run(at, Command::new("ldns-keygen").args(["-k", "-a", "ECDSAP256SHA256", zone])).trim().to_owned()
}

/// The zone with its signatures.
fn sign(at: &Path, zone: &str, text: &str, key: &str, options: &[&str]) -> String {
    fs::write(at.join("zone"), text).unwrap();
    run(at, Command::new("ldns-signzone").args(options).args(["-o", zone, "-f", "signed", "zone", key]));
    fs::read_to_string(at.join("signed")).unwrap()
}

/// Runs a command in a directory to its end, and gives what it printed.
fn run(at: &Path, command: &mut Command) -> String {
    let output = command.current_dir(at).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A zone with its SOA and NS records and these below them.
pub(crate) fn zone(name: &'static str, signing: Signing, records: &str) -> (&'static str, String, Signing) {
    let text = format!(
        "$ORIGIN {name}.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n{records}\n"
    );
    (name, text, signing)
}

const TEXT: &str = "one TXT \"v=STSv1; id=1;\"";

fn zones() -> Vec<(&'static str, String, Signing)> {
    let signed = format!(
        "{TEXT}\n@ MX 10 mx\nmx A 192.0.2.1\nmx AAAA 2001:db8::1\n*.wild TXT wild\nalias CNAME one\n\
        out CNAME one.insecure.test.\ngone CNAME nothing\nlost CNAME one.expired.test.\n"
    );
    vec![
        zone("secure.test", Signing::Secure, &signed),
        zone("nsec3.test", Signing::Nsec3, &signed),
        zone("insecure.test", Signing::Insecure, &format!("{TEXT}\nback CNAME one.secure.test.")),
        zone("expired.test", Signing::Expired, TEXT),
        zone("wrong-ds.test", Signing::WrongDs, TEXT),
        zone("stripped.test", Signing::Stripped, TEXT),
        zone("broken.test", Signing::Broken, TEXT),
    ]
}

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

fn told_by(answer: &Answer<impl Sized>) -> Option<String> {
    let Lookup::Failed(failure) = &answer.lookup else { return None };
    failure.detail.get("told_by").and_then(|value| value.as_str()).map(str::to_owned)
}

#[tokio::test]
async fn security_is_what_a_validating_resolver_says() {
    use Security::{Bogus, Insecure, Secure, Unknown};
    let Some(tree) = Tree::sign(&zones()) else { return };
    let Some(servers) = tree.serve("one.secure.test", false).await else { return };
    let resolver = Resolver::new(&config(vec![servers.upstream.clone()])).unwrap().telling();
    resolver.preflight().await.unwrap();
    for (text, wanted, security) in [
        ("one.secure.test", "found 1", Secure),
        ("a.wild.secure.test", "found 1", Secure),
        ("alias.secure.test", "found 1", Secure),
        ("mx.secure.test", "nodata", Secure),
        ("nothing.secure.test", "nxdomain", Secure),
        ("gone.secure.test", "nxdomain", Secure),
        ("one.nsec3.test", "found 1", Secure),
        ("a.wild.nsec3.test", "found 1", Secure),
        ("mx.nsec3.test", "nodata", Secure),
        ("nothing.nsec3.test", "nxdomain", Secure),
        ("nothing.test", "nxdomain", Secure),
        ("one.insecure.test", "found 1", Insecure),
        ("ns.insecure.test", "nodata", Insecure),
        ("nothing.insecure.test", "nxdomain", Insecure),
        // One insecure link makes the whole so.
        ("out.secure.test", "found 1", Insecure),
        ("back.insecure.test", "found 1", Insecure),
        ("one.expired.test", "dnssec.bogus", Bogus),
        ("ns.expired.test", "dnssec.bogus", Bogus),
        ("nothing.expired.test", "dnssec.bogus", Bogus),
        ("lost.secure.test", "dnssec.bogus", Bogus),
        ("one.wrong-ds.test", "dnssec.bogus", Bogus),
        // Without a single signature, and without a word why, it looks like a zone that never had any.
        ("one.stripped.test", "dns.rcode_2", Unknown),
        ("one.broken.test", "dns.rcode_2", Unknown),
    ] {
        let answer = resolver.txt(&name(text)).await;
        assert_eq!((verdict(&answer), answer.security), (wanted.to_owned(), security), "{text}: {answer:?}");
        assert_eq!(told_by(&answer), (security == Bogus).then(|| "cd".to_owned()), "{text}: {answer:?}");
    }
    let mx = resolver.mx(&name("secure.test")).await;
    let addresses = resolver.addresses(&name("mx.secure.test")).await;
    assert_eq!([mx.security, addresses.security()], [Secure; 2]);
    assert_eq!(addresses.all().len(), 2);
    // The first link of a chain that ends insecure.
    let alias = resolver.alias(&name("out.secure.test")).await;
    assert_eq!((verdict(&alias), alias.security), ("found 1".to_owned(), Secure));
    let alias = resolver.alias(&name("back.insecure.test")).await;
    assert_eq!((verdict(&alias), alias.security), ("found 1".to_owned(), Insecure));
    resolver.close().await;

    // The same without having asked for the root: what has no AD may be anything.
    let config = config(vec![servers.upstream.clone()]);
    for (trust_ad, insecure) in [(false, Unknown), (true, Insecure)] {
        let resolver = Resolver::new(&NetConfig { trust_ad, ..config.clone() }).unwrap();
        for (text, security) in
            [("one.secure.test", Secure), ("one.insecure.test", insecure), ("one.expired.test", Unknown)]
        {
            assert_eq!(resolver.txt(&name(text)).await.security, security, "{text}, {trust_ad}");
        }
        resolver.close().await;
    }
}

/// RFC 8914: a resolver that explains itself saves the second question.
#[tokio::test]
async fn extended_errors_of_a_real_resolver_tell_bogus_from_broken() {
    let Some(tree) = Tree::sign(&zones()) else { return };
    let Some(servers) = tree.serve("one.secure.test", true).await else { return };
    let plain = Resolver::new(&config(vec![servers.upstream.clone()])).unwrap();
    for resolver in [plain.clone(), plain.telling()] {
        for (text, wanted, told) in [
            ("one.secure.test", "found 1", None),
            ("one.expired.test", "dnssec.bogus", Some("ede")),
            ("one.wrong-ds.test", "dnssec.bogus", Some("ede")),
            ("one.stripped.test", "dnssec.bogus", Some("ede")),
            ("one.broken.test", "dns.rcode_2", None),
        ] {
            let answer = resolver.txt(&name(text)).await;
            assert_eq!((verdict(&answer).as_str(), told_by(&answer).as_deref()), (wanted, told), "{text}: {answer:?}");
        }
    }
    plain.close().await;
}

/// Certificates in a directory, and records of them, all by openssl.
pub(super) struct Openssl<'a>(pub(super) &'a Path);

impl Openssl<'_> {
    fn run(&self, line: &str) -> String {
        run(self.0, Command::new("sh").args(["-c", &format!("set -e; {line}")]))
    }

    /// An authority: `NAME.pem`, `NAME.key`.
    fn authority(&self, name: &str) {
        self.run(&format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.pem \
            -subj /CN={name} -days 3650 2>&1"
        ));
    }

    /// A certificate for a host, by an authority, valid for a month from now.
    fn leaf(&self, name: &str, authority: &str, host: &str) {
        self.run(&format!(
            "printf 'subjectAltName=DNS:{host}' > {name}.ext; \
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN=x 2>&1; \
            openssl x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 30 \
            -extfile {name}.ext -out {name}.pem 2>&1"
        ));
    }

    /// The text of a record for a certificate, made as manuals tell it.
    pub(super) fn record(&self, usage: u8, selector: u8, matching: u8, name: &str) -> String {
        let selected = match selector {
            0 => format!("openssl x509 -in {name}.pem -outform der"),
            _ => format!("openssl x509 -in {name}.pem -noout -pubkey | openssl pkey -pubin -outform der"),
        };
        let data = match matching {
            0 => self.run(&format!("{selected} | od -An -v -tx1 | tr -d ' \\n'")),
            1 => self.run(&format!("{selected} | openssl dgst -sha256 -r | cut -d' ' -f1")),
            _ => self.run(&format!("{selected} | openssl dgst -sha512 -r | cut -d' ' -f1")),
        };
        format!("{usage} {selector} {matching} {}", data.trim())
    }

    fn der(&self, name: &str) -> Vec<u8> {
        self.run(&format!("openssl x509 -in {name}.pem -outform der -out {name}.der"));
        fs::read(self.0.join(format!("{name}.der"))).unwrap()
    }
}

#[tokio::test]
async fn records_of_real_certificates_are_judged_right() {
    if program("openssl").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let openssl = Openssl(folder.path());
    openssl.authority("ca");
    openssl.leaf("leaf", "ca", "mx.secure.test");
    openssl.leaf("next", "ca", "mx.secure.test");
    openssl.leaf("other", "ca", "mx.other.test");
    // The label, the records, the certificate that the host sends before that of the authority; what comes of it.
    // What is late is looked at when the certificate of the host has expired.
    type Row<'a> = (&'a str, Vec<String>, &'a str, Option<usize>, &'a [&'a str]);
    let record = |usage, selector, matching, name| openssl.record(usage, selector, matching, name);
    let rows: Vec<Row<'_>> = vec![
        ("a", vec![record(3, 1, 1, "leaf")], "leaf", Some(0), &[]),
        ("b", vec![record(3, 0, 1, "leaf")], "leaf", Some(0), &[]),
        ("c", vec![record(3, 1, 2, "leaf")], "leaf", Some(0), &[]),
        ("d", vec![record(3, 0, 0, "leaf")], "leaf", Some(0), &[]),
        ("e", vec![record(3, 1, 0, "leaf")], "leaf", Some(0), &[]),
        ("f", vec![record(2, 0, 1, "ca")], "leaf", Some(0), &[]),
        ("g", vec![record(2, 1, 2, "ca")], "leaf", Some(0), &[]),
        ("h", vec![record(2, 1, 0, "ca")], "leaf", Some(0), &[]),
        ("i", vec![record(3, 1, 1, "next")], "leaf", None, &["dane.mismatch"]),
        ("j", vec![record(3, 1, 1, "other")], "other", Some(0), &[]),
        ("k", vec![record(2, 0, 1, "ca")], "other", None, &["dane.ta_name"]),
        ("late-l", vec![record(3, 1, 1, "leaf")], "leaf", Some(0), &[]),
        ("late-m", vec![record(2, 1, 1, "ca")], "leaf", None, &["dane.ta_expired"]),
        ("n", vec![record(1, 1, 1, "leaf")], "leaf", None, &["dane.usage", "dane.unusable"]),
        ("o", vec!["3 1 1 00".to_owned()], "leaf", None, &["dane.malformed", "dane.unusable"]),
    ];
    let mut text = TEXT.to_owned();
    for (label, records, ..) in &rows {
        for record in records {
            write!(text, "\n_25._tcp.{label} TLSA {record}").unwrap();
        }
    }
    // A rollover; its order is that of the resolver, which sorts.
    write!(text, "\n_25._tcp.roll TLSA {}\n_25._tcp.roll TLSA {}", record(3, 1, 1, "next"), record(3, 1, 1, "leaf"))
        .unwrap();
    let Some(tree) = Tree::sign(&[zone("secure.test", Signing::Secure, &text)]) else { return };
    let Some(servers) = tree.serve("one.secure.test", true).await else { return };
    let resolver = Resolver::new(&config(vec![servers.upstream.clone()])).unwrap();
    let (host, ca) = (name("mx.secure.test"), openssl.der("ca"));
    let verify = |records: &[Tlsa], leaf: &str, days: u64| {
        let at = SystemTime::now() + Duration::from_secs(days * 86_400);
        let found = dane::verify(records, &[openssl.der(leaf), ca.clone()], &[&host], at);
        let codes: Vec<&str> = found.findings.iter().map(|finding| finding.code.as_str()).collect();
        (found.matched, codes)
    };
    for (label, texts, leaf, matched, codes) in rows {
        let records = records(&resolver, label).await;
        assert_eq!(records.len(), texts.len());
        // Whole data is shown cut.
        for (record, text) in records.iter().zip(&texts).filter(|(record, _)| record.length <= 64) {
            assert_eq!(&record.to_string(), text, "{label}");
        }
        let days = if label.starts_with("late-") { 90 } else { 0 };
        assert_eq!(verify(&records, leaf, days), (matched, codes.to_vec()), "{label}: {texts:?}");
    }
    let records = records(&resolver, "roll").await;
    let fits = records.iter().position(|record| record.to_string() == openssl.record(3, 1, 1, "leaf"));
    assert_eq!(verify(&records, "leaf", 0), (fits, vec!["dane.stale_record"]));
    resolver.close().await;
}

/// The secure records below a label.
async fn records(resolver: &Resolver, label: &str) -> Vec<Tlsa> {
    let answer = resolver.tlsa(&name(&format!("_25._tcp.{label}.secure.test"))).await;
    assert_eq!(answer.security, Security::Secure, "{answer:?}");
    let Lookup::Found(set) = answer.lookup else { panic!("{answer:?}") };
    set.records
}
