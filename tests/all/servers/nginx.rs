//! Debian's nginx as a policy host: what a real web server says with each common mistake.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::{Process, await_listening, free_port, program};
use crate::fetch::pki::{Authority, Identity, PAST, VALID};
use crate::fetch::{HOST, POLICY, failure, fetch, is_authenticated, verdict};

/// A running nginx with its directory. It is one process, without master and workers, so that ending it ends all of it.
struct Nginx {
    _process: Process,
    _directory: tempfile::TempDir,
}

/// One server of nginx: its identity, and what stands at the place of the policy.
struct Site<'a> {
    what: &'a str,
    identity: Identity,
    tls: &'a str,
    location: &'a str,
}

/// The configuration around some servers: one process in the foreground, with all its files in one directory.
pub(super) fn around(directory: &Path, servers: &str) -> String {
    let at = directory.display();
    format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;\n\
         fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
         {servers} }}\n"
    )
}

fn configuration(directory: &Path, sites: &[(Site<'_>, u16)]) -> String {
    let at = directory.display();
    let servers: String = sites
        .iter()
        .enumerate()
        .map(|(index, (site, port))| {
            let (tls, location) = (site.tls, site.location);
            format!(
                "server {{ listen 127.0.0.1:{port} ssl http2; {tls}\n\
                 ssl_certificate {at}/{index}.pem; ssl_certificate_key {at}/{index}.key;\n\
                 location = /.well-known/mta-sts.txt {{ {location} }} }}\n"
            )
        })
        .collect();
    around(directory, &servers)
}

fn start<'a>(program: &Path, sites: Vec<Site<'a>>) -> (Nginx, Vec<(Site<'a>, u16)>) {
    let directory = tempfile::tempdir().unwrap();
    let mut ports = BTreeSet::new();
    while ports.len() < sites.len() {
        ports.insert(free_port());
    }
    let sites: Vec<(Site<'_>, u16)> = sites.into_iter().zip(ports).collect();
    for (index, (site, _)) in sites.iter().enumerate() {
        let file = |suffix: &str| directory.path().join(format!("{index}.{suffix}"));
        std::fs::write(file("pem"), site.identity.chain_pem()).unwrap();
        std::fs::write(file("key"), site.identity.key.serialize_pem()).unwrap();
    }
    std::fs::write(directory.path().join("policy"), POLICY).unwrap();
    let file = directory.path().join("nginx.conf");
    std::fs::write(&file, configuration(directory.path(), &sites)).unwrap();
    let mut process = Process::start(Command::new(program).arg("-p").arg(directory.path()).arg("-c").arg(&file));
    for (_, port) in &sites {
        await_listening(&mut process, *port);
    }
    (Nginx { _process: process, _directory: directory }, sites)
}

#[tokio::test]
async fn nginx_is_judged_as_it_is() {
    let Some(program) = program("nginx") else { return };
    let root = Authority::root("root");
    let middle = root.intermediate("middle");
    let good = || middle.identity(&[HOST], VALID);
    let policy = format!("default_type text/plain; return 200 '{POLICY}';");
    let html = format!("default_type text/html; return 200 '{POLICY}';");
    let plain = policy.as_str();
    // Both versions of today; the default of nginx 1.22 is older ones.
    let site = |what, identity, location| Site { what, identity, tls: "ssl_protocols TLSv1.2 TLSv1.3;", location };
    let sites = vec![
        site("good", good(), plain),
        Site { what: "good over TLS 1.2", identity: good(), tls: "ssl_protocols TLSv1.2;", location: plain },
        site("nothing there", good(), "return 404;"),
        site("redirect", good(), "return 301 https://www.example.com/mta-sts.txt;"),
        site("another type", good(), &html),
        site("expired", middle.identity(&[HOST], PAST), plain),
        site("wrong name", middle.identity(&["www.example.com"], VALID), plain),
        site("missing intermediate", good().leaf_alone(), plain),
        Site {
            what: "old TLS",
            identity: good(),
            tls: "ssl_protocols TLSv1 TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;",
            location: plain,
        },
        Site {
            what: "no certificate for the name",
            identity: good(),
            tls: "ssl_reject_handshake on; ssl_protocols TLSv1.2 TLSv1.3;",
            location: plain,
        },
        site("no answer", good(), "return 444;"),
    ];
    let (_nginx, sites) = start(&program, sites);
    for (site, port) in &sites {
        let what = site.what;
        let fetch = fetch(SocketAddr::from(([127, 0, 0, 1], *port)), vec![root.store("first")]).await;
        let expected = match what {
            "old TLS" => Some("tls.version"),
            "no certificate for the name" => Some("tls.alert"),
            // Over HTTP/2 nginx ends the stream, and keeps the connection.
            "no answer" => Some("http2.refused"),
            _ => None,
        };
        assert_eq!(failure(&fetch), expected, "{what}: {:?}", fetch.failure);
        let expected: &[&str] = match what {
            "expired" => &["cert.expired"],
            "wrong name" => &["cert.name"],
            "missing intermediate" => &["cert.missing_intermediate"],
            _ => &[],
        };
        assert_eq!(verdict(&fetch), expected, "{what}");
        assert_eq!(is_authenticated(&fetch), fetch.verdict.is_some() && expected.is_empty(), "{what}");
        let Some(response) = fetch.response else {
            assert!(fetch.failure.is_some(), "{what}");
            continue;
        };
        let (status, content_type, location) = match what {
            "nothing there" => (404, b"text/html".as_slice(), None),
            "redirect" => (301, b"text/html".as_slice(), Some(b"https://www.example.com/mta-sts.txt".to_vec())),
            "another type" => (200, b"text/html".as_slice(), None),
            _ => (200, b"text/plain".as_slice(), None),
        };
        assert_eq!((response.status, response.location), (status, location), "{what}");
        assert_eq!(response.content_types, [content_type], "{what}");
        assert!(status != 200 || response.body == POLICY.as_bytes(), "{what}");
        let version = fetch.tls.unwrap().version;
        assert_eq!(version, if what == "good over TLS 1.2" { "1.2" } else { "1.3" }, "{what}");
        assert_eq!(fetch.http_version, Some("2"), "{what}");
    }
}
