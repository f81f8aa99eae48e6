//! What a run shows while it goes on.

use super::checkpoint::Progress;
use super::metrics::EpochRow;
use crate::recipe::Recipe;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use std::time::Duration;

/// The bar of an epoch of `images` images.
pub fn epoch_bar(recipe: &Recipe, epoch: usize, images: usize, done: usize) -> ProgressBar {
    let bar = ProgressBar::new(images as u64).with_style(style(&format!(
        "epoch {:>3}/{} {:>3} px {{bar:32}} {{pos}}/{{len}} {{msg}} {{eta}} left of the epoch",
        epoch + 1,
        recipe.epochs(),
        recipe.size_at(epoch)
    )));
    bar.set_position(done as u64);
    bar.reset_eta();
    bar
}

/// The bar of a validation pass.
pub fn validation_bar(images: usize) -> ProgressBar {
    ProgressBar::new(images as u64).with_style(style("validation {bar:32} {pos}/{len} {eta}"))
}

/// The bar of reading the images; its length comes later.
pub fn decoding_bar() -> ProgressBar {
    ProgressBar::new(0).with_style(style("decoding {bar:32} {pos}/{len} {per_sec} {eta}"))
}

/// Running figures of an epoch.
pub fn message(recipe: &Recipe, progress: &Progress, images: usize) -> String {
    let seen = progress.seen as f64;
    format!(
        "loss {:.3} accuracy {:.1} % {:.1} images/s, {} left of the run,",
        progress.loss_sum / seen,
        100.0 * progress.correct as f64 / seen,
        seen / progress.train_seconds,
        HumanDuration(time_left(recipe, progress, images))
    )
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Training time to the end of the run, at this epoch's pixels a second.
fn time_left(recipe: &Recipe, progress: &Progress, images: usize) -> Duration {
    let area = |epoch: usize| recipe.size_at(epoch).pow(2) as f64;
    let done = progress.seen as f64 * area(progress.epoch);
    let all: f64 = (progress.epoch..recipe.epochs()).map(|epoch| images as f64 * area(epoch)).sum();
    Duration::from_secs_f64((all - done) * progress.train_seconds / done)
}

/// One line an epoch.
pub fn print_row(row: &EpochRow, epochs: usize, best: bool) {
    let all = &row.val.confusion;
    let [normal, pneumonia, covid] = all.recall().map(|r| 100.0 * r);
    println!(
        "epoch {:>3}/{epochs} {:>3} px  train loss {:.4} accuracy {:.1} %  val loss {:.4} accuracy {:.1} % macro-F1 {:.4} \
         recall {normal:.0}/{pneumonia:.0}/{covid:.0} %  {:.1} images/s, loader {:.1} %, {:.0} s{}",
        row.epoch,
        row.size,
        row.train_loss,
        100.0 * row.train_accuracy,
        row.val.loss,
        100.0 * all.accuracy(),
        all.macro_f1(),
        row.images_per_second,
        100.0 * row.loader_wait,
        row.seconds,
        if best { "  best" } else { "" }
    );
}
