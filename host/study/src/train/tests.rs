use super::parallel::Workers;
use super::*;
use crate::recipe::{LayerSpec, Stage};
use burn::tensor::Device;

/// A recipe that trains in a second.
fn tiny(folder: &Path) -> PathBuf {
    let mut recipe = Recipe::parse(DEMO).unwrap();
    recipe.network.layers = [8, 8, 16].map(|filters| LayerSpec::Conv { filters, kernel: 3, stride: 4, groups: 1 }).to_vec();
    recipe.train.stages = vec![Stage { epochs: 2, size: 64 }, Stage { epochs: 1, size: 256 }];
    let path = folder.join("tiny.toml");
    std::fs::write(&path, recipe.to_toml().unwrap()).unwrap();
    path
}

fn args(recipe: &Path, out: &Path) -> Args {
    Args {
        recipe: Some(recipe.to_path_buf()),
        coronahack: None,
        external: vec![],
        leave_out: vec![],
        fold: None,
        out: Some(out.to_path_buf()),
        start: None,
        backend: Backend::Flex,
        resume: false,
        epochs: None,
        seed: 5,
        demo: true,
        threads: None,
        data_parallel: 1,
        bench_steps: None,
    }
}

/// metrics.csv without the three columns that are times.
fn figures(run: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(run.join("metrics.csv")).unwrap();
    text.lines().map(|line| line.rsplitn(4, ',').last().unwrap().to_owned()).collect()
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let recipe_path = tiny(folder.path());
    let whole = folder.path().join("whole");
    run(&args(&recipe_path, &whole)).unwrap();
    let files = ["recipe.toml", "run.json", "metrics.csv", "curves.svg", "last.ckpt", "best.ckpt"];
    for file in files {
        assert!(whole.join(file).exists(), "{file}");
    }
    assert_eq!(std::fs::read_dir(&whole).unwrap().count(), files.len());

    // Stopped within epoch 2 and again after epoch 2.
    let parts = folder.path().join("parts");
    let first = args(&recipe_path, &parts);
    let recipe = Recipe::load(&recipe_path).unwrap();
    let data = data::generated().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    std::fs::create_dir_all(&parts).unwrap();
    std::fs::write(parts.join(run_folder::RECIPE), recipe.to_toml().unwrap()).unwrap();
    let trainer = || Trainer::new(&recipe, &data, &pool, &[Device::flex()], &parts, "flex", 5).unwrap();
    let mut stopped = trainer();
    stopped.stop_after = Some(11);
    assert_eq!(stopped.run().unwrap(), Ending::Interrupted);
    let mut stopped = trainer().restore(Checkpoint::load(&parts.join(run_folder::LAST)).unwrap()).unwrap();
    stopped.stop_after = Some(16);
    assert_eq!(stopped.run().unwrap(), Ending::Interrupted);
    run(&Args { resume: true, ..first.clone() }).unwrap();

    assert_eq!(figures(&whole), figures(&parts));
    let last = |run: &Path| Checkpoint::load(&run.join(run_folder::LAST)).unwrap();
    assert_eq!(weights(&whole), weights(&parts));
    assert_eq!(last(&whole).progress.best, last(&parts).progress.best);
    // A used folder is not overwritten.
    let refusal = run(&first).unwrap_err();
    assert!(format!("{refusal:#}").contains("--resume"));
}

/// Folded weights of the best checkpoint, bit by bit.
fn weights(run: &Path) -> rownet_convert::chain::float_model::FloatModel {
    let (recipe, model, summary) = load_float_model(run).unwrap();
    assert_eq!(recipe.name, "demo");
    assert_eq!(summary["state"], "finished");
    model
}

#[test]
fn the_demonstration_learns_the_generated_classes() {
    let data = data::generated().unwrap();
    assert_eq!(data.train.counts(), [40; 3]);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    run(&Args { recipe: None, seed: 1, ..args(Path::new(""), &out) }).unwrap();
    let best = Checkpoint::load(&out.join(run_folder::LAST)).unwrap().progress.best.unwrap();
    assert!(best.1 > 0.8, "{best:?}");
}

