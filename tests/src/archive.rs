//! Archives that misbehave once and are well afterwards, by hand: Orthanc cannot be made to.

use crate::dimse::{command, data, item, pdu};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What an archive does with its first connection.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Hangs up.
    Closes,
    /// Takes everything and never says a word.
    Silent,
    /// Answers a byte each 100 ms, which renews every timeout of a socket.
    Drips(Vec<u8>),
    /// Answers with these bytes, and hangs up.
    Says(Vec<u8>),
    /// Answers with the head, and then without end.
    Endless(Vec<u8>),
    /// Speaks well and answers each object with that status.
    Status(u16),
}

/// A misbehaving archive on this machine; it listens until the test's process ends.
pub struct Archive {
    /// Where it listens.
    pub port: u16,
    /// Objects that it acknowledged, over all connections.
    pub stored: Arc<Mutex<usize>>,
}

impl Archive {
    /// Starts one that speaks STOW-RS, or by `dimse` C-STORE.
    pub fn start(fault: Fault, dimse: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let stored = Arc::new(Mutex::new(0));
        let count = Arc::clone(&stored);
        std::thread::spawn(move || {
            for (n, stream) in listener.incoming().flatten().enumerate() {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
                let speak = if dimse { associate } else { answer };
                let taken = match &fault {
                    Fault::Status(status) if n == 0 => speak(stream, *status),
                    fault if n == 0 => misbehave(stream, fault),
                    _ => speak(stream, 0),
                };
                *count.lock().expect("a number") += taken.unwrap_or(0);
            }
        });
        Self { port, stored }
    }
}

fn misbehave(mut stream: TcpStream, fault: &Fault) -> Option<usize> {
    let mut part = [0; 1 << 16];
    if !matches!(fault, Fault::Closes) {
        // However much of the request it is.
        let _ = stream.read(&mut part).ok()?;
    }
    match fault {
        Fault::Silent => while stream.read(&mut part).ok()? > 0 {},
        Fault::Drips(bytes) => {
            for byte in bytes {
                stream.write_all(&[*byte]).ok()?;
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Fault::Says(bytes) => stream.write_all(bytes).ok()?,
        Fault::Endless(head) => {
            stream.write_all(head).ok()?;
            while stream.write_all(&part).is_ok() {}
        }
        Fault::Closes | Fault::Status(_) => {}
    }
    None
}

/// STOW-RS: the status is HTTP's, 0 for 200.
fn answer(mut stream: TcpStream, status: u16) -> Option<usize> {
    let (mut request, mut part) = (Vec::new(), vec![0; 1 << 16]);
    let body = loop {
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        request.extend_from_slice(&part[..count]);
        let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
        if request.len() >= end + 4 + length {
            break request.split_off(end + 4);
        }
    };
    let code = if status == 0 { 200 } else { status };
    write!(stream, "HTTP/1.1 {code} so\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}").ok()?;
    let parts = body.windows(31).filter(|line| line == b"Content-Type: application/dicom").count();
    Some(if status == 0 { parts } else { 0 })
}

/// C-STORE: accepts everything, and answers each object with the status.
fn associate(mut stream: TcpStream, status: u16) -> Option<usize> {
    let mut stored = 0;
    loop {
        let mut head = [0; 6];
        stream.read_exact(&mut head).ok()?;
        let mut value = vec![0; u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize];
        stream.read_exact(&mut value).ok()?;
        match head[0] {
            1 => stream.write_all(&accepted(&value)).ok()?,
            // The last part of a data set: an association's requests are numbered from one.
            4 if value[5] == 2 => {
                stored += 1;
                let number = (stored as u16).to_le_bytes();
                let response = command(&[
                    (0x0100, &0x8001u16.to_le_bytes()),
                    (0x0120, &number),
                    (0x0800, &0x0101u16.to_le_bytes()),
                    (0x0900, &status.to_le_bytes()),
                ]);
                stream.write_all(&data(value[4], 3, &response)).ok()?;
            }
            5 => {
                let _ = stream.write_all(&pdu(6, &[0; 4]));
                return Some(if status == 0 { stored } else { 0 });
            }
            _ => {}
        }
        if head[0] == 7 {
            return None;
        }
    }
}

/// A-ASSOCIATE-AC: the contexts 1 and 3, explicit little endian.
pub fn accepted(request: &[u8]) -> Vec<u8> {
    let mut value = request[..68].to_vec();
    value.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    for context in [1, 3] {
        value.extend(item(0x21, &[&[context, 0, 0, 0][..], &item(0x40, b"1.2.840.10008.1.2.1")].concat()));
    }
    value.extend(item(0x50, &[item(0x51, &4096u32.to_be_bytes()), item(0x52, b"2.25.1")].concat()));
    pdu(2, &value)
}
