//! What the decoder of a long film leaves behind, given back to the system.
//!
//! Every thread of a decoder has pictures of its own, and glibc keeps what a thread has freed for that thread's place, where the thread
//! that goes on with the hashes does not look: some 20 MB of 1080 lines on five threads.

#![allow(unsafe_code)]

/// Seconds of film from which on it is worth it: decoding takes seconds then, and this milliseconds.
const LONG: f64 = 600.0;

/// Gives back what is free after a film of so many seconds. Other allocators than glibc's do it by themselves.
pub(super) fn give_back(seconds: f64) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if seconds >= LONG {
        // SAFETY: it takes no pointers and may be called at any time by any thread.
        unsafe { libc::malloc_trim(0) };
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = (seconds, LONG);
}