#[test]
fn two_workers_learn_and_give_the_same_run_twice() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = tiny(folder.path());
    let runs = ["a", "b"].map(|name| folder.path().join(name));
    for out in &runs {
        run(&Args { data_parallel: 2, ..args(&recipe, out) }).unwrap();
    }
    assert_eq!(figures(&runs[0]), figures(&runs[1]));
    assert_eq!(weights(&runs[0]), weights(&runs[1]));
    let rows = Checkpoint::load(&runs[0].join(run_folder::LAST)).unwrap().progress.rows;
    assert!(rows[1].train_loss < rows[0].train_loss, "{rows:?}");
    assert_eq!(load_float_model(&runs[0]).unwrap().2["data_parallel"], 2);
    run(&Args { data_parallel: 2, bench_steps: Some(1), out: None, ..args(&recipe, &runs[0]) }).unwrap();
    let refusal = run(&Args { data_parallel: 9, ..args(&recipe, &folder.path().join("c")) }).unwrap_err();
    assert!(refusal.to_string().contains("--data-parallel 9"), "{refusal}");
}

#[test]
fn a_run_begins_with_another_s_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = tiny(folder.path());
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    run(&args(&path, &first)).unwrap();
    let start = |from: &Path| Args { start: Some(from.to_path_buf()), ..args(&path, &second) };
    let error = format!("{:#}", run(&start(folder.path())).unwrap_err());
    assert!(error.contains("--start") && error.contains("best.ckpt"), "{error}");
    assert!(!second.exists());

    let recipe = Recipe::load(&path).unwrap();
    let mut wider = recipe.clone();
    wider.network.layers[1] = LayerSpec::Conv { filters: 24, kernel: 3, stride: 4, groups: 1 };
    let wider_path = folder.path().join("wider.toml");
    std::fs::write(&wider_path, wider.to_toml().unwrap()).unwrap();
    let error = format!("{:#}", run(&Args { recipe: Some(wider_path), ..start(&first) }).unwrap_err());
    assert!(error.contains("best.ckpt") && error.contains("not the recipe's"), "{error}");
    assert!(!second.exists());

    let data = data::generated().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let trainer = Trainer::new(&recipe, &data, &pool, &[Device::flex()], &second, "flex", 9).unwrap();
    let kept = trainer.start(&first).unwrap().kept();
    assert_eq!(kept.to_float_model().unwrap(), weights(&first));

    run(&start(&first)).unwrap();
    let summary = load_float_model(&second).unwrap().2;
    assert_eq!(summary["start"], first.to_str().unwrap());
    let phase = crate::recipe::Phase { recipe: recipe.name.clone(), epochs: recipe.epochs() as u64 };
    assert_eq!(serde_json::to_value([&phase]).unwrap(), summary["after"]);
    assert_eq!(run_folder::phases(&second).unwrap(), [phase.clone(), phase]);

    // Weights that know the people whom this run leaves out.
    let left_out = data::Data { fold: Some("2/5".parse().unwrap()), ..data::generated().unwrap() };
    let trainer = Trainer::new(&recipe, &left_out, &pool, &[Device::flex()], &second, "flex", 9).unwrap();
    let error = trainer.start(&first).err().unwrap().to_string();
    assert!(error.contains("is of the published splits, this one of fold 2/5"), "{error}");
    // Or a hospital.
    let left_out = data::Data { leave_out: vec!["generated".to_owned()], ..data::generated().unwrap() };
    let trainer = Trainer::new(&recipe, &left_out, &pool, &[Device::flex()], &second, "flex", 9).unwrap();
    let error = trainer.start(&first).err().unwrap().to_string();
    assert!(error.contains("learned from images of generated, which this run leaves out"), "{error}");
    assert_eq!(summary["hospitals_seen"], serde_json::json!(["generated"]));
}

