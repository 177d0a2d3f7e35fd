//! The lab: its worlds and their ground truth, its resolver, its web servers and its mail servers.

mod mail;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, Error as TlsError, RootCertStore};
use stscan::finding::{self, Code, Finding, Kind, Severity};
use stscan::lab::world::{self, Data, Truth, World};
use stscan::lab::{self, Lab, LabOptions, Population};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// No test waits longer for one answer of the lab.
const PATIENCE: Duration = Duration::from_secs(5);

/// Codes that no scan of the lab can reach, with the reason.
const OUT_OF_REACH: &[(&str, &str)] = &[
    ("dns.resolver_down", "the lab's resolver is up for every domain, or for none"),
    ("dns.resolver_lies", "the lab's resolver tells the truth to a whole scan, or to none; tested apart"),
    ("dns.tcp_refused", "one TCP listener serves all names: it cannot refuse for one of them"),
    ("dns.transport", "the lab speaks neither DNS over TLS nor over HTTPS"),
    ("reach.literal", "an address in the place of a name never comes as far as the fetch"),
    ("tcp.local", "our own machine has to be short of something"),
    ("list.mapped", "a matter of the list's line; the lab's names are canonical"),
    ("tlsrpt.none", "no record is no finding of its own: sts.tlsrpt_missing says so where it matters"),
    ("delivery.address_silent", "several hosts in a row have to be silent, in no order that is certain; tested apart"),
    ("delivery.dane_untold", "the lab's resolver validates, and says so"),
    ("delivery.port_unknown", "the lab's canary can be found; what is said where it cannot is tested apart"),
    ("delivery.no_route", "the lab's machine has a way to all of the lab's addresses"),
    ("survey.panic", "a fault of ours"),
    ("delivery.not_asked", "what --depth policy says; the lab is scanned at full depth"),
    ("delivery.port_blocked", "the port of the mail servers is open to the whole scan, or to none of it"),
    ("survey.not_asked", "what --depth record says of a domain that announces; the lab is scanned at full depth"),
];

#[test]
fn every_truth_is_whole() {
    let outcomes = [
        "not_announced",
        "unusable",
        "none",
        "testing",
        "testing_failing",
        "enforce_deliverable",
        "enforce_refused",
        "unknown",
    ];
    let mut names = BTreeSet::new();
    for world in lab::worlds().unwrap() {
        let name = &world.name;
        assert!(names.insert(name.clone()), "{name} stands twice");
        for truth in std::iter::once(&world.truth).chain(&world.deep) {
            assert!(outcomes.contains(&truth.outcome.as_str()), "{name}: {}", truth.outcome);
            for code in truth.codes.iter().chain(&truth.host_codes) {
                assert!(matches!(kind(name, code), Kind::Finding(_)), "{name}: {code} is no finding");
            }
            for code in truth.failures.iter().chain(&truth.host_failures) {
                assert_eq!(kind(name, code), Kind::Failure, "{name}: {code}");
            }
            sound(name, truth);
        }
    }
}

fn kind(world: &str, code: &str) -> Kind {
    Code::find(code).unwrap_or_else(|| panic!("{world}: no such code: {code}")).entry().kind
}

