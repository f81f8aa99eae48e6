//! Both ends over a line in memory: without harm, the verdict of a session fed directly; with harm, that or none.
//!
//! `CXR_FAULTS` sets how many faults are injected (default 10,000).

use cxr_core::format::Model;
use cxr_core::session::Session;
use cxr_protocol::client::{Client, Error, Transport};
use cxr_protocol::device::{Buffers, Device, Identity, Platform};
use cxr_protocol::fault::{Fault, FrameFault};
use cxr_protocol::frame;
use cxr_protocol::message::{Begin, Decision, Format, Hello, Reply, Request, SelfTest, Verdict, Window};
use cxr_protocol::testing::{self, Failure, Faulty, HARMS, Image};
use embedded_io::{ErrorType, Read, ReadReady, Write};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::convert::Infallible;

const WIDTH: usize = testing::WIDTH;
const ROW: usize = 600;

/// A small network of noise.
fn model() -> Model<'static> {
    Model::parse(testing::MODEL).unwrap()
}

/// The board's side of the line, and its clock.
#[derive(Default)]
struct Board {
    input: VecDeque<u8>,
    output: VecDeque<u8>,
    now: u32,
    /// Milliseconds that a write takes, and a flush: of a line that nobody reads.
    slow: u32,
    rows: usize,
    /// When the watchdog was fed last, and the longest that it was not.
    fed: u32,
    hungry: u32,
    /// It hears nothing, and says for ever that it works.
    endless: bool,
}

impl ErrorType for Board {
    type Error = Infallible;
}

impl ReadReady for Board {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.input.is_empty())
    }
}

impl Read for Board {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let count = bytes.len().min(self.input.len());
        bytes.iter_mut().zip(self.input.drain(..count)).for_each(|(place, byte)| *place = byte);
        Ok(count)
    }
}

impl Write for Board {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.now = self.now.wrapping_add(self.slow);
        self.output.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        self.now = self.now.wrapping_add(self.slow);
        Ok(())
    }
}

impl Platform for Board {
    type Line = Self;

    fn line(&mut self) -> &mut Self {
        self
    }

    fn millis(&mut self) -> u32 {
        self.now
    }

    fn breathe(&mut self) {
        self.rows += 1;
        self.hungry = self.hungry.max(self.now.wrapping_sub(self.fed));
        self.fed = self.now;
    }

    fn self_test(&mut self, _: &mut Session<'_, '_>, working: &mut dyn FnMut(&mut Self)) -> Option<SelfTest> {
        working(self);
        Some(SelfTest { layers: 1, differences: 0, verdict_crc: 2, instructions: 3, stack: 4 })
    }
}

/// A board and the line to it, in the host's hands.
struct World<'b> {
    device: Device<'static, 'b, WIDTH, ROW>,
    board: Board,
    receives: usize,
}

impl Transport for World<'_> {
    type Error = Infallible;

    fn send(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        if self.board.endless {
            return Ok(());
        }
        self.board.input.extend(bytes);
        self.device.poll(&mut self.board)
    }

    fn receive(&mut self, bytes: &mut [u8], millis: u32) -> Result<usize, Infallible> {
        self.receives += 1;
        if self.board.endless {
            // One sign of life in half a timeout.
            self.board.now = self.board.now.wrapping_add(millis.div_ceil(2));
            let mut buffer = [0; 64];
            self.board.output.extend(frame::encode(&Reply::Working, &mut buffer).unwrap());
        }
        assert!(self.receives < 100_000, "the host hangs");
        if self.board.output.is_empty() {
            self.board.now = self.board.now.wrapping_add(millis);
            self.device.poll(&mut self.board)?;
        }
        let count = bytes.len().min(self.board.output.len());
        bytes.iter_mut().zip(self.board.output.drain(..count)).for_each(|(place, byte)| *place = byte);
        Ok(count)
    }

    fn millis(&mut self) -> u32 {
        self.board.now
    }
}

