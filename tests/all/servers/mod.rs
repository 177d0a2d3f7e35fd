//! Real servers of Debian on loopback, as a second opinion on what our own test servers take DNS, HTTPS and SMTP to be.
//!
//! A test whose server is not installed says so and passes; where `STSCAN_REQUIRE_SERVERS` is set, it fails.

pub(crate) mod dnssec;
mod killed;
mod mail;
mod nginx;
mod openssl;
mod postfix;
mod senders;
pub(crate) mod unbound;
mod whole;

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(10);

/// A server process, killed and reaped when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program that stays in the foreground.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Starts a program that stays in the foreground, and gives what it prints; its complaints go where ours go.
    pub(crate) fn start_heard(command: &mut Command) -> (Self, ChildStdout) {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        (Self(child), output)
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

/// Waits until a server listens at a port of 127.0.0.1.
pub(crate) fn await_listening(process: &mut Process, port: u16) {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(process.runs(), "the server ended");
        assert!(began.elapsed() < START, "the server does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
}
