//! Real servers of Debian on loopback, as a second opinion on what our own test servers take DNS and HTTPS to be.
//!
//! A test whose server is not installed says so and passes; where `STSCAN_REQUIRE_SERVERS` is set, it fails.

mod nginx;
mod unbound;

use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A server process, killed and reaped when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program that stays in the foreground.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a server program is, if it is installed.
///
/// # Panics
/// Where it is not, and `STSCAN_REQUIRE_SERVERS` asks for it.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let found = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|path| path.exists());
    if found.is_none() {
        assert!(std::env::var_os("STSCAN_REQUIRE_SERVERS").is_none(), "{name} is required and not installed");
        stscan::cli::output::complain(&format!("skipped: {name} is not installed"));
    }
    found
}

/// A port of 127.0.0.1 that is free for UDP and TCP at this moment.
pub(crate) fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