/// Runs `test` with a board.
fn with_world<R>(test: impl FnOnce(World<'_>) -> R) -> R {
    let model = model();
    let mut arena = vec![0; model.arena_bytes()];
    let mut map = vec![0; cxr_core::explain::map_len(&model)];
    let session = Session::new(&model, &mut arena).unwrap().with_map(&mut map).unwrap();
    let identity =
        Identity { board: "memory", firmware: "0", model: "fixture", model_sha256: [7; 32], classes: "one\ntwo\nthree" };
    let (mut row, mut buffers) = ([0; ROW], Buffers::new());
    let device = Device::new(model, identity, session, &mut row, &mut buffers).unwrap();
    test(World { device, board: Board { now: u32::MAX - 3_000, ..Board::default() }, receives: 0 })
}

/// What a session that is fed directly says of an image.
fn expected(image: &Image) -> (Vec<u32>, Vec<i32>) {
    image.expected::<WIDTH>(&model())
}

fn logits(verdict: &Verdict) -> Vec<u32> {
    verdict.scores.iter().map(|score| score.logit.to_bits()).collect()
}

fn images() -> impl Strategy<Value = Image> {
    const FORMATS: &[Format] = &[Format::Gray8, Format::Gray16, Format::Rgb8, Format::Rgb16];
    let windows = (0u16..200, 201u16..60_000, any::<bool>()).prop_map(|(low, high, invert)| Window { low, high, invert });
    (1u16..40, 1u16..12, prop::sample::select(FORMATS), windows, 1usize..200, any::<u64>())
        .prop_map(|(width, height, format, window, chunk, seed)| Image::new(width, height, format, window, chunk, seed))
}

fn small() -> Image {
    Image::new(9, 7, Format::Gray8, Window::FULL_8, 10, 1)
}

#[test]
fn an_undisturbed_line_gives_the_verdict_and_the_map_of_a_session() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(24));
    let result = runner.run(&images(), |image| {
        let (expected, map) = expected(&image);
        with_world(|world| {
            let mut client = Client::new(world, 1_000);
            let verdict = client.classify(&image.begin, &image.pixels, image.chunk, |_| ()).expect("a verdict");
            prop_assert_eq!(logits(&verdict), expected);
            let mut found = vec![0; map.len()];
            client.map(1, &mut found).expect("a map");
            prop_assert_eq!(&found, &map);
            for (score, cells) in verdict.scores.iter().zip(map.chunks_exact(map.len() / verdict.scores.len())) {
                prop_assert_eq!(score.accumulator, cells.iter().sum::<i32>() + score.bias);
                prop_assert_eq!(score.logit.to_bits(), (score.accumulator as f32 * score.scale).to_bits());
            }
            prop_assert!(client.transport().board.rows >= WIDTH, "the watchdog is fed at least after every row");
            Ok(())
        })
    });
    result.unwrap();
}

#[test]
fn the_board_introduces_itself() {
    with_world(|mut world| {
        let World { device, board, .. } = &mut world;
        device.greet(board).unwrap();
        let mut client = Client::new(world, 1_000);
        let check = |hello: &Hello<'_>| {
            assert_eq!((hello.board, hello.model, hello.classes), ("memory", "fixture", "one\ntwo\nthree"));
            assert_eq!((hello.input, hello.chunk, hello.row), ([16, 16, 3], 1024, 1200));
            assert_eq!(hello.arena as usize, model().arena_bytes());
        };
        client.hello(check).unwrap();
        client.hello(check).unwrap();
        assert_eq!(client.self_test().unwrap().verdict_crc, 2);
        client.abort().unwrap();
    });
}

