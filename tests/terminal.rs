//! A scan in a terminal, by way of tmux: the bar, and Ctrl-C. Skipped aloud where there is no tmux.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use common::{fixture, known, refrain, run};

struct Terminal<'a> {
    socket: &'a Path,
}

impl Terminal<'_> {
    fn tmux(&self, args: &[&str]) -> String {
        let output = Command::new("tmux").arg("-S").arg(self.socket).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-S", "-200"])
    }

    /// Waits until the screen shows something, and returns it.
    fn until(&self, what: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if screen.contains(what) {
                return screen;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "no {what:?} on the screen:\n{screen}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn the_bar_tells_how_far_it_is_and_ctrl_c_ends_it_cleanly() {
    if Command::new("tmux").arg("-V").output().is_err() {
        return println!("skipped: the terminal (no tmux)");
    }
    const FILES: usize = 2000;
    let dir = known(&["removed/meadow.jpg"]);
    let up = dir.path().join("up");
    fs::create_dir(&up).unwrap();
    fs::copy(fixture("uploads/flowers.jpg"), up.join("00000.jpg")).unwrap();
    fs::copy(fixture("uploads/other-tree.jpg"), up.join("00001.jpg")).unwrap();
    (2..FILES)
        .for_each(|at| fs::hard_link(up.join(format!("0000{}.jpg", at % 2)), up.join(format!("{at:05}.jpg"))).unwrap());
    fs::copy(fixture("uploads/fish-trim.mp4"), up.join("00000-film.mp4")).unwrap();
    let scan = format!(
        "cd '{}'; REFRAIN_CACHE=cache '{}' scan --store s --json --no-cache --resume journal up > lines; echo \"ended with $?\"",
        dir.path().display(),
        refrain().display()
    );
    let socket = dir.path().join("tmux");
    let terminal = Terminal { socket: &socket };
    terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "sh"]);
    terminal.tmux(&["send-keys", "-l", &scan]);
    terminal.tmux(&["send-keys", "Enter"]);
    let screen = terminal.until("left, ");
    let bar = screen.lines().find(|line| line.contains("left, ")).unwrap();
    assert!(bar.contains('%') && bar.contains(" known, 0 failed"), "{bar}");
    let screen = terminal.until("s of film");
    let long = screen.lines().find(|line| line.contains("s of film")).unwrap();
    assert!(
        long.contains(&format!("of {} files", FILES + 1)) && long.contains("files/s") && long.contains("B of "),
        "{long}"
    );
    assert!(screen.lines().all(|line| line.chars().count() <= 100), "nothing is torn:\n{screen}");
    terminal.tmux(&["send-keys", "C-c"]);
    let pressed = Instant::now();
    // The code, for the words alone stand in the command as well.
    let screen = terminal.until("ended with 130");
    println!("from Ctrl-C to the prompt: {:.2} s", pressed.elapsed().as_secs_f64());
    assert!(screen.contains("not done"), "{screen}");
    // and the next run goes on, whole
    let kept = fs::read_to_string(dir.path().join("journal")).unwrap().lines().count() - 1;
    assert!(kept > 0 && kept <= FILES, "{kept}");
    let ran = run(dir.path(), &["scan", "--store", "s", "--json", "--resume", "journal", "up"]).expect(0);
    assert_eq!(ran.lines().len(), FILES + 1);
    assert!(ran.err.contains(&format!("taken over from the journal  {kept}")), "{}", ran.err);
}
