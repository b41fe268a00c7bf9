//! A workflow drawn from its definition: the line gets thinner as runs end, a lamp stands where some wait (design, section 1).

use super::super::format::number;
use super::super::people::short;
use super::{StepView, flat};
use askama::Template;
use ringback_core::workflows::{Action, Figures, LEVELS, OTHERWISE, Step, THEN, Workflow};
use std::collections::BTreeMap;

/// Room for a row: the figure above a stop, its words below, and the way up of those who were answered.
const ROW: f64 = 152.0;
const LEFT: f64 = 74.0;
const TOP: f64 = 104.0;
/// Letters of a line of words under a stop.
const LETTERS: usize = 24;
/// The narrowest drawing; a small workflow is not blown up beyond it.
const NARROWEST: f64 = 1140.0;

/// A piece of line.
#[derive(Debug)]
struct Stroke {
    class: &'static str,
    d: String,
    width: String,
    opacity: &'static str,
}

/// A step.
#[derive(Debug)]
struct Stop {
    x: String,
    y: String,
    above: String,
    count: String,
    kind: String,
    kind_y: String,
    text: String,
    text_y: String,
    more: String,
    more_y: String,
}

/// Words beside a line.
#[derive(Debug)]
struct Words {
    class: &'static str,
    anchor: &'static str,
    x: String,
    y: String,
    text: String,
}

/// The drawing.
#[derive(Debug, Template)]
#[template(path = "workflows/diagram.html")]
pub(super) struct Diagram {
    width: String,
    height: String,
    title: String,
    desc: String,
    strokes: Vec<Stroke>,
    waits: Vec<(String, String, String)>,
    stops: Vec<Stop>,
    words: Vec<Words>,
}

fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

struct Pen<'a> {
    figures: &'a Figures<'a>,
    said: BTreeMap<String, (&'static str, String)>,
    column: f64,
    rows: usize,
    drawing: Diagram,
}

/// Columns that a list of steps takes, with what is inside its steps.
fn columns(steps: &[Step]) -> usize {
    let mut most = 0;
    for (at, step) in steps.iter().enumerate() {
        let inside = step.action.ways().into_iter();
        let inside = inside.map(|(_, steps)| columns(steps)).max().unwrap_or(0);
        most = most.max(at + 1 + inside);
    }
    most
}

/// The way that goes straight on where a step is the last of its list.
const fn straight(action: &Action) -> Option<&'static str> {
    match action {
        Action::WaitFor { .. } | Action::Ask(_) => Some(OTHERWISE),
        Action::Branch { .. } => Some(THEN),
        Action::Escalate(_) => Some(LEVELS),
        _ => None,
    }
}

/// Draws a workflow with the figures of its runs.
pub(super) fn draw(workflow: &Workflow, figures: &Figures<'_>, steps: &[StepView]) -> Diagram {
    let all = columns(&workflow.steps).max(1) + 1;
    let column = (1_000.0 / all as f64).clamp(176.0, 300.0);
    let said = flat(steps)
        .into_iter()
        .map(|step| (step.id.clone(), (step.kind, step.text.clone())))
        .collect();
    let drawing = Diagram {
        width: String::new(),
        height: String::new(),
        title: format!("{}, version as it holds", workflow.name),
        desc: describe(workflow, figures),
        strokes: Vec::new(),
        waits: Vec::new(),
        stops: Vec::new(),
        words: Vec::new(),
    };
    let mut pen = Pen {
        figures,
        said,
        column,
        rows: 1,
        drawing,
    };
    let began = figures.runs;
    pen.stop((LEFT, TOP), began, "when", "It begins", "");
    let end = pen.list(&workflow.steps, "", 0, 1, (LEFT, TOP));
    let at = (end + column, TOP);
    pen.line((end, TOP), at, figures.through, "run");
    pen.stop(at, figures.through, "", "To the end", "");
    let width = (LEFT + column * (all as f64) + 80.0).max(NARROWEST);
    let height = TOP + ROW * (pen.rows as f64 - 1.0) + 96.0;
    let mut drawing = pen.drawing;
    drawing.width = n(width);
    drawing.height = n(height);
    drawing
}

fn describe(workflow: &Workflow, figures: &Figures<'_>) -> String {
    if figures.runs == 0 {
        return format!(
            "{} steps. No run of this version began in this time.",
            workflow.walk().len()
        );
    }
    let waiting: u64 = figures.steps.values().map(|step| step.here).sum();
    format!(
        "{} runs began, {} went to the end, {} wait now. The steps below have the same figures.",
        number(i64::try_from(figures.runs).unwrap_or(i64::MAX)),
        number(i64::try_from(figures.through).unwrap_or(i64::MAX)),
        number(i64::try_from(waiting).unwrap_or(i64::MAX)),
    )
}

