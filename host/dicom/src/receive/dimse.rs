//! C-STORE: associations of modalities and archives, a thread each.

use super::association::{SYNTAXES, Titles};
use crate::access::{Access, Title};
use crate::command::{C_ECHO_RQ, C_ECHO_RSP, C_STORE_RQ, C_STORE_RSP, Command, NO_DATA};
use crate::identity::CLASSES;
use crate::intake::{Held, Intake, Refused};
use crate::watchdog::Watchdog;
use anyhow::{Context, Result, bail};
use dicom_dictionary_std::{tags, uids};
use dicom_object::FileMetaTableBuilder;
use dicom_ul::Pdu;
use dicom_ul::association::{ServerAssociation, ServerAssociationOptions};
use dicom_ul::pdu::{PDataValue, PDataValueType, PresentationContextResultReason};
use std::io::Write;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Largest piece of a message that is taken, in bytes.
const MAX_PDU: u32 = 128 << 10;
/// Largest command set.
const MAX_COMMAND: usize = 16 << 10;
/// A-ASSOCIATE-RJ: for now, since there are enough of them (PS3.8, 9.3.4).
const ENOUGH: [u8; 10] = [3, 0, 0, 0, 0, 4, 0, 2, 3, 2];

/// A listener for associations.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where files go.
    pub intake: Arc<Intake>,
    /// Who may send.
    pub access: Access,
    /// The title by which it is called.
    pub title: Title,
    /// Associations at once, all together and of one address.
    pub associations: (usize, usize),
    /// Longest time between two messages, and from an object's first byte to its last.
    pub patience: Duration,
}

impl Server {
    /// Takes associations until the queue is stopped; call it on a thread of its own.
    pub fn run(&self, listener: &TcpListener) {
        let watchdog = Watchdog::start();
        while !self.intake.queue.is_stopped() {
            let (stream, address) = match listener.accept() {
                Ok((stream, address)) => (stream, address.ip()),
                Err(error) => {
                    // No file descriptor is left, or the peer is gone already.
                    tracing::warn!(%error, "a connection could not be accepted");
                    std::thread::sleep(Duration::from_millis(50));
                    continue;
                }
            };
            if !self.access.allows_address(address) {
                tracing::warn!("an address that is not allowed was turned away");
                continue;
            }
            let (all, of_one) = self.associations;
            let Some(guard) = watchdog.guard(&stream, address, all, of_one, self.patience) else {
                let _ = (&stream).write_all(&ENOUGH);
                continue;
            };
            let server = self.clone();
            let spawned = std::thread::Builder::new().name("association".to_owned()).spawn(move || {
                let spoken = catch_unwind(AssertUnwindSafe(|| server.speak(stream, &guard)));
                match spoken {
                    Ok(Ok(())) => {}
                    // What a peer does wrong is its own affair.
                    Ok(Err(error)) => tracing::debug!(error = format!("{error:#}"), "an association ended"),
                    Err(_) => tracing::error!("an association failed: a fault of this program"),
                }
            });
            if let Err(error) = spawned {
                tracing::warn!(%error, "no thread for an association");
            }
        }
    }

    fn speak(&self, stream: TcpStream, guard: &crate::watchdog::Guard) -> Result<()> {
        stream.set_nodelay(true)?;
        let mut options = ServerAssociationOptions::new()
            .ae_access_control(Titles(&self.access))
            .ae_title(self.title.as_str())
            .max_pdu_length(MAX_PDU)
            .read_timeout(self.patience)
            .write_timeout(self.patience)
            .with_abstract_syntax(uids::VERIFICATION);
        for class in CLASSES {
            options = options.with_abstract_syntax(class);
        }
        for syntax in SYNTAXES {
            options = options.with_transfer_syntax(syntax);
        }
        let association = options.establish(stream)?;
        Peer { server: self, association, guard }.converse()
    }
}

struct Peer<'s> {
    server: &'s Server,
    association: ServerAssociation<TcpStream>,
    guard: &'s crate::watchdog::Guard,
}

/// A message in the making.
#[derive(Default)]
struct Message<'m> {
    bytes: Vec<u8>,
    command: Option<Command>,
    data: Vec<u8>,
    held: Option<Held<'m>>,
    /// Why the rest of the data is thrown away.
    refused: Option<Refused>,
}

