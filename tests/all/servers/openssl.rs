//! OpenSSL's test server: old versions, old key exchanges and old certificates, which no library of ours still makes.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fetch::{HOST, failure, fetch, verdict};

/// How long the server may take to listen.
const START: Duration = Duration::from_secs(10);

/// A running server; it ends with the value.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(directory: &Path, certificate: &str, arguments: &[&str]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let file = |suffix: &str| directory.join(format!("{certificate}.{suffix}"));
        let child = Command::new("openssl")
            .args(["s_server", "-www", "-accept", &address.to_string(), "-cert"])
            .arg(file("pem"))
            .arg("-key")
            .arg(file("key"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut server = Self { child: child.unwrap(), address };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(server.child.try_wait().unwrap().is_none(), "openssl ended: {arguments:?}");
            assert!(began.elapsed() < START, "openssl does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
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
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(std::env::var_os("STSCAN_REQUIRE_SERVERS").is_none(), "required, but missing: openssl");
        stscan::cli::output::complain("skipped: no openssl");
        return;
    }
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
        let server = Server::start(directory, certificate, &arguments);
        let roots = vec![stscan::net::tls::root_store("mozilla").unwrap()];
        let fetch = fetch(server.address, roots).await;
        assert_eq!(failure(&fetch), expected, "{what}: {:?}", fetch.failure);
        assert_eq!(verdict(&fetch), judged, "{what}");
        assert_eq!(fetch.response.is_some(), expected.is_none(), "{what}");
    }
}
