//! Transfer syntaxes: what codes the pixels, by the declared identifier and by the first bytes.

use super::frame::frame;
use dicom_dictionary_std::uids;

/// How the pixels are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// As they are.
    Native,
    /// Run lengths (PS3.5, annex G).
    Rle,
    /// JPEG (ITU-T T.81): baseline, extended, progressive, lossless.
    Jpeg,
    /// JPEG-LS (ITU-T T.87).
    JpegLs,
    /// JPEG 2000 (ITU-T T.800) or, by its own header, HTJ2K (T.814).
    Jpeg2000,
    /// JPEG XL (ISO/IEC 18181).
    JpegXl,
}

impl Codec {
    /// The codec of a declared syntax; `None` for those that are not read.
    pub(super) fn of(uid: &str) -> Option<Self> {
        Some(match uid {
            uids::IMPLICIT_VR_LITTLE_ENDIAN
            | uids::EXPLICIT_VR_LITTLE_ENDIAN
            | uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
            | uids::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN
            | BIG_ENDIAN => Self::Native,
            uids::RLE_LOSSLESS => Self::Rle,
            uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => Self::JpegLs,
            uids::JPEG2000_LOSSLESS | uids::JPEG2000 | uids::JPEG2000MC_LOSSLESS | uids::JPEG2000MC => Self::Jpeg2000,
            uids::HTJ2K_LOSSLESS | uids::HTJ2K_LOSSLESS_RPCL | uids::HTJ2K => Self::Jpeg2000,
            uids::JPEGXL_LOSSLESS | uids::JPEGXLJPEG_RECOMPRESSION | uids::JPEGXL => Self::JpegXl,
            // Baseline to lossless, the retired ones too: the stream says which process it is.
            _ if jpeg_process(uid).is_some() => Self::Jpeg,
            _ => return None,
        })
    }

    /// The codec that the first bytes of a stream show. Files declare one and hold another.
    pub(super) fn shown(stream: &[u8]) -> Option<Self> {
        Some(match stream {
            [0xff, 0x4f, 0xff, 0x51, ..] | [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] => Self::Jpeg2000,
            [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => Self::JpegXl,
            [0xff, 0xd8, 0xff, ..] if frame(stream).is_some_and(|frame| frame.marker == 0xf7) => Self::JpegLs,
            [0xff, 0xd8, 0xff, ..] => Self::Jpeg,
            _ => return None,
        })
    }
}

const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// The last part of an identifier of JPEG (T.81): 50 to 66, and 70.
fn jpeg_process(uid: &str) -> Option<u8> {
    uid.strip_prefix("1.2.840.10008.1.2.4.")?.parse().ok().filter(|process| matches!(process, 50..=66 | 70))
}

/// What a syntax is called (PS3.6, table A-1).
pub(super) fn name(uid: &str) -> &str {
    let last = uid.strip_prefix("1.2.840.10008.1.2.").unwrap_or_default();
    match last {
        "" if uid == uids::IMPLICIT_VR_LITTLE_ENDIAN => "Implicit VR Little Endian",
        "1" => "Explicit VR Little Endian",
        "1.98" => "Encapsulated Uncompressed Explicit VR Little Endian",
        "1.99" => "Deflated Explicit VR Little Endian",
        "2" => "Explicit VR Big Endian",
        "4.50" => "JPEG Baseline (Process 1)",
        "4.51" => "JPEG Extended (Process 2 & 4)",
        "4.52" => "JPEG Extended (Process 3 & 5), retired",
        "4.53" => "JPEG Spectral Selection (Process 6 & 8), retired",
        "4.54" => "JPEG Spectral Selection (Process 7 & 9), retired",
        "4.55" => "JPEG Full Progression (Process 10 & 12), retired",
        "4.56" => "JPEG Full Progression (Process 11 & 13), retired",
        "4.57" => "JPEG Lossless (Process 14)",
        "4.58" => "JPEG Lossless (Process 15), retired",
        "4.59" => "JPEG Extended, Hierarchical (Process 16 & 18), retired",
        "4.60" => "JPEG Extended, Hierarchical (Process 17 & 19), retired",
        "4.61" => "JPEG Spectral Selection, Hierarchical (Process 20 & 22), retired",
        "4.62" => "JPEG Spectral Selection, Hierarchical (Process 21 & 23), retired",
        "4.63" => "JPEG Full Progression, Hierarchical (Process 24 & 26), retired",
        "4.64" => "JPEG Full Progression, Hierarchical (Process 25 & 27), retired",
        "4.65" => "JPEG Lossless, Hierarchical (Process 28), retired",
        "4.66" => "JPEG Lossless, Hierarchical (Process 29), retired",
        "4.70" => "JPEG Lossless (Process 14, Selection Value 1)",
        "4.80" => "JPEG-LS Lossless",
        "4.81" => "JPEG-LS Near-Lossless",
        "4.90" => "JPEG 2000 Lossless",
        "4.91" => "JPEG 2000",
        "4.92" => "JPEG 2000 Part 2 Multi-component Lossless",
        "4.93" => "JPEG 2000 Part 2 Multi-component",
        "4.94" => "JPIP Referenced",
        "4.95" => "JPIP Referenced Deflate",
        "4.100" | "4.100.1" => "MPEG2 Main Profile / Main Level",
        "4.101" | "4.101.1" => "MPEG2 Main Profile / High Level",
        "4.102" | "4.102.1" | "4.103" | "4.103.1" | "4.104" | "4.104.1" | "4.105" | "4.105.1" | "4.106" | "4.106.1" => {
            "MPEG-4 AVC/H.264"
        }
        "4.107" | "4.108" => "HEVC/H.265",
        "4.110" => "JPEG XL Lossless",
        "4.111" => "JPEG XL JPEG Recompression",
        "4.112" => "JPEG XL",
        "4.201" => "High-Throughput JPEG 2000 Lossless",
        "4.202" => "High-Throughput JPEG 2000 with RPCL Options Lossless",
        "4.203" => "High-Throughput JPEG 2000",
        "4.204" | "4.205" => "JPIP HTJ2K Referenced",
        "5" => "RLE Lossless",
        "6.1" => "RFC 2557 MIME, retired",
        "6.2" => "XML Encoding, retired",
        "7.1" | "7.2" | "7.3" => "SMPTE ST 2110",
        "8.1" => "Deflated Image Frame Compression",
        _ if uid == "1.2.840.10008.1.20" => "Papyrus 3 Implicit VR Little Endian, retired",
        _ => uid,
    }
}
