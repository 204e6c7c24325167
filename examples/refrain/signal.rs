//! Ctrl-C: the first asks the work to stop, the second ends the process at once.

use refrain::Cancel;

use crate::{Exit, out};

/// A flag that SIGINT and SIGTERM set.
pub fn cancel_on_interrupt() -> Cancel {
    let cancel = Cancel::new();
    let flag = cancel.clone();
    let set = ctrlc::set_handler(move || {
        if flag.is_cancelled() {
            std::process::exit(Exit::Interrupted as i32);
        }
        flag.cancel();
        out::tell("stopping (press Ctrl-C again to stop at once)");
    });
    if let Err(error) = set {
        out::tell(format_args!("Ctrl-C will not be handled: {error}"));
    }
    cancel
}
