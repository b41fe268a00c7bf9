//! Two versions of a text, line by line.

/// A line of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffLine<'t> {
    /// In both.
    Same(&'t str),
    /// In the first alone.
    Gone(&'t str),
    /// In the second alone.
    New(&'t str),
}

/// Beyond this many pairs of lines the middle is told as replaced as a whole: a comparison must end soon, whatever is compared.
const MOST_PAIRS: usize = 4_000_000;

/// Compares two texts. What is the same stays in order; the differences are the fewest lines.
pub fn lines<'t>(before: &'t str, after: &'t str) -> Vec<DiffLine<'t>> {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (mid_a, mid_b) = (&a[head..], &b[head..]);
    let tail = mid_a
        .iter()
        .rev()
        .zip(mid_b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (mid_a, mid_b) = (&mid_a[..mid_a.len() - tail], &mid_b[..mid_b.len() - tail]);
    let mut out: Vec<DiffLine<'t>> = a[..head].iter().map(|line| DiffLine::Same(line)).collect();
    if mid_a.len().saturating_mul(mid_b.len()) > MOST_PAIRS {
        out.extend(mid_a.iter().map(|line| DiffLine::Gone(line)));
        out.extend(mid_b.iter().map(|line| DiffLine::New(line)));
    } else {
        between(mid_a, mid_b, &mut out);
    }
    out.extend(a[a.len() - tail..].iter().map(|line| DiffLine::Same(line)));
    out
}

/// The longest common part of two lists of lines, and what is around it.
fn between<'t>(a: &[&'t str], b: &[&'t str], out: &mut Vec<DiffLine<'t>>) {
    let width = b.len() + 1;
    let mut common = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = if a[i] == b[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            out.push(DiffLine::Same(a[i]));
            i += 1;
            j += 1;
        } else if j == b.len()
            || i < a.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]
        {
            out.push(DiffLine::Gone(a[i]));
            i += 1;
        } else {
            out.push(DiffLine::New(b[j]));
            j += 1;
        }
    }
}

/// How many lines went and came.
pub fn count(all: &[DiffLine<'_>]) -> (usize, usize) {
    let gone = all.iter().filter(|line| matches!(line, DiffLine::Gone(_)));
    let new = all.iter().filter(|line| matches!(line, DiffLine::New(_)));
    (gone.count(), new.count())
}

/// The differences with some lines around each; `None` stands for lines that are left out.
pub fn around<'t>(all: &[DiffLine<'t>], context: usize) -> Vec<Option<DiffLine<'t>>> {
    let changed: Vec<bool> = all
        .iter()
        .map(|line| !matches!(line, DiffLine::Same(_)))
        .collect();
    let mut out = Vec::new();
    let mut left_out = false;
    for (at, line) in all.iter().enumerate() {
        let near = at.saturating_sub(context)..(at + context + 1).min(all.len());
        if changed[near].iter().any(|changed| *changed) {
            if left_out {
                out.push(None);
            }
            left_out = false;
            out.push(Some(*line));
        } else {
            left_out = true;
        }
    }
    if left_out && !out.is_empty() {
        out.push(None);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn show(all: &[DiffLine<'_>]) -> String {
        let lines = all.iter().map(|line| match line {
            DiffLine::Same(text) => format!(" {text}"),
            DiffLine::Gone(text) => format!("-{text}"),
            DiffLine::New(text) => format!("+{text}"),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_changed_line_is_one_that_went_and_one_that_came() {
        let all = lines("a\nwithin: 5m\nc\nd", "a\nwithin: 4m\nc\nd\ne");
        assert_eq!(show(&all), " a\n-within: 5m\n+within: 4m\n c\n d\n+e");
        assert_eq!(count(&all), (1, 2));
    }

    #[test]
    fn what_is_far_from_a_change_is_left_out() {
        let before: String = (0..20).map(|n| format!("{n}\n")).collect();
        let after = before.replace("10\n", "ten\n");
        let all = lines(&before, &after);
        let shown = around(&all, 1);
        assert_eq!(shown.first(), Some(&None));
        assert_eq!(shown.len(), 6, "{shown:?}");
        assert!(around(&lines("a\nb", "a\nb"), 3).is_empty());
    }

    proptest! {
        /// Whatever is compared: what is left of the first is the first, of the second the second.
        #[test]
        fn both_texts_can_be_read_off(a in "([abc]\n){0,12}", b in "([abc]\n){0,12}") {
            let all = lines(&a, &b);
            let of = |mine: fn(&DiffLine<'_>) -> bool| -> Vec<&str> {
                all.iter().filter(|line| mine(line)).map(|line| match line {
                    DiffLine::Same(text) | DiffLine::Gone(text) | DiffLine::New(text) => *text,
                }).collect()
            };
            prop_assert_eq!(of(|line| !matches!(line, DiffLine::New(_))), a.lines().collect::<Vec<_>>());
            prop_assert_eq!(of(|line| !matches!(line, DiffLine::Gone(_))), b.lines().collect::<Vec<_>>());
        }
    }
}
