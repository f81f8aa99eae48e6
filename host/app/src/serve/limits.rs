//! What clients can make the server do, and what that costs at most.

use anyhow::{Result, ensure};
use std::num::NonZeroUsize;
use std::time::Duration;

/// What a client can make the server do.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Images decoded and classified at once; the number of cores if absent.
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// Images waiting for a worker; more are answered with 503.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub queue: usize,
    /// Prediction requests of one address at once; more are answered with 429. 0: no limit, as behind a proxy.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub per_client: usize,
    /// Largest request body in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub max_body: usize,
    /// Most images in a request.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub max_files: usize,
    /// Most memory that the pixels of one image may take, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub max_pixels: u64,
    /// Memory for the pixels of all images that are decoded at once, in MiB; an image waits for its share.
    #[arg(long, value_name = "MIB", default_value_t = 512)]
    pub pixel_memory: u64,
    /// Memory for uploads and answers in progress, all requests together, in MiB; more are answered with 503.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub upload_memory: usize,
    /// Open connections; more are answered with 503 and closed.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub connections: usize,
    /// Seconds in which a request's head must arrive.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub head_timeout: u64,
    /// Seconds in which a request's body must arrive, and then its verdict be there.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,
    /// Seconds for which it goes on, but says on /readyz that it stops, when it is told to; 0 on a loopback address, else 5.
    #[arg(long, value_name = "SECONDS")]
    pub drain: Option<u64>,
    /// Seconds that work in hand is given then.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub grace: u64,
}

impl Limits {
    /// Largest request head in bytes.
    pub(crate) const HEAD_BYTES: usize = 32 << 10;

    /// For a body to arrive, and then for its verdict.
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Worker threads.
    pub fn workers(&self) -> usize {
        self.workers.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }

    /// Seconds between being told to stop and taking no more connections.
    pub(super) fn drain(&self, is_loopback: bool) -> u64 {
        self.drain.unwrap_or(if is_loopback { 0 } else { 5 })
    }

    /// The most memory that clients can make the server take, in MiB: what deploy/ allows it follows from this.
    pub fn memory(&self) -> u64 {
        let each = self.workers() as u64 * WORKER + (self.connections as u64 * CONNECTION_KIB).div_ceil(1024);
        PROGRAM + each + self.pixel_memory + self.upload_memory as u64
    }

    /// Limits that fit each other.
    ///
    /// # Errors
    /// Names the flag.
    pub(super) fn check(&self) -> Result<()> {
        ensure!(self.queue > 0, "--queue 0 would refuse every image: give 1 or more");
        ensure!(
            self.max_pixels <= self.pixel_memory,
            "--max-pixels {} is more than --pixel-memory {}, which is for all images: raise that or lower this",
            self.max_pixels,
            self.pixel_memory
        );
        Ok(())
    }

    /// Warns where the system allows the process less than [`memory`](Self::memory): it would be killed.
    pub(super) fn warn(&self) {
        let (most, allowed) = (self.memory(), allowed_memory());
        if let Some(allowed) = allowed.filter(|allowed| *allowed < most) {
            tracing::warn!(
                "clients can make this server take {most} MiB, and the system ends it at {allowed}: lower --pixel-memory, \
                 --upload-memory, --connections or --workers, or allow it more; see docs/deploy.md"
            );
        }
    }
}

/// The program, its model packed, its threads and what the allocator keeps, in MiB.
const PROGRAM: u64 = 64;
/// What a worker has beside pixels, in MiB: an answer with its preview in the making.
const WORKER: u64 = 16;
/// A connection's buffers.
const CONNECTION_KIB: u64 = 64;

/// What this process's control group may take, in MiB.
fn allowed_memory() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let limit = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?.trim_start_matches('/'));
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            controllers if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        // In a container the group's own folder is the root.
        let folders = [std::path::Path::new(root).join(group), root.into()];
        folders.iter().find_map(|folder| std::fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok())
    };
    groups.lines().filter_map(limit).min().map(|bytes| bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::super::app::tests::args;
    use std::path::Path;

    /// Files of deploy/ and pages that start a server: its flags, and the memory that they give it in MiB.
    fn deployments() -> Vec<(&'static str, Vec<String>, u64)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
        let after = |text: &str, start: &str, end: &str| {
            let rest = text.split_once(start).unwrap_or_else(|| panic!("{start} is not in\n{text}")).1;
            rest.split(end).next().unwrap().to_owned()
        };
        let list = |text: &str| text.split(',').map(|word| word.trim().trim_matches('"').to_owned()).collect::<Vec<_>>();
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let (kubernetes, compose) = (read("deploy/kubernetes.yaml"), read("deploy/compose.yaml"));
        let (service, page) = (read("deploy/cxr.service"), read("docs/deploy.md"));
        let number = |text: String| text.trim().parse::<u64>().unwrap_or_else(|_| panic!("{text}"));
        let container = after(&page, "podman run --rm", "\n");
        vec![
            (
                "kubernetes.yaml",
                list(&after(&kubernetes, "args: [", "]")),
                number(after(&kubernetes, "limits: { memory: ", "Mi }")),
            ),
            ("compose.yaml", list(&after(&compose, "    command: [", "]")), number(after(&compose, "mem_limit: ", "m\n"))),
            (
                "cxr.service",
                words(&after(&service, "host serve ", "\n").replace("%d/token", "token")),
                number(after(&service, "MemoryMax=", "M\n")),
            ),
            ("docs/deploy.md", words(&after(&container, " cxr ", "\n")), number(after(&container, "--memory ", "m "))),
        ]
    }

    #[test]
    fn what_is_deployed_may_take_what_it_can_be_made_to_take() {
        for (name, flags, allowed) in deployments() {
            assert!(flags.iter().any(|flag| flag == "--workers"), "{name}: workers would follow the machine's cores");
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let limits = args(&flags).limits;
            limits.check().unwrap_or_else(|error| panic!("{name}: {error}"));
            let needed = limits.memory();
            assert!(needed <= allowed && allowed <= needed + needed / 2, "{name}: {allowed} MiB, and it can take {needed}");
        }
    }

    #[test]
    fn limits_that_contradict_each_other_are_named() {
        assert!(args(&[]).limits.check().is_ok());
        for (flag, value, told) in [
            ("--queue", "0", "--queue"),
            ("--max-pixels", "513", "--pixel-memory 512"),
            ("--pixel-memory", "255", "--max-pixels 256"),
        ] {
            let error = args(&[flag, value]).limits.check().unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn memory_is_the_sum_of_its_parts() {
        let of = |flags: &[&str]| args(flags).limits.memory();
        assert_eq!(of(&["--workers", "2"]), 64 + 2 * 16 + 256 + 512 + 256);
        assert_eq!(of(&["--workers", "3", "--pixel-memory", "256"]), 64 + 3 * 16 + 256 + 256 + 256);
    }
}
