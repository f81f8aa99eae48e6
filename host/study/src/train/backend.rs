//! Where a run computes.

use super::parallel;
use anyhow::Result;
#[cfg(not(all(feature = "cuda", feature = "libtorch")))]
use anyhow::bail;
use burn::tensor::Device;

/// Where to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    /// Burn's CPU backend.
    Flex,
    /// Burn's older CPU backend.
    Ndarray,
    /// An NVIDIA GPU; the program must be built with `--features cuda`.
    Cuda,
    /// LibTorch: an NVIDIA GPU or else the processor; the program must be built with `--features libtorch`.
    Libtorch,
}

/// LibTorch allocates through glibc, which gives the pages of large tensors back to the system after each operation and
/// gets zeroed ones for the next: more than a third of a step's time at 256 pixels.
#[cfg(all(feature = "libtorch", target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "glibc has no other way than mallopt and the environment")]
fn keep_pages() {
    const TOP_PAD: libc::c_int = 256 << 20;
    for (parameter, value) in [(libc::M_MMAP_MAX, 0), (libc::M_TRIM_THRESHOLD, libc::c_int::MAX), (libc::M_TOP_PAD, TOP_PAD)] {
        // SAFETY: mallopt has no preconditions; a parameter that it refuses stays as it was.
        unsafe { libc::mallopt(parameter, value) };
    }
}

#[cfg(all(feature = "libtorch", not(all(target_os = "linux", target_env = "gnu"))))]
fn keep_pages() {}

impl Backend {
    /// `count` devices to share batches of `batch` images; the processor is as many as are wanted.
    pub(super) fn devices(self, count: usize, batch: usize) -> Result<Vec<Device>> {
        let gpus = self.gpus()?;
        parallel::check_count(count, gpus, batch, self.name())?;
        Ok((0..count).map(|index| self.device(index)).collect())
    }

    /// How many GPUs there are, or `None` where the backend computes on the processor.
    fn gpus(self) -> Result<Option<usize>> {
        match self {
            Self::Flex | Self::Ndarray => Ok(None),
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Some(Device::enumerate(burn::tensor::DeviceType::Cuda).len())),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda => bail!("--backend cuda: this program was built without it; build with `--features cuda`"),
            #[cfg(feature = "libtorch")]
            Self::Libtorch => Ok(tch::Cuda::is_available().then(|| tch::Cuda::device_count() as usize)),
            #[cfg(not(feature = "libtorch"))]
            Self::Libtorch => bail!("--backend libtorch: this program was built without it; build with `--features libtorch`"),
        }
    }

    /// Device `index`, which [`gpus`](Self::gpus) knows.
    fn device(self, index: usize) -> Device {
        match self {
            // Deprecated in Burn; the second opinion on a training step.
            #[expect(deprecated)]
            Self::Ndarray => Device::ndarray(),
            #[cfg(feature = "cuda")]
            Self::Cuda => Device::cuda(index),
            // Deprecated in Burn 0.22; on an H100 it needs no minutes of kernel tuning.
            #[cfg(feature = "libtorch")]
            #[expect(deprecated)]
            Self::Libtorch if tch::Cuda::is_available() => {
                tch::Cuda::cudnn_set_benchmark(true);
                Device::libtorch_cuda(index)
            }
            #[cfg(feature = "libtorch")]
            #[expect(deprecated)]
            Self::Libtorch => {
                keep_pages();
                Device::libtorch()
            }
            _ => {
                let _ = index;
                Device::flex()
            }
        }
    }

    /// Name on the command line and in run.json.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Cuda => "cuda",
            Self::Libtorch => "libtorch",
        }
    }
}
