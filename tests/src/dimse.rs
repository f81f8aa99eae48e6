//! The DICOM upper layer by hand, so that a test can also speak it badly.

use crate::dicom::Radiograph;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Explicit little endian.
const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// A connection to an application entity on this machine.
pub struct Peer {
    stream: TcpStream,
}

/// What a peer answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A-ASSOCIATE-AC.
    Accepted,
    /// A-ASSOCIATE-RJ: result, source and reason.
    Rejected([u8; 3]),
    /// The status of a response.
    Status(u16),
    /// A-RELEASE-RP.
    Released,
    /// A-ABORT, or the end of the connection.
    Ended,
}

/// An item of an association.
pub fn item(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &(value.len() as u16).to_be_bytes(), value].concat()
}

/// A protocol data unit.
pub fn pdu(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &(value.len() as u32).to_be_bytes(), value].concat()
}

/// A-ASSOCIATE-RQ for a presentation context of each class, numbered 1, 3, 5...
pub fn request(calling: &str, called: &str, classes: &[&str]) -> Vec<u8> {
    let mut value = vec![0, 1, 0, 0];
    value.extend(format!("{called:<16}{calling:<16}").bytes());
    value.extend([0; 32]);
    value.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    for (n, class) in classes.iter().enumerate() {
        let names = [item(0x30, class.as_bytes()), item(0x40, EXPLICIT.as_bytes())].concat();
        value.extend(item(0x20, &[&[2 * n as u8 + 1, 0, 0, 0][..], &names].concat()));
    }
    value.extend(item(0x50, &[item(0x51, &16_384u32.to_be_bytes()), item(0x52, b"2.25.1")].concat()));
    pdu(1, &value)
}

/// P-DATA-TF of one value; bit 0 of `control` says command, bit 1 that it is the last.
pub fn data(context: u8, control: u8, value: &[u8]) -> Vec<u8> {
    pdu(4, &[&(value.len() as u32 + 2).to_be_bytes()[..], &[context, control], value].concat())
}

/// A command set of these elements of group 0.
pub fn command(elements: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, value) in elements {
        bytes.extend([&[0, 0][..], &number.to_le_bytes(), &(value.len() as u32).to_le_bytes(), value].concat());
    }
    bytes
}

/// C-STORE-RQ.
pub fn store(class: &str, instance: &str) -> Vec<u8> {
    let even = |uid: &str| if uid.len() % 2 == 1 { format!("{uid}\0") } else { uid.to_owned() };
    command(&[
        (0x0002, even(class).as_bytes()),
        (0x0100, &1u16.to_le_bytes()),
        (0x0110, &7u16.to_le_bytes()),
        (0x0700, &0u16.to_le_bytes()),
        (0x0800, &0u16.to_le_bytes()),
        (0x1000, even(instance).as_bytes()),
    ])
}

impl Peer {
    /// Connects.
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        Self { stream }
    }

    /// Connects and asks for an association.
    pub fn associate(port: u16, calling: &str, called: &str, classes: &[&str]) -> (Self, Answer) {
        let mut peer = Self::connect(port);
        peer.send(&request(calling, called, classes));
        let answer = peer.answer();
        (peer, answer)
    }

    /// Sends bytes; false where the other side takes none.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a radiograph's data set by the context 1.
    pub fn store(&mut self, radiograph: &Radiograph) -> Answer {
        self.send(&data(1, 3, &store(radiograph.class, &radiograph.instance)));
        // Behind preamble, magic and meta information.
        let length = u32::from_le_bytes(radiograph.file[140..144].try_into().expect("four bytes"));
        let set = &radiograph.file[144 + length as usize..];
        for (n, part) in set.chunks(16_000).enumerate() {
            let is_last = (n + 1) * 16_000 >= set.len();
            self.send(&data(1, if is_last { 2 } else { 0 }, part));
        }
        self.answer()
    }

    /// Waits for an answer.
    pub fn answer(&mut self) -> Answer {
        let mut head = [0; 6];
        if self.stream.read_exact(&mut head).is_err() {
            return Answer::Ended;
        }
        let mut value = vec![0; u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize];
        if self.stream.read_exact(&mut value).is_err() {
            return Answer::Ended;
        }
        match head[0] {
            2 => Answer::Accepted,
            3 => Answer::Rejected([value[1], value[2], value[3]]),
            4 => {
                let at = value.windows(8).position(|head| head == [0, 0, 0, 9, 2, 0, 0, 0]).expect("a status");
                Answer::Status(u16::from_le_bytes([value[at + 8], value[at + 9]]))
            }
            6 => Answer::Released,
            _ => Answer::Ended,
        }
    }
}