impl Peer<'_> {
    fn converse(mut self) -> Result<()> {
        let server = self.server;
        let mut message = Message::default();
        while !server.intake.queue.is_stopped() {
            match self.association.receive()? {
                Pdu::PData { data } => {
                    for value in data {
                        self.take(&mut message, value, &server.intake)?;
                    }
                }
                Pdu::ReleaseRQ => {
                    self.association.send(&Pdu::ReleaseRP)?;
                    return Ok(());
                }
                Pdu::AbortRQ { .. } => return Ok(()),
                _ => return self.abort("a message out of turn"),
            }
        }
        self.abort("this program stops")
    }

    fn abort<T>(self, why: &str) -> Result<T> {
        let _ = self.association.abort();
        bail!("{why}")
    }

    fn take<'m>(&mut self, message: &mut Message<'m>, value: PDataValue, intake: &'m Intake) -> Result<()> {
        let PDataValue { presentation_context_id: context, value_type, is_last, data } = value;
        match (value_type, &message.command) {
            (PDataValueType::Command, None) => {
                message.bytes.extend(data);
                if message.bytes.len() > MAX_COMMAND {
                    bail!("a command set that is too long");
                }
                if !is_last {
                    return Ok(());
                }
                let command = Command::read(&std::mem::take(&mut message.bytes)).context("a damaged command set")?;
                match command.number(tags::COMMAND_FIELD) {
                    Some(C_ECHO_RQ) => {
                        self.answer(context, C_ECHO_RSP, &command, (0, ""))?;
                        self.guard.renew(self.server.patience);
                    }
                    Some(C_STORE_RQ) if command.number(tags::COMMAND_DATA_SET_TYPE) != Some(NO_DATA) => {
                        *message = Message { command: Some(command), held: Some(intake.memory.hold()), ..Message::default() };
                    }
                    _ => bail!("a command that is not served here"),
                }
            }
            (PDataValueType::Data, Some(_)) => {
                message.gather(&data, intake.most);
                if is_last {
                    let Message { command, data, held, refused, .. } = std::mem::take(message);
                    let command = command.context("a command")?;
                    let taken = refused.map_or_else(|| self.store(context, &command, &data), Err);
                    drop((data, held));
                    let status = taken.as_ref().map_or_else(status, |()| (0, String::new()));
                    if let Err(refused) = taken {
                        tracing::warn!(why = %refused, "an object was not taken");
                    }
                    self.answer(context, C_STORE_RSP, &command, (status.0, &status.1))?;
                    self.guard.renew(self.server.patience);
                }
            }
            _ => bail!("data without command, or a command within data"),
        }
        Ok(())
    }

    fn store(&self, context: u8, command: &Command, data: &[u8]) -> Result<(), Refused> {
        let damaged = |what: &str| Refused::Damaged(what.to_owned());
        let contexts = self.association.presentation_contexts();
        let accepted = contexts.iter().find(|known| known.id == context);
        let accepted = accepted.filter(|known| known.reason == PresentationContextResultReason::Acceptance);
        let accepted = accepted.ok_or_else(|| damaged("a presentation context that was not accepted"))?;
        let class = command.text(tags::AFFECTED_SOP_CLASS_UID).unwrap_or_default();
        let instance = command.text(tags::AFFECTED_SOP_INSTANCE_UID).unwrap_or_default();
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(&accepted.transfer_syntax)
            .media_storage_sop_class_uid(class)
            .media_storage_sop_instance_uid(instance)
            .build()
            .map_err(|_| damaged("no SOP class or instance"))?;
        let mut file = [&[0; 128][..], b"DICM"].concat();
        meta.write(&mut file).map_err(|_| damaged("SOP class or instance"))?;
        file.extend_from_slice(data);
        self.server.intake.take(&file, Some((class, instance))).map(drop)
    }

    fn answer(&mut self, context: u8, kind: u16, command: &Command, (status, comment): (u16, &str)) -> Result<()> {
        let mut answer = Command::default()
            .with_number(tags::COMMAND_FIELD, kind)
            .with_number(tags::MESSAGE_ID_BEING_RESPONDED_TO, command.number(tags::MESSAGE_ID).unwrap_or(0))
            .with_number(tags::COMMAND_DATA_SET_TYPE, NO_DATA)
            .with_number(tags::STATUS, status);
        for tag in [tags::AFFECTED_SOP_CLASS_UID, tags::AFFECTED_SOP_INSTANCE_UID] {
            if let Some(uid) = command.text(tag) {
                answer = answer.with_text(tag, uid);
            }
        }
        if !comment.is_empty() {
            answer = answer.with_text(tags::ERROR_COMMENT, comment);
        }
        let value = PDataValue {
            presentation_context_id: context,
            value_type: PDataValueType::Command,
            is_last: true,
            data: answer.write(),
        };
        Ok(self.association.send(&Pdu::PData { data: vec![value] })?)
    }
}

impl Message<'_> {
    /// Keeps a piece of the object, as long as it fits.
    fn gather(&mut self, piece: &[u8], most: usize) {
        if self.refused.is_some() {
            return;
        }
        let fits = self.data.len() + piece.len() <= most;
        let is_held = fits && self.held.as_mut().is_none_or(|held| held.grow(piece.len() as u64));
        match (fits, is_held) {
            (true, true) => self.data.extend_from_slice(piece),
            (false, _) => self.refused = Some(Refused::TooLarge),
            (true, false) => self.refused = Some(Refused::Later("too many objects at once".to_owned())),
        }
        if self.refused.is_some() {
            self.data = Vec::new();
        }
    }
}

/// Status and comment for one who stores (PS3.4, B.2.3).
fn status(refused: &Refused) -> (u16, String) {
    let code = match refused {
        Refused::Later(_) | Refused::TooLarge => 0xa700,
        Refused::Mismatch | Refused::Class(_) => 0xa900,
        Refused::Damaged(_) => 0xc000,
    };
    (code, refused.to_string())
}

/// The address of a listener, for one who has to wake it.
pub fn wake(address: std::net::SocketAddr) {
    let host: IpAddr = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => [127, 0, 0, 1].into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let _ = TcpStream::connect_timeout(&(host, address.port()).into(), Duration::from_secs(1));
}
