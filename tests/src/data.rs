//! Datasets for tests: the real one where it lies beside the checkout, and a generated one in its form.

use crate::root;
use image::{GrayImage, ImageFormat, Luma};
use std::fs;
use std::path::{Path, PathBuf};

/// CoronaHack's metadata file.
pub const METADATA: &str = "Chest_xray_Corona_Metadata.csv";
/// Its first line, as Kaggle ships it.
pub const HEADER: &str = ",X_ray_image_name,Label,Dataset_type,Label_2_Virus_category,Label_1_Virus_category";
/// Its folder of `train` and `test`.
pub const IMAGES: &str = "Coronahack-Chest-XRay-Dataset/Coronahack-Chest-XRay-Dataset";

/// The real CoronaHack folder, if there; a line says so where it is not, and it fails where `CXR_DATA` asks for it.
pub fn shared_coronahack() -> Option<PathBuf> {
    let folder = root().join("../shared/data/coronahack");
    if folder.join(METADATA).is_file() {
        return Some(folder);
    }
    assert!(std::env::var_os("CXR_DATA").is_none(), "{}: CXR_DATA is set, and CoronaHack is not there", folder.display());
    println!("skipped: no CoronaHack at {}", folder.display());
    None
}

/// A row of the metadata: file name, label, `TRAIN` or `TEST`, virus category.
#[derive(Clone, Debug)]
pub struct Row {
    /// File name.
    pub name: String,
    /// `Normal` or `Pnemonia`.
    pub label: &'static str,
    /// `TRAIN` or `TEST`.
    pub dataset_type: &'static str,
    /// `COVID-19` or empty.
    pub virus: &'static str,
}

impl Row {
    fn new(name: String, label: &'static str, dataset_type: &'static str, virus: &'static str) -> Self {
        Self { name, label, dataset_type, virus }
    }

    /// Where the image lies in the dataset folder.
    pub fn path(&self) -> PathBuf {
        Path::new(IMAGES).join(self.dataset_type.to_lowercase()).join(&self.name)
    }
}

/// Rows of a small dataset in which each class is in each split: children by Kaggle's names, COVID-19 by ieee8023's.
pub fn generated_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for i in 1..=60 {
        let dataset_type = if i % 8 == 0 { "TEST" } else { "TRAIN" };
        rows.push(Row::new(format!("IM-{i:04}-0001.jpeg"), "Normal", dataset_type, ""));
        rows.push(Row::new(format!("person{i}_virus_1.jpeg"), "Pnemonia", dataset_type, ""));
    }
    let table = root().join("data/ieee8023_patients.csv");
    let table = fs::read_to_string(&table).unwrap_or_else(|error| panic!("{}: {error}", table.display()));
    let names = table.lines().skip(1).filter_map(|line| line.split(',').next());
    rows.extend(names.map(|name| Row::new(name.to_owned(), "Pnemonia", "TRAIN", "COVID-19")));
    rows
}

/// Writes a dataset of noise images in Kaggle's form.
pub fn write_coronahack(folder: &Path, rows: &[Row]) {
    let mut csv = format!("{HEADER}\n");
    for subfolder in ["train", "test"] {
        fs::create_dir_all(folder.join(IMAGES).join(subfolder)).expect("a temporary folder");
    }
    for (i, row) in rows.iter().enumerate() {
        csv += &format!("{i},{},{},{},{},\n", row.name, row.label, row.dataset_type, row.virus);
        write_image(&folder.join(row.path()), i as u32 + 1);
    }
    fs::write(folder.join(METADATA), csv).expect("a temporary file");
}

/// Writes a 64x64 gray PNG of noise, whatever the path's extension: readers go by content.
pub fn write_image(path: &Path, seed: u32) {
    let mut noise = cxr_testkit::Lcg(seed.wrapping_mul(0x9E37_79B9));
    // Blocks of 4x4 survive thumbnails, so that no two images look alike.
    let blocks: Vec<u8> = noise.by_ref().take(256).collect();
    let image = GrayImage::from_fn(64, 64, |x, y| Luma([blocks[(y / 4 * 16 + x / 4) as usize]]));
    image.save_with_format(path, ImageFormat::Png).expect("a temporary image");
}

/// A subset of the real dataset that fills every split: the same form, links to the same images.
#[cfg(unix)]
pub fn link_subset(real: &Path, folder: &Path) {
    let text = fs::read_to_string(real.join(METADATA)).expect("the shared metadata");
    let mut lines = text.lines();
    let mut csv = format!("{}\n", lines.next().unwrap_or_default());
    let mut counts = std::collections::HashMap::<[&str; 3], usize>::new();
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let [_, _, label, dataset_type, virus, ..] = cells[..] else { continue };
        let count = counts.entry([label, dataset_type, virus]).or_default();
        *count += 1;
        // COVID-19 is rare and split by patient, so all of it; a tenth of the TRAIN rows is for validation.
        let enough = if dataset_type == "TEST" { 8 } else { 40 };
        if *count <= enough || virus == "COVID-19" {
            csv += line;
            csv.push('\n');
        }
    }
    fs::write(folder.join(METADATA), csv).expect("a temporary file");
    let images = Path::new(IMAGES).components().next().expect("a folder name");
    std::os::unix::fs::symlink(fs::canonicalize(real.join(images)).expect("the shared images"), folder.join(images))
        .expect("a temporary link");
}