/// What holds between the parts of every truth.
fn sound(name: &str, truth: &Truth) {
    let code = truth.outcome_code.as_deref();
    let usable = !matches!(truth.outcome.as_str(), "not_announced" | "unusable" | "unknown");
    let mode = truth.mode.as_deref();
    if let Some(code) = code {
        kind(name, code);
    }
    let listed = |code: &str| truth.codes.contains(code) || truth.host_codes.contains(code);
    match truth.outcome.as_str() {
        "unusable" => {
            let code = code.unwrap();
            assert_eq!(kind(name, code), Kind::Finding(Severity::Fatal), "{name}: {code}");
            assert!(truth.codes.contains(code), "{name}: {code} broke it and is not listed");
            let broken_record = code.starts_with("record.");
            let says = if broken_record { "sts.policy_with_broken_record" } else { "sts.record_without_policy" };
            assert!(truth.codes.contains(says), "{name}: {says}");
        }
        "not_announced" => {
            // Only a deep scan sees a mode where nothing is announced.
            let seen = truth.codes.contains("sts.policy_without_record");
            assert!(!truth.announced && truth.mode.is_some() == seen, "{name}");
        }
        "unknown" if code == Some("delivery.hosts_beyond") => assert_eq!(mode, Some("enforce"), "{name}"),
        "unknown" => {
            let code = code.unwrap();
            assert!(truth.failures.contains(code) || truth.host_failures.contains(code), "{name}: {code}");
            assert!(mode.is_none_or(|mode| mode == "enforce"), "{name}");
        }
        "none" => assert_eq!((code, mode), (None, Some("none")), "{name}"),
        "enforce_deliverable" => assert_eq!((code, mode), (None, Some("enforce")), "{name}"),
        "enforce_refused" => {
            assert_eq!(mode, Some("enforce"), "{name}");
            assert!(listed(code.unwrap()), "{name}: nobody found what decided");
        }
        "testing_failing" => {
            assert_eq!(mode, Some("testing"), "{name}");
            assert!(listed(code.unwrap()), "{name}: nobody found what decided");
        }
        "testing" => assert_eq!(mode, Some("testing"), "{name}"),
        other => panic!("{name}: {other}"),
    }
    let takes_no_mail = matches!(code, Some("mx.none" | "mx.null"));
    let verdicts: &[Option<&str>] = match (truth.outcome.as_str(), mode) {
        ("enforce_deliverable", _) => &[Some("deliver"), Some("report")],
        // A host that is simply not there is lost with and without the policy.
        ("enforce_refused", _) if takes_no_mail || !is_told(code.unwrap()) => &[None],
        ("enforce_refused", _) => &[Some("refuse")],
        ("testing_failing", _) => &[Some("report")],
        ("testing", _) if takes_no_mail => &[None],
        ("testing", _) if code.is_none() => &[Some("deliver")],
        // A host that is simply not there, which no report has a word for.
        ("testing", _) if matches!(kind(name, code.unwrap()), Kind::Finding(_)) => {
            &[None, Some("deliver"), Some("report")]
        }
        ("testing", _) | ("unknown", Some(_)) => &[Some("unknown")],
        _ => &[None],
    };
    assert!(verdicts.contains(&truth.verdict.as_deref()), "{name}: {:?}", truth.verdict);
    // Mail hosts are asked where something is announced.
    assert!(truth.announced || truth.host_codes.is_empty() && truth.host_failures.is_empty(), "{name}");
    assert!(!usable || truth.announced, "{name}: {} without an announcement", truth.outcome);
}

/// Whether a report of RFC 8460 has a word for the code at a mail host.
fn is_told(code: &str) -> bool {
    Finding::new(Code::find(code).unwrap()).at_mail_host().result_type().is_some()
}

#[test]
fn every_code_within_reach_has_a_world() {
    let mut covered = BTreeSet::new();
    for world in lab::worlds().unwrap() {
        for truth in [Some(world.truth), world.deep].into_iter().flatten() {
            let Truth { codes, failures, host_codes, host_failures, outcome_code, .. } = truth;
            covered
                .extend(codes.into_iter().chain(failures).chain(host_codes).chain(host_failures).chain(outcome_code));
        }
    }
    let mut missing = Vec::new();
    for code in finding::all().filter(|code| code.entry().kind != Kind::Reject) {
        let excused = OUT_OF_REACH.iter().any(|(out, _)| *out == code.as_str());
        assert!(!(excused && covered.contains(code.as_str())), "{code} is within reach after all");
        if !excused && !covered.contains(code.as_str()) {
            missing.push(code);
        }
    }
    assert!(missing.is_empty(), "codes without a world: {missing:?}");
    assert!(OUT_OF_REACH.iter().all(|(code, _)| Code::find(code).is_some()), "an excuse for a code that is not there");
}

