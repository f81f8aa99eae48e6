//! `host data check`: everything that may be wrong with the images and the splits, at once.

use super::duplicates::{self, Fingerprint, Pair};
use super::report::{Across, Duplicates, Patient, Sizes, Undecodable};
pub use super::report::{Report, SourceSplit};
use super::{DataArgs, Dataset, NO_CLASS, OTHER_FINDING, OTHER_FINDING_LABEL, Query, Sample, Split};
use crate::progress::progress;
use anyhow::Result;
use cxr_app::classes::{CLASSES, DISCLAIMER};
use cxr_app::decode;
use cxr_app::fail::CheckFailed;
use indicatif::ParallelProgressIterator;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    data: DataArgs,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the report.
///
/// # Errors
/// [`CheckFailed`] (exit code 1) if an image is missing or unreadable, a class is empty, or train or val share a
/// patient or a picture with a test split; others as [`super::read`].
pub fn run(args: &Args) -> Result<()> {
    let report = check(&args.data)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    if !report.passed {
        return Err(CheckFailed(report.failures.join("; ")).into());
    }
    if !args.json {
        println!("passed: train and val share no patient and no picture with the test splits");
    }
    Ok(())
}

/// One image, as far as it could be read.
pub(crate) enum Inspected {
    Missing,
    Undecodable(String),
    Read { size: (u32, u32), print: Fingerprint },
}

impl Inspected {
    /// Of a file's bytes, its picture, and that as 256x256 gray levels.
    pub(crate) fn of(bytes: &[u8], image: &decode::Image, gray: &[u8]) -> Self {
        Self::Read { size: image.dimensions(), print: Fingerprint::new(bytes, gray) }
    }
}

fn check(args: &DataArgs) -> Result<Report> {
    let started = Instant::now();
    let dataset = super::read(&Query { fold: args.fold, ..Query::new(&args.coronahack, &args.external) })?;
    let samples: Vec<&Sample> = dataset.all().collect();
    let inspected = samples.par_iter().progress_with(progress(samples.len(), "reading")).map(|sample| inspect(sample)).collect();
    Ok(Report { seconds: started.elapsed().as_secs_f64(), ..judge(args, &dataset, inspected) })
}

/// The report on `dataset`, whose images, in the order of [`Dataset::all`], have been `inspected`.
pub(crate) fn judge(args: &DataArgs, dataset: &Dataset, inspected: Vec<Inspected>) -> Report {
    let samples: &Vec<Sample> = &dataset.all().cloned().collect();
    let mut report = Report {
        disclaimer: DISCLAIMER,
        coronahack: args.coronahack.display().to_string(),
        external: args.external.iter().map(|folder| folder.display().to_string()).collect(),
        fold: args.fold,
        listed: samples.len(),
        left_out: dataset.unused.clone(),
        empty_classes: dataset.empty_classes().iter().map(|(class, split)| format!("{class} in {}", split.name())).collect(),
        splits: source_splits(samples),
        hospitals_unseen: hospitals(samples, Split::is_quoted).difference(&hospitals(samples, Split::learns)).cloned().collect(),
        hospitals_seen: hospitals(samples, Split::learns),
        patients_across_splits: patients_across_splits(samples),
        ..Report::default()
    };
    let mut sizes = BTreeMap::new();
    let mut prints = Vec::with_capacity(samples.len());
    for (sample, inspected) in samples.iter().zip(inspected) {
        let file = sample.path.display().to_string();
        let print = match inspected {
            Inspected::Missing => {
                report.missing.push(file);
                None
            }
            Inspected::Undecodable(error) => {
                report.undecodable.push(Undecodable { file, error });
                None
            }
            Inspected::Read { size, print } => {
                *sizes.entry(size).or_default() += 1;
                Some(print)
            }
        };
        prints.push(print);
    }
    report.found = report.listed - report.missing.len();
    report.sizes = histogram(&sizes);

    let splits: Vec<Split> = samples.iter().map(|sample| sample.split).collect();
    let bar = progress(samples.len(), "comparing");
    let pairs = duplicates::pairs(&prints, &splits, || bar.inc(1));
    bar.finish_and_clear();
    report.duplicates = sort_pairs(samples, &pairs);
    report.failures = failures(&report, dataset);
    report.passed = report.failures.is_empty();
    report
}

