//! `host serve` against those who mean harm: files, requests and clients. Right status each, alive, in bounds.

use cxr_testkit::{CRC32, Lcg};
use cxr_tests::http::{Response, connect, multipart, predict, raw, read, request};
use cxr_tests::root;
use cxr_tests::server::{Server, eventually};
use image::{DynamicImage, GrayImage, ImageFormat};
use std::fs;
use std::io::{Cursor, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

fn sample() -> Vec<u8> {
    fs::read(root().join("data/samples/normal.png")).expect("a sample")
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).expect("an image");
    bytes
}

/// A PNG that claims `side` x `side` pixels and has the data of few.
fn claims(side: u32) -> Vec<u8> {
    let mut png = encoded(&DynamicImage::new_luma8(8, 8), ImageFormat::Png);
    png[16..20].copy_from_slice(&side.to_be_bytes());
    png[20..24].copy_from_slice(&side.to_be_bytes());
    let crc = CRC32.checksum(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    png
}

#[test]
fn hostile_files_get_the_right_status() {
    let mut server = Server::start(["--max-pixels", "64"]);
    let good = sample();
    let jpeg = encoded(
        &DynamicImage::ImageLuma8(GrayImage::from_raw(64, 64, Lcg(3).take(4096).collect()).expect("an image")),
        ImageFormat::Jpeg,
    );
    let bmp = encoded(&DynamicImage::new_rgb8(9, 9), ImageFormat::Bmp);
    let tiff = encoded(&DynamicImage::new_luma16(9, 9), ImageFormat::Tiff);
    // 128 MB of zeros in a hundred kilobytes of PNG, and no way to hold less of them.
    let bomb = encoded(&DynamicImage::new_luma16(8000, 8000), ImageFormat::Png);
    let polyglot = [&good[..], b"<html><script>alert(1)</script>PK\x03\x04"].concat();
    let html = b"<!doctype html><script>alert(1)</script>";
    let gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    let tiny = encoded(&DynamicImage::new_luma8(1, 1), ImageFormat::Png);
    let thin = encoded(&DynamicImage::new_luma8(8192, 1), ImageFormat::Png);
    let wide = encoded(&DynamicImage::new_luma8(9000, 2), ImageFormat::Png);
    let claims_30000 = claims(30_000);
    let claims_7000 = claims(7000);
    let mut lying_bmp = bmp.clone();
    lying_bmp[18..22].copy_from_slice(&60_000i32.to_le_bytes());
    let cases: [(&str, &[u8], u16); 18] = [
        ("empty", b"", 400),
        ("truncated PNG", &good[..good.len() / 2], 422),
        ("a PNG's first bytes", &good[..8], 422),
        // Decoded as far as it goes, with a warning: below.
        ("truncated TIFF", &tiff[..tiff.len() / 2], 422),
        ("truncated BMP", &bmp[..bmp.len() / 2], 422),
        ("a BMP that claims 60000 columns", &lying_bmp, 413),
        ("decompression bomb", &bomb, 413),
        ("claims 30000 x 30000", &claims_30000, 413),
        ("claims 7000 x 7000, has 64 pixels", &claims_7000, 422),
        ("polyglot", &polyglot, 200),
        ("HTML", html, 415),
        ("a GIF, which is not read", gif, 415),
        ("a zip", b"PK\x03\x04\x14\0\0\0", 415),
        ("1 x 1", &tiny, 200),
        ("8192 x 1", &thin, 200),
        ("9000 x 2", &wide, 413),
        ("a DICOM preamble and nothing", &[&[0; 128][..], b"DICM"].concat(), 422),
        ("zeros", &[0; 1000], 415),
    ];
    for (name, bytes, status) in cases {
        let answer = predict(server.address, "?maps=true&preview=256", bytes);
        assert_eq!(answer.status, status, "{name}: {}", answer.text().chars().take(300).collect::<String>());
        // Whatever came in, no browser will take the answer for a page.
        assert!(
            answer.header("content-type").ends_with("json") && answer.header("x-content-type-options") == "nosniff",
            "{name}"
        );
        if answer.status != 200 {
            assert!(answer.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{name}");
        }
    }
    // A JPEG that breaks off is refused, or answered with a word about it; never as if it were whole.
    let torn = predict(server.address, "", &jpeg[..jpeg.len() / 2]);
    match torn.status {
        200 => {
            let warnings = torn.json()["predictions"][0]["warnings"].take();
            assert!(warnings.as_array().is_some_and(|list| !list.is_empty()), "a torn JPEG without a warning");
        }
        _ => torn.problem(422, "damaged"),
    }
    for kind in ["text/html", "application/json", "multipart/mixed", "video/mp4", "application/x-www-form-urlencoded"] {
        request(server.address, "POST", "/api/v1/predictions", &[("content-type", kind)], &good).problem(415, "not-an-image");
    }
    assert!(server.resident() < 150.0, "{} MiB", server.resident());
    server.assert_alive();
}

#[test]
fn hostile_requests_get_the_right_status() {
    let mut server = Server::start(["--max-body", "1"]);
    let address = server.address;
    let status = |bytes: &[u8]| raw(address, bytes).map(|answer| answer.status);
    let head = |path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{more}\r\n").into_bytes()
    };
    assert_eq!(status(&head("/", "")), Some(200));
    assert_eq!(status(&head("/../../etc/passwd", "")), Some(404));
    assert_eq!(status(&head("/assets/%2e%2e/%2e%2e/etc/passwd", "")), Some(404));
    assert_eq!(status(&head(&format!("/{}", "a".repeat(100_000)), "")), Some(431));
    assert_eq!(status(&head("/", &format!("x: {}\r\n", "a".repeat(60_000)))), Some(431));
    assert_eq!(status(&head("/", &"x: y\r\n".repeat(200))), Some(431));
    assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), Some(421));
    assert_eq!(status(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"), Some(400));
    let post = |more: &str, body: &[u8]| {
        [format!("POST /api/v1/predictions HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{more}\r\n").as_bytes(), body]
            .concat()
    };
    // Two lengths, a length that is none, chunks that are none.
    assert_eq!(status(&post("content-length: 1\r\ncontent-length: 2\r\n", b"ab")), Some(400));
    assert_eq!(status(&post("content-length: -1\r\n", b"")), Some(400));
    assert_eq!(status(&post("transfer-encoding: chunked\r\n", b"zz\r\n")), Some(400));
    assert_eq!(status(&post("content-length: 99999999999\r\n", &[0; 2 << 20])), Some(413));
    // A body without a declared length is held to the same limit.
    let chunk = [b"10000\r\n", vec![0; 0x10000].as_slice(), b"\r\n"].concat();
    assert_eq!(status(&post("transfer-encoding: chunked\r\n", &chunk.repeat(20))), Some(413));
    for form in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x"] {
        let answer = request(address, "POST", "/api/v1/predictions", &[("content-type", form)], b"--y\r\n\r\nno parts");
        assert_eq!(answer.status, 400, "{form}: {}", answer.text());
    }
    let (kind, whole) = multipart(&[("a.png", &sample())]);
    let cut = request(address, "POST", "/api/v1/predictions", &[("content-type", &kind)], &whole[..whole.len() / 2]);
    cut.problem(400, "malformed");
    server.assert_alive();
}

