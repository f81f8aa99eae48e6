//! What the command line says.

use crate::access::{Access, Title, network};
use crate::send::Destination;
use anyhow::{Result, ensure};
use cxr_app::serve::logging;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `host dicom`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where answers go: TITLE@HOST:PORT by C-STORE, http://HOST:PORT/dicom-web/studies by STOW-RS, or a folder.
    #[arg(long, value_name = "DESTINATION")]
    pub to: Destination,
    /// The folder of what is received and not yet answered or sent; it outlives a restart. It holds images of patients.
    #[arg(long, value_name = "DIR")]
    pub queue: PathBuf,
    /// Takes images by C-STORE there; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Takes images by STOW-RS there: POST /studies.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub stow: Option<SocketAddr>,
    /// Takes the DICOM files that appear in this folder or below; repeatable.
    #[arg(long, value_name = "DIR")]
    pub watch: Vec<PathBuf>,
    /// The AE title under which it is called and sends.
    #[arg(long, value_name = "TITLE", default_value = "CXR")]
    pub ae_title: Title,
    /// An AE title that may send; repeatable. All may, if none is named.
    #[arg(long, value_name = "TITLE")]
    pub allow_ae: Vec<Title>,
    /// An address or a network (10.1.2.0/24) that may send; repeatable. All may, if none is named.
    #[arg(long, value_name = "ADDRESS", value_parser = network)]
    pub allow_address: Vec<IpNet>,
    /// Asks for `Authorization: Bearer TOKEN` on STOW-RS; the token is this file's only line.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Headers for the archive's STOW-RS, a line each, as `Authorization: Basic ...`.
    #[arg(long, value_name = "FILE")]
    pub header_file: Option<PathBuf>,
    /// Model file; models/default.cxr if found, else the one in this program.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// How logs are written to standard error.
    #[arg(long, value_enum, default_value_t = logging::Format::Human)]
    pub log: logging::Format,
    /// Least level logged: error, warn, info, debug.
    #[arg(long, default_value = "info")]
    pub log_level: tracing::Level,
    /// Limits.
    #[command(flatten)]
    pub limits: Limits,
}

/// What senders can make the program do.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Images decoded and classified at once; the number of cores if absent.
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// Largest object in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 128)]
    pub max_object: usize,
    /// Most objects in a request of STOW-RS.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub max_objects: usize,
    /// Memory for objects that are arriving, all together, in MiB; more are put off.
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    pub receive_memory: u64,
    /// Disk space for images that wait, in MiB; more are put off.
    #[arg(long, value_name = "MIB", default_value_t = 8192)]
    pub queue_size: u64,
    /// Most memory that the pixels of one image may take, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub max_pixels: u64,
    /// Memory for the pixels of all images that are decoded at once, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    pub pixel_memory: u64,
    /// Associations, and connections of STOW-RS, at once; more are turned away.
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub associations: usize,
    /// Associations of one address at once.
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub per_address: usize,
    /// Seconds in which an object, or a request's body, must arrive; after which an idle association is ended; and in which the
    /// archive must answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,
    /// Seconds between two looks at the folders of --watch.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub watch_step: u64,
    /// Seconds in which a request's head must arrive.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub head_timeout: u64,
}

impl Limits {
    /// Worker threads.
    pub fn workers(&self) -> usize {
        self.workers.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }

    /// Longest time for an object.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

impl Args {
    /// Who may send.
    pub fn access(&self) -> Access {
        Access { titles: self.allow_ae.clone(), networks: self.allow_address.clone() }
    }

    /// Arguments that fit each other.
    ///
    /// # Errors
    /// Names the flag.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.listen.is_some() || self.stow.is_some() || !self.watch.is_empty(),
            "nothing would come in: give --listen, --stow or --watch"
        );
        for folder in &self.watch {
            ensure!(folder.is_dir(), "{}: no folder to watch: check the path", folder.display());
        }
        let is_open = |address: &SocketAddr| !address.ip().is_loopback() && self.allow_address.is_empty();
        if let Some(address) = self.listen.iter().find(|address| is_open(address)) {
            ensure!(
                !self.allow_ae.is_empty(),
                "--listen {address} is open to other machines: name who may send by --allow-ae or --allow-address"
            );
        }
        if let Some(address) = self.stow.iter().find(|address| is_open(address)) {
            ensure!(
                self.token_file.is_some(),
                "--stow {address} is open to other machines: ask for a token by --token-file, or name who may send by --allow-address"
            );
        }
        let limits = &self.limits;
        ensure!(limits.timeout > 0 && limits.head_timeout > 0, "--timeout and --head-timeout: give 1 or more");
        ensure!(limits.max_object > 0 && limits.max_objects > 0, "--max-object and --max-objects: give 1 or more");
        ensure!(
            limits.max_object as u64 <= limits.receive_memory.min(limits.queue_size),
            "--max-object {} is more than --receive-memory or --queue-size: lower it",
            limits.max_object
        );
        ensure!(
            limits.max_pixels <= limits.pixel_memory,
            "--max-pixels {} is more than --pixel-memory {}: lower it",
            limits.max_pixels,
            limits.pixel_memory
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn what_is_open_to_others_names_who_may_send() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().to_str().unwrap();
        let check = |words: &[&str]| {
            let words = ["dicom", "--to", folder, "--queue", folder].into_iter().chain(words.iter().copied());
            <Command as clap::Parser>::try_parse_from(words).unwrap().args.check().map_err(|error| error.to_string())
        };
        for sound in [
            &["--listen", "127.0.0.1:0"][..],
            &["--listen", "0.0.0.0:104", "--allow-ae", "PACS"],
            &["--listen", "0.0.0.0:104", "--allow-address", "10.0.0.0/8"],
            &["--stow", "0.0.0.0:80", "--token-file", "x"],
            &["--watch", folder],
        ] {
            assert_eq!(check(sound), Ok(()), "{sound:?}");
        }
        for (words, told) in [
            (&[][..], "nothing would come in"),
            (&["--listen", "0.0.0.0:104"], "--allow-ae"),
            (&["--stow", "0.0.0.0:80", "--allow-ae", "PACS"], "--token-file"),
            (&["--watch", "/nowhere"], "/nowhere"),
            (&["--listen", "127.0.0.1:0", "--max-object", "600"], "--max-object 600"),
            (&["--listen", "127.0.0.1:0", "--max-pixels", "600"], "--max-pixels 600"),
        ] {
            assert!(check(words).unwrap_err().contains(told), "{words:?}");
        }
    }
}
