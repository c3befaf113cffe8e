//! The flag that Ctrl-C sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;

/// A flag that the first Ctrl-C (or SIGTERM) sets; the second one ends the process at once.
pub fn interrupt_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let cancel = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the thread that waits for Ctrl-C")?;
    let flag = cancel.clone();
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                use tokio::signal::unix::{SignalKind, signal};
                let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
                loop {
                    tokio::select! {
                        result = tokio::signal::ctrl_c() => if result.is_err() { return },
                        _ = terminate.recv() => {}
                    }
                    if flag.swap(true, Ordering::SeqCst) {
                        std::process::exit(crate::exit_code::ExitCode::Interrupted as i32);
                    }
                }
            });
        })
        .context("cannot start the thread that waits for Ctrl-C")?;
    Ok(cancel)
}
