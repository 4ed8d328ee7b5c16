//! What is counted, in the text format of Prometheus (OpenMetrics).

use std::fmt::Write as _;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::platform::store::RunCount;

/// The media type of the answer.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Requests {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// The counters of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Requests, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        fn histogram() -> Histogram {
            Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
        }
        let requests = Family::default();
        let durations = Family::<Route, Histogram, fn() -> Histogram>::new_with_constructor(histogram);
        let mut registry = Registry::with_prefix("terrace");
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("http_request_duration_seconds", "Time until the answer began", durations.clone());
        Self { registry, requests, durations }
    }
}

impl Metrics {
    /// Counts one answered request; `route` is the pattern, so that ids make no labels.
    pub fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let labels = Requests { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&Route { route: route.to_owned() }).observe(took.as_secs_f64());
    }

    /// Returns everything counted, with these gauges of the moment and these counts of runs before it.
    #[must_use]
    pub fn text(&self, gauges: &[(&str, &str, f64)], runs: &[RunCount]) -> String {
        let mut text = String::new();
        for (name, help, value) in gauges {
            // Writing to a string cannot fail.
            let _ =
                write!(text, "# HELP terrace_{name} {help}.\n# TYPE terrace_{name} gauge\nterrace_{name} {value}\n");
        }
        runs_text(&mut text, runs);
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Writes how many runs there are by kind and state, and how long they took. They come from the store, so that they
/// count on over every start of the process.
fn runs_text(text: &mut String, runs: &[RunCount]) {
    if runs.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP terrace_runs Runs by kind and state.\n# TYPE terrace_runs gauge");
    for run in runs {
        let _ = writeln!(text, "terrace_runs{{kind=\"{}\",state=\"{}\"}} {}", run.kind, run.state, run.count);
    }
    let help = "# HELP terrace_run_duration_seconds How long runs took, from their first command to their end.";
    let _ = writeln!(text, "{help}\n# TYPE terrace_run_duration_seconds summary");
    for run in runs.iter().filter(|run| run.timed > 0) {
        let labels = format!("kind=\"{}\",state=\"{}\"", run.kind, run.state);
        let _ = writeln!(text, "terrace_run_duration_seconds_count{{{labels}}} {}", run.timed);
        let _ = writeln!(text, "terrace_run_duration_seconds_sum{{{labels}}} {:.3}", run.seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shown_by_route_and_status() {
        let metrics = Metrics::default();
        metrics.answered("GET", "/api/v1/stacks", 200, Duration::from_millis(3));
        metrics.answered("GET", "/api/v1/stacks", 200, Duration::from_millis(3));
        let text = metrics.text(
            &[("connections", "Open connections", 2.0)],
            &[RunCount { kind: "plan".into(), state: "succeeded".into(), count: 3, timed: 2, seconds: 1.5 }],
        );
        assert!(text.contains("terrace_runs{kind=\"plan\",state=\"succeeded\"} 3\n"), "{text}");
        let duration = "terrace_run_duration_seconds_sum{kind=\"plan\",state=\"succeeded\"} 1.500\n";
        assert!(text.contains(duration), "{text}");
        assert!(text.starts_with("# HELP terrace_connections Open connections.\n# TYPE terrace_connections gauge\n"));
        assert!(
            text.contains(r#"terrace_http_requests_total{method="GET",route="/api/v1/stacks",status="200"} 2"#),
            "{text}"
        );
        assert!(text.contains(r#"le="0.005",route="/api/v1/stacks"} 2"#) && text.ends_with("# EOF\n"), "{text}");
    }
}
