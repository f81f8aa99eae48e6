//! Which images an epoch consists of, in which order: a function of (seed, epoch) alone.

use crate::dataset::OTHER_FINDING;
use crate::recipe::Sampling;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Draws as many image indices as there are images; `classes[i]` and `sources[i]` describe image `i`, `names` the sources.
pub fn order(classes: &[usize], sources: &[usize], names: &[String], sampling: &Sampling, seed: u64, epoch: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5a4d_504c_4552);
    rng.set_stream(epoch as u64);
    let name = |source: usize| names.get(source).map_or("", String::as_str);
    let mut order = match sampling {
        Sampling::Natural => (0..classes.len()).collect(),
        Sampling::Balanced { source_power, weights } => {
            let share = |_: usize, source: usize, images: usize| {
                weights.get(name(source)).unwrap_or(&1.0) * (images as f64).powf(*source_power)
            };
            let mut groups = groups(classes, sources);
            // A partial label is no class; only shares draw it.
            groups.retain(|(class, _), _| *class != OTHER_FINDING);
            let mut class_weight: BTreeMap<usize, f64> = BTreeMap::new();
            for ((class, source), members) in &groups {
                *class_weight.entry(*class).or_default() += share(*class, *source, members.len());
            }
            draw(groups, |class, source, images| share(class, source, images) / class_weight[&class], &mut rng)
        }
        Sampling::Shares(shares) => {
            let of = |class: usize, source: usize| shares.get(name(source)).and_then(|of| of.get(class)).copied();
            let share = |class: usize, source: usize, _: usize| of(class, source).unwrap_or(0.0);
            draw(groups(classes, sources), share, &mut rng)
        }
    };
    order.shuffle(&mut rng);
    order
}

/// Indices of images by (class, source).
type Groups = BTreeMap<(usize, usize), Vec<usize>>;

fn groups(classes: &[usize], sources: &[usize]) -> Groups {
    let mut groups = Groups::new();
    for (index, key) in classes.iter().copied().zip(sources.iter().copied()).enumerate() {
        groups.entry(key).or_default().push(index);
    }
    groups
}

/// As many indices as there are images; each group is cycled through in random order until it has its share.
fn draw(groups: Groups, share: impl Fn(usize, usize, usize) -> f64, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let images: usize = groups.values().map(Vec::len).sum();
    let total: f64 = groups.iter().map(|((class, source), members)| share(*class, *source, members.len())).sum();
    let (mut order, mut due) = (Vec::with_capacity(images), 0.0);
    for ((class, source), mut members) in groups {
        due += images as f64 * share(class, source, members.len()) / total;
        while (order.len() as f64) + 0.5 < due {
            members.shuffle(rng);
            let missing = (due - order.len() as f64).round() as usize;
            order.extend(members.iter().take(missing));
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natural_takes_each_image_once() {
        let mut drawn = order(&[0; 50], &[0; 50], &[], &Sampling::Natural, 1, 2);
        assert_ne!(drawn, (0..50).collect::<Vec<_>>());
        drawn.sort_unstable();
        assert_eq!(drawn, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn balanced_gives_classes_equal_shares_and_sources_their_power() {
        // Class 0: 1600 of source 0, 100 of source 1; class 1: 40; class 2: 260.
        let mut classes = vec![0; 1700];
        classes.extend([1; 40]);
        classes.extend([2; 260]);
        let sources: Vec<usize> = (0..2000).map(|i| usize::from((1600..1700).contains(&i))).collect();
        let names = ["a".to_string(), "b".to_string()];
        let even = Sampling::Balanced { source_power: 0.5, weights: [("a".to_string(), 1.0)].into() };
        let drawn = order(&classes, &sources, &names, &even, 3, 0);
        assert_eq!(drawn.len(), 2000);
        let count = |class: usize, source: usize| drawn.iter().filter(|&&i| classes[i] == class && sources[i] == source).count();
        assert!(count(1, 0).abs_diff(667) <= 1 && count(2, 0).abs_diff(667) <= 1);
        // 40 : 10 by the square roots of 1600 and 100.
        assert!(count(0, 0).abs_diff(533) <= 1 && count(0, 1).abs_diff(133) <= 1);
        // 40 : 40 where source b weighs four times as much.
        let weighted = Sampling::Balanced { source_power: 0.5, weights: [("b".to_string(), 4.0)].into() };
        let drawn_weighted = order(&classes, &sources, &names, &weighted, 3, 0);
        assert!(drawn_weighted.iter().filter(|&&i| sources[i] == 1).count().abs_diff(333) <= 1);
        // Small groups are cycled evenly: 667 draws of 40 images.
        let each = drawn.iter().filter(|&&i| i == 1700).count();
        assert!((16..=17).contains(&each), "{each}");
        assert_eq!(drawn, order(&classes, &sources, &names, &even, 3, 0));
        assert_ne!(drawn, order(&classes, &sources, &names, &even, 3, 1));
    }

    #[test]
    fn shares_are_what_the_recipe_says() {
        let classes: Vec<usize> = (0..1000).map(|i| usize::from(i >= 900)).collect();
        let sources: Vec<usize> = (0..1000).map(|i| usize::from(i % 2 == 1)).collect();
        let names = ["a".to_string(), "b".to_string()];
        let shares = Sampling::Shares([("a".to_string(), vec![1.0, 2.0, 0.0]), ("b".to_string(), vec![1.0, 0.0, 5.0])].into());
        let drawn = order(&classes, &sources, &names, &shares, 3, 0);
        let count = |class: usize, source: usize| drawn.iter().filter(|&&i| classes[i] == class && sources[i] == source).count();
        assert_eq!([count(0, 0), count(0, 1), count(1, 0), count(1, 1)], [250, 250, 500, 0]);

        // A fourth share is that of partial labels, which nothing else draws.
        let classes: Vec<usize> = (0..1000).map(|i| if i < 900 { 0 } else { OTHER_FINDING }).collect();
        let partial = |sampling: &Sampling| {
            let drawn = order(&classes, &sources, &names, sampling, 3, 0);
            drawn.iter().filter(|&&i| classes[i] == OTHER_FINDING).count()
        };
        let shares = |last: &[f64]| Sampling::Shares([("a".to_string(), [&[1.0, 0.0, 0.0], last].concat())].into());
        assert_eq!((partial(&shares(&[1.0])), partial(&shares(&[]))), (500, 0));
        assert_eq!(partial(&Sampling::Balanced { source_power: 0.5, weights: BTreeMap::new() }), 0);
    }
}
