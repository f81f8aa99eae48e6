//! C-STORE to an archive.

use super::archive::{Sender, Unsent};
use crate::access::Title;
use crate::command::{C_STORE_RQ, C_STORE_RSP, Command};
use anyhow::{Context, Result, anyhow};
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_object::{DefaultDicomObject, from_reader};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};
use dicom_ul::association::{AsyncClientAssociation, ClientAssociationOptions};
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Most bytes of an archive's answer.
const MAX_ANSWER: usize = 16 << 10;
/// Most bytes of a message part that is sent, if the archive takes as many.
const MAX_SENT: u32 = 128 << 10;
/// Bytes in a message part before a value's own.
const VALUE_HEAD: u32 = 6;

pub(super) fn send(sender: &Sender, title: &Title, address: &str, files: &[Vec<u8>]) -> Result<(), Unsent> {
    let objects = files.iter().map(|file| from_reader(&file[128..]).context("an answer in the queue is damaged"));
    let objects: Vec<DefaultDicomObject> = objects.collect::<Result<_>>().map_err(Unsent::Never)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let options = ClientAssociationOptions::new()
            .calling_ae_title(sender.title.as_str())
            .called_ae_title(title.as_str())
            .with_abstract_syntax(uids::COMPREHENSIVE_SR_STORAGE)
            .with_abstract_syntax(uids::SECONDARY_CAPTURE_IMAGE_STORAGE);
        // A timeout of a socket is renewed by every byte; these run to their ends, however busy the archive looks.
        let association = timeout(sender.patience, options.establish_async(address)).await.context("the archive is too slow");
        let association = association.and_then(|made| made.context("no association"));
        let mut association = association.with_context(|| format!("{}@{address}", title.as_str()))?;
        for (number, (object, file)) in objects.iter().zip(files).enumerate() {
            let stored = timeout(sender.patience, store(&mut association, object, file, number as u16 + 1)).await;
            if let Err(error) = stored.unwrap_or_else(|_| Err(Unsent::Later(anyhow!("the archive is too slow")))) {
                let _ = timeout(sender.patience, association.abort()).await;
                return Err(error);
            }
        }
        // Every object is acknowledged; whether the farewell is does not matter.
        let _ = timeout(sender.patience, association.release()).await;
        Ok(())
    })
}

async fn store(
    association: &mut AsyncClientAssociation<TcpStream>,
    object: &DefaultDicomObject,
    file: &[u8],
    number: u16,
) -> Result<(), Unsent> {
    let class = object.meta().media_storage_sop_class_uid().trim_end_matches('\0').to_owned();
    let instance = object.meta().media_storage_sop_instance_uid().trim_end_matches('\0').to_owned();
    let context = association.presentation_contexts().iter().find(|context| context.abstract_syntax == class);
    let refused = || Unsent::Never(anyhow!("the archive takes no objects of class {class}"));
    let (context, syntax) = context.map(|context| (context.id, context.transfer_syntax.clone())).ok_or_else(refused)?;
    let data = if syntax == uids::EXPLICIT_VR_LITTLE_ENDIAN {
        data_set(file).context("an answer in the queue is damaged")?.to_vec()
    } else {
        let syntax = TransferSyntaxRegistry.get(&syntax).context("the archive chose a transfer syntax that was not offered")?;
        let mut data = Vec::new();
        object.write_dataset_with_ts(&mut data, syntax).context("an answer cannot be written")?;
        data
    };
    let command = Command::default()
        .with_number(tags::COMMAND_FIELD, C_STORE_RQ)
        .with_number(tags::MESSAGE_ID, number)
        .with_number(tags::PRIORITY, 0)
        .with_number(tags::COMMAND_DATA_SET_TYPE, 0)
        .with_text(tags::AFFECTED_SOP_CLASS_UID, &class)
        .with_text(tags::AFFECTED_SOP_INSTANCE_UID, &instance);
    let command = PDataValue {
        presentation_context_id: context,
        value_type: PDataValueType::Command,
        is_last: true,
        data: command.write(),
    };
    association.send(&Pdu::PData { data: vec![command] }).await.context("the command was not sent")?;
    let most = association.acceptor_max_pdu_length().clamp(VALUE_HEAD + 1, MAX_SENT) - VALUE_HEAD;
    let mut parts = data.chunks(most as usize).peekable();
    while let Some(part) = parts.next() {
        let value = PDataValue {
            presentation_context_id: context,
            value_type: PDataValueType::Data,
            is_last: parts.peek().is_none(),
            data: part.to_vec(),
        };
        association.send(&Pdu::PData { data: vec![value] }).await.context("the object was not sent")?;
    }
    let status = answer(association, number).await?;
    match status {
        // Stored, stored with a remark, there already.
        0 | 0xb000 | 0xb006 | 0xb007 | 0x0111 => Ok(()),
        0xa900..=0xa9ff | 0xc000..=0xcfff | 0x0122 | 0x0124 => {
            Err(Unsent::Never(anyhow!("the archive refuses the object with status {status:#06x}")))
        }
        _ => Err(Unsent::Later(anyhow!("the archive answers with status {status:#06x}"))),
    }
}

/// What follows preamble, magic and meta information: as it is, so that text of any character set stays what it was.
fn data_set(file: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(file.get(140..144)?.try_into().ok()?);
    file.get(144 + length as usize..)
}

async fn answer(association: &mut AsyncClientAssociation<TcpStream>, number: u16) -> Result<u16> {
    let mut bytes = Vec::new();
    loop {
        let Pdu::PData { data } = association.receive().await.context("the archive does not answer")? else {
            return Err(anyhow!("the archive ended the association"));
        };
        for value in data {
            bytes.extend(value.data);
            if bytes.len() > MAX_ANSWER {
                return Err(anyhow!("the archive's answer is too long"));
            }
            if !value.is_last {
                continue;
            }
            let command = Command::read(&bytes).context("the archive's answer is damaged")?;
            let is = |tag: Tag, wanted: u16| command.number(tag) == Some(wanted);
            if !is(tags::COMMAND_FIELD, C_STORE_RSP) || !is(tags::MESSAGE_ID_BEING_RESPONDED_TO, number) {
                return Err(anyhow!("the archive answers something else"));
            }
            return command.number(tags::STATUS).context("the archive's answer has no status");
        }
    }
}
