//! What a process uses, from `/proc`: memory, CPU seconds, bytes written.

use crate::fault::{Tried, While};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

// Linux gives times in USER_HZ, which has been 100 on every architecture that it runs servers on. Source: time(7).
const TICKS_PER_SECOND: f64 = 100.0;

/// Memory of a process in KiB.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Resident pages, shared ones counted whole.
    pub rss_kib: u64,
    /// Resident pages, shared ones divided among their users.
    pub pss_kib: u64,
}

impl Memory {
    /// Memory of `pid` now. Reading it walks the page tables, so it is not for the middle of a measurement.
    pub fn of(pid: u32) -> Tried<Self> {
        let text = read(pid, "smaps_rollup")?;
        Ok(Self {
            rss_kib: kib(&text, "Rss:"),
            pss_kib: kib(&text, "Pss:"),
        })
    }

    /// `{rss_mib, pss_mib}`.
    pub fn json(self) -> Value {
        json!({"rss_mib": mib(self.rss_kib), "pss_mib": mib(self.pss_kib)})
    }
}

/// KiB as MiB with one digit behind the point.
pub fn mib(kib: u64) -> f64 {
    crate::figures::round(kib as f64 / 1024.0, 1)
}

/// Resident memory of `pid` in KiB, cheap enough to be sampled under load.
pub fn rss_kib(pid: u32) -> Tried<u64> {
    Ok(kib(&read(pid, "status")?, "VmRSS:"))
}

/// CPU seconds that `pid` has used, in user and kernel mode.
pub fn cpu_seconds(pid: u32) -> Tried<f64> {
    let stat = read(pid, "stat")?;
    // The name in parentheses may hold spaces, so fields are counted from its end: utime and stime are 14 and 15 of the line.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    Ok(ticks / TICKS_PER_SECOND)
}

/// CPU seconds of a process and of all its children, those that have ended too: a server of PostgreSQL and its backends.
pub fn cpu_seconds_of_all(parent: u32) -> Tried<f64> {
    let mut ticks = 0.0;
    for entry in fs::read_dir("/proc").during("reading /proc")?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may have ended since; then its parent counts it.
        let Ok(stat) = read(pid, "stat") else {
            continue;
        };
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // The parent is field 4; utime, stime, cutime and cstime are 14 to 17.
        let own = |at: usize| fields.get(at).and_then(|one| one.parse::<f64>().ok());
        let sum = |to: usize| (11..to).filter_map(own).sum::<f64>();
        if pid == parent {
            ticks += sum(15);
        } else if own(1) == Some(f64::from(parent)) {
            ticks += sum(13);
        }
    }
    Ok(ticks / TICKS_PER_SECOND)
}

/// Bytes that `pid` caused to be written to a disk.
pub fn written_bytes(pid: u32) -> Tried<u64> {
    let text = read(pid, "io")?;
    Ok(number(&text, "write_bytes:"))
}

/// Samples the resident memory of `pid` until it is asked for the highest value.
pub struct Peak {
    highest_kib: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
}

impl Peak {
    /// Begins to sample, four times a second.
    pub fn watch(pid: u32) -> Self {
        let highest_kib = Arc::new(AtomicU64::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let (highest, stop) = (highest_kib.clone(), done.clone());
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                if let Ok(now) = rss_kib(pid) {
                    highest.fetch_max(now, Ordering::Relaxed);
                }
                thread::sleep(Duration::from_millis(250));
            }
        });
        Self { highest_kib, done }
    }

    /// The highest value so far, in KiB.
    pub fn kib(&self) -> u64 {
        self.highest_kib.load(Ordering::Relaxed)
    }
}

impl Drop for Peak {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

fn read(pid: u32, file: &str) -> Tried<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).during(format_args!("reading {path}"))
}

fn kib(text: &str, name: &str) -> u64 {
    number(text, name)
}

fn number(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_used_time() {
        let pid = std::process::id();
        let memory = Memory::of(pid).unwrap();
        assert!(memory.pss_kib > 100 && memory.rss_kib >= memory.pss_kib);
        assert!(rss_kib(pid).unwrap() > 100);
        let before = cpu_seconds(pid).unwrap();
        let mut spin = 0u64;
        while cpu_seconds(pid).unwrap() < before + 0.02 {
            spin = spin.wrapping_add(std::hint::black_box(1));
        }
        assert!(spin > 0);
    }

    #[test]
    fn a_process_that_is_gone_is_said_so() {
        let fault = Memory::of(u32::MAX).unwrap_err().to_string();
        assert!(fault.contains("/proc/4294967295/smaps_rollup"), "{fault}");
    }
}
