//! MixStyle (Zhou et al., 2021): means and deviations of early feature maps, which tell the source more than the disease, mixed
//! between images of a batch while it trains.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Convolutions after which statistics are mixed.
pub const BLOCKS: usize = 3;
/// Added to the variance.
const EPSILON: f32 = 1e-5;

/// Whose statistics each image of a batch takes a share of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mix {
    /// Index of the other image.
    pub partners: Vec<usize>,
    /// How much of its own each image keeps; 1 = all.
    pub own: Vec<f32>,
}

impl Mix {
    /// True if no image takes anything.
    pub fn is_nothing(&self) -> bool {
        self.own.iter().all(|share| *share == 1.0)
    }

    /// The images `range` of the batch by themselves: a partner outside of it is one inside, counted round.
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        let count = range.len().max(1);
        let inside = |partner: &usize| (partner + count - range.start % count) % count;
        Self { partners: self.partners[range.clone()].iter().map(inside).collect(), own: self.own[range].to_vec() }
    }

    /// Mixes `x`, `[batch, channels, height, width]`; no gradient flows through the statistics.
    pub fn apply(&self, x: Tensor<4>, device: &Device) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let area = (height * width) as f32;
        let still = x.clone().detach();
        let mean_of =
            |x: Tensor<4>| -> Tensor<2> { x.flatten::<3>(2, 3).sum_dim(2).mul_scalar(1.0 / area).reshape([batch, channels]) };
        let mean = mean_of(still.clone());
        let centred = still - mean.clone().reshape([batch, channels, 1, 1]);
        let deviation = (mean_of(centred.clone() * centred) + EPSILON).sqrt();
        let partners: Vec<i64> = self.partners.iter().map(|&p| p as i64).collect();
        let partners = Tensor::<1, Int>::from_data(TensorData::new(partners, [batch]), device);
        let own = Tensor::<2>::from_data(TensorData::new(self.own.clone(), [batch, 1]), device);
        let mixed = |own_value: &Tensor<2>| {
            let other = own_value.clone().select(0, partners.clone());
            other.clone() + (own_value.clone() - other) * own.clone()
        };
        let (to_mean, to_deviation) = (mixed(&mean), mixed(&deviation));
        let wide = |value: Tensor<2>| value.reshape([batch, channels, 1, 1]);
        (x - wide(mean)) * wide(to_deviation / deviation) + wide(to_mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().try_into_vec::<f32>().unwrap()
    }

    #[test]
    fn an_image_takes_its_partner_s_mean_and_deviation() {
        let device = Device::flex();
        // Two images of one channel: 1, 3 (mean 2, deviation 1) and 10, 30 (mean 20, deviation 10).
        let x = Tensor::<4>::from_data(TensorData::new(vec![1.0f32, 3.0, 10.0, 30.0], [2, 1, 1, 2]), &device);
        let of = |own: [f32; 2]| values(Mix { partners: vec![1, 0], own: own.to_vec() }.apply(x.clone(), &device));
        for (own, expected) in
            [([1.0, 1.0], [1.0, 3.0, 10.0, 30.0]), ([0.0, 1.0], [10.0, 30.0, 10.0, 30.0]), ([0.5, 0.0], [5.5, 16.5, 1.0, 3.0])]
        {
            for (found, expected) in of(own).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-3, "{found} {expected}");
            }
        }
    }

    #[test]
    fn parts_of_a_batch_have_partners_of_their_own() {
        let mix = Mix { partners: vec![5, 0, 3, 2, 1, 4], own: vec![1.0, 0.5, 0.5, 1.0, 0.0, 1.0] };
        assert_eq!(mix.part(0..6), mix);
        let part = mix.part(3..6);
        assert!(part.partners.iter().all(|partner| *partner < 3) && part.own == [1.0, 0.0, 1.0]);
        // Image 4 of the batch is 1 of the part.
        assert_eq!(part.partners[2], 1);
        assert!(!mix.is_nothing() && Mix { partners: vec![0], own: vec![1.0] }.is_nothing());
    }
}
