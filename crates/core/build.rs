//! Turns ZIP, area code, state and country data into sorted static tables, so that looking a place up costs no heap and no
//! start-up time (C4). Everything is checked here: a zone that the bundled time zone data does not know stops the build.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// Zones of fewer ZIPs than this share of an area code are noise of the data: an exchange that reaches over a border.
const LEAST_SHARE_PERCENT: usize = 3;
/// A ZIP without a zone, as military mail has.
const NO_ZONE: u16 = u16::MAX;

struct Zones {
    names: Vec<String>,
    index: HashMap<String, u16>,
}

impl Zones {
    /// All names of the bundled data, in the order of their lower case form.
    fn bundled() -> Self {
        let mut names: Vec<String> = jiff::tz::TimeZoneDatabase::bundled()
            .available()
            .map(|name| name.to_string())
            .collect();
        names.sort_by_key(|name| name.to_ascii_lowercase());
        names.dedup();
        let index = names
            .iter()
            .enumerate()
            .map(|(at, name)| (name.clone(), at as u16))
            .collect();
        Self { names, index }
    }

    fn known(&self, name: &str) -> Option<u16> {
        self.index.get(name).copied()
    }

    /// A list of names as it stands in our own files, where an unknown one is a mistake.
    fn list(&self, names: &str, place: &str) -> BTreeSet<u16> {
        names
            .split_whitespace()
            .map(|name| {
                self.known(name)
                    .unwrap_or_else(|| panic!("{place}: the time zone data has no {name}"))
            })
            .collect()
    }
}

struct State {
    code: String,
    name: String,
    country: String,
    zones: BTreeSet<u16>,
}

fn main() {
    let data =
        PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("data");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let zones = Zones::bundled();
    let mut text = String::new();

    write_zones(&mut text, &zones);
    write_countries(&mut text, &zones, &data);
    let mut states = read_states(&zones, &data);
    let (zips, codes) = read_zips(&zones, &mut states);
    let codes = complete_codes(codes, &zones, &states, &data);
    write_states(&mut text, &states);
    write_zips(&mut text, &zips);
    write_codes(&mut text, &codes);

    fs::write(out.join("places.rs"), text).expect("the build folder can be written");
}

