//! `host dicom` and peers that are hostile, slow or mistaken: each is ended or told so, and others go on.

use cxr_testkit::Lcg;
use cxr_tests::dicom::{CLASSES, Radiograph, element, file, radiograph};
use cxr_tests::dimse::{Answer, Peer, command, data, pdu, request, store};

use cxr_tests::hospital::Hospital;
use cxr_tests::http;
use cxr_tests::orthanc::free_port;
use cxr_tests::server::eventually;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::{TempDir, tempdir};

struct Setting {
    hospital: Hospital,
    folder: TempDir,
    port: u16,
    answers: PathBuf,
}

impl Setting {
    fn new(more: &[&str]) -> Self {
        let folder = tempdir().expect("a temporary folder");
        let answers = folder.path().join("answers");
        fs::create_dir(&answers).expect("a temporary folder");
        let port = free_port();
        let (listen, to) = (format!("127.0.0.1:{port}"), answers.display().to_string());
        let arguments = [&["--listen", &listen, "--to", &to, "--timeout", "3", "--max-object", "4"], more].concat();
        Self { hospital: Hospital::start(folder.path(), &arguments), folder, port, answers }
    }

    /// Asserts that a radiograph is still taken and answered.
    #[track_caller]
    fn assert_alive(&mut self, n: u32) {
        assert!(self.hospital.runs(), "{}", self.hospital.log());
        let before = count(&self.answers);
        let (mut peer, answer) = Peer::associate(self.port, "PACS", "CXR", &CLASSES[n as usize % 2..]);
        assert_eq!(answer, Answer::Accepted);
        assert_eq!(peer.store(&radiograph(n)), Answer::Status(0), "{}", self.hospital.log());
        peer.send(&pdu(5, &[0; 4]));
        assert_eq!(peer.answer(), Answer::Released);
        eventually("a report", || count(&self.answers) > before);
    }

