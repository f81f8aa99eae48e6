//! A line to a board: a tty, or QEMU's serial socket.

use anyhow::{Context, Result};
use cxr_protocol::client::Transport;
use serial2::SerialPort;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// How long a board may take to accept a connection or bytes.
const PATIENCE: Duration = Duration::from_secs(10);

/// An open line.
#[derive(Debug)]
pub enum Port {
    /// A serial port.
    Tty(SerialPort),
    /// A socket.
    Tcp(TcpStream),
}

impl Port {
    /// Opens `tcp:HOST:PORT`, or else a tty at `baud` bits a second.
    ///
    /// # Errors
    /// Names the port and what to do.
    pub fn open(name: &str, baud: u32) -> Result<Self> {
        match name.strip_prefix("tcp:") {
            Some(address) => {
                let remedy = || {
                    format!(
                        "{name}: no board answers there; is QEMU running with `-serial {name},server=on,wait=off,nodelay=on`?"
                    )
                };
                let mut addresses = address.to_socket_addrs().with_context(|| format!("{name}: give tcp:HOST:PORT"))?;
                let address = addresses.next().with_context(remedy)?;
                let stream = TcpStream::connect_timeout(&address, PATIENCE).with_context(remedy)?;
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Ok(Self::Tcp(stream))
            }
            None => {
                let mut port = SerialPort::open(name, baud).with_context(|| {
                    format!("{name}: cannot be opened; check the cable, the name and your permission (group dialout)")
                })?;
                port.set_write_timeout(PATIENCE)?;
                port.set_dtr(true).ok(); // tells a USB board that somebody listens; pseudo-terminals have no such line
                port.discard_buffers()?;
                Ok(Self::Tty(port))
            }
        }
    }
}

impl Transport for Port {
    type Error = io::Error;

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tty(port) => port.write_all(bytes),
            Self::Tcp(stream) => stream.write_all(bytes),
        }
    }

    fn receive(&mut self, bytes: &mut [u8], millis: u32) -> io::Result<usize> {
        let timeout = Duration::from_millis(millis.max(1).into());
        let received = match self {
            Self::Tty(port) => port.set_read_timeout(timeout).and_then(|()| port.read(bytes)),
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)).and_then(|()| stream.read(bytes)),
        };
        match received {
            // A line that is open delivers bytes or times out.
            Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "the board hung up")),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => Ok(0),
            other => other,
        }
    }

    fn millis(&mut self) -> u32 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed().as_millis() as u32
    }
}
