//! Servers that do one thing to each connection: answer, misbehave, or say nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// A connection of a server lives no longer, whatever the test does.
pub(crate) const LIFE: Duration = Duration::from_secs(20);

/// What is written to a client, and what comes then.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// Written at once.
    pub(crate) bytes: Vec<u8>,
    /// Written again and again behind that.
    pub(crate) endless: Option<Vec<u8>>,
    /// Written byte by byte instead, with this pause.
    pub(crate) pause: Option<Duration>,
    /// What comes then.
    pub(crate) then: Then,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// In order: close_notify and FIN.
    Close,
    /// FIN without close_notify.
    Drop,
    /// RST.
    Reset,
    /// Not at all.
    Hold,
}

impl Script {
    pub(crate) fn new(bytes: impl AsRef<[u8]>, then: Then) -> Self {
        Self { bytes: bytes.as_ref().to_vec(), endless: None, pause: None, then }
    }

    pub(crate) fn endless(head: impl AsRef<[u8]>, again: impl AsRef<[u8]>) -> Self {
        Self { endless: Some(again.as_ref().to_vec()), ..Self::new(head, Then::Hold) }
    }

    pub(crate) fn dripping(bytes: impl AsRef<[u8]>, pause: Duration) -> Self {
        Self { pause: Some(pause), ..Self::new(bytes, Then::Hold) }
    }

    pub(crate) async fn play(&self, stream: &mut (impl AsyncWrite + Unpin)) -> std::io::Result<()> {
        match self.pause {
            Some(pause) => {
                for byte in &self.bytes {
                    stream.write_all(&[*byte]).await?;
                    stream.flush().await?;
                    sleep(pause).await;
                }
            }
            None => stream.write_all(&self.bytes).await?,
        }
        stream.flush().await?;
        while let Some(again) = &self.endless {
            stream.write_all(again).await?;
        }
        if self.then == Then::Hold {
            sleep(LIFE).await;
        }
        Ok(())
    }
}

/// A server on loopback; it ends with the value.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Connections accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Plays a script right after the connection, without TLS.
    pub(crate) async fn raw(script: Script) -> Self {
        Self::start(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, move |mut stream: TcpStream| {
            let script = script.clone();
            async move {
                // The ClientHello is read, so that closing sends no RST by accident.
                let mut hello = [0; 4096];
                let _ = timeout(LIFE, stream.read(&mut hello)).await;
                let _ = timeout(LIFE, script.play(&mut stream)).await;
                finish(stream, script.then);
            }
        })
        .await
    }

    /// Shakes hands, reads a request, plays a script.
    pub(crate) async fn tls(config: Arc<ServerConfig>, script: Script) -> Self {
        Self::tls_at(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, config, script).await
    }

    pub(crate) async fn tls_at(ip: IpAddr, port: u16, config: Arc<ServerConfig>, script: Script) -> Self {
        Self::start(ip, port, move |stream: TcpStream| {
            let (config, script) = (Arc::clone(&config), script.clone());
            async move {
                let Ok(Ok(mut stream)) = timeout(LIFE, TlsAcceptor::from(config).accept(stream)).await else { return };
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let _ = timeout(LIFE, read_request(&mut stream, http2)).await;
                let _ = timeout(LIFE, script.play(&mut stream)).await;
                if script.then == Then::Close {
                    let _ = stream.shutdown().await;
                    // Until the client is gone: it may still be reading.
                    let mut rest = [0; 1024];
                    while let Ok(Ok(1..)) = timeout(LIFE, stream.read(&mut rest)).await {}
                }
                finish(stream.into_inner().0, script.then);
            }
        })
        .await
    }

    /// Serves each connection by a future.
    pub(crate) async fn start<F, S>(ip: IpAddr, port: u16, serve: F) -> Self
    where
        F: Fn(TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((ip, port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(stream));
            }
        });
        Self { address, accepted, _tasks: tasks }
    }
}

/// Reads the head of a request, or the preface and first frames of HTTP/2.
async fn read_request(stream: &mut (impl AsyncRead + Unpin), http2: bool) -> std::io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await?;
        request.extend_from_slice(&buffer[..read]);
        if read == 0 || http2 || request.windows(4).any(|window| window == b"\r\n\r\n") {
            return Ok(request);
        }
    }
}

pub(crate) fn finish(stream: TcpStream, then: Then) {
    if then == Then::Reset {
        // Closing with a linger of nothing sends RST.
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}
