//! Where runs went: each remembers its waits, the ways it took and how it ended, and a workflow's figures are counted from that.

use super::definition::{Step, Workflow};
use std::collections::{BTreeMap, HashMap};

/// Where a run keeps the places it came to, in its data.
pub const TRAIL: &str = "trail";
/// The place of a run that went past its last step.
pub const THROUGH: &str = "through";

/// How many runs came to a step, and what became of them there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// It was their turn.
    pub reached: u64,
    /// They wait there now.
    pub here: u64,
    /// They ended there: their goal was reached, they became pointless, or somebody stopped them.
    pub left: u64,
}

/// The figures of a workflow, step by step, from the trails of its runs.
#[derive(Debug)]
pub struct Figures<'w> {
    workflow: &'w Workflow,
    /// Every step by its path.
    pub steps: BTreeMap<String, Passed>,
    /// How many runs took a way, by its path: `1.otherwise`.
    pub ways: BTreeMap<String, u64>,
    /// Runs that were counted.
    pub runs: u64,
    /// Those that went past the last step.
    pub through: u64,
}

impl<'w> Figures<'w> {
    /// Figures of which every one is nought.
    pub fn new(workflow: &'w Workflow) -> Self {
        let all = workflow.walk();
        let steps = all.iter().map(|step| (step.id.clone(), Passed::default()));
        let ways = all.iter().flat_map(|step| {
            let ways = step.action.ways().into_iter();
            ways.map(|(way, _)| (format!("{}.{way}", step.id), 0))
        });
        Self {
            workflow,
            steps: steps.collect(),
            ways: ways.collect(),
            runs: 0,
            through: 0,
        }
    }

    /// Counts one run: where it went, and whether it is still under way.
    pub fn count(&mut self, trail: &[String], open: bool) {
        self.runs += 1;
        let through = trail.last().is_some_and(|last| last == THROUGH);
        self.through += u64::from(through);
        for place in trail {
            if let Some(n) = self.ways.get_mut(place) {
                *n += 1;
            }
        }
        // The furthest step of each list that the run is known to have come to.
        let mut furthest: HashMap<&str, usize> = HashMap::new();
        for place in trail {
            let mut rest = place.as_str();
            // `1.otherwise.0` says so of `1.otherwise` and of the list around it; a way says it of the step before it.
            loop {
                let (list, last) = rest.rsplit_once('.').unwrap_or(("", rest));
                if let Ok(index) = last.parse::<usize>() {
                    let known = furthest.entry(list).or_default();
                    *known = (*known).max(index);
                }
                if list.is_empty() {
                    break;
                }
                rest = list;
            }
        }
        let workflow = self.workflow;
        self.walk(&workflow.steps, "", through, trail, &furthest);
        if let Some(at) = trail.iter().rev().find(|place| *place != THROUGH)
            && !through
            && let Some(step) = self.steps.get_mut(at)
        {
            if open {
                step.here += 1;
            } else {
                step.left += 1;
            }
        }
    }

    /// Goes through a list that the run entered. `passed`: it went on behind the list, so every step of it had its turn.
    fn walk(
        &mut self,
        steps: &[Step],
        list: &str,
        passed: bool,
        trail: &[String],
        furthest: &HashMap<&str, usize>,
    ) {
        let last = furthest.get(list).copied();
        for (index, step) in steps.iter().enumerate() {
            // A run that waits nowhere in the list is at its first step at least.
            if !passed && index > last.unwrap_or(0) {
                return;
            }
            if let Some(count) = self.steps.get_mut(&step.id) {
                count.reached += 1;
            }
            let beyond = passed || last.is_some_and(|last| last > index);
            for (way, inside) in step.action.ways() {
                let here = format!("{}.{way}", step.id);
                if trail.contains(&here) {
                    self.walk(inside, &here, beyond, trail, furthest);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, load};

    fn workflow(steps: &str) -> Workflow {
        let mut files: BTreeMap<String, Document> = BTreeMap::new();
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../presets/plumbing");
        for path in [
            "tenant.yaml",
            "staff.yaml",
            "products/plumbing.yaml",
            "scores/intent.yaml",
        ] {
            let text = std::fs::read_to_string(folder.join(path)).unwrap();
            files.insert(path.to_owned(), Document::new(text));
        }
        let text = format!("name: one\nproduct: plumbing\ntrigger: manual\nsteps:\n{steps}");
        files.insert("workflows/one.yaml".to_owned(), Document::new(text));
        load(&files).unwrap().workflows["one"].item.clone()
    }

    fn trail(places: &str) -> Vec<String> {
        places.split_whitespace().map(str::to_owned).collect()
    }

    const STEPS: &str = "  - tag: { add: [a] }
  - wait_for: { event: lead.acknowledged, within: 5m }
    then:
      - tag: { add: [b] }
    otherwise:
      - tag: { add: [c] }
      - wait: 10m
      - tag: { add: [d] }
  - tag: { add: [e] }
";

    /// U: a workflow's figures say how many came to each step, wait there, and ended there.
    #[test]
    fn figures_follow_the_trails() {
        let workflow = workflow(STEPS);
        let mut figures = Figures::new(&workflow);
        // One waits at the first wait; one was answered and is through; one waits after nobody answered; one was stopped there.
        figures.count(&trail("1"), true);
        figures.count(&trail("1 1.then through"), false);
        figures.count(&trail("1 1.otherwise 1.otherwise.1"), true);
        figures.count(&trail("1 1.otherwise 1.otherwise.1"), false);
        figures.count(&trail("1 1.otherwise 1.otherwise.1 through"), false);
        let of = |id: &str| {
            let one = figures.steps[id];
            (one.reached, one.here, one.left)
        };
        assert_eq!((figures.runs, figures.through), (5, 2));
        assert_eq!(of("0"), (5, 0, 0));
        assert_eq!(of("1"), (5, 1, 0));
        assert_eq!(of("1.then.0"), (1, 0, 0));
        assert_eq!(of("1.otherwise.0"), (3, 0, 0));
        assert_eq!(of("1.otherwise.1"), (3, 1, 1));
        assert_eq!(of("1.otherwise.2"), (1, 0, 0));
        assert_eq!(of("2"), (2, 0, 0));
        assert_eq!(
            (figures.ways["1.then"], figures.ways["1.otherwise"]),
            (1, 3)
        );
    }

    /// A run that an `end` ended in the middle did not come to what is behind it.
    #[test]
    fn an_end_in_the_middle_is_where_a_run_left() {
        let workflow = workflow(
            "  - branch: { field: lead.stage, is: new }
    then:
      - end
  - tag: { add: [e] }
",
        );
        let mut figures = Figures::new(&workflow);
        figures.count(&trail("0.then 0.then.0"), false);
        figures.count(&trail("through"), false);
        assert_eq!(figures.steps["0"].reached, 2);
        assert_eq!(figures.steps["0.then.0"].left, 1);
        assert_eq!(figures.steps["1"].reached, 1);
    }

    /// Places of another version, or of nothing, change no figure and break nothing.
    #[test]
    fn strange_trails_break_nothing() {
        let workflow = workflow(STEPS);
        let mut figures = Figures::new(&workflow);
        for odd in [
            "",
            "9.x.9",
            "appointment",
            ". .. 1.",
            "18446744073709551616",
        ] {
            figures.count(&trail(odd), true);
        }
        assert_eq!(figures.runs, 5);
        assert_eq!(figures.steps["0"].reached, 5);
    }
}
