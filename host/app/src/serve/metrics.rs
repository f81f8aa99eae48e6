//! Counters for Prometheus: how many and how long, never what.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Labels of a request.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Request {
    pub(super) route: String,
    pub(super) status: u16,
}

/// Label of a verdict: a class, or why there is none.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Verdict {
    pub(super) verdict: String,
}

/// Label of an image that got no verdict.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct Failure {
    pub(super) problem: &'static str,
}

/// All metrics.
pub(super) struct Metrics {
    registry: Registry,
    pub(super) requests: Family<Request, Counter>,
    pub(super) request_seconds: Histogram,
    pub(super) predictions: Family<Verdict, Counter>,
    pub(super) failures: Family<Failure, Counter>,
    pub(super) queue_seconds: Histogram,
    pub(super) decode_seconds: Histogram,
    pub(super) inference_seconds: Histogram,
    pub(super) connections: Gauge,
    upload_memory: Gauge,
    pixel_memory: Gauge,
    resident_memory: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("cxr");
        let seconds = || Histogram::new(exponential_buckets(0.0005, 2.0, 16));
        let new = Self {
            requests: Family::default(),
            request_seconds: seconds(),
            predictions: Family::default(),
            failures: Family::default(),
            queue_seconds: seconds(),
            decode_seconds: seconds(),
            inference_seconds: seconds(),
            connections: Gauge::default(),
            upload_memory: Gauge::default(),
            pixel_memory: Gauge::default(),
            resident_memory: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("http_requests", "Requests answered, by route and status", new.requests.clone());
        registry.register("http_request_duration_seconds", "Time to answer a request", new.request_seconds.clone());
        registry.register("predictions", "Images answered, by class or by the reason for giving none", new.predictions.clone());
        registry.register("prediction_failures", "Images that could not be classified, by problem", new.failures.clone());
        registry.register("queue_duration_seconds", "Time that an image waited for a worker", new.queue_seconds.clone());
        registry.register("decode_duration_seconds", "Time to hash, decode and resize an image", new.decode_seconds.clone());
        registry.register("inference_duration_seconds", "Time of the network on an image", new.inference_seconds.clone());
        registry.register("connections", "Open connections", new.connections.clone());
        registry.register("upload_memory_bytes", "Memory held by uploads and answers", new.upload_memory.clone());
        registry.register(
            "pixel_memory_bytes",
            "Memory set aside for the pixels of images being decoded",
            new.pixel_memory.clone(),
        );
        registry.register("resident_memory_bytes", "Resident memory of the process", new.resident_memory.clone());
        Self { registry, ..new }
    }

    /// The OpenMetrics text.
    pub(super) fn text(&self, upload_memory: usize, pixel_memory: u64) -> String {
        self.upload_memory.set(upload_memory as i64);
        self.pixel_memory.set(pixel_memory as i64);
        self.resident_memory.set(resident_memory());
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Resident bytes of this process; 0 where the system does not tell.
fn resident_memory() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<i64>().ok()).unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_counts_and_ends_as_openmetrics_does() {
        let metrics = Metrics::new();
        metrics.requests.get_or_create(&Request { route: "/healthz".to_owned(), status: 200 }).inc();
        metrics.predictions.get_or_create(&Verdict { verdict: "low_confidence".to_owned() }).inc();
        metrics.queue_seconds.observe(0.01);
        let text = metrics.text(4096, 8192);
        for line in [
            "cxr_http_requests_total{route=\"/healthz\",status=\"200\"} 1",
            "cxr_predictions_total{verdict=\"low_confidence\"} 1",
            "cxr_queue_duration_seconds_count 1",
            "cxr_upload_memory_bytes 4096",
            "cxr_pixel_memory_bytes 8192",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        if cfg!(target_os = "linux") {
            assert!(!text.contains("cxr_resident_memory_bytes 0\n"), "{text}");
        }
    }
}
