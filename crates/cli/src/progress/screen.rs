//! A few lines at the end of a terminal that are drawn again and again, below lines that stay.
//!
//! Knows nothing of builds.

use console::truncate_str;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The live lines, which are the message of one progress bar that shows nothing else.
#[derive(Debug)]
pub(super) struct Screen {
    bar: ProgressBar,
    drawn: String,
}

impl Screen {
    pub(super) fn new(target: ProgressDrawTarget) -> Self {
        let style = ProgressStyle::with_template("{msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        Self { bar, drawn: String::new() }
    }

    /// Writes lines that stay, and the live lines below them, each cut to `columns`. Nothing is written
    /// when nothing changes.
    pub(super) fn draw(&mut self, stay: &[String], live: &[String], columns: usize) {
        // Terminals differ in what comes after a line that reaches the last column.
        let most = columns.saturating_sub(1).max(1);
        let live: Vec<_> = live.iter().map(|line| truncate_str(line, most, "…")).collect();
        let live = live.join("\n");
        if live != self.drawn {
            self.bar.set_message(live.clone());
            self.drawn = live;
        }
        if !stay.is_empty() {
            self.bar.println(stay.join("\n"));
        }
    }

    /// Removes the live lines.
    pub(super) fn end(self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    fn lines(of: &[&str]) -> Vec<String> {
        of.iter().map(|line| (*line).to_owned()).collect()
    }

    /// A screen on a terminal of 8 rows and 24 columns.
    fn on_a_terminal() -> (Screen, InMemoryTerm) {
        let terminal = InMemoryTerm::new(8, 24);
        (Screen::new(ProgressDrawTarget::term_like(Box::new(terminal.clone()))), terminal)
    }

    fn seen(terminal: &InMemoryTerm) -> Vec<String> {
        terminal.contents().lines().map(str::to_owned).collect()
    }

    #[test]
    fn live_lines_are_replaced_and_others_stay() {
        let (mut screen, terminal) = on_a_terminal();
        screen.draw(&[], &lines(&["top", "└─ building a", "0 of 3 done"]), 24);
        assert_eq!(seen(&terminal), ["top", "└─ building a", "0 of 3 done"]);
        screen.draw(&lines(&["built a"]), &lines(&["top", "1 of 3 done"]), 24);
        assert_eq!(seen(&terminal), ["built a", "top", "1 of 3 done"]);
        terminal.reset();
        screen.draw(&[], &lines(&["top", "1 of 3 done"]), 24);
        assert!(seen(&terminal).is_empty(), "nothing changed");
    }

    #[test]
    fn lines_are_cut_to_the_terminal() {
        let (mut screen, terminal) = on_a_terminal();
        let live = lines(&[
            "a line that is longer than the terminal",
            "広い文字は二桁を使うので切る",
            "x",
        ]);
        screen.draw(&lines(&["built a"]), &live, 24);
        assert_eq!(
            seen(&terminal),
            ["built a", "a line that is longer …", "広い文字は二桁を使うの…", "x"]
        );
        screen.end();
        assert_eq!(seen(&terminal), ["built a"]);
    }

    #[test]
    fn the_last_rows_are_used_when_the_terminal_is_full() {
        let (mut screen, terminal) = on_a_terminal();
        for number in 0..20 {
            let stay = [format!("built {number}")];
            screen.draw(&stay, &lines(&["building", "left"]), 24);
        }
        screen.end();
        assert_eq!(seen(&terminal).last().map(String::as_str), Some("built 19"));
    }
}
