//! What decoding may cost, as far as the caller may want it otherwise.

use std::time::Duration;

use refrain::Limits;

/// Bounds for each file.
#[derive(clap::Args)]
pub struct LimitsArg {
    /// Seconds that decoding one file may take before it is given up; 0 for as long as it takes
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    time_limit: u64,
}

impl LimitsArg {
    pub fn apply(&self, limits: &mut Limits) {
        limits.time = if self.time_limit == 0 { Duration::MAX } else { Duration::from_secs(self.time_limit) };
    }
}