#[test]
fn noise_on_the_wire_never_ends_it() {
    let mut server = Server::start::<&str>([]);
    let (kind, form) = multipart(&[("a.png", &sample()), ("b.dcm", b"DICM")]);
    let head = format!(
        "POST /api/v1/predictions?preview=64 HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        server.address,
        form.len()
    );
    let whole = [head.as_bytes(), &form].concat();
    let mut random = Lcg(77);
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    for round in 0..400 {
        let mut bytes = whole.clone();
        // In the head, where a length may grow, and behind it, where every request is answered.
        let whole_head = round % 2 == 1;
        let (from, to) = if whole_head { (head.len(), bytes.len()) } else { (0, head.len()) };
        for _ in 0..1 + round % 9 {
            let at = random.by_ref().take(4).fold(0usize, |sum, byte| sum << 8 | usize::from(byte)) % (to - from);
            bytes[from + at] = random.next().unwrap_or(0);
        }
        let mut stream = connect(server.address);
        let _ = stream.write_all(&bytes);
        if !whole_head {
            // The server waits for a length that grew: hang up. Whoever hangs up may miss his answer.
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        match Response::parse(&answer) {
            Some(answer) => *statuses.entry(answer.status).or_default() += 1,
            None => assert!(!whole_head, "round {round}: no answer"),
        }
    }
    assert!(!statuses.contains_key(&500), "{statuses:?}");
    assert!(statuses.len() >= 3, "{statuses:?}");
    server.assert_alive();
}

#[test]
fn a_thousand_slow_clients_keep_nobody_out_and_cost_little() {
    let mut server = Server::start(["--head-timeout", "3", "--timeout", "4", "--per-client", "0"]);
    let before = server.resident();
    let slow: Vec<TcpStream> = (0..1000)
        .map(|i| {
            let mut stream = connect(server.address);
            // Half never finish the head, half never finish the body.
            let head = format!("POST /api/v1/predictions HTTP/1.1\r\nhost: {}\r\n", server.address);
            stream.write_all(head.as_bytes()).expect("a beginning");
            if i % 2 == 1 {
                stream.write_all(b"content-length: 50000000\r\n\r\n\x89PNG").expect("a beginning");
            }
            stream
        })
        .collect();
    let start = Instant::now();
    server.assert_alive();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let grown = server.resident() - before;
    assert!(grown < 60.0, "{grown} MiB for a thousand clients");
    // All are told off or hung up on, and their places are free again.
    let mut told = [0, 0];
    for (i, mut stream) in slow.into_iter().enumerate() {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        if let Some(answer) = Response::parse(&answer) {
            assert_eq!(answer.status, 408, "{}", answer.text());
            told[i % 2] += 1;
        }
    }
    assert_eq!(told[1], 500, "bodies that never came");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    eventually("places stay taken", || server.open_files() < 60);
    server.assert_alive();
}

#[test]
fn queues_memory_and_connections_are_bounded() {
    let mut server = Server::start(["--workers", "1", "--queue", "1", "--per-client", "0"]);
    let image = encoded(&DynamicImage::new_luma8(3000, 3000), ImageFormat::Png);
    let answers: Vec<Response> = thread::scope(|scope| {
        let ask = || predict(server.address, "?maps=true", &image);
        let threads: Vec<_> = (0..24).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    let busy: Vec<&Response> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(!busy.is_empty() && busy.len() < answers.len(), "{} of {}", busy.len(), answers.len());
    for answer in busy {
        answer.problem(503, "busy");
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    }
    server.assert_alive();

    let mut server = Server::start(["--per-client", "2", "--upload-memory", "1", "--timeout", "20"]);
    let begin = |bytes: usize| {
        let mut stream = connect(server.address);
        let head =
            format!("POST /api/v1/predictions HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n", server.address, 3 << 20);
        stream.write_all(head.as_bytes()).expect("a head");
        stream.write_all(&vec![0; bytes]).expect("a body");
        stream
    };
    let held = [begin(4096), begin(4096)];
    // Both are in hand before a third comes: it must not take the place of one.
    server.until("cxr_upload_memory_bytes", |bytes| bytes == 8192.0);
    eventually("a third request of one address is taken", || predict(server.address, "", &sample()).status == 429);
    let answer = predict(server.address, "", &sample());
    answer.problem(429, "too-many-requests");
    assert_eq!(answer.header("retry-after"), "1");
    drop(held);
    eventually("the places stay taken", || predict(server.address, "", &sample()).status == 200);
    // Two megabytes of upload do not fit one of memory. The answer comes although a third was never sent.
    let mut greedy = begin(2 << 20);
    let answer = read(&mut greedy).expect("an answer");
    answer.problem(503, "busy");
    assert_eq!((answer.header("retry-after"), answer.header("connection")), ("1", "close"));
    server.until("cxr_upload_memory_bytes", |bytes| bytes == 0.0);
    server.assert_alive();

    let server = Server::start(["--connections", "4"]);
    // They are taken in the order in which they come.
    let held: Vec<TcpStream> = (0..4).map(|_| connect(server.address)).collect();
    let mut refused = connect(server.address);
    let mut answer = Vec::new();
    let _ = refused.read_to_end(&mut answer);
    let answer = Response::parse(&answer).expect("an answer").expect(503);
    assert_eq!(answer.header("retry-after"), "1");
    drop(held);
    let health = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", server.address);
    eventually("the places stay taken", || raw(server.address, health.as_bytes()).is_some_and(|answer| answer.status == 200));
}

/// A PNG whose Exif says that it lies on its side.
fn turned(image: &DynamicImage) -> Vec<u8> {
    let png = encoded(image, ImageFormat::Png);
    // Little-endian TIFF with one entry: orientation (0x0112) is 6.
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let named = [&b"eXIf"[..], exif].concat();
    let crc = CRC32.checksum(&named);
    let chunk = [&(exif.len() as u32).to_be_bytes()[..], &named, &crc.to_be_bytes()].concat();
    // After the signature and the header.
    [&png[..33], &chunk, &png[33..]].concat()
}

/// A DICOM file of `side` x `side` pixels in 16 bits, all black, in RLE.
fn run_lengths(side: u16) -> Vec<u8> {
    let short = |group: u16, element: u16, vr: &[u8; 2], value: &[u8]| {
        let mut bytes = [group.to_le_bytes(), element.to_le_bytes()].concat();
        bytes.extend_from_slice(vr);
        bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
        bytes.extend_from_slice(value);
        bytes
    };
    let us = |element: u16, value: u16| short(0x28, element, b"US", &value.to_le_bytes());
    let meta = short(2, 0x10, b"UI", b"1.2.840.10008.1.2.5\0");
    // Runs of up to 128 zeros, each row by itself; high bytes and low bytes are alike.
    let mut row = Vec::new();
    let mut left = usize::from(side);
    while left > 0 {
        let run = left.min(128);
        row.extend_from_slice(&[(257 - run) as u8, 0]);
        left -= run;
    }
    let segment = row.repeat(usize::from(side));
    let mut frame: Vec<u8> = [2, 64, 64 + segment.len() as u32].iter().flat_map(|n: &u32| n.to_le_bytes()).collect();
    frame.resize(64, 0);
    frame.extend_from_slice(&segment);
    frame.extend_from_slice(&segment);
    let item = |element: u16, bytes: &[u8]| {
        [&0xfffe_u16.to_le_bytes()[..], &element.to_le_bytes(), &(bytes.len() as u32).to_le_bytes(), bytes].concat()
    };
    [
        &[0; 128][..],
        b"DICM",
        &short(2, 0, b"UL", &(meta.len() as u32).to_le_bytes()),
        &meta,
        &short(8, 0x60, b"CS", b"DX"),
        &us(2, 1),
        &short(0x28, 4, b"CS", b"MONOCHROME2 "),
        &us(0x10, side),
        &us(0x11, side),
        &us(0x100, 16),
        &us(0x101, 16),
        &us(0x102, 15),
        &us(0x103, 0),
        b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff",
        &item(0xe000, b""),
        &item(0xe000, &frame),
        &item(0xe0dd, b""),
    ]
    .concat()
}

/// The most that clients can make a server of these flags take, by the sum that docs/deploy.md states.
const BOUND_MIB: f64 = 64.0 + 2.0 * 16.0 + 64.0 / 16.0 + 256.0 + 48.0;

fn bounded() -> Server {
    Server::start(
        "--workers 2 --connections 64 --pixel-memory 256 --max-pixels 256 --upload-memory 48 --max-body 16 --per-client 0"
            .split(' '),
    )
}

/// Has `image` classified by three clients at once; the statuses.
fn together(server: &Server, image: &[u8]) -> Vec<u16> {
    thread::scope(|scope| {
        let ask = || predict(server.address, "", image).status;
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    })
}

#[test]
fn pixels_of_all_workers_stay_within_one_budget() {
    // At the limit of an image, or beyond it by what a decoder that counts too little would overlook.
    let kinds: [(&str, Vec<u8>); 4] = [
        ("RLE DICOM of 8 bytes a pixel", run_lengths(5700)),
        ("RLE DICOM of 4 bytes a pixel", run_lengths(8100)),
        ("a gray PNG on its side", turned(&DynamicImage::new_luma16(8100, 8100))),
        ("an RGBA PNG on its side", turned(&DynamicImage::new_rgba16(5500, 5500))),
    ];
    let mut server = bounded();
    let mut answered = 0;
    for (kind, image) in &kinds {
        let statuses = together(&server, image);
        // Read within the limit, or refused by its header; never half of it, and none is turned away by another.
        assert!(matches!(statuses[0], 200 | 413) && statuses.iter().all(|status| *status == statuses[0]), "{kind}: {statuses:?}");
        answered += usize::from(statuses[0] == 200);
        let peak = server.peak();
        println!("{kind}: {}, peak {peak:.0} MiB of {BOUND_MIB}", statuses[0]);
        assert!(peak < BOUND_MIB, "{kind}: {peak:.0} MiB at most, {BOUND_MIB} are promised");
    }
    assert!(answered > 0, "none was small enough");
    server.until("cxr_pixel_memory_bytes", |bytes| bytes == 0.0);
    server.assert_alive();
}

#[test]
fn answers_that_are_not_fetched_stay_within_their_memory() {
    let mut server = bounded();
    // Each answer has a preview of two megabytes; forty parts, six clients that take nothing.
    let picture = encoded(&DynamicImage::new_luma16(1024, 1024), ImageFormat::Png);
    let parts: Vec<(&str, &[u8])> = (0..40).map(|_| ("x.png", &picture[..])).collect();
    let (kind, form) = multipart(&parts);
    let head = format!(
        "POST /api/v1/predictions?preview=1024 HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        server.address,
        form.len()
    );
    let clients: Vec<TcpStream> = (0..6)
        .map(|_| {
            let mut stream = connect(server.address);
            stream.write_all(&[head.as_bytes(), &form].concat()).expect("a request");
            stream
        })
        .collect();
    // Images that there is no memory for are told so, in their place.
    server.until("cxr_prediction_failures_total{problem=\"busy\"}", |count| count > 0.0);
    for mut client in clients {
        let answer = read(&mut client).expect("an answer").expect(200).json();
        let found = answer["predictions"].as_array().expect("a list");
        assert_eq!(found.len(), 40);
        assert!(found.iter().all(|one| one["preview"].is_object() || one["problem"]["status"] == 503), "{answer}");
    }
    assert!(server.peak() < BOUND_MIB, "{:.0} MiB at most, {BOUND_MIB} are promised", server.peak());
    println!("peak {:.0} MiB of {BOUND_MIB}", server.peak());
    server.until("cxr_upload_memory_bytes", |bytes| bytes == 0.0);
    server.assert_alive();
}