/// Hospitals of the images of some splits.
fn hospitals(samples: &[Sample], of: impl Fn(Split) -> bool) -> BTreeSet<String> {
    samples.iter().filter(|sample| of(sample.split)).map(|sample| sample.hospital().to_owned()).collect()
}

/// Reads and decodes an image.
pub(crate) fn inspect(sample: &Sample) -> Inspected {
    if !sample.path.is_file() {
        return Inspected::Missing;
    }
    let name = sample.path.display().to_string();
    let read = || -> Result<Inspected> {
        let bytes = decode::read(&sample.path)?;
        let image = decode::Image::decode(&bytes, &name)?;
        Ok(Inspected::of(&bytes, &image, &image.gray(256, 256)?))
    };
    read().unwrap_or_else(|error| Inspected::Undecodable(format!("{error:#}")))
}

fn source_splits(samples: &[Sample]) -> Vec<SourceSplit> {
    let mut groups: BTreeMap<(Split, &str), Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        groups.entry((sample.split, &sample.source)).or_default().push(sample);
    }
    let row = |((split, source), members): ((Split, &str), Vec<&Sample>)| SourceSplit {
        source: source.to_owned(),
        split: split.name(),
        classes: std::array::from_fn(|class| members.iter().filter(|sample| sample.class == class).count()),
        other_finding: members.iter().filter(|sample| sample.class == OTHER_FINDING).count(),
        out_of_distribution: members.iter().filter(|sample| sample.class == NO_CLASS).count(),
        patients: members.iter().map(|sample| &sample.patient).collect::<BTreeSet<_>>().len(),
    };
    groups.into_iter().map(row).collect()
}

fn patients_across_splits(samples: &[Sample]) -> Vec<Patient> {
    let mut splits: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    for sample in samples {
        splits.entry(&sample.patient).or_default().insert(sample.split);
    }
    let several = splits.into_iter().filter(|(_, splits)| splits.len() > 1);
    let entry = |(patient, splits): (&str, BTreeSet<Split>)| Patient {
        patient: patient.to_owned(),
        leak: super::on_both_sides(&splits),
        splits: splits.into_iter().map(Split::name).collect(),
    };
    several.map(entry).collect()
}

fn histogram(sizes: &BTreeMap<(u32, u32), usize>) -> Sizes {
    let bins = [224, 256, 512, 1024, 2048, 4096, u32::MAX];
    let mut low = 0;
    let mut counts = Vec::new();
    for high in bins {
        let within = |(w, h): (u32, u32)| (low..=high).contains(&w.max(h));
        let count: usize = sizes.iter().filter(|(size, _)| within(**size)).map(|(_, count)| count).sum();
        let name = if high == u32::MAX { format!("over {}", low - 1) } else { format!("{low} to {high}") };
        counts.push((name, count));
        low = high.saturating_add(1);
    }
    let area = |size: &&(u32, u32)| u64::from(size.0) * u64::from(size.1);
    let pair = |size: Option<&(u32, u32)>| size.map_or([0, 0], |(w, h)| [*w, *h]);
    Sizes {
        smallest: pair(sizes.keys().min_by_key(area)),
        largest: pair(sizes.keys().max_by_key(area)),
        distinct: sizes.len(),
        histogram: counts,
    }
}

fn label(sample: &Sample) -> String {
    let name = if sample.class == OTHER_FINDING { OTHER_FINDING_LABEL } else { "to be refused" };
    CLASSES.get(sample.class).copied().unwrap_or(name).to_owned()
}

fn sort_pairs(samples: &[Sample], pairs: &[Pair]) -> Duplicates {
    let mut found = Duplicates {
        thumbnail_threshold_across: duplicates::THUMBNAIL_ACROSS,
        thumbnail_threshold_within: duplicates::THUMBNAIL_WITHIN,
        detail_threshold: duplicates::DETAIL,
        ..Duplicates::default()
    };
    for pair in pairs {
        let both = [&samples[pair.first], &samples[pair.second]];
        found.label_conflicts += usize::from(both[0].class != both[1].class);
        if both[0].split == both[1].split {
            let within = if pair.exact { &mut found.exact_within } else { &mut found.near_within };
            *within.entry(label(both[0])).or_default() += 1;
            continue;
        }
        found.across.push(Across {
            exact: pair.exact,
            thumbnail: pair.thumbnail,
            detail: pair.detail,
            images: both.map(|sample| sample.name.clone()),
            patients: both.map(|sample| sample.patient.clone()),
            splits: both.map(|sample| sample.split.name()),
            labels: both.map(label),
            leak: leaks(both[0].split, both[1].split, pair.exact),
        });
    }
    found.across.sort_by(|a, b| b.leak.cmp(&a.leak).then(b.detail.total_cmp(&a.detail)));
    found
}

