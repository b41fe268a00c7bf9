//! The lines of a national list as they stream in, in pieces that end anywhere.

use ringback_core::consent::national::number_of;
use ringback_core::places::Region;

/// A longer line is no line of a list.
const LONGEST_LINE: usize = 1_024;
/// So many lines that hold no number are told by their place.
const MOST_TOLD: usize = 20;

/// Reads numbers out of pieces of text.
#[derive(Debug)]
pub struct Lines {
    country: Region,
    rest: Vec<u8>,
    numbers: Vec<i64>,
    line: u64,
    read: u64,
    /// Lines that held no number of the country.
    pub passed_over: u64,
    /// The first of them.
    pub first_passed_over: Vec<u64>,
}

impl Lines {
    /// Nothing read yet.
    pub const fn new(country: Region) -> Self {
        Self {
            country,
            rest: Vec::new(),
            numbers: Vec::new(),
            line: 0,
            read: 0,
            passed_over: 0,
            first_passed_over: Vec::new(),
        }
    }

    /// Takes in a piece.
    pub fn feed(&mut self, piece: &[u8]) {
        let mut parts = piece.split(|byte| matches!(byte, b'\n')).peekable();
        while let Some(part) = parts.next() {
            // What is too long already does not grow on.
            if self.rest.len() <= LONGEST_LINE {
                self.rest.extend_from_slice(part);
            }
            if parts.peek().is_some() {
                self.one();
            }
        }
    }

    /// No piece comes any more.
    pub fn end(&mut self) {
        if !self.rest.is_empty() {
            self.one();
        }
    }

    fn one(&mut self) {
        self.line += 1;
        let number = std::str::from_utf8(&self.rest)
            .ok()
            .filter(|line| line.len() <= LONGEST_LINE)
            .map(str::trim);
        match number {
            Some("") => {}
            Some(line) if let Some(number) = number_of(line, self.country) => {
                self.numbers.push(number);
                self.read += 1;
            }
            // The names of columns are no mistake.
            Some(_) if self.line == 1 => {}
            _ => {
                self.passed_over += 1;
                if self.first_passed_over.len() < MOST_TOLD {
                    self.first_passed_over.push(self.line);
                }
            }
        }
        self.rest.clear();
    }

    /// How many numbers wait to be taken.
    pub const fn ready(&self) -> usize {
        self.numbers.len()
    }

    /// Takes so many numbers at most.
    pub fn take(&mut self, most: usize) -> Vec<i64> {
        let rest = self.numbers.split_off(self.numbers.len().min(most));
        std::mem::replace(&mut self.numbers, rest)
    }

    /// Whether what was read is a list at all.
    ///
    /// # Errors
    /// A sentence: nothing was read, or most of it was no number of the country.
    pub fn sound(&self) -> Result<(), String> {
        let country = self.country.name();
        if self.read == 0 {
            return Err(format!(
                "There is no number of {country} in it; the list before is still asked."
            ));
        }
        if self.passed_over > self.read {
            return Err(format!(
                "More lines than not hold no number of {country}, such as line {}: is it the right file? The list before is still asked.",
                self.first_passed_over.first().copied().unwrap_or_default()
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wherever a piece ends, the same numbers are read.
    #[test]
    fn pieces_may_end_anywhere() {
        let text = "phone,date\r\n3035550142,1\r\n\r\n303,5550143\nnobody\n+1 303 555 0144";
        for size in 1..text.len() {
            let mut lines = Lines::new(Region::US);
            for piece in text.as_bytes().chunks(size) {
                lines.feed(piece);
            }
            lines.end();
            assert_eq!(lines.ready(), 3);
            assert_eq!(lines.take(2), [13_035_550_142, 13_035_550_143], "{size}");
            assert_eq!(lines.take(2), [13_035_550_144], "{size}");
            assert_eq!(
                (lines.passed_over, &*lines.first_passed_over),
                (1, &[5][..])
            );
            assert_eq!(lines.sound(), Ok(()));
        }
    }

    /// What is no list is refused, and a line without end takes no memory.
    #[test]
    fn what_is_no_list_is_refused() {
        let mut lines = Lines::new(Region::GB);
        for _ in 0..1_000 {
            lines.feed(&[b'7'; 1_000]);
        }
        assert!(lines.rest.len() < 3_000);
        lines.end();
        assert!(
            lines
                .sound()
                .unwrap_err()
                .contains("no number of the United Kingdom")
        );
        let mut wrong = Lines::new(Region::US);
        wrong.feed(b"3035550142\na\nb\n");
        assert!(wrong.sound().is_err_and(|why| why.contains("line 2")));
    }
}
