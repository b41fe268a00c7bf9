//! Checked stretches of a template: written for the engine, moved about by MJML, still in order or not.

/// A stretch of a checked template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checked {
    /// Text that appears as it stands.
    Literal(String),
    /// A tag, ready for the engine.
    Tag {
        /// With its braces.
        text: String,
        /// True for `{% … %}`, whose order and number matter.
        control: bool,
        /// True for `{# … #}`.
        comment: bool,
        /// The line of the file.
        line: u32,
    },
}

/// A line that holds only a condition, loop or comment leaves no empty line behind.
pub(super) fn leave_no_lines(pieces: &mut [Checked]) {
    let mut removed = None;
    for at in 0..pieces.len() {
        let Checked::Tag {
            control, comment, ..
        } = &pieces[at]
        else {
            continue;
        };
        if !control && !comment {
            continue;
        }
        let before = match at.checked_sub(1).map(|before| &pieces[before]) {
            None => Some(0),
            Some(Checked::Literal(text)) => {
                let kept = text.trim_end_matches([' ', '\t']);
                (kept.ends_with('\n') || (kept.is_empty() && (at == 1 || removed == Some(at - 2))))
                    .then_some(kept.len())
            }
            Some(Checked::Tag { .. }) => None,
        };
        let after = match pieces.get(at + 1) {
            None => Some(0),
            Some(Checked::Literal(text)) => {
                let blank = text.len() - text.trim_start_matches([' ', '\t', '\r']).len();
                text[blank..].starts_with('\n').then_some(blank + 1)
            }
            Some(Checked::Tag { .. }) => None,
        };
        if let (Some(before), Some(after)) = (before, after) {
            removed = Some(at);
            if let Some(Checked::Literal(text)) =
                at.checked_sub(1).and_then(|at| pieces.get_mut(at))
            {
                text.truncate(before);
            }
            if let Some(Checked::Literal(text)) = pieces.get_mut(at + 1) {
                text.drain(..after);
            }
        }
    }
}

/// Checked pieces as the engine's source. Literals are written so that nothing in them can be taken for a tag.
pub(super) fn write(pieces: &[Checked]) -> String {
    let mut out = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Checked::Literal(text) => {
                let before_tag = matches!(pieces.get(at + 1), Some(Checked::Tag { .. }));
                let mut chars = text.chars().peekable();
                while let Some(c) = chars.next() {
                    let next = chars.peek().copied();
                    let opens = c == '{'
                        && (matches!(next, Some('{' | '%' | '#'))
                            || (next.is_none() && before_tag));
                    if opens {
                        out.push_str(r#"{{ "{" }}"#);
                    } else {
                        out.push(c);
                    }
                }
            }
            Checked::Tag { text, .. } => out.push_str(text),
        }
    }
    out
}

/// True when the conditions and loops among `pieces` are closed in order, as they are in a source that was read; moving pieces
/// about (MJML, text from HTML) can break that.
pub(super) fn balanced(pieces: &[Checked]) -> bool {
    let mut open = Vec::new();
    for piece in pieces {
        let Checked::Tag {
            text,
            control: true,
            ..
        } = piece
        else {
            continue;
        };
        let word = text
            .trim_start_matches(['{', '%', '-', '+', ' '])
            .split([' ', '%', '-'])
            .next()
            .unwrap_or_default();
        let fine = match word {
            "if" | "for" => {
                open.push(word);
                true
            }
            "elif" => open.last() == Some(&"if"),
            "else" => open.last().is_some(),
            "endif" => open.pop() == Some("if"),
            "endfor" => open.pop() == Some("for"),
            _ => true,
        };
        if !fine {
            return false;
        }
    }
    open.is_empty()
}