#[test]
fn a_diverged_loss_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = tiny(folder.path());
    let mut recipe = Recipe::load(&path).unwrap();
    recipe.train.schedule = crate::recipe::Schedule::Steps(vec![crate::recipe::RateStep { epochs: 3, rate: 0.999 }]);
    recipe.train.batch_norm.epsilon = 1e-30;
    recipe.train.optimizer = crate::recipe::OptimizerSpec::Adam { epsilon: f32::MIN_POSITIVE, l2: 0.99 };
    let data = data::generated().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let device = Device::flex();
    let network =
        crate::network::Network::new(&recipe.network, recipe.input, recipe.train.batch_norm, 1, &device.clone().autodiff())
            .unwrap();
    let order = [0, 1];
    let of_source = [data::OfSource { smoothing: f32::NAN, log_prior: [0.0; 3] }];
    let plan = loader::Epoch::new(&recipe, &data, &order, &of_source, 1, 0);
    let batch = pool.install(|| plan.prepare(0));
    let mut optimizer = optim::optimizer(recipe.train.optimizer).unwrap();
    let error = step::train_step(network, &mut optimizer, batch, 1e-3, &Workers::new(&[device]).unwrap()).unwrap_err();
    assert!(error.to_string().contains("not a number"));
}

#[test]
fn other_backends_are_second_opinions_on_training_steps() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = Recipe::load(&tiny(folder.path())).unwrap();
    let data = data::generated().unwrap();
    let order = [0, 1, 50, 90];
    let of_source = data.of_source(&recipe.train);
    let plan = loader::Epoch::new(&recipe, &data, &order, &of_source, 1, 0);
    let losses = |backend: Backend| -> Vec<f64> {
        let devices = backend.devices(1, 4).unwrap();
        let (device, workers) = (devices[0].clone().autodiff(), Workers::new(&devices).unwrap());
        let mut network =
            crate::network::Network::new(&recipe.network, recipe.input, recipe.train.batch_norm, 1, &device).unwrap();
        let mut optimizer = optim::optimizer(recipe.train.optimizer).unwrap();
        let mut loss = || {
            let (trained, outcome) = step::train_step(network.clone(), &mut optimizer, plan.prepare(0), 1e-3, &workers).unwrap();
            network = trained;
            outcome.loss_sum
        };
        (0..4).map(|_| loss()).collect()
    };
    let ours = losses(Backend::Flex);
    assert!(ours[3] < ours[0], "{ours:?}");
    // LibTorch with the patch of scripts/libtorch, whose gradients are its own.
    let others = [Backend::Ndarray, Backend::Libtorch];
    for other in &others[..if cfg!(feature = "libtorch") { 2 } else { 1 }] {
        let theirs = losses(*other);
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() < 1e-3 * a, "{ours:?} against {other:?}: {theirs:?}");
        }
    }
}

#[test]
fn labels_are_smoothed_by_source() {
    let mut data = data::generated().unwrap();
    data.sources = ["a", "b"].map(str::to_owned).to_vec();
    data.train.sources.iter_mut().enumerate().for_each(|(i, source)| *source = i % 2);
    let mut recipe = Recipe::parse(DEMO).unwrap();
    recipe.train.label_smoothing = 0.05;
    recipe.train.source_label_smoothing = [("b".to_owned(), 0.2), ("c".to_owned(), 0.3)].into();
    let of_source = data.of_source(&recipe.train);
    assert_eq!(of_source.iter().map(|of| of.smoothing).collect::<Vec<_>>(), [0.05, 0.2]);
    assert!(of_source.iter().all(|of| of.log_prior == [0.0; 3]));
    let plan = loader::Epoch::new(&recipe, &data, &[5, 2, 8, 3], &of_source, 1, 0);
    assert_eq!(plan.prepare(0).smoothing, [0.2, 0.05, 0.05, 0.2]);

    assert_eq!(data.absent(&recipe.train), ["c"].into());
    recipe.train.sampling =
        crate::recipe::Sampling::Shares([("a".to_owned(), vec![1.0; 3]), ("d".to_owned(), vec![1.0; 3])].into());
    assert_eq!(data.absent(&recipe.train), ["c", "d"].into());
}