#[test]
fn there_are_kinds_enough() {
    let kinds = lab::worlds().unwrap().iter().filter(|world| !world.name.starts_with("corpus-")).count();
    assert!(kinds >= 400, "{kinds} kinds");
    assert_eq!(lab::worlds().unwrap().len() - kinds, 152, "policies of the corpus");
}

#[test]
fn a_population_can_be_had_again() {
    let worlds = lab::worlds().unwrap();
    let of = |seed| Population::new(worlds.clone(), 20_000, seed);
    let (one, again, other) = (of(7), of(7), of(8));
    assert_eq!(one.members(), again.members());
    assert_ne!(one.members(), other.members());
    assert_eq!(one.members().len(), 20_000);
    let domains: BTreeSet<&str> = one.members().iter().map(|member| member.domain.as_str()).collect();
    assert_eq!(domains.len(), 20_000, "two members have one name");
    for member in one.members() {
        assert_eq!(one.truth(&member.domain), Some(&worlds[member.world].truth), "{}", member.domain);
    }
    let kinds: BTreeSet<usize> = one.members().iter().map(|member| member.world).collect();
    assert_eq!(kinds.len(), worlds.len(), "a world without a specimen");
    assert_eq!(one.list().lines().count(), 20_000);
    assert!(one.ranked_list().starts_with(&format!("1,{}\n", one.members()[0].domain)));
    assert!(one.truth("no-such-domain.test").is_none() && one.truth("www.enforce.test").is_none());
}

#[test]
fn a_population_is_realistic() {
    let population = Population::new(lab::worlds().unwrap(), 100_000, 1);
    let announced = population.members().iter().filter(|m| population.worlds()[m.world].truth.announced).count();
    // A few percent: one in 20 to one in 50.
    assert!((2_000..=10_000).contains(&announced), "{announced} of 100,000 announce a policy");
}

#[test]
fn a_bad_file_is_refused_with_its_line() {
    const TRUTH: &str = "truth\n announced true\n outcome none\n";
    for (text, line) in [
        ("about x\n", 1),
        ("world A\n", 1),
        (&format!("world a\nabout x\n{TRUTH}world a\n"), 6),
        ("world a\nlike b\n", 2),
        ("world a\nabout x\ndns\n $D 300 TXT unquoted\n", 4),
        ("world a\ndns\n $D 300 TXT \"a\\q\"\n", 3),
        ("world a\ndns\n $D 300 MX 10 no.dot\n", 3),
        ("world a\ndns\n $D x A $A\n", 3),
        ("world a\ndns\n $D 300 PTR x.\n", 3),
        ("world a\ndns\n without $D A\n", 3),
        ("world a\nfault dns $D TXT nonsense\n", 2),
        ("world a\nfault dns $D TXT rcode\n", 2),
        ("world a\nhttps h\n cert nonsense\n", 3),
        ("world a\nhttps h\n tls alert 999\n", 3),
        ("world a\nhttps h\n | body\n", 3),
        ("world a\nsmtp h\n cert nonsense\n", 3),
        ("world a\nsmtp h\n tls nonsense\n", 3),
        ("world a\nsmtp h\n fault smtp nonsense\n", 3),
        ("world a\nsmtp h\n fault http silence\n", 3),
        ("world a\nsmtp h h\n", 2),
        ("world a\ndns\n $D 300 A $A nonsense\n", 3),
        ("world a\ndns\n $D 300 TLSA 3 1 1\n", 3),
        ("world a\ndns\n $D 300 TLSA 3 1 1 0g\n", 3),
        ("world a\ndns\n $D 300 TLSA 3 1 1 000\n", 3),
        ("world a\ndns\n insecure\n", 3),
        ("world a\nfault dns $D MX bogus 65536\n", 2),
        ("world a\ntruth\n outcomes none\n", 3),
    ] {
        let error = world::parse(text, "bad.world").unwrap_err();
        assert_eq!(error.exit_status(), 65);
        assert!(error.to_string().starts_with(&format!("bad.world:{line}: ")), "{text:?}: {error}");
    }
    let one_domain = format!("world a\nabout x\nweight 2\ndomain x.test\n{TRUTH}");
    for text in ["world a\nabout x\n", "world a\ntruth\n announced true\n outcome none\n", &one_domain] {
        assert!(world::parse(text, "bad.world").is_err(), "{text:?}");
    }
}