    fn queued(&self) -> usize {
        count(&self.folder.path().join("queue/in"))
    }
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn who_may_not_send_is_told_so() {
    let mut setting = Setting::new(&["--allow-ae", "PACS", "--allow-ae", "XRAY", "--allow-address", "127.0.0.1"]);
    let associate = |calling, called| Peer::associate(setting.port, calling, called, &CLASSES).1;
    assert_eq!(associate("XRAY", "CXR"), Answer::Accepted);
    // Permanent, by the user: calling (3) and called (7) title not recognised.
    assert_eq!(associate("OTHER", "CXR"), Answer::Rejected([1, 1, 3]));
    assert_eq!(associate("PACS", "PACS"), Answer::Rejected([1, 1, 7]));
    setting.assert_alive(1);
    let mut elsewhere = Setting::new(&["--allow-address", "10.1.2.0/24"]);
    assert_eq!(Peer::associate(elsewhere.port, "PACS", "CXR", &CLASSES).1, Answer::Ended);
    assert!(elsewhere.hospital.runs());
}

#[test]
fn what_is_no_dicom_ends_its_own_connection_alone() {
    let mut setting = Setting::new(&[]);
    let noise: Vec<u8> = Lcg(7).take(100_000).collect();
    let nested: Vec<u8> = command(&[(0x0100, &[0xff; 9000]), (0x0002, &[b'1'; 9000])]);
    let claimed = [&[0, 0, 0x00, 0x01][..], &u32::MAX.to_le_bytes()].concat();
    let mut talks: Vec<Vec<u8>> =
        vec![noise, b"GET / HTTP/1.1\r\n\r\n".to_vec(), pdu(1, &[0; 10]), pdu(9, b"x"), data(1, 3, b"x")];
    talks.push([&[1, 0][..], &u32::MAX.to_be_bytes(), &[0; 1000]].concat());
    let associated = request("PACS", "CXR", &CLASSES);
    for rest in [
        data(1, 3, b"no command"),
        data(1, 3, &nested),
        data(1, 1, &vec![0; 15_000]).repeat(3),
        data(1, 3, &claimed),
        data(1, 2, b"data first"),
        data(99, 3, &store(CLASSES[0], "1.2.3")),
        [data(1, 3, &store(CLASSES[0], "1.2.3")), data(1, 3, &store(CLASSES[0], "1.2.3"))].concat(),
        data(1, 3, &command(&[(0x0100, &0x20u16.to_le_bytes())])),
        pdu(1, &[0; 100]),
        pdu(4, &[0, 0, 0, 0, 1, 2]),
        pdu(4, &[255; 16]),
        pdu(7, &[0; 4]),
    ] {
        talks.push([&associated[..], &rest].concat());
    }
    for talk in &talks {
        let mut peer = Peer::connect(setting.port);
        peer.send(talk);
        let started = Instant::now();
        while !matches!(peer.answer(), Answer::Ended) {
            assert!(started.elapsed() < Duration::from_secs(20));
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{:?} took {:?}", &talk[..20.min(talk.len())], started.elapsed());
    }
    setting.assert_alive(1);
    let log = setting.hospital.log();
    assert!(!log.contains("panic"), "{log}");
}

#[test]
fn hostile_objects_are_refused_or_answered_and_never_worse() {
    let mut setting = Setting::new(&[]);
    let whole = radiograph(2);
    let send = |port: u16, object: &Radiograph| {
        let (mut peer, answer) = Peer::associate(port, "PACS", "CXR", &[object.class]);
        assert_eq!(answer, Answer::Accepted);
        peer.store(object)
    };
    let made = |class: &'static str, instance: &str, data: &[u8]| Radiograph {
        study: String::new(),
        instance: instance.to_owned(),
        class,
        file: file(class, instance, data),
    };
    // Sequences in sequences, each of undefined length.
    let open = [&[0x40, 0, 0x75, 2, b'S', b'Q', 0, 0][..], &[0xff; 4], &[0xfe, 0xff, 0, 0xe0], &[0xff; 4]].concat();
    assert_eq!(send(setting.port, &made(CLASSES[0], "1.2.3", &open.repeat(50_000))), Answer::Status(0xc000));
    // A value that claims to be longer than the world.
    let claim = [&[0x10, 0, 0x10, 0, b'U', b'T', 0, 0][..], &0xffff_fff0u32.to_le_bytes(), b"x"].concat();
    assert_eq!(send(setting.port, &made(CLASSES[0], "1.2.3", &claim)), Answer::Status(0xc000));
    // Nobody's image, another's image, names that are paths.
    let mut nobody = Vec::new();
    element(&mut nobody, 0x0008, 0x0016, b"UI", CLASSES[0].as_bytes());
    element(&mut nobody, 0x0008, 0x0018, b"UI", b"1.2.3");
    assert_eq!(send(setting.port, &made(CLASSES[0], "1.2.3", &nobody)), Answer::Status(0xc000));
    let mut other = whole.clone();
    other.instance = "1.2.3.4".to_owned();
    assert_eq!(send(setting.port, &other), Answer::Status(0xa900));
    let mut path = nobody.clone();
    element(&mut path, 0x0020, 0x000d, b"UI", b"../../../etc/passwd");
    element(&mut path, 0x0020, 0x000e, b"UI", b"1.2");
    assert_eq!(send(setting.port, &made(CLASSES[0], "1.2.3", &path)), Answer::Status(0xc000));
    // Larger than --max-object.
    assert_eq!(send(setting.port, &made(CLASSES[0], "1.2.3", &vec![0; 5 << 20])), Answer::Status(0xa700));
    // A class that is not read has no context.
    let (mut peer, answer) = Peer::associate(setting.port, "PACS", "CXR", &["1.2.840.10008.5.1.4.1.1.2"]);
    assert_eq!(answer, Answer::Accepted);
    assert_eq!(peer.store(&whole), Answer::Status(0xc000));
    assert_eq!((setting.queued(), count(&setting.answers)), (0, 0));
    // Pixels that break off, or are no pixels, are answered: the report says why there is no verdict.
    let seed = radiograph(3);
    for (n, cut) in [(5u32, 100), (7, 30_000), (9, seed.file.len() / 2)] {
        let mut torn = radiograph(n);
        torn.file.truncate(torn.file.len().saturating_sub(cut));
        assert_eq!(send(setting.port, &torn), Answer::Status(0), "{n}");
    }
    eventually("three reports", || count(&setting.answers) == 3);
    // Bytes turned at random: whatever comes of it, it goes on.
    let mut random = Lcg(11);
    for n in 100..160 {
        let mut turned = radiograph(n);
        for _ in 0..20 {
            let at = 400 + (usize::from(random.next().unwrap_or(0)) << 8 | usize::from(random.next().unwrap_or(0))) % 1200;
            turned.file[at] = random.next().unwrap_or(0);
        }
        send(setting.port, &turned);
    }
    eventually("an empty queue", || setting.queued() == 0);
    setting.assert_alive(1);
    assert!(setting.hospital.peak() < 400.0, "{} MiB", setting.hospital.peak());
}

#[test]
fn slow_peers_are_ended_and_cost_nobody_else_anything() {
    let mut setting = Setting::new(&["--associations", "6", "--per-address", "6"]);
    let mut slow: Vec<Peer> = Vec::new();
    // Silent; silent after the association; in the middle of an object.
    slow.push(Peer::connect(setting.port));
    slow.push(Peer::associate(setting.port, "PACS", "CXR", &CLASSES).0);
    let mut half = Peer::associate(setting.port, "PACS", "CXR", &CLASSES).0;
    half.send(&data(1, 3, &store(CLASSES[0], "1.2.3")));
    half.send(&data(1, 0, &[0; 1000]));
    slow.push(half);
    // A byte at a time, which renews every timeout of a socket.
    let mut dripping = Peer::connect(setting.port);
    let started = Instant::now();
    for byte in request("PACS", "CXR", &CLASSES) {
        if !dripping.send(&[byte]) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    for mut peer in slow {
        assert_eq!(peer.answer(), Answer::Ended);
    }
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
    // More than there is room for is turned away for now, and room comes back.
    let held: Vec<Peer> = (0..6).map(|_| Peer::connect(setting.port)).collect();
    std::thread::sleep(Duration::from_millis(300));
    // Transient, by the presentation layer: local limit exceeded; or closed before it could be read.
    let answer = Peer::associate(setting.port, "PACS", "CXR", &CLASSES).1;
    assert!(matches!(answer, Answer::Rejected([2, 3, 2]) | Answer::Ended), "{answer:?}");
    drop(held);
    std::thread::sleep(Duration::from_millis(500));
    setting.assert_alive(1);
}

#[test]
fn stow_asks_for_its_token_and_bounds_what_it_takes() {
    let folder = tempdir().expect("a temporary folder");
    let answers = folder.path().join("answers");
    fs::create_dir(&answers).expect("a temporary folder");
    let token = folder.path().join("token");
    fs::write(&token, "sixteen-letters-and-more\n").expect("a temporary file");
    let port = free_port();
    let (listen, to, secret) = (format!("127.0.0.1:{port}"), answers.display().to_string(), token.display().to_string());
    let arguments = [
        "--stow",
        &listen,
        "--to",
        &to,
        "--token-file",
        &secret,
        "--timeout",
        "3",
        "--head-timeout",
        "2",
        "--max-object",
        "4",
        "--max-objects",
        "3",
    ];
    let mut hospital = Hospital::start(folder.path(), &arguments);
    let address = listen.parse().expect("an address");
    let body = |files: &[&[u8]]| {
        let parts =
            files.iter().map(|file| [&b"--frontier\r\ncontent-type: application/dicom\r\n\r\n"[..], file, b"\r\n"].concat());
        [parts.collect::<Vec<_>>().concat(), b"--frontier--\r\n".to_vec()].concat()
    };
    let kind = ("content-type", "multipart/related; type=\"application/dicom\"; boundary=frontier");
    let bearer = ("authorization", "Bearer sixteen-letters-and-more");
    let post = |path: &str, headers: &[(&str, &str)], body: &[u8]| http::request(address, "POST", path, headers, body);
    let [one, two, three, four] = [1, 2, 3, 4].map(radiograph);
    http::get(address, "/healthz").expect(200);
    http::get(address, "/studies").expect(405);
    post("/elsewhere", &[kind, bearer], &[]).expect(404);
    post("/studies", &[kind], &body(&[&one.file])).expect(401);
    post("/studies", &[kind, ("authorization", "Bearer wrong")], &body(&[&one.file])).expect(401);
    post("/studies", &[("content-type", "application/json"), bearer], b"{}").expect(415);
    post("/studies", &[kind, bearer], b"no multipart").expect(400);
    post("/studies", &[kind, bearer], &body(&[])).expect(400);
    let stored = post("/studies", &[kind, bearer], &body(&[&one.file])).expect(200).json();
    assert_eq!(stored["00081199"]["Value"][0]["00081155"]["Value"][0], one.instance);
    // Twice is as good as once.
    post("/studies", &[kind, bearer], &body(&[&one.file])).expect(200);
    let partly = post("/studies", &[kind, bearer], &body(&[b"nonsense", &two.file])).expect(202).json();
    assert_eq!(partly["00081198"]["Value"][0]["00081197"]["Value"][0], 0xc000);
    let large = vec![0; 5 << 20];
    assert_eq!(
        post("/studies", &[kind, bearer], &body(&[&large])).expect(409).json()["00081198"]["Value"][0]["00081197"]["Value"][0],
        0xa700
    );
    post(&format!("/studies/{}", three.study), &[kind, bearer], &body(&[&three.file])).expect(200);
    post("/studies/1.2.3", &[kind, bearer], &body(&[&four.file])).expect(409);
    post("/studies", &[kind, bearer], &body(&[&one.file, &two.file, &three.file, &four.file])).expect(413);
    // A head, and a body, that never end.
    for start in [
        "POST /studies HTTP/1.1\r\nhost: x\r\n".to_owned(),
        format!(
            "POST /studies HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\ncontent-type: {}\r\nauthorization: {}\r\n\r\n--frontier\r\n",
            kind.1, bearer.1
        ),
    ] {
        let mut stream = http::connect(address);
        stream.write_all(start.as_bytes()).expect("it listens");
        let started = Instant::now();
        let answer = http::read(&mut stream);
        assert!(answer.is_none_or(|answer| answer.status == 408), "neither ended nor refused");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
    eventually("three reports", || count(&folder.path().join("queue/done")) == 3);
    assert!(hospital.runs());
    assert_eq!(hospital.stop(), Some(0));
}
