//! A few lines at the end of a terminal that are drawn again and again, below lines that stay.
//!
//! Knows nothing of builds.

use std::io::{self, Write};

/// The live lines, and where they go.
#[derive(Debug)]
pub(super) struct Screen<W> {
    out: W,
    drawn: Vec<String>,
}

impl<W: Write> Screen<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, drawn: Vec::new() }
    }

    /// Writes lines that stay, and the live lines below them, each cut to `columns`. Nothing is written
    /// when nothing changes. All goes out at once, and each line is written over the old one before what
    /// is left of that is erased, so that nothing flickers.
    pub(super) fn draw(
        &mut self,
        stay: &[String],
        live: &[String],
        columns: usize,
    ) -> io::Result<()> {
        let live: Vec<String> = live.iter().map(|line| cut(line, columns)).collect();
        if stay.is_empty() && live == self.drawn {
            return Ok(());
        }
        let mut text = String::new();
        if !self.drawn.is_empty() {
            text.push_str(&format!("\r\x1b[{}A", self.drawn.len()));
        }
        for line in stay.iter().chain(&live) {
            text.push_str(line);
            text.push_str("\x1b[K\r\n");
        }
        text.push_str("\x1b[J");
        self.drawn = live;
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// A line that does not reach the last column, where terminals differ in what comes next.
fn cut(line: &str, columns: usize) -> String {
    let most = columns.saturating_sub(1).max(1);
    if line.chars().count() <= most {
        return line.to_owned();
    }
    line.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(of: &[&str]) -> Vec<String> {
        of.iter().map(|line| (*line).to_owned()).collect()
    }

    /// What a terminal of 24 columns shows, without empty lines.
    fn seen(screen: &Screen<Vec<u8>>) -> Vec<String> {
        let mut terminal = vt100::Parser::new(8.try_into().unwrap(), 24.try_into().unwrap(), 0);
        terminal.process(&screen.out);
        terminal.screen().rows(0, 24).filter(|row| !row.is_empty()).collect()
    }

    #[test]
    fn live_lines_are_replaced_and_others_stay() {
        let mut screen = Screen::new(Vec::new());
        screen.draw(&[], &lines(&["top", "└─ building a", "0 of 3 done"]), 24).unwrap();
        assert_eq!(seen(&screen), ["top", "└─ building a", "0 of 3 done"]);
        screen.draw(&lines(&["built a"]), &lines(&["top", "1 of 3 done"]), 24).unwrap();
        assert_eq!(seen(&screen), ["built a", "top", "1 of 3 done"]);
        let written = screen.out.len();
        screen.draw(&[], &lines(&["top", "1 of 3 done"]), 24).unwrap();
        assert_eq!(screen.out.len(), written, "nothing changed");
        screen.draw(&[], &lines(&["a line that is longer than the terminal", "x"]), 24).unwrap();
        assert_eq!(seen(&screen), ["built a", "a line that is longer …", "x"]);
        screen.draw(&lines(&["built b"]), &[], 24).unwrap();
        assert_eq!(seen(&screen), ["built a", "built b"]);
    }

    #[test]
    fn the_last_rows_are_used_when_the_terminal_is_full() {
        let mut screen = Screen::new(Vec::new());
        for number in 0..20 {
            let stay = [format!("built {number}")];
            screen.draw(&stay, &lines(&["building", "left"]), 24).unwrap();
        }
        screen.draw(&[], &[], 24).unwrap();
        assert_eq!(seen(&screen).last().map(String::as_str), Some("built 19"));
        assert_eq!(seen(&screen)[0], "built 15");
    }
}