/// The data lines of one of our files, cut at semicolons.
fn rows(data: &Path, file: &str) -> Vec<Vec<String>> {
    let path = data.join(file);
    announce(&path);
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| line.split(';').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

fn announce(path: &Path) {
    println!("cargo:rerun-if-changed={}", path.display());
    println!("cargo:rerun-if-changed=build.rs");
}

fn write_zones(text: &mut String, zones: &Zones) {
    let names: Vec<String> = zones.names.iter().map(|name| format!("{name:?}")).collect();
    table(text, "ZONES", "&str", &names);
}

fn write_countries(text: &mut String, zones: &Zones, data: &Path) {
    let mut lines = Vec::new();
    for row in rows(data, "countries.csv") {
        let list = zones.list(&row[2], &row[0]);
        lines.push(format!("(*b{:?}, {:?}, &{})", row[0], row[1], array(&list)));
    }
    assert!(lines.is_sorted(), "countries.csv is sorted by code");
    table(text, "COUNTRIES", "([u8; 2], &str, &[u16])", &lines);
}

fn read_states(zones: &Zones, data: &Path) -> Vec<State> {
    let mut states: Vec<State> = rows(data, "states.csv")
        .into_iter()
        .map(|row| State {
            zones: zones.list(&row[3], &row[0]),
            code: row[0].clone(),
            name: row[1].clone(),
            country: row[2].clone(),
        })
        .collect();
    states.sort_by(|a, b| a.code.cmp(&b.code));
    states
}

fn position(states: &[State], code: &str) -> u8 {
    states
        .iter()
        .position(|state| state.code == code)
        .unwrap_or_else(|| panic!("states.csv has no {code}")) as u8
}

/// ZIP to (state, zone), and for every area code how many ZIPs of which state and zone name it.
type Zips = BTreeMap<u32, (u8, u16)>;
type Codes = BTreeMap<u16, HashMap<(u8, u16), usize>>;

fn read_zips(zones: &Zones, states: &mut [State]) -> (Zips, Codes) {
    let (mut zips, mut codes) = (Zips::new(), Codes::new());
    for row in zipcodes::database() {
        let zip: u32 = row.zip_code.parse().expect("ZIPs are digits");
        let state = position(states, &row.state);
        // One row names its town where the zone should stand; military ZIPs have none.
        let zone = zones.known(&row.timezone).unwrap_or(NO_ZONE);
        if zone != NO_ZONE {
            states[usize::from(state)].zones.insert(zone);
        }
        zips.insert(zip, (state, zone));
        for code in &row.area_codes {
            if let (Ok(code), true) = (code.parse(), zone != NO_ZONE) {
                *codes
                    .entry(code)
                    .or_default()
                    .entry((state, zone))
                    .or_default() += 1;
            }
        }
    }
    (zips, codes)
}

/// The state of a code and its zones. A code serves one state; the ZIP data also attaches it to towns across the border, so
/// only rows of the state with the most rows count.
fn complete_codes(
    counted: Codes,
    zones: &Zones,
    states: &[State],
    data: &Path,
) -> BTreeMap<u16, (u8, BTreeSet<u16>)> {
    let mut codes = BTreeMap::new();
    for (code, counts) in counted {
        let mut by_state: BTreeMap<u8, usize> = BTreeMap::new();
        for ((state, _), count) in &counts {
            *by_state.entry(*state).or_default() += count;
        }
        let Some((&state, &all)) = by_state.iter().max_by_key(|(_, count)| **count) else {
            continue;
        };
        let kept = counts
            .iter()
            .filter(|((of, _), count)| *of == state && **count * 100 >= all * LEAST_SHARE_PERCENT)
            .map(|((_, zone), _)| *zone)
            .collect();
        codes.insert(code, (state, kept));
    }
    let ours = rows(data, "area_codes.csv");
    for row in &ours {
        let code: u16 = row[0].parse().expect("area codes are digits");
        if row[1].starts_with('=') {
            continue;
        }
        let state = position(states, &row[1]);
        let list = zones.list(&row[2], &row[0]);
        let american = states[usize::from(state)].country == "US";
        let entry: &mut (u8, BTreeSet<u16>) = codes
            .entry(code)
            .or_insert_with(|| (state, BTreeSet::new()));
        if american {
            assert_eq!(
                entry.0, state,
                "area code {code} lies in another state in the ZIP data"
            );
            entry.1.extend(list);
        } else {
            *entry = (state, list);
        }
    }
    for row in &ours {
        if let Some(older) = row[1].strip_prefix('=') {
            let code: u16 = row[0].parse().expect("area codes are digits");
            let older: u16 = older.parse().expect("area codes are digits");
            let like = codes.get(&older).cloned().expect("the older code is known");
            codes.entry(code).or_insert(like);
        }
    }
    codes
}

fn write_states(text: &mut String, states: &[State]) {
    let lines: Vec<String> = states
        .iter()
        .map(|state| {
            format!(
                "({:?}, {:?}, *b{:?}, &{})",
                state.code,
                state.name,
                state.country,
                array(&state.zones)
            )
        })
        .collect();
    table(text, "STATES", "(&str, &str, [u8; 2], &[u16])", &lines);
}

/// Neighbouring ZIPs mostly share state and zone, so runs hold what they are and a bit per number whether it exists.
fn write_zips(text: &mut String, zips: &Zips) {
    let mut known = vec![0u64; 100_000usize.div_ceil(64)];
    let mut runs = Vec::new();
    let mut before = None;
    for (&zip, &place) in zips {
        known[zip as usize / 64] |= 1 << (zip % 64);
        if before != Some(place) {
            runs.push(format!("({zip}, {}, {})", place.0, place.1));
            before = Some(place);
        }
    }
    let words: Vec<String> = known.iter().map(|word| format!("{word:#x}")).collect();
    table(text, "ZIP_KNOWN", "u64", &words);
    table(text, "ZIP_RUNS", "(u32, u8, u16)", &runs);
}

fn write_codes(text: &mut String, codes: &BTreeMap<u16, (u8, BTreeSet<u16>)>) {
    let lines: Vec<String> = codes
        .iter()
        .map(|(code, (state, zones))| format!("({code}, {state}, &{})", array(zones)))
        .collect();
    table(text, "AREA_CODES", "(u16, u8, &[u16])", &lines);
}

fn array(zones: &BTreeSet<u16>) -> String {
    let list: Vec<String> = zones.iter().map(u16::to_string).collect();
    format!("[{}]", list.join(","))
}

fn table(text: &mut String, name: &str, kind: &str, items: &[String]) {
    writeln!(
        text,
        "pub(super) static {name}: [{kind}; {}] = [{}];",
        items.len(),
        items.join(",\n")
    )
    .expect("writing to a text cannot fail");
}
