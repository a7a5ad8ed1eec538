//! Start-up of logging, the same for every binary.

use tracing_subscriber::EnvFilter;

use crate::config::Environment;

/// Starts logging to standard error: `RTS_LOG` is the filter (default `info`), `RTS_LOG_FORMAT` is
/// `text` (default) or `json`.
pub fn start(environment: &mut Environment) {
    let filter = environment.text("RTS_LOG").unwrap_or_else(|| "info".to_owned());
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| {
        environment.problem("RTS_LOG", "is not a filter like `info,rts_gateway=debug`");
        EnvFilter::new("info")
    });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first logger.
    let _ = match environment.text("RTS_LOG_FORMAT").as_deref() {
        None | Some("text") => builder.with_ansi(false).try_init(),
        Some("json") => builder.json().flatten_event(true).try_init(),
        Some(_) => {
            environment.problem("RTS_LOG_FORMAT", "is neither text nor json");
            builder.try_init()
        }
    };
}