#[test]
fn a_world_says_what_its_file_says() {
    let text = "world model\nabout m\ndns\n $D 300 TXT \"a\" \"b\\x00\"\n mta-sts.$D 60 A $A\nhttps mta-sts.$D\n \
                header A: b\n body open\n | one\n |\ntruth\n announced true\n outcome none\n\
                world copy\nabout c\nweight 3\nlike model\ndns\n $D 1 TXT \"c\"\n repeat 2 $D 5 MX $I mx$I.$D.\n\
                truth\n announced false\n outcome unknown x.y\n codes b a\n codes c\n";
    let worlds = world::parse(text, "good.world").unwrap();
    assert_eq!(worlds[0].records[0].data, Data::Txt(vec![b"a".to_vec(), b"b\0".to_vec()]));
    assert_eq!(worlds[0].hosts[0].body, b"one\n");
    let copy: &World = &worlds[1];
    assert_eq!((copy.weight, copy.records.len(), copy.hosts.len()), (3, 4, 1));
    assert_eq!(copy.records[2].data, Data::Mx(1, "mx1.$D".to_owned()));
    assert_eq!(copy.truth.codes.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(copy.truth.outcome_code.as_deref(), Some("x.y"));
}

/// The lab must not use the parsers and rules that it tests: the same mistake on both sides would prove nothing.
#[test]
fn the_lab_knows_nothing_of_the_rules() {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lab")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files += 1;
                let text = std::fs::read_to_string(&path).unwrap();
                for used in text.split("crate::").skip(1) {
                    let module: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    assert!(["error", "text", "lab"].contains(&module.as_str()), "{}: {module}", path.display());
                }
                assert!(!text.contains("stscan::"), "{}", path.display());
            }
        }
    }
    assert!(files > 10, "{files} files");
}

async fn specimens() -> Lab {
    let population = Population::new(lab::worlds().unwrap(), 0, 1);
    Lab::start(population, LabOptions { keep_lines: true, ..LabOptions::default() }).await.unwrap()
}

/// A question as bytes: RD, one name, one type, and an OPT record of 1,232 bytes.
fn question(id: u16, name: &str, rtype: u16) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend_from_slice(&rtype.to_be_bytes());
    bytes.extend_from_slice(&[0, 1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    bytes
}

async fn ask(resolver: SocketAddr, name: &str, rtype: u16) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(resolver).await.unwrap();
    socket.send(&question(0x1234, name, rtype)).await.unwrap();
    let mut answer = vec![0; 65_535];
    let length = timeout(Duration::from_millis(500), socket.recv(&mut answer)).await.ok()?.unwrap();
    answer.truncate(length);
    Some(answer)
}

async fn ask_tcp(resolver: SocketAddr, name: &str, rtype: u16) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(resolver).await.unwrap();
    let question = question(0x1234, name, rtype);
    stream.write_u16(u16::try_from(question.len()).unwrap()).await.unwrap();
    stream.write_all(&question).await.unwrap();
    let length = timeout(Duration::from_millis(500), stream.read_u16()).await.ok()?.ok()?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.ok()?;
    Some(answer)
}

