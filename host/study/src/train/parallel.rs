//! One training step on several devices: each takes its share of the batch, the first one sums the gradients.
//!
//! As Burn's own engine does it where one device optimises (`MultiDeviceOptim::OptimMainDevice` of burn-train, inside its
//! `Learner`), from the same parts: a thread a device, a copy of the network on it, gradients moved to the first device and
//! accumulated. The shares are weighted by their sizes, so that the sum is the gradient of the whole batch's mean loss.

use super::gradient;
use super::loader::Batch;
use crate::network::Network;
use anyhow::{Context, Result, ensure};
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};
use std::sync::mpsc::{Receiver, Sender, channel};

/// The devices of a run, of which the first holds the network, and a waiting thread for each of the others.
pub struct Workers {
    main: Device,
    others: Vec<Worker>,
}

/// Threads last as long as the run: backends keep a stream for each.
struct Worker {
    jobs: Sender<Job>,
    results: Receiver<(GradientsParams, Tensor<2>)>,
}

struct Job {
    /// A copy without gradients.
    network: Network,
    share: Batch,
    /// Images of the whole batch.
    total: usize,
}

impl Workers {
    /// Workers on `devices` without gradients, at least one.
    pub fn new(devices: &[Device]) -> Result<Self> {
        let (first, others) = devices.split_first().context("no device to train on")?;
        let others = others.iter().map(|device| Worker::start(device.clone(), first.clone())).collect();
        Ok(Self { main: first.clone().autodiff(), others })
    }

    /// Number of devices.
    pub fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// Gradients of the mean loss over `batch`, on the first device, and the logits of each share in order.
    ///
    /// Batch normalisation is over each share by itself; the running statistics are those of the first.
    pub fn gradients(&self, network: &Network, batch: Batch) -> Result<(GradientsParams, Vec<Tensor<2>>)> {
        let total = batch.classes.len();
        ensure!(total > 0, "an empty batch");
        let mut shares = shares(batch, self.len()).into_iter();
        let own = shares.next().context("a batch has a share")?;
        let mut busy = Vec::new();
        for (worker, share) in self.others.iter().zip(shares) {
            // A copy with running statistics of its own: clones share them.
            worker.jobs.send(Job { network: network.valid(), share, total }).ok().context("a worker ended")?;
            busy.push(worker);
        }
        let (mut gradients, logits) = gradient::gradients(network, own, total, &self.main);
        let mut all = vec![logits];
        if !busy.is_empty() {
            let mut sum = GradientsAccumulator::new();
            sum.accumulate(network, gradients);
            // In the order of the devices: float sums depend on it.
            for worker in busy {
                let (share, logits) = worker.results.recv().ok().context("a worker ended; see its message above")?;
                sum.accumulate(network, share);
                all.push(logits);
            }
            gradients = sum.grads();
        }
        Ok((gradients, all))
    }
}

impl Worker {
    fn start(device: Device, main: Device) -> Self {
        let (jobs, received) = channel::<Job>();
        let (sender, results) = channel();
        std::thread::spawn(move || {
            let training = device.clone().autodiff();
            for Job { network, share, total } in received {
                let network = network.to_device(&device).train();
                let (gradients, logits) = gradient::gradients(&network, share, total, &training);
                if sender.send((gradients.to_device(&main, &network), logits)).is_err() {
                    break;
                }
            }
        });
        Self { jobs, results }
    }
}

/// At most `count` shares of a batch, as equal as may be, none empty.
fn shares(batch: Batch, count: usize) -> Vec<Batch> {
    let (total, area) = (batch.classes.len(), batch.size * batch.size);
    if count == 1 {
        return vec![batch];
    }
    let share = |k: usize| {
        let range = k * total / count..(k + 1) * total / count;
        Batch {
            images: batch.images[range.start * area..range.end * area].to_vec(),
            classes: batch.classes[range.clone()].to_vec(),
            smoothing: batch.smoothing[range.clone()].to_vec(),
            priors: batch.priors[range.clone()].to_vec(),
            mix: batch.mix.part(range),
            size: batch.size,
        }
    };
    (0..count).map(share).filter(|share| !share.classes.is_empty()).collect()
}

