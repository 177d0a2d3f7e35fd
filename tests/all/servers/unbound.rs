//! Look-ups through a real unbound in front of a real nsd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use stscan::name::HostName;
use stscan::net::Upstream;
use stscan::net::dns::{Answer, Lookup, Mx, Resolver, Security, Via};

use super::{Process, free_port, program};
use crate::dns::config;

/// How long the two servers may take to be ready on a busy machine.
const READY: Duration = Duration::from_secs(20);
/// How often to start them over.
const ATTEMPTS: usize = 3;

/// A string of 255 times `x`; eight of them make a record that no datagram of 1,232 bytes holds.
const LONG: usize = 8;

fn zone() -> Zone {
    let long = vec![format!("\"{}\"", "x".repeat(255)); LONG].join(" ");
    let text = format!(
        r#"$ORIGIN zone.test.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
@ MX 20 mx2
@ MX 10 mx1.other.test.
one TXT "v=STSv1; " "id=1;"
two TXT "v=STSv1; id=1"
two TXT "v=spf1 -all"
long TXT {long}
address A 192.0.2.1
address AAAA 2001:db8::1
alias CNAME alias2
alias2 CNAME one
dangling CNAME gone
empty CNAME address
loop CNAME loop2
loop2 CNAME loop
*.wild TXT "wild"
branch DNAME tree
_mta-sts.tree TXT "moved"
"#
    );
    ("zone.test", text)
}

