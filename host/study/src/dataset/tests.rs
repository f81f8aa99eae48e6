use super::fixture::{self, HEADER, ROWS};
use super::*;
use cxr_app::classes;
use std::collections::HashMap;
use std::fs;

/// The shared copy of the data, where there is one.
fn shared(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
    }
    folder.is_dir().then_some(folder)
}

fn load(coronahack: &Path, external: Option<&Path>) -> Result<Dataset> {
    let external: Vec<PathBuf> = external.iter().map(|folder| folder.to_path_buf()).collect();
    super::load(&Query::new(coronahack, &external))
}

fn tiny() -> String {
    format!("{HEADER}{ROWS}")
}

fn refused(coronahack: &Path, external: Option<&Path>) -> String {
    let error = format!("{:#}", load(coronahack, external).unwrap_err());
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
    let dataset = read(&Query::new(&folder, &[])).unwrap();
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
    let dataset = load(&folder, Some(&other)).unwrap();
    assert!(dataset.samples.len() > 11_000);
    assert_no_patient_in_two_splits(&dataset.samples);
    assert!(dataset.empty_classes().is_empty());
    for sample in &dataset.samples {
        assert_eq!(sample.class == NO_CLASS, sample.split == Split::OutOfDistribution);
    }
    assert!(dataset.of(Split::ExternalTest).any(|sample| sample.class == 0));
    // Eight patient ids have both roles (13 training images); data/same_patients.csv finds 18 more images.
    assert_eq!(dataset.unused[external::WITHHELD], 31);
}

