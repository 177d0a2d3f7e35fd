//! Commands out, replies in (RFC 5321 3.1), over a stream that may be TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::WIRE_BUDGET;
use crate::failure::Failure;
use crate::finding::smtp;
use crate::net::tls::rustls_failure;
use crate::net::wire::Meter;
use crate::smtp::reply::{Heard, Reader};
use crate::smtp::talk::{Loss, QUIT};

/// How long QUIT and its reply may take (HOSTILE.md 134): all is known by then.
const QUIT_LIMIT: Duration = Duration::from_secs(2);
/// Bytes that are read at a time: more than may come before TLS at all, so that what is smuggled in behind a reply, however
/// long that is, comes with it.
const READ: usize = 64 * 1024;

/// A line to a mail host.
pub(super) struct Line<S> {
    stream: S,
    /// What comes over the wire, below TLS.
    wire: Arc<Meter>,
    reader: Reader,
    /// What one read may fill, made once for the whole conversation.
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    /// A line on which nothing has been said.
    pub(super) fn new(stream: S, wire: Arc<Meter>, reader: Reader) -> Self {
        Self { stream, wire, reader, buffer: vec![0; READ] }
    }

    /// The stream, without what has been read of it.
    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    /// Bytes that came over the wire.
    pub(super) fn received(&self) -> u64 {
        self.wire.received()
    }

    /// Sends a command, or nothing, and awaits a reply.
    pub(super) async fn ask(&mut self, command: &[u8], deadline: Instant) -> Result<Heard, Loss> {
        timeout_at(deadline, self.exchange(command)).await.unwrap_or(Err(Loss::Late))
    }

    /// Says goodbye. How that goes does not matter.
    pub(super) async fn quit(&mut self, deadline: Instant) {
        let farewell = async {
            let _ = self.exchange(QUIT).await;
            let _ = self.stream.shutdown().await;
        };
        let _ = timeout_at(deadline.min(Instant::now() + QUIT_LIMIT), farewell).await;
    }

    async fn exchange(&mut self, command: &[u8]) -> Result<Heard, Loss> {
        if !command.is_empty() {
            self.stream.write_all(command).await.map_err(|error| self.loss(&error))?;
            self.stream.flush().await.map_err(|error| self.loss(&error))?;
        }
        loop {
            if let Some(heard) = self.reader.reply().map_err(Loss::Broken)? {
                return Ok(heard);
            }
            match self.stream.read(&mut self.buffer).await.map_err(|error| self.loss(&error))? {
                0 => return Err(Loss::Closed),
                read => self.reader.push(&self.buffer[..read]),
            }
        }
    }

    /// What an error of the stream says.
    fn loss(&self, error: &io::Error) -> Loss {
        if self.wire.is_over_budget() {
            return Loss::Broken(Failure::new(smtp::TOO_LONG).with("wire_budget", WIRE_BUDGET));
        }
        if let Some(failure) = rustls_failure(error) {
            return Loss::Broken(failure);
        }
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Loss::Reset
            }
            io::ErrorKind::TimedOut => Loss::Late,
            // Within TLS, an end without close_notify.
            io::ErrorKind::UnexpectedEof => Loss::Closed,
            _ => Loss::Reset,
        }
    }
}
