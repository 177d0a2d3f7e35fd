//! Servers that never get TLS up: bytes in place of a handshake (RFC 8446 4, 5.1, 6).

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fault::TlsFault;

/// Connections that fill a queue of length 0: Linux takes one more than the length, and a few may still hang in SYN_RECV.
const FILLERS: usize = 8;
/// How long a filler may take to connect before the queue counts as full.
const FILL_WAIT: Duration = Duration::from_millis(100);

/// A ServerHello of TLS 1.1 (0x0302) with TLS_RSA_WITH_AES_128_CBC_SHA, as a server from 2008 sends it (RFC 4346 7.4.1.3).
const SERVER_HELLO_1_1: &[u8] = b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02\
    lab: a random of 32 bytes, fixed\x00\x00\x2f\x00";

/// Has the fault over one connection.
pub(super) async fn serve(mut stream: TcpStream, fault: TlsFault) -> io::Result<()> {
    // What the client sends is read first: closing over unread bytes would be a reset.
    let mut hello = [0; 16 * 1024];
    if stream.read(&mut hello).await? == 0 {
        return Ok(());
    }
    match fault {
        // These have no listener that accepts.
        TlsFault::Refused | TlsFault::Backlog | TlsFault::Unreachable => {}
        TlsFault::Reset => return stream.set_zero_linger(),
        TlsFault::Close => {}
        TlsFault::Silence => {
            while stream.read(&mut hello).await? > 0 {}
            return Ok(());
        }
        TlsFault::Drip => {
            for byte in b"\x16\x03\x03\x40\x00".iter().chain(std::iter::repeat(&2)) {
                stream.write_all(&[*byte]).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        TlsFault::Alert(number) => stream.write_all(&[0x15, 3, 3, 0, 2, 2, number]).await?,
        TlsFault::OldOnly => stream.write_all(SERVER_HELLO_1_1).await?,
        TlsFault::NotTls => stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await?,
        TlsFault::PlainHttp => {
            let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).await?;
        }
        // ServerHelloDone (14) where only a ServerHello may come (RFC 5246 7.3).
        TlsFault::OutOfOrder => stream.write_all(b"\x16\x03\x03\x00\x04\x0e\x00\x00\x00").await?,
        // A record of 65,535 bytes; at most 2^14 + 256 are lawful (RFC 8446 5.2).
        TlsFault::TooLarge => {
            stream.write_all(b"\x16\x03\x03\xff\xff").await?;
            stream.write_all(&[2; 32 * 1024]).await?;
        }
    }
    stream.shutdown().await?;
    // The client closes when it has seen enough.
    while stream.read(&mut hello).await? > 0 {}
    Ok(())
}

/// A listener whose queue is full. It stays so as long as the sockets live.
pub(super) fn full_queue(address: Ipv4Addr, port: u16) -> io::Result<Vec<Socket>> {
    let address = SocketAddr::V4(SocketAddrV4::new(address, port)).into();
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    listener.set_reuse_address(true)?;
    listener.bind(&address)?;
    listener.listen(0)?;
    let mut sockets = vec![listener];
    for _ in 0..FILLERS {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let full = filler.connect_timeout(&address, FILL_WAIT).is_err();
        sockets.push(filler);
        if full {
            break;
        }
    }
    Ok(sockets)
}