/// True if one picture in both splits makes a figure better than it is. Near duplicates of train in val are only
/// reported: val chooses, it is not quoted. Pictures that must be refused have no class to give away.
fn leaks(a: Split, b: Split, exact: bool) -> bool {
    let refused = a == Split::OutOfDistribution || b == Split::OutOfDistribution;
    !refused && (exact || a.learns() && b.is_quoted() || a.is_quoted() && b.learns())
}

/// One line each, with the remedy.
fn failures(report: &Report, dataset: &Dataset) -> Vec<String> {
    let mut failures = Vec::new();
    let mut fail = |count: usize, text: &str| {
        if count > 0 {
            failures.push(format!("{count} {text}"));
        }
    };
    fail(report.missing.len(), "images are missing: unpack the download again");
    fail(report.undecodable.len(), "images cannot be decoded: replace them");
    let patients = report.patients_across_splits.iter().filter(|patient| patient.leak).count();
    fail(patients, "patients are in two splits: correct the metadata");
    let leaks = report.duplicates.across.iter().filter(|pair| pair.leak).count();
    fail(leaks, "pairs of the same picture leak across splits: leave one of each pair out");
    for (class, split) in dataset.empty_classes() {
        failures.push(format!("{class} has no image in the {} split: use the metadata as Kaggle ships it", split.name()));
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::fixture::{self, HEADER, ROWS};
    use crate::dataset::fold::Fold;
    use std::fs;
    use std::path::Path;

    fn args(coronahack: &Path) -> Args {
        Args { data: DataArgs { coronahack: coronahack.to_owned(), external: vec![], fold: None }, json: false }
    }

    /// The report on a good folder after `harm`, and what `run` says of it.
    fn after(rows: &str, harm: impl FnOnce(&Path)) -> (Report, Option<String>) {
        let folder = fixture::coronahack(&format!("{HEADER}{rows}"));
        harm(folder.path());
        let args = args(folder.path());
        let failed = run(&args).err().map(|error| {
            assert_eq!(cxr_app::fail::exit_code(&error), 1);
            error.to_string()
        });
        let report = check(&args.data).unwrap();
        assert_eq!(report.passed, failed.is_none());
        (report, failed)
    }

    fn train(folder: &Path, name: &str) -> std::path::PathBuf {
        fixture::image_path(folder, "train", name)
    }

    fn test(folder: &Path, name: &str) -> std::path::PathBuf {
        fixture::image_path(folder, "test", name)
    }

    #[test]
    fn a_good_folder_passes() {
        let (report, failed) = after(ROWS, |_| ());
        assert_eq!(failed, None);
        assert_eq!((report.listed, report.found, report.left_out["Pneumonia/ARDS"]), (10, 10, 1));
        assert_eq!((report.sizes.smallest, report.sizes.distinct), ([40, 40], 1));
        let text = report.to_string();
        assert!(text.starts_with(DISCLAIMER) && text.contains("| found "), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["splits"][0]["classes"], serde_json::json!([1, 1, 2]));
    }

    #[test]
    fn a_missing_and_an_unreadable_image_are_reported_together() {
        let (report, failed) = after(ROWS, |folder| {
            fs::remove_file(train(folder, "IM-0128-0001.jpeg")).unwrap();
            fs::write(train(folder, "gr1_lrg-a.jpg"), "not an image").unwrap();
        });
        let failed = failed.unwrap();
        assert!(failed.contains("1 images are missing") && failed.contains("1 images cannot be decoded"), "{failed}");
        assert!(report.missing[0].ends_with("IM-0128-0001.jpeg"));
        assert!(report.undecodable[0].error.contains("gr1_lrg-a.jpg: not an image"));
    }

    #[test]
    fn an_empty_class_fails() {
        let rows: String = ROWS.lines().filter(|row| !row.contains("kjr-21")).map(|row| format!("{row}\n")).collect();
        assert!(after(&rows, |_| ()).1.unwrap().contains("Pneumonia/COVID-19 has no image in the test split"));
    }

    #[test]
    fn a_patient_in_two_splits_fails() {
        let rows = format!("{ROWS}11,person1_virus_7.jpeg,Pnemonia,TRAIN,,Virus\n");
        let (report, failed) = after(&rows, |_| ());
        assert!(failed.unwrap().contains("1 patients are in two splits"));
        assert!(report.to_string().contains("LEAK: patient virus_person1 is in train and test"), "{report}");
    }

    #[test]
    fn the_same_bytes_in_two_splits_fail() {
        let (report, failed) = after(ROWS, |folder| {
            fs::copy(train(folder, "IM-0128-0001.jpeg"), test(folder, "person1_virus_6.jpeg")).unwrap();
        });
        assert!(failed.unwrap().contains("1 pairs of the same picture leak"));
        assert!(report.duplicates.across[0].exact);
        assert_eq!(report.duplicates.label_conflicts, 1);
    }

    #[test]
    fn the_same_picture_in_another_format_and_size_fails_in_test_and_is_told_in_val() {
        let resave = |from: &Path, to: &Path| {
            let picture = image::ImageReader::open(from).unwrap().with_guessed_format().unwrap().decode().unwrap();
            let larger = picture.resize_exact(90, 100, image::imageops::FilterType::Triangle);
            larger.save_with_format(to, image::ImageFormat::Png).unwrap();
        };
        let (report, failed) = after(ROWS, |folder| {
            resave(&train(folder, "IM-0128-0001.jpeg"), &test(folder, "NORMAL2-IM-0010-0001.jpeg"));
        });
        assert!(failed.unwrap().contains("1 pairs of the same picture leak"), "{report}");
        assert!(!report.duplicates.across[0].exact);
        let (report, failed) = after(ROWS, |folder| {
            resave(&train(folder, "IM-0128-0001.jpeg"), &train(folder, "IM-0129-0001.jpeg"));
        });
        assert_eq!(failed, None);
        assert!(report.to_string().contains("note: near duplicate"), "{report}");
    }

    #[test]
    fn no_picture_is_under_two_people_so_no_fold_can_part_its_copies() {
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
        if !shared.is_dir() {
            println!("skipped: {} is not there", shared.display());
            return;
        }
        // Each fold withholds other rows.
        let folds = Fold::all(5).unwrap().into_iter();
        let (coronahack, external) = (shared.join("coronahack"), [shared.join("external")]);
        let read = |fold| crate::dataset::read(&Query { fold: Some(fold), ..Query::new(&coronahack, &external) }).unwrap();
        let samples: BTreeMap<_, Sample> = folds.flat_map(|fold| read(fold).samples).map(|s| (s.path.clone(), s)).collect();
        let samples: Vec<Sample> = samples.into_values().filter(|sample| sample.class < CLASSES.len()).collect();
        let print = |sample: &Sample| match inspect(sample) {
            Inspected::Read { print, .. } => Some(print),
            Inspected::Missing | Inspected::Undecodable(_) => None,
        };
        let prints: Vec<_> = samples.par_iter().map(print).collect();
        let people: Vec<&str> = samples.iter().map(|sample| sample.patient.as_str()).collect();
        for pair in duplicates::pairs(&prints, &people, || ()) {
            let both = [pair.first, pair.second].map(|at| &samples[at]);
            assert_eq!(both[0].patient, both[1].patient, "join them in data/fold_patients.csv: {both:?} {}", pair.detail);
        }
    }

    #[test]
    fn the_shared_data_passes() {
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
        if !shared.is_dir() {
            println!("skipped: {} is not there", shared.display());
            return;
        }
        let external = ["external", "external_new"].map(|name| shared.join(name)).to_vec();
        let report = check(&DataArgs { coronahack: shared.join("coronahack"), external, fold: None }).unwrap();
        assert!(report.passed, "{report}");
        assert_eq!(report.found, report.listed);
        // The 92 rows, and another image of one of the people.
        assert_eq!(report.left_out[crate::dataset::external::WITHDRAWN], 93);
        let partial: usize = report.splits.iter().map(|row| row.other_finding).sum();
        assert_eq!(partial, 800);
        // ood_* are pictures to be refused.
        assert_eq!(report.hospitals_unseen.iter().collect::<Vec<_>>(), ["figure1"]);
        assert!(report.hospitals_seen.contains("pk_mendeley"));
        // Kaggle's own copies, all of one patient or at least of one split.
        assert_eq!(report.duplicates.exact_within["Pneumonia/NA"], 30);
    }
}
