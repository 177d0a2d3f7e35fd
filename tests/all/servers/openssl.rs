//! OpenSSL's test server: old versions, old key exchanges and old certificates, which no library of ours still makes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use super::{Process, await_listening, free_port, program};
use crate::fetch::{HOST, failure, fetch, verdict};

/// A running server, and where.
fn start(program: &Path, directory: &Path, certificate: &str, arguments: &[&str]) -> (Process, SocketAddr) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let file = |suffix: &str| directory.join(format!("{certificate}.{suffix}"));
    let mut command = Command::new(program);
    command.args(["s_server", "-www", "-accept", &address.to_string()]);
    command.arg("-cert").arg(file("pem")).arg("-key").arg(file("key")).args(arguments);
    let mut process = Process::start(&mut command);
    await_listening(&mut process, address.port());
    (process, address)
}

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(directory).args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes `<name>.pem` and `<name>.key`.
fn certificate(directory: &Path, name: &str, key: &str) {
    openssl(
        directory,
        &format!(
            "req -x509 -newkey {key} -nodes -keyout {name}.key -out {name}.pem -subj /CN={HOST} -addext subjectAltName=DNS:{HOST}"
        ),
    );
}

#[tokio::test]
async fn what_is_too_old_is_told_apart() {
    let Some(program) = program("openssl") else { return };
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    certificate(directory, "good", "rsa:2048");
    certificate(directory, "weak", "rsa:1024");
    certificate(directory, "curve", "ec -pkeyopt ec_paramgen_curve:P-192");
    // A request signed without extensions is a certificate of version 1 (RFC 5280 4.1.2.1).
    openssl(directory, &format!("req -newkey rsa:2048 -nodes -keyout first.key -out first.csr -subj /CN={HOST}"));
    openssl(directory, "x509 -req -in first.csr -signkey first.key -out first.pem");

    let any = ["-cipher", "ALL:@SECLEVEL=0"];
    // What it is, the certificate, the arguments; the failure, the verdict on the certificate.
    type Row<'a> = (&'a str, &'a str, &'a [&'a str], Option<&'a str>, &'a [&'a str]);
    let rows: [Row<'_>; 8] = [
        ("TLS 1.3", "good", &[], None, &["cert.self_signed"]),
        ("TLS 1.2", "good", &["-tls1_2"], None, &["cert.self_signed"]),
        ("TLS 1.1", "good", &["-tls1_1"], Some("tls.version"), &[]),
        ("TLS 1.0", "good", &["-tls1"], Some("tls.version"), &[]),
        // An alert says no more than that there is nothing in common.
        ("key exchange by RSA", "good", &["-tls1_2", "-cipher", "AES128-SHA"], Some("tls.alert"), &[]),
        ("RSA of 1024 bits", "weak", &[], Some("cert.weak"), &["cert.weak", "cert.self_signed"]),
        ("P-192", "curve", &["-tls1_2"], Some("tls.alert"), &[]),
        ("a certificate of version 1", "first", &[], Some("cert.parse"), &["cert.parse"]),
    ];
    for (what, certificate, arguments, expected, judged) in rows {
        let arguments: Vec<&str> = match arguments.contains(&"-cipher") {
            true => arguments.to_vec(),
            false => arguments.iter().chain(&any).copied().collect(),
        };
        let (_process, address) = start(&program, directory, certificate, &arguments);
        let roots = vec![stscan::net::tls::root_store("mozilla").unwrap()];
        let fetch = fetch(address, roots).await;
        assert_eq!(failure(&fetch), expected, "{what}: {:?}", fetch.failure);
        assert_eq!(verdict(&fetch), judged, "{what}");
        assert_eq!(fetch.response.is_some(), expected.is_none(), "{what}");
    }
}
