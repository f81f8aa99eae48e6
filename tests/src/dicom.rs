//! Radiographs as DICOM files, of people who do not exist.

use crate::root;
use image::GrayImage;
use image::imageops::{FilterType, crop_imm, resize};

/// Computed Radiography and Digital X-Ray for presentation.
pub const CLASSES: [&str; 2] = ["1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1"];

/// Names in the character sets that hospitals use: the default, Latin-1, Japanese in two sets with escapes, Chinese.
const NAMES: [(&str, &[u8]); 4] = [
    ("", b"Nobody^Generated"),
    ("ISO_IR 100", b"M\xfcller^J\xfcrgen"),
    ("\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"),
    ("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab"),
];

/// A radiograph of a study of its own.
#[derive(Clone, Debug)]
pub struct Radiograph {
    /// Study Instance UID.
    pub study: String,
    /// SOP Instance UID.
    pub instance: String,
    /// SOP Class UID.
    pub class: &'static str,
    /// The file, explicit little endian.
    pub file: Vec<u8>,
}

/// The `n`-th of the study `n`: one of the sample pictures, cut and scaled a little, or noise where `n` is a multiple of 10.
pub fn radiograph(n: u32) -> Radiograph {
    let name = ["normal", "pneumonia", "covid-19"][n as usize % 3];
    let sample = image::open(root().join(format!("data/samples/{name}.png"))).expect("a sample").into_luma8();
    let cut = crop_imm(&sample, n % 7, n % 5, 256 - n % 11, 256 - n % 13).to_image();
    let picture = resize(&cut, 300 + n % 50, 280 + n % 40, FilterType::Triangle);
    let picture = if n.is_multiple_of(10) {
        let noise = cxr_testkit::Lcg(n + 1);
        GrayImage::from_raw(300, 300, noise.take(300 * 300).collect()).expect("a picture")
    } else {
        picture
    };
    written(n, &picture)
}

/// A picture as the radiograph of the study `n`.
pub fn written(n: u32, picture: &GrayImage) -> Radiograph {
    let root = format!("2.25.9{n:05}");
    let (study, series, instance) = (format!("{root}.1"), format!("{root}.2"), format!("{root}.3"));
    let class = CLASSES[n as usize % 2];
    let (set, patient) = NAMES[n as usize % NAMES.len()];
    let inverse = n % 4 == 3;
    let mut data = Vec::new();
    let mut put = |group: u16, number: u16, vr: &[u8; 2], value: &[u8]| element(&mut data, group, number, vr, value);
    if !set.is_empty() {
        put(0x0008, 0x0005, b"CS", set.as_bytes());
    }
    put(0x0008, 0x0008, b"CS", b"ORIGINAL\\PRIMARY");
    put(0x0008, 0x0016, b"UI", class.as_bytes());
    put(0x0008, 0x0018, b"UI", instance.as_bytes());
    put(0x0008, 0x0020, b"DA", b"20240229");
    put(0x0008, 0x0030, b"TM", b"081530.25");
    put(0x0008, 0x0050, b"SH", format!("A{n}").as_bytes());
    put(0x0008, 0x0060, b"CS", if n.is_multiple_of(2) { b"CR" } else { b"DX" });
    put(0x0008, 0x0070, b"LO", b"Nobody's detectors");
    put(0x0008, 0x0090, b"PN", b"");
    put(0x0008, 0x1030, b"LO", b"Thorax");
    put(0x0010, 0x0010, b"PN", patient);
    put(0x0010, 0x0020, b"LO", format!("P{n}").as_bytes());
    put(0x0010, 0x0030, b"DA", if n.is_multiple_of(3) { b"" } else { b"19501231" });
    put(0x0010, 0x0040, b"CS", b"O");
    put(0x0018, 0x0015, b"CS", b"CHEST");
    put(0x0018, 0x5101, b"CS", b"PA");
    put(0x0020, 0x000d, b"UI", study.as_bytes());
    put(0x0020, 0x000e, b"UI", series.as_bytes());
    put(0x0020, 0x0010, b"SH", n.to_string().as_bytes());
    put(0x0020, 0x0011, b"IS", b"1");
    put(0x0020, 0x0013, b"IS", b"1");
    put(0x0028, 0x0002, b"US", &1u16.to_le_bytes());
    put(0x0028, 0x0004, b"CS", if inverse { b"MONOCHROME1" } else { b"MONOCHROME2" });
    put(0x0028, 0x0010, b"US", &(picture.height() as u16).to_le_bytes());
    put(0x0028, 0x0011, b"US", &(picture.width() as u16).to_le_bytes());
    for (number, value) in [(0x0100, 16u16), (0x0101, 12), (0x0102, 11), (0x0103, 0)] {
        put(0x0028, number, b"US", &value.to_le_bytes());
    }
    put(0x0028, 0x1050, b"DS", b"2048");
    put(0x0028, 0x1051, b"DS", b"4096");
    let level = |level: u8| u16::from(if inverse { 255 - level } else { level }) * 16;
    let pixels: Vec<u8> = picture.as_raw().iter().flat_map(|pixel| level(*pixel).to_le_bytes()).collect();
    put(0x7fe0, 0x0010, b"OW", &pixels);
    let file = file(class, &instance, &data);
    Radiograph { study, instance, class, file }
}

/// A file with this data set, explicit little endian.
pub fn file(class: &str, instance: &str, data: &[u8]) -> Vec<u8> {
    let mut meta = Vec::new();
    let mut put = |number: u16, vr: &[u8; 2], value: &[u8]| element(&mut meta, 0x0002, number, vr, value);
    put(0x0001, b"OB", &[0, 1]);
    put(0x0002, b"UI", class.as_bytes());
    put(0x0003, b"UI", instance.as_bytes());
    put(0x0010, b"UI", b"1.2.840.10008.1.2.1");
    put(0x0012, b"UI", b"2.25.1");
    let mut head = [&[0; 128][..], b"DICM"].concat();
    element(&mut head, 0x0002, 0x0000, b"UL", &(meta.len() as u32).to_le_bytes());
    [&head[..], &meta, data].concat()
}

/// Adds an element, padded to an even length.
pub fn element(data: &mut Vec<u8>, group: u16, number: u16, vr: &[u8; 2], value: &[u8]) {
    let padding = value.len() % 2;
    let len = value.len() + padding;
    data.extend([group.to_le_bytes(), number.to_le_bytes()].concat());
    data.extend(vr);
    if matches!(vr, b"OB" | b"OW" | b"SQ" | b"UN" | b"UT") {
        data.extend([0, 0]);
        data.extend((len as u32).to_le_bytes());
    } else {
        data.extend((len as u16).to_le_bytes());
    }
    data.extend(value);
    data.extend(std::iter::repeat_n(if matches!(vr, b"UI" | b"OB") { 0 } else { b' ' }, padding));
}
