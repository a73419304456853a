//! The exposition: facts as the text of Prometheus, and as that of OpenMetrics.

use std::fmt::Write;

use prometheus::proto::{LabelPair, MetricFamily};
use prometheus::{Encoder, TextEncoder};

use super::catalog::{self, Kind, Metric};
use super::facts::Facts;
use crate::error::{Error, Kind as ErrorKind, Result};

/// A form of the exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>, version 0.0.4.
    #[default]
    Prometheus,
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What HTTP calls it.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Everything there is to say of a store.
///
/// # Errors
/// [`ErrorKind::Engine`] for what the encoder refuses, which would be a mistake in the catalogue.
pub fn write(facts: &Facts, format: Format) -> Result<String> {
    let families = catalog::families(facts);
    match format {
        Format::Prometheus => prometheus_text(families.into_iter().map(|(_, family)| family).collect()),
        Format::OpenMetrics => Ok(open_metrics(&families)),
    }
}

fn prometheus_text(families: Vec<MetricFamily>) -> Result<String> {
    let mut bytes = Vec::new();
    let wrong = |error: &dyn std::fmt::Display| Error::new(ErrorKind::Engine, format!("metrics: {error}"));
    TextEncoder::new().encode(&families, &mut bytes).map_err(|error| wrong(&error))?;
    String::from_utf8(bytes).map_err(|error| wrong(&error))
}

fn open_metrics(families: &[(&Metric, MetricFamily)]) -> String {
    let mut text = String::new();
    for (metric, family) in families {
        let _ = describe(&mut text, metric);
        family.get_metric().iter().for_each(|sample| {
            let _ = match metric.kind {
                Kind::Counter => line(&mut text, metric.name, "_total", sample.get_label(), None, sample.get_counter().get_value()),
                Kind::Gauge => line(&mut text, metric.name, "", sample.get_label(), None, sample.get_gauge().get_value()),
                Kind::Histogram => histogram(&mut text, metric.name, sample),
            };
        });
    }
    text.push_str("# EOF\n");
    text
}

fn describe(text: &mut String, metric: &Metric) -> std::fmt::Result {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    writeln!(text, "# TYPE {} {kind}", metric.name)?;
    if !metric.unit.is_empty() {
        writeln!(text, "# UNIT {} {}", metric.name, metric.unit)?;
    }
    writeln!(text, "# HELP {} {}", metric.name, metric.help)
}

fn histogram(text: &mut String, name: &str, sample: &prometheus::proto::Metric) -> std::fmt::Result {
    let (labels, histogram) = (sample.get_label(), sample.get_histogram());
    for bucket in histogram.get_bucket() {
        line(text, name, "_bucket", labels, Some(bucket.upper_bound()), bucket.cumulative_count() as f64)?;
    }
    line(text, name, "_bucket", labels, Some(f64::INFINITY), histogram.get_sample_count() as f64)?;
    line(text, name, "_sum", labels, None, histogram.get_sample_sum())?;
    line(text, name, "_count", labels, None, histogram.get_sample_count() as f64)
}

fn line(text: &mut String, name: &str, suffix: &str, labels: &[LabelPair], bound: Option<f64>, value: f64) -> std::fmt::Result {
    write!(text, "{name}{suffix}{{")?;
    for (index, label) in labels.iter().enumerate() {
        let value = label.value().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        write!(text, "{}{}=\"{value}\"", if index > 0 { "," } else { "" }, label.name())?;
    }
    match bound {
        None => {}
        Some(bound) if bound.is_infinite() => text.push_str(",le=\"+Inf\""),
        Some(bound) => write!(text, ",le=\"{}\"", canonical(bound))?,
    }
    writeln!(text, "}} {value}")
}

/// A bound as OpenMetrics wants it, so that it is the same text whoever writes it: as Go's `%g` does, and always a float.
fn canonical(bound: f64) -> String {
    let text = format!("{bound:?}");
    match text.split_once("e-") {
        Some((digits, power)) => format!("{digits}e-{power:0>2}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn bounds_are_written_as_the_specification_shows_them() {
        let bounds = [1e-6, 2.5e-6, 1e-5, 1e-4, 0.001, 0.025, 1.0, 10.0, 8192.0];
        let texts = ["1e-06", "2.5e-06", "1e-05", "0.0001", "0.001", "0.025", "1.0", "10.0", "8192.0"];
        assert_eq!(bounds.map(canonical), texts);
    }
}
