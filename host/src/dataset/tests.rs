use super::fixture::{self, HEADER, ROWS};
use super::*;
use crate::classes;
use std::collections::HashMap;
use std::fs;

/// The shared copy of the data, where there is one.
fn shared(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    folder.is_dir().then_some(folder)
}

fn tiny() -> String {
    format!("{HEADER}{ROWS}")
}

fn refused(coronahack: &Path, external: Option<&Path>) -> String {
    let error = format!("{:#}", load(coronahack, external, None).unwrap_err());
    assert!(!error.contains('\n'), "{error}");
    error
}

fn assert_no_patient_in_two_splits(samples: &[Sample]) {
    let mut split_of = HashMap::new();
    for sample in samples.iter().filter(|sample| sample.split != Split::OutOfDistribution) {
        let first = *split_of.entry(sample.patient.as_str()).or_insert(sample.split);
        assert_eq!(first, sample.split, "{}", sample.patient);
    }
}

#[test]
fn the_rule_gives_the_published_splits_and_classes() {
    let Some(folder) = shared("coronahack") else { return };
    let dataset = read(&folder, None, None).unwrap();
    let by_name: HashMap<&str, &Sample> = dataset.samples.iter().map(|sample| (sample.name.as_str(), sample)).collect();
    let mut rows = 0;
    for row in csv::Reader::from_path(folder.join("patients.csv")).unwrap().deserialize() {
        let row: HashMap<String, String> = row.unwrap();
        let name = row["X_ray_image_name"].as_str();
        rows += 1;
        match by_name.get(name) {
            None => assert_eq!(row["split"], "unused", "{name}"),
            Some(sample) => {
                assert_eq!(row["split"], sample.split.name(), "{name}");
                assert_eq!(row["patient"], sample.patient, "{name}");
                assert_eq!(row["label"], classes::CLASSES[sample.class], "{name}");
                assert_eq!(row["view"], sample.view, "{name}");
            }
        }
    }
    assert_eq!(rows, 5910);
    assert_eq!(dataset.unused.values().sum::<usize>(), 11);
    let count = |split| {
        let mut counts = [0; 3];
        dataset.of(split).for_each(|sample| counts[sample.class] += 1);
        counts
    };
    assert_eq!(count(Split::Train), [1219, 3482, 35]);
    assert_eq!(count(Split::Val), [123, 393, 10]);
    assert_eq!(count(Split::Test), [234, 390, 13]);
}

#[test]
fn the_real_data_loads_and_no_patient_is_in_two_splits() {
    let (Some(folder), Some(other)) = (shared("coronahack"), shared("external")) else {
        return;
    };
    let dataset = load(&folder, Some(&other), None).unwrap();
    assert!(dataset.samples.len() > 11_000);
    assert_no_patient_in_two_splits(&dataset.samples);
    assert!(dataset.empty_classes().is_empty());
    for sample in &dataset.samples {
        assert_eq!(sample.class == usize::MAX, sample.split == Split::OutOfDistribution);
    }
    assert!(dataset.of(Split::ExternalTest).any(|sample| sample.class == 0));
    // Eight patient ids have both roles (13 training images); data/same_patients.csv finds 18 more images.
    assert_eq!(dataset.unused[external::WITHHELD], 31);
}

#[test]
fn a_generated_folder_loads() {
    let folder = fixture::coronahack(&tiny());
    let dataset = load(folder.path(), None, None).unwrap();
    assert_eq!(dataset.samples.len(), 10);
    assert_eq!(dataset.unused, BTreeMap::from([("Pneumonia/ARDS".to_owned(), 1)]));
    assert_no_patient_in_two_splits(&dataset.samples);
    let covid = &dataset.samples[7];
    assert_eq!(
        (covid.patient.as_str(), covid.view.as_str(), covid.age, covid.sex.as_str(), covid.finding.as_str()),
        ("ieee_72", "AP Supine", Some(60.0), "M", "Virus")
    );
}

#[test]
fn cells_that_pandas_wrote_read_the_same() {
    let plain = fixture::coronahack(&tiny());
    let pandas = fixture::coronahack(&tiny().replace(",,\n", ",NaN,nan\n").replace(",,bacteria", ",NaN,bacteria"));
    let strip = |dataset: Dataset| dataset.samples.into_iter().map(|s| (s.name, s.class, s.split)).collect::<Vec<_>>();
    assert_eq!(strip(load(plain.path(), None, None).unwrap()), strip(load(pandas.path(), None, None).unwrap()));
}

