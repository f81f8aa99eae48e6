//! The streaming resize against Pillow's, and against itself: the bytes that models were trained on may never change.

use cxr_core::image::{BorrowedResizer, Resizer, Row, Window};

/// A test image: noise on a coarse pattern, so that neither reducing nor enlarging leaves it flat. 16 bits a value;
/// scripts/make_resize_golden.py draws the same.
fn value(x: u32, y: u32, channel: u32, width: u32, height: u32) -> u16 {
    let hash = |a: u32, b: u32, c: u32| {
        let mixed = a.wrapping_mul(73_856_093) ^ b.wrapping_mul(19_349_663) ^ c.wrapping_mul(83_492_791);
        let mixed = mixed.wrapping_mul(2_654_435_761);
        (mixed ^ (mixed >> 15)) & 0xFFFF
    };
    ((3 * hash(x * 48 / width, y * 48 / height, channel) + hash(x, y, channel + 7)) / 4) as u16
}

/// A case of the golden file.
#[derive(Clone, Copy, Debug)]
struct Case<'a> {
    kind: &'a str,
    width: u32,
    height: u32,
    out_width: u32,
    out_height: u32,
    window: Window,
}

/// Resizes a test image to `W` columns and hands on each row; in memory of the caller it is the same row.
fn resize<const W: usize>(case: &Case<'_>, mut emit: impl FnMut(&[u8])) {
    let (width, height) = (case.width, case.height);
    let mut resizer = Resizer::<W>::new(width as usize, height as usize, case.out_height as usize, case.window).unwrap();
    let (mut sums, mut out) = (vec![9; 2 * W], vec![9; W]);
    let (from, to) = ([width as usize, height as usize], [W, case.out_height as usize]);
    let mut borrowed = BorrowedResizer::new(&mut sums, &mut out, from, to, case.window).unwrap();
    let channels = match case.kind {
        "gray8" | "gray16" => 1,
        "rgb8" | "rgb16" => 3,
        _ => 4,
    };
    let (mut bytes, mut words) = (Vec::new(), Vec::new());
    for y in 0..height {
        let values = (0..width).flat_map(|x| (0..channels).map(move |c| value(x, y, c, width, height)));
        words.clear();
        words.extend(values);
        bytes.clear();
        bytes.extend(words.iter().map(|v| (v >> 8) as u8));
        let row = match case.kind {
            "gray8" => Row::Gray8(&bytes),
            "rgb8" => Row::Rgb8(&bytes),
            "rgba8" => Row::Rgba8(&bytes),
            "gray16" => Row::Gray16(&words),
            "rgb16" => Row::Rgb16(&words),
            _ => Row::Rgba16(&words),
        };
        if y == 0 {
            // An image that was cut short leaves nothing behind.
            borrowed.push_row(row, |_| ()).unwrap();
            borrowed.restart();
        }
        let (mut owned, mut again) = (Vec::new(), Vec::new());
        resizer.push_row(row, |out| owned.push(*out)).unwrap();
        borrowed.push_row(row, |out| again.push(out.to_vec())).unwrap();
        assert!(owned.iter().map(|out| out.as_slice()).eq(again.iter().map(Vec::as_slice)));
        assert_eq!(resizer.rows_left(), borrowed.rows_left());
        owned.iter().for_each(|out| emit(out));
    }
    assert_eq!(resizer.rows_left(), 0);
}

fn run(case: &Case<'_>, emit: impl FnMut(&[u8])) {
    match case.out_width {
        1 => resize::<1>(case, emit),
        2 => resize::<2>(case, emit),
        3 => resize::<3>(case, emit),
        7 => resize::<7>(case, emit),
        32 => resize::<32>(case, emit),
        100 => resize::<100>(case, emit),
        224 => resize::<224>(case, emit),
        256 => resize::<256>(case, emit),
        other => panic!("no resizer of {other} columns here"),
    }
}

