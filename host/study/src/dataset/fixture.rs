//! Tiny generated datasets in a temporary folder, for tests.

use super::{coronahack, external};
use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Header as Kaggle writes it; the first column has no name.
pub(crate) const HEADER: &str = ",X_ray_image_name,Label,Dataset_type,Label_2_Virus_category,Label_1_Virus_category\n";
/// Rows that put every class into train, val and test.
pub(crate) const ROWS: &str = "\
0,IM-0128-0001.jpeg,Normal,TRAIN,,
1,IM-0129-0001.jpeg,Normal,TRAIN,,
2,NORMAL2-IM-0010-0001.jpeg,Normal,TEST,,
3,person1_bacteria_1.jpeg,Pnemonia,TRAIN,,bacteria
4,person2_bacteria_3.jpeg,Pnemonia,TRAIN,,bacteria
5,person1_virus_6.jpeg,Pnemonia,TEST,,Virus
6,gr1_lrg-a.jpg,Pnemonia,TRAIN,COVID-19,Virus
7,7EF28E12-F628-4BEC-A8C5-E6277C2E4F60.png,Pnemonia,TRAIN,COVID-19,Virus
8,FE9F9A5D-2830-46F9-851B-1FF4534959BE.jpeg,Pnemonia,TRAIN,COVID-19,Virus
9,kjr-21-e25-g001-l-a.jpg,Pnemonia,TRAIN,COVID-19,Virus
10,acute-respiratory-distress-syndrome-ards.jpg,Pnemonia,TRAIN,ARDS,Stress-Smoking
";
/// Header of the index of other sources.
pub(crate) const INDEX_HEADER: &str = "image,source,label,role,patient,age,sex,view,finding,licence\n";

/// A folder as Kaggle's, with `metadata` and an image for each of its rows.
pub(crate) fn coronahack(metadata: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(coronahack::METADATA), metadata).unwrap();
    for (seed, row) in metadata.lines().skip(1).enumerate() {
        let cells: Vec<&str> = row.split(',').collect();
        if cells.len() > 3 {
            let subfolder = if cells[3] == "TEST" { "test" } else { "train" };
            write_image(&image_path(folder.path(), subfolder, cells[1]), seed as u32);
        }
    }
    folder
}

/// A folder of other sources, with `rows` and an image for each.
pub(crate) fn external(rows: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(external::INDEX), format!("{INDEX_HEADER}{rows}")).unwrap();
    for (seed, row) in rows.lines().enumerate() {
        write_image(&folder.path().join("images").join(row.split(',').next().unwrap()), 100 + seed as u32);
    }
    folder
}

/// Path of an image in a folder made by [`coronahack`].
pub(crate) fn image_path(folder: &Path, subfolder: &str, name: &str) -> PathBuf {
    folder.join(coronahack::IMAGES).join(subfolder).join(name)
}

/// A JPEG of noise that `seed` determines, whatever the extension of `path`.
pub(crate) fn write_image(path: &Path, seed: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut noise = cxr_testkit::Lcg(seed.wrapping_mul(2_654_435_761).wrapping_add(1));
    let image = GrayImage::from_fn(40, 40, |_, _| Luma([noise.byte()]));
    DynamicImage::from(image).save_with_format(path, ImageFormat::Jpeg).unwrap();
}