/// Refuses more devices than there are, and more than a batch has images.
pub fn check_count(wanted: usize, there: Option<usize>, batch: usize, backend: &str) -> Result<()> {
    ensure!(wanted > 0, "--data-parallel must be at least 1");
    if let Some(there) = there {
        ensure!(wanted <= there, "--data-parallel {wanted}: devices of the backend {backend} here: {there}");
    }
    ensure!(wanted <= batch, "--data-parallel {wanted}: the recipe's batch has only {batch} images");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{LayerSpec, Recipe};
    use burn::module::{ModuleVisitor, Param};

    /// Gradients of all parameters, in the network's order.
    struct Values<'a>(&'a GradientsParams, Vec<f32>);

    impl ModuleVisitor for Values<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.0.get::<D>(param.id) {
                self.1.extend(gradient.into_data().try_into_vec::<f32>().unwrap());
            }
        }
    }

    fn recipe() -> Recipe {
        let mut recipe = Recipe::parse(super::super::DEMO).unwrap();
        recipe.network.layers = [8, 16].map(|filters| LayerSpec::Conv { filters, kernel: 3, stride: 4, groups: 1 }).to_vec();
        recipe
    }

    fn network(device: &Device) -> Network {
        let recipe = recipe();
        Network::new(&recipe.network, recipe.input, recipe.train.batch_norm, 3, &device.clone().autodiff()).unwrap()
    }

    /// Pictures of two kinds in turn: shares with both as often have the whole batch's mean and variance.
    fn batch(count: usize, kinds: usize) -> Batch {
        let size = 32;
        let picture = |i: usize| (0..size * size).map(move |at| ((at * (7 + 5 * (i % kinds)) + at / size * 3) % 251) as u8);
        Batch {
            images: (0..count).flat_map(picture).collect(),
            classes: (0..count).map(|i| i * 2 % 3).collect(),
            smoothing: (0..count).map(|i| 0.1 * (i % 4) as f32).collect(),
            priors: (0..count).map(|i| [-0.1 * i as f32, 0.0, -1.0]).collect(),
            mix: crate::network::Mix { partners: (0..count).collect(), own: vec![1.0; count] },
            size,
        }
    }

    fn gradients(devices: usize, network: &Network, batch: Batch) -> (Vec<f32>, Vec<f32>) {
        let workers = Workers::new(&vec![Device::flex(); devices]).unwrap();
        let (gradients, logits) = workers.gradients(network, batch).unwrap();
        assert_eq!(logits.len(), devices);
        let mut values = Values(&gradients, Vec::new());
        network.visit(&mut values);
        (values.1, logits.into_iter().flat_map(|l| l.into_data().try_into_vec::<f32>().unwrap()).collect())
    }

    fn assert_close(a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len());
        let largest = a.iter().fold(0f32, |top, x| top.max(x.abs()));
        for (x, y) in a.iter().zip(b) {
            assert!((x - y).abs() <= 1e-5 * largest, "{x} {y} of {largest}");
        }
    }

    #[test]
    fn shares_sum_to_the_gradient_of_the_whole_batch() {
        // Six images of two kinds on three devices, three of one kind on two: every share has the batch's statistics.
        for (count, kinds, devices) in [(6, 2, 3), (8, 2, 2), (3, 1, 2), (5, 1, 4)] {
            let network = network(&Device::flex());
            let one = gradients(1, &network, batch(count, kinds));
            let several = gradients(devices, &network, batch(count, kinds));
            assert!(one.0.iter().any(|g| g.abs() > 1e-3) && one.0.len() > 1000);
            assert_close(&one.0, &several.0);
            assert_close(&one.1, &several.1);
        }
    }

    #[test]
    fn running_statistics_are_the_first_workers() {
        let statistics = |network: &Network| {
            struct All(Vec<f32>);
            impl ModuleVisitor for All {
                fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                    self.0.extend(param.val().into_data().try_into_vec::<f32>().unwrap());
                }
            }
            let mut all = All(Vec::new());
            network.valid().visit(&mut all);
            all.0
        };
        let (whole, alone) = (network(&Device::flex()), network(&Device::flex()));
        let before = statistics(&whole);
        let twice = |network: &Network, devices: usize, batch: fn() -> Batch| {
            (0..2).for_each(|_| drop(gradients(devices, network, batch())));
            statistics(network)
        };
        // The first of two workers has the first two of five images.
        let found = twice(&whole, 2, || batch(5, 5));
        assert_ne!(found, before);
        assert_eq!(found, twice(&alone, 1, || batch(2, 5)));
    }

    #[test]
    fn counts_are_checked() {
        let told = |wanted, there| format!("{:#}", check_count(wanted, there, 8, "cuda").unwrap_err());
        assert!(told(3, Some(2)).contains("devices of the backend cuda here: 2"));
        assert!(told(9, None).contains("only 8 images") && told(0, None).contains("at least 1"));
        assert!(check_count(2, Some(2), 8, "cuda").is_ok());
        let few = shares(batch(3, 2), 4);
        assert_eq!(few.iter().map(|share| share.classes.len()).collect::<Vec<_>>(), [1, 1, 1]);
        let images: Vec<u8> = few.into_iter().flat_map(|share| share.images).collect();
        assert_eq!(images, batch(3, 2).images);
    }
}