const TXT: u16 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn the_resolver_answers_on_the_wire() {
    let lab = specimens().await;
    // Name, then: response code, count of answers, TC, what stands in the bytes.
    for (name, rtype, rcode, answers, cut, holds) in [
        ("_mta-sts.enforce.test", TXT, 0, 1, false, &b"\x1cv=STSv1; id=20240101T000000;"[..]),
        ("_MTA-sts.ENFORCE.test", TXT, 0, 1, false, b"\x08_MTA-sts\x07ENFORCE\x04test"),
        ("_mta-sts.mail-only.test", TXT, 3, 0, false, b""),
        ("_mta-sts.nodata.test", TXT, 0, 0, false, b""),
        ("_mta-sts.empty-non-terminal.test", TXT, 0, 0, false, b""),
        ("_mta-sts-1234.record-wildcard.test", TXT, 0, 1, false, b"v=STSv1"),
        ("_mta-sts.delegated.test", TXT, 0, 2, false, b"mailhost"),
        ("_mta-sts.record-dangling.test", TXT, 3, 1, false, b"gone"),
        ("_mta-sts.dns-chain-of-17.test", TXT, 0, 18, false, b"v=STSv1"),
        ("_mta-sts.dns-cname-loop.test", TXT, 0, 2, false, b"there"),
        ("_mta-sts.dns-rcode-5.test", TXT, 5, 0, false, b""),
        ("_mta-sts.dns-truncated.test", TXT, 0, 0, true, b""),
        ("_mta-sts.record-too-long.test", TXT, 0, 0, true, b""),
        ("_mta-sts.dns-answer-count.test", TXT, 0, 65_535, false, b"v=STSv1"),
        ("_mta-sts.dns-trailing.test", TXT, 0, 1, false, b"behind the end"),
        ("_mta-sts.dns-ttl-largest.test", TXT, 0, 1, false, b"\xff\xff\xff\xff"),
        ("enforce.test", 15, 0, 1, false, b"\x03mx1\x07enforce"),
        ("nobody.test", TXT, 3, 0, false, b""),
    ] {
        let answer = ask(lab.resolver, name, rtype).await.unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(answer[..2], [0x12, 0x34], "{name}: id");
        assert_eq!((answer[2] & 0x82), 0x80 | (u8::from(cut) << 1), "{name}: QR and TC");
        assert_eq!(u16::from(answer[3] & 0x0f), rcode, "{name}: response code");
        assert_eq!(u16::from_be_bytes([answer[6], answer[7]]), answers, "{name}: answers");
        assert!(holds.is_empty() || answer.windows(holds.len()).any(|bytes| bytes == holds), "{name}");
    }
    assert!(ask(lab.resolver, "_mta-sts.dns-silent.test", TXT).await.is_none());
    assert_ne!(ask(lab.resolver, "_mta-sts.dns-wrong-id.test", TXT).await.unwrap()[..2], [0x12, 0x34]);
    let flaky = "_mta-sts.dns-flaky.test";
    assert_eq!(ask(lab.resolver, flaky, TXT).await.unwrap()[3] & 0x0f, 2);
    assert_eq!(ask(lab.resolver, flaky, TXT).await.unwrap()[3] & 0x0f, 0);
    let whole = ask_tcp(lab.resolver, "_mta-sts.record-too-long.test", TXT).await.unwrap();
    assert!(whole.len() > 5_000 && whole[2] & 2 == 0);
    assert!(ask_tcp(lab.resolver, "_mta-sts.dns-truncated-tcp-half.test", TXT).await.is_none());
    assert!(ask_tcp(lab.resolver, "_mta-sts.dns-truncated-tcp-closed.test", TXT).await.is_none());
    let log = lab.stop().await.unwrap();
    assert!(log.dns_udp >= 22 && log.dns_tcp == 3, "{log:?}");
    assert!(log.lines.contains(&"dns _mta-sts.enforce.test TXT".to_owned()));
}