/// A zone: its name and its file.
pub(crate) type Zone = (&'static str, String);

/// What an unbound that validates goes by.
pub(crate) struct Validation {
    /// The trust anchor of the root, as a record.
    pub(crate) anchor: String,
    /// Whether it explains its failures by extended errors (RFC 8914).
    pub(crate) explains: bool,
}

/// An unbound that knows some zones and nothing else, and the nsd that serves them.
pub(crate) struct Servers {
    pub(crate) upstream: Upstream,
    _processes: Vec<Process>,
    _folder: tempfile::TempDir,
}

impl Servers {
    /// Starts both and waits until they have text at a name; `None` where they are not installed.
    pub(super) async fn start(zones: &[Zone], text_at: &str) -> Option<Self> {
        Self::start_with(zones, text_at, None).await
    }

    /// The same, with an unbound that validates where it is told by what; the root must then be one of the zones.
    pub(crate) async fn start_with(zones: &[Zone], text_at: &str, validation: Option<&Validation>) -> Option<Self> {
        let programs = [program("nsd")?, program("unbound")?];
        let text_at = HostName::parse(text_at).unwrap();
        for _ in 0..ATTEMPTS {
            if let Some(servers) = Self::attempt(&programs, zones, &text_at, validation).await {
                return Some(servers);
            }
        }
        panic!("the servers end by themselves");
    }

    /// `None` where one of the two ended by itself: another process may have taken its port in the meantime.
    async fn attempt(
        programs: &[PathBuf; 2],
        zones: &[Zone],
        text_at: &HostName,
        validation: Option<&Validation>,
    ) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let (nsd_port, unbound_port) = (free_port(), free_port());
        for (name, text) in zones {
            fs::write(at.join(format!("{name}.zone")), text).unwrap();
        }
        let configurations = [
            ("nsd.conf", nsd_conf(at, nsd_port, zones)),
            ("unbound.conf", unbound_conf(at, unbound_port, nsd_port, zones, validation)),
        ];
        if let Some(validation) = validation {
            fs::write(at.join(ANCHOR), &validation.anchor).unwrap();
        }
        let mut processes = Vec::new();
        for (program, (name, text)) in programs.iter().zip(configurations) {
            fs::write(at.join(name), text).unwrap();
            processes.push(Process::start(Command::new(program).arg("-d").arg("-c").arg(at.join(name))));
        }
        let upstream = Upstream::Udp(([127, 0, 0, 1], unbound_port).into());
        let start = Instant::now();
        loop {
            let resolver = resolver(upstream.clone());
            let answer = resolver.txt(text_at).await;
            resolver.close().await;
            if matches!(answer.lookup, Lookup::Found(_)) {
                return Some(Self { upstream, _processes: processes, _folder: folder });
            }
            if !processes.iter_mut().all(Process::runs) {
                return None;
            }
            assert!(start.elapsed() < READY, "{answer:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn nsd_conf(at: &Path, port: u16, zones: &[Zone]) -> String {
    let at = at.display();
    let zones: String =
        zones.iter().map(|(name, _)| format!("zone:\n  name: \"{name}\"\n  zonefile: \"{name}.zone\"\n")).collect();
    format!(
        r#"server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  chroot: ""
  database: ""
  pidfile: ""
  zonesdir: "{at}"
  xfrdfile: "{at}/xfrd.state"
  zonelistfile: "{at}/zone.list"
  xfrdir: "{at}"
remote-control:
  control-enable: no
{zones}"#
    )
}

/// The file of the trust anchor.
const ANCHOR: &str = "anchor.key";

fn unbound_conf(at: &Path, port: u16, nsd: u16, zones: &[Zone], validation: Option<&Validation>) -> String {
    let modules = match validation {
        None => "  module-config: \"iterator\"\n".to_owned(),
        Some(Validation { explains, .. }) => format!(
            "  module-config: \"validator iterator\"\n  trust-anchor-file: \"{ANCHOR}\"\n  ede: {}\n",
            if *explains { "yes" } else { "no" }
        ),
    };
    // What nobody serves ends at nsd as well, never outside.
    let rest = match zones.iter().any(|(name, _)| *name == ".") {
        true => String::new(),
        false => format!("forward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@{nsd}\n"),
    };
    let at = at.display();
    let stubs: String = zones
        .iter()
        .map(|(name, _)| format!("stub-zone:\n  name: \"{name}\"\n  stub-addr: 127.0.0.1@{nsd}\n"))
        .collect();
    format!(
        r#"server:
  interface: 127.0.0.1@{port}
  access-control: 127.0.0.0/8 allow
  username: ""
  chroot: ""
  directory: "{at}"
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  do-not-query-localhost: no
  local-zone: "test." nodefault
{modules}remote-control:
  control-enable: no
{stubs}{rest}"#
    )
}

fn resolver(upstream: Upstream) -> Resolver {
    Resolver::new(&config(vec![upstream])).unwrap()
}

fn host(label: &str) -> HostName {
    HostName::parse(&format!("{label}.zone.test")).unwrap()
}

pub(super) fn verdict<T>(answer: &Answer<T>) -> String {
    match &answer.lookup {
        Lookup::Found(set) => format!("found {}", set.records.len()),
        Lookup::NoData => "nodata".to_owned(),
        Lookup::NxDomain => "nxdomain".to_owned(),
        Lookup::Failed(failure) => failure.code.to_string(),
    }
}

#[tokio::test]
async fn verdicts_hold_with_a_real_resolver() {
    let Some(servers) = Servers::start(&[zone()], "one.zone.test").await else { return };
    let resolver = resolver(servers.upstream.clone());
    resolver.preflight().await.unwrap();
    for (label, wanted, aliases) in [
        ("one", "found 1", vec![]),
        ("two", "found 2", vec![]),
        ("address", "nodata", vec![]),
        ("nothing", "nxdomain", vec![]),
        ("alias", "found 1", vec!["alias2.zone.test", "one.zone.test"]),
        ("dangling", "nxdomain", vec!["gone.zone.test"]),
        ("empty", "nodata", vec!["address.zone.test"]),
        ("anything.wild", "found 1", vec![]),
        ("_mta-sts.branch", "found 1", vec!["_mta-sts.tree.zone.test"]),
    ] {
        let answer = resolver.txt(&host(label)).await;
        assert_eq!(
            (verdict(&answer), answer.aliases.clone()),
            (wanted.to_owned(), aliases.iter().map(ToString::to_string).collect()),
            "{label}: {answer:?}"
        );
        assert_eq!((answer.via, answer.security, answer.case_changed), (Via::Udp, Security::Unknown, false), "{label}");
    }
    // A resolver calls a circle of aliases a failure of its own, or shows it to us.
    let circle = verdict(&resolver.txt(&host("loop")).await);
    assert!(["dns.rcode_2", "dns.cname_loop"].contains(&circle.as_str()), "{circle}");

    let Lookup::Found(set) = resolver.txt(&host("one")).await.lookup else { panic!("it was there before") };
    assert_eq!((&set.records[0].bytes[..], set.ttl <= 300), (&b"v=STSv1; id=1;"[..], true));

    let mx = resolver.mx(&HostName::parse("zone.test").unwrap()).await;
    let Lookup::Found(set) = &mx.lookup else { panic!("{mx:?}") };
    let wanted = [(10, "mx1.other.test"), (20, "mx2.zone.test")];
    assert_eq!(set.records, wanted.map(|(preference, host)| Mx { preference, host: host.to_owned() }));

    let addresses = resolver.addresses(&host("address")).await;
    assert_eq!(addresses.all().iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.1", "2001:db8::1"]);
    resolver.close().await;
}

#[tokio::test]
async fn a_long_record_comes_over_tcp_from_a_real_resolver() {
    let Some(servers) = Servers::start(&[zone()], "one.zone.test").await else { return };
    let resolver = resolver(servers.upstream.clone());
    let answer = resolver.txt(&host("long")).await;
    let Lookup::Found(set) = &answer.lookup else { panic!("{answer:?}") };
    assert_eq!((set.records[0].bytes.clone(), answer.via), (vec![b'x'; LONG * 255], Via::Tcp));
    resolver.close().await;
}
