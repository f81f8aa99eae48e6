//! `host dicom` and archives that are away, slow or hostile: answers are kept, sent again, and there once.

use cxr_tests::archive::{Archive, Fault, accepted};
use cxr_tests::dicom::{CLASSES, radiograph};
use cxr_tests::dimse::{Answer, Peer, pdu, request};
use cxr_tests::hospital::Hospital;
use cxr_tests::orthanc::free_port;
use cxr_tests::server::eventually;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use tempfile::tempdir;

/// How long an archive is waited for.
const SECONDS: u64 = 2;

/// Starts it with answers to that archive; it takes the folder `watched`.
fn start(folder: &Path, archive: &Archive, dimse: bool) -> Hospital {
    let to =
        if dimse { format!("PACS@127.0.0.1:{}", archive.port) } else { format!("http://127.0.0.1:{}/studies", archive.port) };
    let (watched, seconds) = (folder.join("watched").display().to_string(), SECONDS.to_string());
    let model = ["--model", "tests/golden/fixture.cxr"];
    Hospital::start(
        folder,
        &[&["--watch", &watched, "--watch-step", "1", "--to", &to, "--timeout", &seconds][..], &model].concat(),
    )
}

fn queued(folder: &Path, part: &str) -> usize {
    fs::read_dir(folder.join("queue").join(part)).map_or(0, Iterator::count)
}

/// An image whose first answer meets the fault is answered all the same: report and capture, once, and soon.
fn survives(fault: &Fault, dimse: bool) {
    let folder = tempdir().expect("a temporary folder");
    let folder = folder.path();
    fs::create_dir(folder.join("watched")).expect("a temporary folder");
    fs::write(folder.join("watched/one.dcm"), radiograph(1).file).expect("a temporary file");
    let archive = Archive::start(fault.clone(), dimse);
    let mut hospital = start(folder, &archive, dimse);
    eventually(&format!("{fault:?} (dimse: {dimse}): not sent"), || queued(folder, "done") == 1);
    eventually("an empty queue", || ["in", "out", "failed"].map(|part| queued(folder, part)) == [0; 3]);
    eventually("the archive's count", || *archive.stored.lock().expect("a number") == 2);
    assert!(hospital.log().contains("not sent; tried again"), "{fault:?}: {}", hospital.log());
    assert!(hospital.runs() && hospital.peak() < 200.0, "{fault:?}: {} MiB", hospital.peak());
}

#[test]
fn answers_survive_every_fault_of_an_archive() {
    // A place that no answer may be led to.
    let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a free port");
    elsewhere.set_nonblocking(true).expect("a socket");
    let moved = format!(
        "HTTP/1.1 307 so\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n",
        elsewhere.local_addr().expect("an address")
    );
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/dicom+json\r\n\r\n".to_vec();
    let association = accepted(&request("CXR", "PACS", &CLASSES)[6..]);
    let faults = [
        (Fault::Closes, false),
        (Fault::Silent, false),
        (Fault::Drips(head.clone()), false),
        (Fault::Says(b"\0nonsense\r\n\r\n".to_vec()), false),
        (Fault::Says(moved.into_bytes()), false),
        // It says "stored", and breaks off before it says what.
        (Fault::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{".to_vec()), false),
        (Fault::Endless(head), false),
        (Fault::Status(503), false),
        (Fault::Status(404), false),
        (Fault::Closes, true),
        (Fault::Silent, true),
        (Fault::Drips(association.clone()), true),
        (Fault::Says(b"HTTP/1.1 400 so\r\n\r\n".to_vec()), true),
        // Rejected for now: local limit exceeded.
        (Fault::Says(pdu(3, &[0, 2, 3, 2])), true),
        // Accepted, and then an answer that is none, or none to this, without end.
        (Fault::Says([&association[..], &pdu(4, &[255; 16])].concat()), true),
        (Fault::Endless(association.clone()), true),
        (Fault::Says([&association[..], &pdu(7, &[0; 4])].concat()), true),
        (Fault::Status(0xa700), true),
    ];
    std::thread::scope(|scope| {
        // A few at a time: each starts a program.
        for part in faults.chunks(6) {
            let running: Vec<_> = part.iter().map(|(fault, dimse)| scope.spawn(|| survives(fault, *dimse))).collect();
            running.into_iter().for_each(|one| one.join().expect("a fault that it does not survive"));
        }
    });
    assert!(elsewhere.accept().is_err(), "an answer was led elsewhere");
}

#[test]
fn what_an_archive_refuses_for_good_is_kept_and_tried_again_by_the_next_run() {
    for (dimse, status) in [(true, 0xc123), (false, 400)] {
        let folder = tempdir().expect("a temporary folder");
        let folder = folder.path();
        fs::create_dir(folder.join("watched")).expect("a temporary folder");
        fs::write(folder.join("watched/one.dcm"), radiograph(2).file).expect("a temporary file");
        let archive = Archive::start(Fault::Status(status), dimse);
        let hospital = start(folder, &archive, dimse);
        eventually("a failed answer", || queued(folder, "failed") == 1);
        let kept = fs::read_dir(folder.join("queue/failed")).expect("a queue").next().expect("an answer").expect("an answer");
        eventually("a reason", || kept.path().join("reason.txt").is_file());
        let reason = fs::read_to_string(kept.path().join("reason.txt")).expect("a reason");
        assert!(reason.contains(if dimse { "0xc123" } else { "400" }), "{reason}");
        hospital.kill();
        let hospital = start(folder, &archive, dimse);
        eventually("the answer", || queued(folder, "done") == 1);
        eventually("the archive's count", || *archive.stored.lock().expect("a number") == 2);
        assert_eq!(queued(folder, "failed"), 0);
        drop(hospital);
    }
}

#[test]
fn an_archive_that_hangs_does_not_stop_what_comes_in() {
    let folder = tempdir().expect("a temporary folder");
    let folder = folder.path();
    // Listens, and takes nothing from the line.
    let archive = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (port, to) = (free_port(), format!("PACS@{}", archive.local_addr().expect("an address")));
    let listen = format!("127.0.0.1:{port}");
    let mut hospital =
        Hospital::start(folder, &["--listen", &listen, "--to", &to, "--timeout", "5", "--model", "tests/golden/fixture.cxr"]);
    for n in 1..=10 {
        let (mut peer, answer) = Peer::associate(port, "XRAY", "CXR", &CLASSES[n as usize % 2..]);
        assert_eq!((answer, peer.store(&radiograph(n))), (Answer::Accepted, Answer::Status(0)));
    }
    eventually("ten answers that wait", || queued(folder, "out") == 10);
    assert!(hospital.runs());
    assert_eq!(hospital.stop(), Some(0));
    assert_eq!(queued(folder, "out"), 10);
}
