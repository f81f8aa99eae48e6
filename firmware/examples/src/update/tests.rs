extern crate std;

use super::*;
use crate::flash::Memory;
use ed25519_dalek::{Signer, SigningKey};
use std::vec::Vec;

const OLD: &[u8] = include_bytes!("../../../../core/engine/tests/mobile.rnet");
const NEW: &[u8] = include_bytes!("../../../../core/engine/tests/residual.rnet");
const SIZE: usize = 2 * 4 * SECTOR;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn slots(bytes: &mut [u8]) -> Slots<Memory<'_>> {
    Slots::new(Memory::new(bytes), key().verifying_key())
}

#[test]
fn the_key_of_the_example_is_that_of_its_secret() {
    assert_eq!(key().verifying_key().to_bytes(), EXAMPLE_KEY);
}

/// Sends a network; the last reply.
fn send<F: Flash>(slots: &mut Slots<F>, version: u32, network: &[u8], signature: &[u8]) -> Reply {
    let mut reply = slots.handle(Request::Begin { version, len: network.len() as u32, signature });
    let mut offset = 0;
    for bytes in network.chunks(CHUNK) {
        if let Reply::Refused(_) = reply {
            return reply;
        }
        reply = slots.handle(Request::Chunk { offset, bytes });
        offset += bytes.len() as u32;
    }
    if let Reply::Refused(_) = reply { reply } else { slots.handle(Request::Commit) }
}

fn signed<F: Flash>(slots: &mut Slots<F>, version: u32, network: &[u8]) -> Reply {
    send(slots, version, network, &key().sign(&sign_over(version, network)).to_bytes())
}

/// Flash with version 1 in use.
fn in_use() -> Vec<u8> {
    let mut bytes = std::vec![0xff; SIZE];
    let mut slots = slots(&mut bytes);
    assert_eq!(slots.boot(), None);
    assert_eq!(signed(&mut slots, 1, OLD), Reply::Installed);
    let first = slots.boot().unwrap();
    assert_eq!(first, Chosen { slot: 0, version: 1, on_trial: true });
    slots.confirm(first.slot).unwrap();
    assert_eq!(slots.boot().unwrap(), Chosen { slot: 0, version: 1, on_trial: false });
    bytes
}

#[test]
fn an_update_is_tried_and_confirmed() {
    let mut bytes = in_use();
    let mut slots = slots(&mut bytes);
    assert_eq!(signed(&mut slots, 2, NEW), Reply::Installed);
    let chosen = slots.boot().unwrap();
    assert_eq!(chosen, Chosen { slot: 1, version: 2, on_trial: true });
    assert_eq!(slots.network(1), NEW);
    assert_eq!(signed(&mut slots, 3, OLD), Reply::Refused(Refusal::OnTrial));
    slots.confirm(1).unwrap();
    // The old slot takes the one after.
    assert_eq!(signed(&mut slots, 3, OLD), Reply::Installed);
    assert_eq!(slots.boot().unwrap(), Chosen { slot: 0, version: 3, on_trial: true });
}

#[test]
fn one_that_does_not_confirm_is_rolled_back() {
    let mut bytes = in_use();
    let mut slots = slots(&mut bytes);
    assert_eq!(signed(&mut slots, 2, NEW), Reply::Installed);
    for _ in 0..TRIALS {
        assert_eq!(slots.boot().unwrap(), Chosen { slot: 1, version: 2, on_trial: true });
    }
    let old = Chosen { slot: 0, version: 1, on_trial: false };
    assert_eq!((slots.boot(), slots.boot()), (Some(old), Some(old)));
    // It may come again, mended.
    assert_eq!(signed(&mut slots, 2, NEW), Reply::Installed);
    assert!(slots.boot().unwrap().on_trial);
}

#[test]
fn what_is_not_signed_is_refused() {
    let mut bytes = in_use();
    let mut slots = slots(&mut bytes);
    let good = key().sign(&sign_over(2, NEW)).to_bytes();
    let stranger = SigningKey::from_bytes(&[8; 32]).sign(&sign_over(2, NEW)).to_bytes();
    let mut changed = NEW.to_vec();
    changed[NEW.len() / 2] ^= 1;
    let refused = Reply::Refused(Refusal::Signature);
    assert_eq!(send(&mut slots, 2, NEW, &stranger), refused);
    assert_eq!(send(&mut slots, 2, &changed, &good), refused);
    assert_eq!(send(&mut slots, 3, NEW, &good), refused, "another version than was signed");
    assert_eq!(send(&mut slots, 2, &NEW[..NEW.len() - 1], &good), refused);
    assert_eq!(send(&mut slots, 2, NEW, &good[..63]), refused);
    let junk = [0x55; 600];
    assert_eq!(signed(&mut slots, 2, &junk), Reply::Refused(Refusal::Network));
    assert_eq!(slots.boot().unwrap(), Chosen { slot: 0, version: 1, on_trial: false });
}

#[test]
fn old_versions_long_files_and_gaps_are_refused() {
    let mut bytes = in_use();
    let mut slots = slots(&mut bytes);
    assert_eq!(signed(&mut slots, 1, NEW), Reply::Refused(Refusal::NotNewer));
    assert_eq!(signed(&mut slots, 0, NEW), Reply::Refused(Refusal::NotNewer));
    let begin = |len| Request::Begin { version: 2, len, signature: &[0; 64] };
    assert_eq!(slots.handle(begin(u32::MAX)), Reply::Refused(Refusal::TooLong));
    assert_eq!(slots.handle(Request::Commit), Reply::Refused(Refusal::OutOfOrder));
    assert_eq!(slots.handle(begin(8)), Reply::Stored { offset: 0 });
    let chunk = |offset| Request::Chunk { offset, bytes: &[1, 2, 3, 4] };
    assert_eq!(slots.handle(chunk(4)), Reply::Refused(Refusal::OutOfOrder));
    assert_eq!(slots.handle(chunk(0)), Reply::Stored { offset: 4 });
    assert_eq!(slots.handle(chunk(0)), Reply::Stored { offset: 4 }, "repeated");
    assert_eq!(slots.handle(chunk(6)), Reply::Refused(Refusal::TooLong));
    assert_eq!(slots.handle(Request::Commit), Reply::Refused(Refusal::OutOfOrder));
}

/// Power goes in the middle of every operation of an update, of its trial and of its confirmation: the next start has a network.
#[test]
fn power_may_go_at_any_moment() {
    let mut versions = [0; 3];
    for operations in 1.. {
        let mut bytes = in_use();
        let mut cut = slots(&mut bytes);
        cut.flash().power = Some(operations);
        let _ = signed(&mut cut, 2, NEW);
        if let Some(chosen) = cut.boot().filter(|chosen| chosen.on_trial) {
            let _ = cut.confirm(chosen.slot);
        }
        let over = cut.flash().power.is_some_and(|left| left > 0);
        let mut after = slots(&mut bytes);
        let chosen = after.boot().expect("a network");
        let expected = if chosen.version == 1 { OLD } else { NEW };
        assert_eq!(after.network(chosen.slot), expected, "after {operations} operations");
        versions[chosen.version as usize] += 1;
        if over {
            break;
        }
    }
    assert!(versions[1] > 20 && versions[2] >= 1, "{versions:?}");
}
