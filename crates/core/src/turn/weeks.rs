//! A week in the life of each preset, told line by line: with the hour that comes twice, a holiday, a STOP, a reply, a provider that is
//! out and a node that dies. The weeks and what was read in them are in `crates/core/weeks`.

use super::rehearsal::{STILL, SeededDice};
use super::simulate::{Event, Simulated, on_node, read};
use super::{Dice, trial};
use crate::config::TenantConfig;
use crate::ids::TenantId;
use crate::time::Timestamp;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Friday, the first day.
const FROM: &str = "2027-11-05T06:00:00Z";
/// Saturday after, at midnight in Denver.
const UNTIL: &str = "2027-11-13T07:00:00Z";
const PRESETS: [&str; 4] = [
    "plumbing",
    "auto-glass",
    "saas-nurture",
    "real-estate-churn",
];

fn week(name: &str) -> (Arc<TenantConfig>, String) {
    let house = trial::preset(name, FROM);
    let config = &house
        .tenant(TenantId::from_raw(1))
        .expect("it is open")
        .config;
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("weeks")
        .join(format!("{name}.jsonl"));
    (Arc::clone(config), std::fs::read_to_string(file).unwrap())
}

fn events(text: &str) -> Vec<Event> {
    read(text, trial::instant(FROM)).unwrap()
}

fn tell(config: &Arc<TenantConfig>, events: &[Event], node: u8) -> Simulated {
    let (from, until) = (trial::instant(FROM), trial::instant(UNTIL));
    on_node(Arc::clone(config), events, from, until, STILL, node)
}

/// W5, W8: the golden weeks, read line by line.
#[test]
fn the_weeks_of_the_presets() {
    for name in PRESETS {
        let (config, text) = week(name);
        let told = tell(&config, &events(&text), 0);
        assert_eq!(told.errors, Vec::<String>::new(), "{name}");
        assert_eq!(told.refused, Vec::new(), "{name}");
        insta::with_settings!({snapshot_path => "../../weeks", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name, told.show(&config));
        });
    }
}

/// A week that lacks one of these proves less than it says.
#[test]
fn every_week_has_what_a_week_can_bring() {
    for name in PRESETS {
        let (config, text) = week(name);
        let zone = config.settings.time_zone.rules();
        let hour = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%F %H").to_string();
        let all = events(&text);
        let twice: Vec<&Event> = all
            .iter()
            .filter(|one| hour(one.at) == "2027-11-07 01")
            .collect();
        let offsets: std::collections::HashSet<_> = twice
            .iter()
            .map(|one| one.at.to_zoned(zone.clone()).offset())
            .collect();
        assert_eq!(offsets.len(), 2, "{name}: the hour that comes twice");
        let day = "2027-11-11".parse().unwrap();
        assert!(config.settings.holidays.contains(day), "{name}");
        assert!(
            all.iter()
                .any(|one| one.at.to_zoned(zone.clone()).date() == day),
            "{name}: the holiday"
        );
        for path in ["/simulate/outage", "/simulate/restart"] {
            assert!(all.iter().any(|one| one.path == path), "{name}: {path}");
        }
        let replies = all.iter().filter(|one| one.path == "/simulate/reply");
        let (stops, words): (Vec<_>, Vec<_>) = replies
            .map(|one| one.body["body"].as_str().unwrap().to_lowercase())
            .partition(|body| body == "stop");
        assert!(
            !stops.is_empty() && !words.is_empty(),
            "{name}: a STOP and a reply"
        );
        let at_once = all.windows(2).filter(|two| two[0].at == two[1].at).count();
        assert!(at_once >= 2, "{name}: things of one instant");
    }
}

/// The timeline without what the order decides: leads by the name the file gives them, lines of one instant sorted.
fn essence(told: &Simulated) -> Vec<String> {
    let names: HashMap<&str, &str> = told
        .leads
        .iter()
        .map(|(reference, name)| (reference.as_str(), name.as_str()))
        .collect();
    let mut lines: Vec<String> = told
        .timeline
        .iter()
        .map(|line| {
            let mut line = line.clone();
            line.lead = line.lead.map(|lead| match names.get(lead.as_str()) {
                Some(name) => (*name).to_owned(),
                None => lead,
            });
            format!("{} {}", line.at, serde_json::to_string(&line).unwrap())
        })
        .collect();
    lines.sort();
    lines
}

/// W5: what a file says first of two things at one instant changes nothing, nor which node's ids they get.
#[test]
fn the_order_that_means_nothing_changes_nothing() {
    for name in PRESETS {
        let (config, text) = week(name);
        let wanted = essence(&tell(&config, &events(&text), 0));
        let mut orders = std::collections::HashSet::new();
        for seed in 1..=20u8 {
            let mut dice = SeededDice(u64::from(seed));
            let mut lines: Vec<&str> = text.lines().collect();
            for at in (1..lines.len()).rev() {
                let other = (dice.roll() * (at + 1) as f64) as usize;
                lines.swap(at, other);
            }
            let shuffled = events(&lines.join("\n"));
            let order: Vec<String> = shuffled
                .iter()
                .map(|one| format!("{} {}", one.path, one.body))
                .collect();
            orders.insert(order);
            let told = essence(&tell(&config, &shuffled, seed));
            for (wanted, told) in wanted.iter().zip(&told) {
                assert_eq!(wanted, told, "{name}, seed {seed}");
            }
            assert_eq!(wanted.len(), told.len(), "{name}, seed {seed}");
        }
        assert!(
            orders.len() > 3,
            "{name}: the shuffles are {} orders",
            orders.len()
        );
    }
}