#[test]
fn a_generated_folder_loads() {
    let folder = fixture::coronahack(&tiny());
    let dataset = load(folder.path(), None).unwrap();
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
    assert_eq!(strip(load(plain.path(), None).unwrap()), strip(load(pandas.path(), None).unwrap()));
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
    let dataset = load(folder.path(), Some(other.path())).unwrap();
    let told: Vec<_> = dataset.samples[10..].iter().map(|s| (s.name.as_str(), s.split, s.class, s.age, s.sex.as_str())).collect();
    assert_eq!(
        told,
        [
            ("a.jpg", Split::Val, 0, Some(67.0), "F"),
            ("b.jpg", Split::Train, 0, None, ""),
            ("c.jpg", Split::ExternalTest, 1, Some(3.0), "M"),
            ("f.jpg", Split::Val, 2, None, ""),
            ("g.jpg", Split::Train, 2, None, ""),
            ("h.jpg", Split::OutOfDistribution, NO_CLASS, None, ""),
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/samples");
    for (class, file) in ["normal.png", "pneumonia.png", "covid-19.png"].iter().enumerate() {
        let gray = cxr_app::decode::gray_256(&folder.join(file)).unwrap();
        assert!(gray == crate::synthetic::image(class, 0), "{file}: run `cargo run --release -p cxr-host --example samples`");
    }
}

/// What is in which split: image, split, class.
fn told(dataset: &Dataset) -> Vec<(&str, Split, usize)> {
    dataset.all().filter(|s| s.source != coronahack::SOURCE).map(|s| (s.name.as_str(), s.split, s.class)).collect()
}

#[test]
fn several_folders_partial_labels_readings_and_withdrawn_images() {
    let folder = fixture::coronahack(&tiny());
    let first = fixture::external(
        "a.jpg,nih,Pneumonia/NA,train,x0,67,F,PA,Pneumonia,x
b.jpg,ieee8023,Pneumonia/COVID-19,train,ieee_900,,,,,x
c.jpg,covid_cxnet,Pneumonia/COVID-19,external_test,ieee_901,,,,,x
d.jpg,nih,Normal/NA,train,x3,,,,,x
",
    );
    let second = fixture::external(
        "t.jpg,pk,other-finding,train,x1,,,,tuberculosis,x
u.jpg,nih,Normal/NA,external_test,x3,,,,,x
",
    );
    let notes = "image,role,label,radiologists_say\na.jpg,train,Pneumonia/NA,no opacity (normal or other finding)\n";
    fs::write(second.path().join("radiologists.csv"), notes).unwrap();
    fs::write(second.path().join("withdrawn.csv"), "image,patient\nb.jpg,ieee_900\nz.jpg,ieee_901\n").unwrap();
    let both = [first.path().to_owned(), second.path().to_owned()];
    let dataset = super::load(&Query::new(folder.path(), &both)).unwrap();
    assert_eq!(
        told(&dataset),
        [("a.jpg", Split::Train, 1), ("u.jpg", Split::ExternalTest, 0), ("t.jpg", Split::Train, OTHER_FINDING)]
    );
    // b.jpg, and c.jpg of another who is withdrawn; d.jpg is of the person of u.jpg in the other folder.
    assert_eq!((dataset.unused[external::WITHDRAWN], dataset.unused[external::WITHHELD]), (2, 1));
    let sample = dataset.samples.iter().find(|sample| sample.name == "a.jpg").unwrap();
    assert_eq!(sample.reading, Some(Reading::NoOpacity));
    let error = format!("{:#}", super::load(&Query::new(folder.path(), &[both[0].clone(), both[0].clone()])).unwrap_err());
    assert!(error.contains("`a.jpg` is in another --external folder"), "{error}");
    fs::write(second.path().join("radiologists.csv"), notes.replace("no opacity", "unsure")).unwrap();
    let error = format!("{:#}", super::load(&Query::new(folder.path(), &both)).unwrap_err());
    assert!(error.contains("radiologists.csv:2: `unsure"), "{error}");
}

#[test]
fn left_out_hospitals_are_unseen_with_all_their_people() {
    let folder = fixture::coronahack(&tiny());
    let other = fixture::external(
        "a.jpg,rsna,Normal/NA,train,x0,,,,,x
b.jpg,nih,Normal/NA,external_test,x4,,,,,x
c.jpg,covid_cxnet,Pneumonia/COVID-19,train,x1,,,,,x
d.jpg,covid_cxnet,Pneumonia/COVID-19,train,x0,,,,,x
e.jpg,nih,not-a-frontal-chest-x-ray,out_of_distribution,x7,,,,,x
f.jpg,rsna,Normal/NA,train,x4,,,,,x
",
    );
    let external = [other.path().to_owned()];
    let with = |leave_out: &LeaveOut| super::load(&Query { leave_out, ..Query::new(folder.path(), &external) });
    let expected = [
        ("a.jpg", Split::Unseen, 0),
        ("b.jpg", Split::Unseen, 0),
        ("c.jpg", Split::Train, 2),
        ("e.jpg", Split::OutOfDistribution, NO_CLASS),
        // Of the person of b.jpg, so not for training; but nothing of the hospital is.
        ("f.jpg", Split::Unseen, 0),
    ];
    for leave_out in
        [LeaveOut::sources(&["nih".to_owned()]), LeaveOut::AllBut(hospital::seen(["coronahack", "covid_cxnet"], &[]))]
    {
        let dataset = with(&leave_out).unwrap();
        assert_eq!(told(&dataset), expected);
        // d.jpg is of the person of a.jpg.
        assert_eq!(dataset.unused[external::WITHHELD], 1);
        assert_eq!(dataset.of(Split::Unseen).map(|s| s.held_out).collect::<Vec<_>>(), [false, true, false]);
    }
    // A person may be measured at a hospital never seen and in another test.
    let sets = |splits: &[Split]| on_both_sides(&splits.iter().copied().collect());
    assert!(
        !sets(&[Split::Test, Split::Unseen]) && sets(&[Split::Val, Split::Unseen]) && sets(&[Split::Test, Split::ExternalTest])
    );
    assert!(!sets(&[Split::Train, Split::OutOfDistribution]) && !sets(&[Split::Unseen, Split::OutOfDistribution]));
    // CoronaHack's COVID-19 of the collection, but its test split.
    let dataset = with(&LeaveOut::sources(&["ieee8023".to_owned()])).err().map(|error| error.to_string());
    assert!(dataset.unwrap().contains("class Pneumonia/COVID-19 has no image in the val split"));
    let error = with(&LeaveOut::sources(&["nhi".to_owned()])).unwrap_err().to_string();
    assert!(error.contains("--leave-out nhi: there is no image of it") && error.contains("nih+rsna"), "{error}");
}

#[test]
fn a_person_on_both_sides_stops_training_and_evaluation() {
    let rows = format!("{}11,person1_virus_7.jpeg,Pnemonia,TRAIN,,Virus\n", tiny());
    let error = refused(fixture::coronahack(&rows).path(), None);
    assert!(error.contains("patient virus_person1 is in train (") && error.contains("and in test ("), "{error}");
    // A person of CoronaHack's train whom another source tests on: ieee_69 trains.
    let other = fixture::external("g.jpg,ieee8023,Pneumonia/COVID-19,external_test,ieee_69,,,,,x\n");
    let error = refused(fixture::coronahack(&tiny()).path(), Some(other.path()));
    assert!(error.contains("patient ieee_69 is in train (") && error.contains("and in external_test ("), "{error}");
}

#[test]
fn grafts_are_trained_on_where_host_and_donor_are_and_never_measured_on() {
    let coronahack = fixture::coronahack(&tiny());
    let row = |image: &str, source: &str, role: &str| format!("{image},{source},Normal/NA,{role},of_{image},,,PA,,\n");
    // Patients by the rule of `split::external`: enough of them that some are trained on and some validated on.
    let rows: String =
        (0..40).map(|i| row(&format!("a{i}.jpg"), "rsna", if i < 4 { "external_test" } else { "train" })).collect();
    let external = fixture::external(&rows);
    let grafts = tempfile::tempdir().unwrap();
    let mut index = "image,label,donor,donor_same_as,host,host_view\n".to_owned();
    for i in 0..40 {
        index += &format!("op_{i}.jpg,Pneumonia/NA,d{i},,a{i}.jpg,PA\n");
        // Its donor is tested on.
        index += &format!("nm_{i}.jpg,Normal/NA,e{i},a0.jpg,a{i}.jpg,PA\n");
        for name in [format!("op_{i}.jpg"), format!("nm_{i}.jpg")] {
            fixture::write_image(&grafts.path().join("images").join(name), i);
        }
    }
    fs::write(grafts.path().join(external::INDEX), index).unwrap();
    let folders = [external.path().to_owned(), grafts.path().to_owned()];
    let query = Query::new(coronahack.path(), &folders);
    let dataset = super::load(&query).unwrap();
    let of = |split: Split| dataset.samples.iter().filter(move |s| s.split == split);
    let hosts = of(Split::Train).filter(|s| s.source == "rsna").count();
    let made: Vec<&Sample> = dataset.samples.iter().filter(|s| s.source == external::GRAFTS).collect();
    assert!((1..36).contains(&hosts) && made.len() == hosts, "{hosts} {}", made.len());
    assert!(made.iter().all(|s| s.split == Split::Train && s.name.starts_with("op_") && s.hospital() == "nih+rsna"));
    assert_no_patient_in_two_splits(&dataset.samples);
    // With the hospital left out, they are gone.
    let leave_out = LeaveOut::sources(&["rsna".to_owned()]);
    let dataset = super::load(&Query { leave_out: &leave_out, ..query }).unwrap();
    assert!(dataset.all().all(|s| s.source != external::GRAFTS) && dataset.samples.iter().any(|s| s.split == Split::Unseen));
}