#[test]
fn what_a_source_tells_of_the_class() {
    let mut data = data::generated().unwrap();
    data.sources = ["a", "b", "c"].map(str::to_owned).to_vec();
    // Source a has all classes, b no COVID-19 and partial labels, c is not drawn.
    for (i, (source, class)) in data.train.sources.iter_mut().zip(&mut data.train.classes).enumerate() {
        *source = i % 3;
        if *source == 1 && *class == 2 {
            *class = crate::dataset::OTHER_FINDING;
        }
    }
    let mut recipe = Recipe::parse(DEMO).unwrap();
    let shares = [("a".to_owned(), vec![2.0, 1.0, 1.0]), ("b".to_owned(), vec![1.0, 0.0, 5.0, 2.0])];
    recipe.train.sampling = crate::recipe::Sampling::Shares(shares.into());
    assert!(data.of_source(&recipe.train).iter().all(|of| of.log_prior == [0.0; 3]));
    recipe.train.source_prior = 0.5;
    let found: Vec<[f32; 3]> = data.of_source(&recipe.train).iter().map(|of| of.log_prior.map(|l| (2.0 * l).exp())).collect();
    // b: one part healthy, two parts shared by the classes that are not COVID-19, of which it has none.
    for (found, expected) in found.iter().zip([[0.5, 0.25, 0.25], [2.0 / 3.0, 1.0 / 3.0, 0.02], [1.0; 3]]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}

#[test]
fn statistics_are_mixed_where_the_recipe_says_so() {
    let data = data::generated().unwrap();
    let mut recipe = Recipe::parse(DEMO).unwrap();
    let of_source = data.of_source(&recipe.train);
    let order: Vec<usize> = (0..8).collect();
    let mix = |recipe: &Recipe, epoch| loader::Epoch::new(recipe, &data, &order, &of_source, 1, epoch).prepare(0).mix;
    assert!(mix(&recipe, 0).is_nothing());
    recipe.train.mix_style = 0.5;
    assert!(!mix(&recipe, 0).is_nothing());
    assert_eq!(mix(&recipe, 0), mix(&recipe, 0));
    assert_ne!(mix(&recipe, 0), mix(&recipe, 1));
    // It trains, and a run is the same twice.
    let folder = tempfile::tempdir().unwrap();
    let path = tiny(folder.path());
    let mut tiny = Recipe::load(&path).unwrap();
    tiny.train.mix_style = 0.5;
    std::fs::write(&path, tiny.to_toml().unwrap()).unwrap();
    let runs = ["a", "b"].map(|name| folder.path().join(name));
    runs.iter().for_each(|out| run(&args(&path, out)).unwrap());
    assert_eq!(figures(&runs[0]), figures(&runs[1]));
    assert_eq!(weights(&runs[0]), weights(&runs[1]));
}

#[test]
fn missing_folders_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = tiny(folder.path());
    let mut wanting = args(&path, &folder.path().join("run"));
    wanting.demo = false;
    wanting.coronahack = Some(folder.path().join("nowhere"));
    let error = format!("{:#}", run(&wanting).unwrap_err());
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn generated_images_are_not_cut_to_lungs() {
    let folder = tempfile::tempdir().unwrap();
    let path = tiny(folder.path());
    let mut recipe = Recipe::load(&path).unwrap();
    recipe.data.frame = Frame::Lungs;
    std::fs::write(&path, recipe.to_toml().unwrap()).unwrap();
    let error = run(&args(&path, &folder.path().join("run"))).unwrap_err().to_string();
    assert!(error.contains("--demo does not"), "{error}");
}