impl Pen<'_> {
    /// Draws a list from a column on; answers how far right its own row came.
    fn list(
        &mut self,
        steps: &[Step],
        path: &str,
        row: usize,
        first: usize,
        from: (f64, f64),
    ) -> f64 {
        let y = TOP + ROW * row as f64;
        let mut before = from;
        let mut x = from.0;
        for (index, step) in steps.iter().enumerate() {
            let place = first + index;
            x = LEFT + self.column * place as f64;
            let passed = self
                .figures
                .steps
                .get(&step.id)
                .copied()
                .unwrap_or_default();
            self.line(before, (x, y), passed.reached, "run");
            before = (x, y);
            let (kind, text) = self.said.get(&step.id).cloned().unwrap_or_default();
            let (line, more) = two_lines(&text);
            self.stop((x, y), passed.reached, kind, &line, &more);
            if passed.here > 0 {
                let (from, to) = (x + 22.0, x + self.column - 22.0);
                self.drawing.waits.push((n(from), n(to), n(y)));
                self.say(
                    "lt",
                    "middle",
                    ((from + to) / 2.0, y - 14.0),
                    &waits(passed.here),
                );
            }
            let last = index + 1 == steps.len();
            let along = straight(&step.action).filter(|way| {
                last && step
                    .action
                    .way(way)
                    .is_some_and(|inside| !inside.is_empty())
            });
            for (way, inside) in step.action.ways() {
                let taken = format!("{}.{way}", step.id);
                let went = self.figures.ways.get(&taken).copied().unwrap_or(0);
                if inside.is_empty() {
                    if way == THEN && went > 0 {
                        self.answered((x, y), went, &step.action);
                    }
                } else if Some(way) == along {
                    x = self.list(
                        inside,
                        &format!("{path}{index}.{way}."),
                        row,
                        place + 1,
                        (x, y),
                    );
                } else {
                    let below = self.rows;
                    self.rows += 1;
                    let start = self.down((x, y), below, place + 1, went);
                    let words = match way {
                        THEN => "then",
                        OTHERWISE => "otherwise",
                        LEVELS => "until somebody answers",
                        other => other,
                    };
                    self.say("k", "end", (start.0 - 16.0, start.1 - 12.0), words);
                    self.list(
                        inside,
                        &format!("{path}{index}.{way}."),
                        below,
                        place + 1,
                        start,
                    );
                }
            }
        }
        x
    }

    /// The way of those whose event came: up and out.
    fn answered(&mut self, (x, y): (f64, f64), went: u64, action: &Action) {
        let (to_x, to_y) = (x + 70.0, y - 66.0);
        let d = format!(
            "M{} {}C{} {} {} {} {} {}",
            n(x),
            n(y),
            n(x + 34.0),
            n(y),
            n(x + 26.0),
            n(to_y),
            n(to_x),
            n(to_y)
        );
        self.stroke("up", d, went);
        let answered = matches!(action, Action::WaitFor { events, .. } if events.iter().any(|one| one == "lead.acknowledged"));
        let words = if answered { "answered" } else { "came" };
        self.say(
            "kt",
            "start",
            (to_x + 6.0, to_y + 4.0),
            &format!("{went} {words}"),
        );
    }

    /// The way down to a list of its own row; answers where it begins.
    fn down(&mut self, (x, y): (f64, f64), row: usize, column: usize, went: u64) -> (f64, f64) {
        let to = (
            LEFT + self.column * column as f64 - self.column * 0.32,
            TOP + ROW * row as f64,
        );
        let d = format!(
            "M{} {}C{} {} {} {} {} {}",
            n(x),
            n(y),
            n(x + self.column * 0.3),
            n(y),
            n(x + self.column * 0.1),
            n(to.1),
            n(to.0),
            n(to.1)
        );
        self.stroke("run", d, went);
        to
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), went: u64, class: &'static str) {
        let d = format!("M{} {}H{}", n(from.0), n(from.1), n(to.0));
        self.stroke(class, d, went);
    }

    fn stroke(&mut self, class: &'static str, d: String, went: u64) {
        let share = went as f64 / self.figures.runs.max(1) as f64;
        let width = 2.0 + 18.0 * share.min(1.0);
        let opacity = if width > 9.0 {
            ".25"
        } else if width > 4.0 {
            ".45"
        } else {
            "1"
        };
        self.drawing.strokes.push(Stroke {
            class,
            d,
            width: n(width),
            opacity,
        });
    }

    fn stop(&mut self, (x, y): (f64, f64), reached: u64, kind: &str, text: &str, more: &str) {
        let count = if self.figures.runs == 0 {
            String::new()
        } else {
            number(i64::try_from(reached).unwrap_or(i64::MAX))
        };
        self.drawing.stops.push(Stop {
            x: n(x),
            y: n(y),
            above: n(y - 22.0),
            count,
            kind: kind.to_lowercase(),
            kind_y: n(y + 32.0),
            text: short(text, LETTERS),
            text_y: n(y + 51.0),
            more: short(more, LETTERS),
            more_y: n(y + 69.0),
        });
    }

    fn say(&mut self, class: &'static str, anchor: &'static str, (x, y): (f64, f64), text: &str) {
        self.drawing.words.push(Words {
            class,
            anchor,
            x: n(x),
            y: n(y),
            text: text.to_owned(),
        });
    }
}

fn waits(here: u64) -> String {
    if here == 1 {
        "1 waits now".to_owned()
    } else {
        format!(
            "{} wait now",
            number(i64::try_from(here).unwrap_or(i64::MAX))
        )
    }
}

/// Words over two lines, broken between words.
fn two_lines(text: &str) -> (String, String) {
    if text.chars().count() <= LETTERS {
        return (text.to_owned(), String::new());
    }
    let mut first = String::new();
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.peek() {
        if !first.is_empty() && first.chars().count() + 1 + word.chars().count() > LETTERS {
            break;
        }
        if !first.is_empty() {
            first.push(' ');
        }
        first.push_str(word);
        words.next();
    }
    (first, words.collect::<Vec<_>>().join(" "))
}