/// The address that the lab's resolver gives for a host.
async fn address(lab: &Lab, host: &str) -> SocketAddr {
    let answer = ask(lab.resolver, host, 1).await.unwrap();
    let at = answer.len() - 11 - 4;
    SocketAddr::from(([answer[at], answer[at + 1], answer[at + 2], answer[at + 3]], lab.https_port))
}

fn client(pem: &str, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

/// What a plain client gets of a host: the whole answer, or why there is none.
async fn get(lab: &Lab, pem: &str, domain: &str) -> Result<Vec<u8>, std::io::Error> {
    let host = format!("mta-sts.{domain}");
    let whole = async {
        let stream = TcpStream::connect(address(lab, &host).await).await?;
        let name = ServerName::try_from(host.clone()).unwrap();
        let mut stream = tokio_rustls::TlsConnector::from(client(pem, &[b"http/1.1"])).connect(name, stream).await?;
        let request = format!("GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    };
    timeout(PATIENCE, whole).await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_served_over_tls() {
    let lab = specimens().await;
    for (domain, starts, ends) in [
        ("enforce.test", "HTTP/1.1 200 OK\r\n", "mode: enforce\nmx: mx1.enforce.test\nmax_age: 604800\n"),
        ("gmail-2018.test", "HTTP/1.1 200 OK\r\n", "max_age: 86400\r\n"),
        ("delegated.test", "HTTP/1.1 200 OK\r\n", "max_age: 604800\n"),
        ("http-404.test", "HTTP/1.1 404 Not Found\r\n", "nothing here\n"),
        ("http-chunked.test", "HTTP/1.1 200 OK\r\n", "\r\n0\r\n\r\n"),
        ("http-ssh.test", "SSH-2.0-", "\r\n\r\n"),
        ("http-closed.test", "", ""),
        ("corpus-0001.test", "HTTP/1.1 200 OK\r\n", "max_age: 604800\n"),
    ] {
        let answer = get(&lab, &lab.roots_pem, domain).await.unwrap_or_else(|error| panic!("{domain}: {error}"));
        let text = String::from_utf8(answer).unwrap();
        assert!(text.starts_with(starts) && text.ends_with(ends), "{domain}: {text:?}");
    }
    let limit = get(&lab, &lab.roots_pem, "http-body-limit.test").await.unwrap();
    let body_at = limit.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(limit.len() - body_at, 65_536);
    let log = lab.stop().await.unwrap();
    assert!(log.requests >= 9, "{log:?}");
    assert!(log.lines.contains(&"http mta-sts.enforce.test GET /.well-known/mta-sts.txt".to_owned()));
}

/// Every kind of certificate as a plain client sees it: an oracle that is not ours.
#[tokio::test(flavor = "multi_thread")]
async fn bad_certificates_are_bad_to_others_too() {
    let lab = specimens().await;
    let invalid = |error: &TlsError| match error {
        TlsError::InvalidCertificate(error) => format!("{error:?}").split([' ', '{', '(']).next().unwrap().to_owned(),
        other => format!("{other:?}").split([' ', '{', '(']).next().unwrap().to_owned(),
    };
    let expected = BTreeMap::from([
        ("cert-wildcard", None),
        ("cert-many-names", None),
        ("cert-expired", Some("ExpiredContext")),
        ("cert-not-yet-valid", Some("NotValidYetContext")),
        ("cert-wrong-name", Some("NotValidForNameContext")),
        ("cert-deep-wildcard", Some("NotValidForNameContext")),
        ("cert-partial-wildcard", Some("NotValidForNameContext")),
        ("cert-no-san", Some("NotValidForNameContext")),
        ("cert-self-signed", Some("UnknownIssuer")),
        ("cert-unknown-ca", Some("UnknownIssuer")),
        ("cert-community-ca", Some("UnknownIssuer")),
        ("cert-missing-intermediate", Some("UnknownIssuer")),
        ("cert-bad-signature", Some("BadSignature")),
        ("cert-client-only", Some("InvalidPurposeContext")),
        ("cert-garbage", Some("BadEncoding")),
    ]);
    for (world, expected) in expected {
        let seen = match get(&lab, &lab.roots_pem, &format!("{world}.test")).await {
            Ok(_) => None,
            Err(error) => Some(invalid(error.get_ref().unwrap().downcast_ref::<TlsError>().unwrap())),
        };
        assert_eq!(seen.as_deref(), expected, "{world}");
    }
    for world in ["cert-weak-key", "cert-long-chain", "cert-authority"] {
        assert!(get(&lab, &lab.roots_pem, &format!("{world}.test")).await.is_err(), "{world}");
    }
    let trusted = get(&lab, &lab.community_pem, "cert-community-ca.test").await;
    assert!(trusted.unwrap().starts_with(b"HTTP/1.1 200"));
    let expired = get(&lab, &lab.community_pem, "cert-expired.test").await.unwrap_err();
    let expired = expired.get_ref().unwrap().downcast_ref::<TlsError>().unwrap();
    assert!(matches!(expired, TlsError::InvalidCertificate(CertificateError::ExpiredContext { .. })));
    lab.stop().await.unwrap();
}

/// What happens before TLS is up, as the kernel and a plain client see it.
#[tokio::test(flavor = "multi_thread")]
async fn connections_break_as_their_worlds_say() {
    use std::io::ErrorKind;
    let lab = specimens().await;
    for (domain, kind) in [
        ("tcp-refused.test", ErrorKind::ConnectionRefused),
        ("tcp-unreachable.test", ErrorKind::NetworkUnreachable),
        ("tcp-reset.test", ErrorKind::ConnectionReset),
        ("tls-closed.test", ErrorKind::UnexpectedEof),
        ("tls-alert-40.test", ErrorKind::InvalidData),
        ("tls-old-only.test", ErrorKind::InvalidData),
        ("tls-ssh.test", ErrorKind::InvalidData),
        ("tls-out-of-order.test", ErrorKind::InvalidData),
        ("tls-too-large.test", ErrorKind::InvalidData),
        ("http-reset.test", ErrorKind::ConnectionReset),
        ("http-no-close-notify.test", ErrorKind::UnexpectedEof),
    ] {
        let error = get(&lab, &lab.roots_pem, domain).await.map(|answer| answer.len()).unwrap_err();
        assert_eq!(error.kind(), kind, "{domain}: {error}");
    }
    let silent = address(&lab, "mta-sts.tcp-timeout.test").await;
    assert!(timeout(Duration::from_millis(800), TcpStream::connect(silent)).await.is_err(), "the queue is not full");
    lab.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_agreed_where_the_world_speaks_it() {
    let lab = specimens().await;
    for (domain, protocol) in
        [("enforce.test", &b"http/1.1"[..]), ("http-h2.test", b"h2"), ("http-h2-speaks-http1.test", b"h2")]
    {
        let host = format!("mta-sts.{domain}");
        let stream = TcpStream::connect(address(&lab, &host).await).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(client(&lab.roots_pem, &[b"h2", b"http/1.1"]));
        let stream = connector.connect(ServerName::try_from(host).unwrap(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol), "{domain}");
    }
    lab.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_written_where_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("requests.log");
    let population = Population::new(lab::worlds().unwrap(), 0, 1);
    let lab = Lab::start(population, LabOptions { log: Some(log.clone()), ..LabOptions::default() }).await.unwrap();
    let (roots, community) = lab.write_roots(folder.path()).unwrap();
    assert!(std::fs::read_to_string(roots).unwrap().contains("BEGIN CERTIFICATE"));
    assert_eq!(std::fs::read_to_string(community).unwrap().matches("BEGIN CERTIFICATE").count(), 2);
    ask(lab.resolver, "_mta-sts.enforce.test", TXT).await.unwrap();
    lab.stop().await.unwrap();
    assert_eq!(std::fs::read_to_string(log).unwrap(), "dns _mta-sts.enforce.test TXT\n");
}
