//! Where the metrics of a store go by themselves: pages that are asked for, and a file that is written now and then.

use std::collections::hash_map::RandomState;
use std::fs::OpenOptions;
use std::hash::BuildHasher;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::insight::Insight;
use super::Store;
use crate::cancel::Op;
use crate::caretaker::Chores;
use crate::config::{self, Config};
use crate::error::{Error, Kind, Result};
use crate::listener::{Listener, Page, Pages};
use crate::metrics::text::Format;

/// How long a look at the health may take that is asked for by HTTP.
const HEALTH: Duration = Duration::from_secs(1);

impl Pages for Insight {
    fn page(&self, path: &str, accept: &str) -> Option<Page> {
        match path {
            "/" => Some(Page::text("200 OK", "keepwell: /metrics /health")),
            "/metrics" => Some(self.metrics_page(accept)),
            "/health" => Some(self.health_page()),
            _ => None,
        }
    }
}

impl Insight {
    fn metrics_page(&self, accept: &str) -> Page {
        let format = if accept.contains("application/openmetrics-text") { Format::OpenMetrics } else { Format::Prometheus };
        match self.text(format) {
            Ok(body) => Page { status: "200 OK", content_type: format.content_type(), body },
            Err(error) => Page::text("500 Internal Server Error", error.message()),
        }
    }

    /// 200 while the store does what it was opened for, 503 while it does not.
    fn health_page(&self) -> Page {
        let health = self.health(&Op::new(Some(HEALTH), None, None), false);
        let status = if health.healthy { "200 OK" } else { "503 Service Unavailable" };
        Page { status, content_type: "application/json", body: health.to_json() + "\n" }
    }

    /// Writes the metrics to `metrics.file`, if there is to be one: as a whole, so that nobody reads half of it.
    pub fn write_file(&self) -> Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let text = self.text(Format::Prometheus)?;
        let draft = draft_of(path);
        let written = write_new(&draft, &text).and_then(|()| std::fs::rename(&draft, path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&draft);
            Error::new(Kind::Io, format!("metrics.file: {}: {error}", path.display())).with_source(error)
        })
    }
}

/// Beside the file, as a rename needs it, with no ending that a collector reads, and with a name that nobody else can know: in a folder where
/// others may write too, what is there already is theirs.
fn draft_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{:016x}", RandomState::new().hash_one(std::process::id())))
}

/// Writes a file that is not there yet: nothing is followed, and nothing is written over.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// Where a file is, or would be, whatever links lead there.
fn real(path: &Path) -> Option<PathBuf> {
    let there = |folder: PathBuf| Some(folder.join(path.file_name()?));
    path.canonicalize().ok().or_else(|| path.parent()?.canonicalize().ok().and_then(there))
}

impl Chores for Insight {
    fn run(&self) {
        self.look();
        self.take_sample();
        if let Err(error) = self.write_file() {
            if self.warnings.add(error.message()) {
                log::warn!(target: "keepwell::metrics", store = self.label.as_str(); "{}", error.message());
            }
        }
    }

    fn look(&self) {
        for leak in self.pool.find_leaks() {
            log::warn!(target: "keepwell::pool", store = self.label.as_str(); "probably forgotten (pool.leak_threshold): {leak}");
        }
    }
}

/// The file that metrics are written to, whatever folder the process goes to later; `None`: none.
///
/// # Errors
/// [`Kind::Config`] for the database itself, and for what is there and is no file: a rename would replace `/dev/null` by one.
pub fn file(config: &Config, database: &str) -> Result<Option<PathBuf>> {
    let metrics = &config.metrics;
    if metrics.file.is_empty() || !metrics.enabled {
        return Ok(None);
    }
    let failed = |error: std::io::Error| Error::new(Kind::Config, format!("metrics.file: {}: {error}", metrics.file)).with_source(error);
    let path = std::path::absolute(&metrics.file).map_err(failed)?;
    let same = |suffix: &str| {
        let other = PathBuf::from(format!("{database}{suffix}"));
        other == path || real(&other).is_some_and(|other| Some(other) == real(&path))
    };
    if ["", "-wal", "-shm", "-journal"].into_iter().any(same) {
        return Err(Error::new(Kind::Config, format!("metrics.file: {} belongs to the database; name another file", metrics.file)));
    }
    if path.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        let message = format!("metrics.file: {} is a folder, a link or a device; name a file, which is replaced as a whole", metrics.file);
        return Err(Error::new(Kind::Config, message));
    }
    Ok(Some(path))
}

/// Starts serving, if that is asked for.
pub fn listen(config: &Config, insight: &Arc<Insight>) -> Result<Option<Listener>> {
    let address = config::address(&config.metrics).map_err(|message| Error::new(Kind::Config, message))?;
    let address = address.filter(|_| config.metrics.enabled);
    address.map(|address| Listener::start(address, insight.clone())).transpose()
}

impl Store {
    /// Where the store serves its metrics by HTTP, with the port that was taken; `None`: nowhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.inner.listener.as_ref().map(Listener::address)
    }
}