#[test]
fn each_fault_is_named_and_leaves_the_board_idle() {
    use Request::{Abort, Begin as Start, Drill, Finish, Map, Rows};
    let image = small();
    let start = |change: fn(&mut Begin)| {
        let mut begin = image.begin;
        change(&mut begin);
        Start(begin)
    };
    let pixels = &image.pixels[..20];
    let rows = |image, sequence| Rows { image, sequence, pixels };
    let good = start(|_| ());
    let cases: [(&str, Vec<Request<'_>>, u32, Fault); 15] = [
        ("lost", vec![good, rows(1, 1)], 1, Fault::Sequence { expected: 0, found: 1 }),
        ("repeated", vec![good, rows(1, 0), rows(1, 0)], 1, Fault::Sequence { expected: 1, found: 0 }),
        ("rows of no image", vec![rows(5, 0)], 0, Fault::NoSuchImage { image: 5 }),
        ("late", vec![good, rows(1, 0), rows(9, 0)], 1, Fault::NoSuchImage { image: 9 }),
        ("too few", vec![good, rows(1, 0), Finish { image: 1, crc: 0 }], 1, Fault::TooFew { rows: 5 }),
        ("too much", vec![good, rows(1, 0), rows(1, 1), rows(1, 2), rows(1, 3)], 1, Fault::TooMuch),
        ("abandoned", vec![good, rows(1, 0), Abort], 1, Fault::Abandoned),
        ("host reset", vec![good, rows(1, 0), Request::Hello], 1, Fault::Abandoned),
        ("empty window", vec![start(|b| b.window.high = 0)], 0, Fault::EmptyWindow),
        ("no width", vec![start(|b| b.width = 0)], 0, Fault::BadImage),
        ("no number", vec![start(|b| b.image = 0)], 0, Fault::BadImage),
        ("too high", vec![start(|b| b.height = 8_193)], 0, Fault::BadImage),
        ("row too long", vec![start(|b| b.width = 1_201)], 0, Fault::RowTooLong { bytes: 1_201 }),
        ("no map", vec![Map { image: 0, first: 0 }], 0, Fault::NoSuchImage { image: 0 }),
        ("no drill", vec![Drill], 0, Fault::Unsupported),
    ];
    for (name, requests, image, fault) in cases {
        with_world(|mut world| {
            for request in requests {
                world.board.output.clear();
                let mut buffer = [0; 2048];
                world.send(frame::encode(&request, &mut buffer).unwrap()).unwrap();
            }
            assert_eq!(first_reply(&mut world), Some((image, fault)), "{name}");
            assert!(!world.device.is_receiving(), "{name}");
            assert_serves(world);
        });
    }
}

/// The first reply, if it is an error.
fn first_reply(world: &mut World<'_>) -> Option<(u32, Fault)> {
    let mut decoder = frame::Decoder::<2048>::new();
    let len = world.board.output.drain(..).find_map(|byte| decoder.push(byte))?.unwrap();
    match decoder.message(len).unwrap() {
        Reply::Error { image, fault } => Some((image, fault)),
        other => panic!("{other:?}"),
    }
}

/// Asks for another verdict.
fn assert_serves(world: World<'_>) {
    let image = small();
    let mut client = Client::new(world, 1_000);
    let verdict = client.classify(&image.numbered(77), &image.pixels, image.chunk, |_| ()).unwrap();
    assert_eq!(logits(&verdict), expected(&image).0);
}

#[test]
fn a_host_that_sends_and_never_reads_starves_no_watchdog() {
    with_world(|mut world| {
        // Two bytes are a bad frame each, which is answered; a line that nobody reads takes 200 ms a write, and as many a flush.
        let World { device, board, .. } = &mut world;
        (board.slow, board.fed) = (200, board.now);
        board.input.extend([1, 0].repeat(300));
        device.poll(board).unwrap();
        assert!(board.now.wrapping_sub(board.fed) <= 400, "{} ms", board.now.wrapping_sub(board.fed));
        assert!(board.hungry <= 400, "{} ms", board.hungry);
        assert!(board.rows >= 300);
    });
}

#[test]
fn a_board_that_works_for_ever_is_given_up() {
    with_world(|mut world| {
        world.board.endless = true;
        let start = world.board.now;
        let mut client = Client::new(world, 1_000);
        assert_eq!(client.hello(|_| ()), Err(Error::Late));
        let waited = client.transport().board.now.wrapping_sub(start);
        assert_eq!(waited, 30_000);
        assert!(!Error::<Infallible>::Late.is_passing());
        // One that is done before that is waited for.
        client.transport().board.endless = false;
        client.hello(|_| ()).unwrap();
    });
}

#[test]
fn silence_damage_and_other_versions_are_named() {
    let image = small();
    let mut buffer = [0; 2048];
    let begin = frame::encode(&Request::Begin(image.begin), &mut buffer).unwrap().to_vec();
    let mut flipped = begin.clone();
    flipped[3] ^= 0x40;
    let mut other = cobs_of(&[frame::VERSION + 1, 0]);
    other.push(0);
    let long = vec![1; 4000];
    let cases: [(&str, Vec<u8>, u32, Fault); 5] = [
        ("timeout", begin.clone(), 1, Fault::Timeout),
        ("unfinished", begin[..9].to_vec(), 0, Fault::Frame(FrameFault::Unfinished)),
        ("checksum", flipped, 0, Fault::Frame(FrameFault::Crc)),
        ("version", other, 0, Fault::Frame(FrameFault::Version { found: frame::VERSION + 1, supported: frame::VERSION })),
        ("too long", [&long[..], &[0]].concat(), 0, Fault::Frame(FrameFault::TooLong)),
    ];
    for (name, bytes, image, fault) in cases {
        with_world(|mut world| {
            world.send(&bytes).unwrap();
            if matches!(fault, Fault::Timeout | Fault::Frame(FrameFault::Unfinished)) {
                world.board.output.clear();
                world.board.now = world.board.now.wrapping_add(Board::TIMEOUT - 1);
                world.send(&[]).unwrap();
                assert!(world.board.output.is_empty(), "{name}: too early");
                world.board.now = world.board.now.wrapping_add(1);
                world.send(&[]).unwrap();
            }
            assert_eq!(first_reply(&mut world), Some((image, fault)), "{name}");
            assert!(!world.device.is_receiving(), "{name}");
            assert_serves(world);
        });
    }
}

/// COBS of bytes and their CRC-32, without zeros around.
fn cobs_of(body: &[u8]) -> Vec<u8> {
    let mut digest = frame::crc32();
    digest.update(body);
    let bytes = [body, &digest.finalize().to_le_bytes()].concat();
    let mut out = vec![0; cobs::max_encoding_length(bytes.len())];
    let len = cobs::encode(&bytes, &mut out);
    out.truncate(len);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_leave_the_board_alive(bytes in prop::collection::vec(any::<u8>(), 0..3000), zeros in 1u8..40) {
        with_world(|mut world| {
            // More zeros than chance gives, so that frames end.
            let bytes: Vec<u8> = bytes.iter().map(|byte| if *byte < zeros { 0 } else { *byte }).collect();
            world.send(&bytes).unwrap();
            world.board.output.clear();
            Client::new(world, 1_000).hello(|_| ()).unwrap();
        });
    }
}

#[test]
fn a_faulty_line_gives_the_right_verdict_or_none() {
    let wanted: u64 = std::env::var("CXR_FAULTS").map_or(10_000, |text| text.parse().expect("CXR_FAULTS is a number"));
    let images: Vec<(Image, Vec<u32>)> = (0..12)
        .map(|i| {
            let format = [Format::Gray8, Format::Rgb8, Format::Gray16, Format::Rgb16][i % 4];
            let image = Image::new(3 + i as u16, 14 - i as u16, format, Window::FULL_16, 24, i as u64);
            let expected = expected(&image).0;
            (image, expected)
        })
        .collect();
    let (mut injected, mut right, mut attempts, mut number) = (0, 0, 0, 0);
    let mut done = [0; HARMS.len()];
    for seed in 0.. {
        if injected >= wanted {
            break;
        }
        with_world(|world| {
            let mut line = Faulty::new(world, seed);
            line.one_in = [3, 8, 20, 60][seed as usize % 4];
            for round in 0..20 {
                let (image, expected) = &images[(seed as usize + round) % images.len()];
                number += 1;
                attempts += 1;
                line.inner().receives = 0;
                // A client of its own: the host may have started again.
                let mut client = Client::new(line, 400);
                match client.classify(&image.numbered(number), &image.pixels, image.chunk, |_| ()) {
                    Ok(verdict) => {
                        assert_eq!(&logits(&verdict), expected, "a wrong verdict: seed {seed}, round {round}");
                        assert!(matches!(
                            verdict.decision,
                            Decision::Class(_) | Decision::LowConfidence | Decision::DoubtfulClass
                        ));
                        right += 1;
                    }
                    Err(Error::Line(Failure::HostReset)) => (),
                    Err(error) => assert!(error.is_passing(), "{error:?}"),
                }
                line = client.into_transport();
            }
            injected += line.total();
            done.iter_mut().zip(line.done).for_each(|(all, one)| *all += one);
            // Undisturbed again, the board answers.
            line.calm();
            let mut client = Client::new(line, 400);
            client.hello(|_| ()).unwrap();
            number += 1;
            let (image, expected) = &images[seed as usize % images.len()];
            let verdict = client.classify(&image.numbered(number), &image.pixels, image.chunk, |_| ()).unwrap();
            assert_eq!(&logits(&verdict), expected);
        });
    }
    assert!(done.iter().all(|count| *count > 0), "{done:?}");
    println!("{injected} faults ({HARMS:?} {done:?}) in {attempts} images: {right} right verdicts, 0 wrong ones, 0 hangs");
}