/// FNV-1a, 64 bits.
fn hash(case: &Case<'_>) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325u64;
    run(case, |row| {
        for byte in row {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    });
    hash
}

#[test]
fn the_bytes_that_models_were_trained_on() {
    let mut found = Vec::new();
    for (width, height) in
        [(256, 256), (1, 1), (255, 257), (64, 48), (300, 200), (1024, 1024), (1857, 1317), (2000, 3), (3, 2000)]
    {
        for kind in ["gray8", "rgb8", "rgba8", "gray16"] {
            let window = if kind == "gray16" { Window::FULL_16 } else { Window::FULL_8 };
            found.push(hash(&Case { kind, width, height, out_width: 256, out_height: 256, window }));
        }
    }
    assert_eq!(found, EXPECTED, "{found:#018x?}");
}

#[test]
fn within_a_gray_level_of_pillow() {
    let (cases, golden) = (include_str!("resize_golden/cases.txt"), include_bytes!("resize_golden/pillow.bin"));
    let mut golden = golden.chunks_exact(2).map(|b| f64::from(u16::from_le_bytes([b[0], b[1]])) / 256.0);
    let mut worst_of_all = 0.0f64;
    for line in cases.lines() {
        let mut words = line.split(' ');
        let kind = words.next().unwrap();
        let numbers: Vec<u32> = words.map(|word| word.parse().unwrap()).collect();
        let [width, height, out_width, out_height, low, high, invert, step] = numbers[..] else { panic!("{line}") };
        let window = Window { low: low as u16, high: high as u16, invert: invert != 0 };
        let case = Case { kind, width, height, out_width, out_height, window };
        // Unoptimised, the large ones take minutes.
        if cfg!(debug_assertions) && width * height > 1 << 21 {
            golden.by_ref().take((out_height.div_ceil(step) * out_width) as usize).for_each(drop);
            continue;
        }
        let (mut y, mut worst) = (0, 0.0f64);
        run(&case, |row| {
            if y % step == 0 {
                for pixel in row {
                    worst = worst.max((f64::from(*pixel) - golden.next().unwrap()).abs());
                }
            }
            y += 1;
        });
        assert_eq!(y, out_height);
        println!("{worst:.3} gray levels: {line}");
        worst_of_all = worst_of_all.max(worst);
    }
    assert_eq!(golden.count(), 0);
    assert!(worst_of_all <= 1.0, "{worst_of_all} gray levels");
}

#[test]
fn every_extent_is_taken() {
    for (extent, out) in [(1, 1), (1, 8192), (8192, 1), (8192, 2), (8192, 255), (8191, 8192), (5000, 33)] {
        assert!(Resizer::<1>::new(extent, extent, out, Window::FULL_16).is_ok(), "{extent} to {out}");
    }
}

/// Taken when the shipped models were trained: a line an image, gray, RGB, RGB with alpha, and gray of 16 bits.
#[rustfmt::skip]
const EXPECTED: [u64; 36] = [
    0xE4A7_8DD0_1E82_EEBF, 0x47F3_E366_3FBD_4606, 0x47F3_E366_3FBD_4606, 0x686E_B755_113B_DE10,
    0x2FD4_BB81_BFB6_2325, 0x7378_CF09_F4E6_2325, 0x7378_CF09_F4E6_2325, 0x2FD4_BB81_BFB6_2325,
    0x7BC3_EF4C_FFFA_6447, 0x896D_E4A5_680B_4C98, 0x896D_E4A5_680B_4C98, 0xE931_95FD_BD3A_71A0,
    0x58C8_6698_4F77_5BD2, 0xCB01_237A_16AA_072C, 0xCB01_237A_16AA_072C, 0x951D_C680_0BCB_FEF1,
    0x2A62_1674_FC85_7A53, 0x920C_5EE6_C7A0_E4CF, 0x920C_5EE6_C7A0_E4CF, 0x206D_E398_A8FC_F531,
    0x5292_5533_558F_B250, 0x9422_EFA5_D607_1AC2, 0x9422_EFA5_D607_1AC2, 0x70D7_A48E_C563_9A2A,
    0xE220_F851_FEBB_83CB, 0xB4FE_FD49_FC82_83AB, 0xB4FE_FD49_FC82_83AB, 0x5026_9B38_66E1_CC0D,
    0x5085_B81C_5A2D_0D7D, 0x9D9A_A5CA_7804_1EB2, 0x9D9A_A5CA_7804_1EB2, 0x76D8_5A2B_79DC_7B09,
    0xB860_5C7C_0FAF_8B63, 0x71E8_9508_7D79_51A2, 0x71E8_9508_7D79_51A2, 0x3F7E_451F_A84A_F606,
];