#[test]
fn missing_folders_and_files_are_named() {
    let error = refused(Path::new("/nowhere"), None);
    assert!(error.contains("/nowhere: no such folder") && error.contains("Kaggle"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    assert!(refused(empty.path(), None).contains(coronahack::METADATA));
    fs::write(empty.path().join(coronahack::METADATA), tiny()).unwrap();
    assert!(refused(empty.path(), None).contains(coronahack::IMAGES));

    let folder = fixture::coronahack(&tiny());
    for name in ["IM-0128-0001.jpeg", "gr1_lrg-a.jpg"] {
        fs::remove_file(fixture::image_path(folder.path(), "train", name)).unwrap();
    }
    let error = refused(folder.path(), None);
    assert!(error.contains("IM-0128-0001.jpeg") && error.contains("1 others"), "{error}");
    let error = refused(fixture::coronahack(&tiny()).path(), Some(Path::new("/nowhere")));
    assert!(error.contains("/nowhere: no such folder") && error.contains("index.csv"), "{error}");
}

#[test]
fn wrong_metadata_is_named() {
    let good = fixture::coronahack(&tiny());
    for (metadata, told) in [
        (tiny().replace("Label_2_Virus_category", "Label_2"), "no column `Label_2_Virus_category`"),
        (HEADER.to_owned(), "no rows"),
        (tiny().replace("Normal,TRAIN", "Normal,VALID"), ":2: Dataset_type `VALID`"),
        (tiny().replace("IM-0129-0001.jpeg", "IM-0128-0001.jpeg"), ":3: `IM-0128-0001.jpeg` is listed twice"),
        (tiny().replace("IM-0129-0001.jpeg", "../../IM-0129.jpeg"), "is not a file name"),
        (tiny().replace("IM-0129-0001.jpeg", "scan.jpeg"), "the patient of `scan.jpeg` cannot be told"),
        (format!("{}1,2\n", tiny()), "damaged CSV"),
    ] {
        fs::write(good.path().join(coronahack::METADATA), metadata).unwrap();
        let error = refused(good.path(), None);
        assert!(error.contains(told) && error.contains(coronahack::METADATA), "{error}");
    }
}

#[test]
fn an_empty_class_is_named() {
    let rows: String = ROWS.lines().filter(|row| !row.contains("kjr-21")).map(|row| format!("{row}\n")).collect();
    let error = refused(fixture::coronahack(&format!("{HEADER}{rows}")).path(), None);
    assert!(error.contains("Pneumonia/COVID-19 has no image in the test split"), "{error}");
}

#[test]
fn roles_of_other_sources_become_splits() {
    let folder = fixture::coronahack(&tiny());
    // x8 and a salt hash to 0, x0 does not; ieee_69 trains, ieee_76 is tested on and ieee_70 validates in CoronaHack.
    let other = fixture::external(
        "a.jpg,rsna,Normal/NA,train,x8,67+,female,PA,Normal,x
b.jpg,rsna,Normal/NA,train,x0,early 40s,,,Normal,x
c.jpg,nih,Pneumonia/NA,external_test,x4,3,male,AP,Pneumonia,x
d.jpg,nih,Pneumonia/NA,train,x4,3,M,AP,Pneumonia,x
e.jpg,ieee8023,Pneumonia/COVID-19,train,ieee_76,,,,,x
f.jpg,ieee8023,Pneumonia/COVID-19,train,ieee_70,,,,,x
g.jpg,ieee8023,Pneumonia/COVID-19,train,ieee_69,,,,,x
h.jpg,ieee8023,not-a-frontal-chest-x-ray,out_of_distribution,ieee_69,,,L,,x
i.jpg,radiography_db,Pneumonia/COVID-19,train,radiog_COVID_16387,,,,,x
j.jpg,figure1,Pneumonia/COVID-19,external_test,f1_COVID-00017,,,,,x
",
    );
    let dataset = load(folder.path(), Some(other.path()), None).unwrap();
    let told: Vec<_> = dataset.samples[10..].iter().map(|s| (s.name.as_str(), s.split, s.class, s.age, s.sex.as_str())).collect();
    assert_eq!(
        told,
        [
            ("a.jpg", Split::Val, 0, Some(67.0), "F"),
            ("b.jpg", Split::Train, 0, None, ""),
            ("c.jpg", Split::ExternalTest, 1, Some(3.0), "M"),
            ("f.jpg", Split::Val, 2, None, ""),
            ("g.jpg", Split::Train, 2, None, ""),
            ("h.jpg", Split::OutOfDistribution, usize::MAX, None, ""),
            ("j.jpg", Split::ExternalTest, 2, None, ""),
        ]
    );
    // d.jpg, e.jpg and i.jpg, who is the person of j.jpg (data/same_patients.csv).
    assert_eq!(dataset.unused[external::WITHHELD], 3);
    assert_no_patient_in_two_splits(&dataset.samples);
}

#[test]
fn wrong_indexes_of_other_sources_are_named() {
    let folder = fixture::coronahack(&tiny());
    for (row, told) in [
        ("a.jpg,rsna,Normal/NA,validate,p,,,,,x\n", "role `validate` is none of"),
        ("a.jpg,rsna,Normal,train,p,,,,,x\n", "label `Normal` is none of"),
        ("a.jpg,rsna,Normal/NA,train,,,,,,x\n", "no patient"),
    ] {
        let other = fixture::external(row);
        let error = refused(folder.path(), Some(other.path()));
        assert!(error.contains(told) && error.contains("index.csv:2"), "{error}");
    }
    let other = fixture::external("a.jpg,rsna,Normal/NA,train,p,,,,,x\n");
    fs::write(other.path().join(external::INDEX), "image,source\na.jpg,rsna\n").unwrap();
    assert!(refused(folder.path(), Some(other.path())).contains("no column `label`"));
}

#[test]
fn the_shipped_samples_are_the_generated_pictures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/samples");
    for (class, file) in ["normal.png", "pneumonia.png", "covid-19.png"].iter().enumerate() {
        let gray = crate::decode::gray_256(&folder.join(file)).unwrap();
        assert!(gray == crate::synthetic::image(class, 0), "{file}: run `cargo run --release -p cxr-host --example samples`");
    }
}
