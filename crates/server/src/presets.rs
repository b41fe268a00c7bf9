//! The presets that ship in the binary: folders of configuration, no code (V0, W8).

use include_dir::{Dir, include_dir};
use std::collections::BTreeMap;
use std::path::Path;

static PRESETS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../presets");

/// A preset's files: path within its folder, and text.
#[derive(Debug, Clone, Default)]
pub struct Preset {
    /// What makes up a tenant's configuration.
    pub files: BTreeMap<String, String>,
    /// A sample day, JSON lines.
    pub events: Option<String>,
    /// An example page for the business's own site.
    pub site: Option<String>,
    /// What to try in a demo: a sentence, then lines to paste, with `{{BASE}}`, `{{TENANT}}`, `{{KEY}}`, `{{WRITE_KEY}}` and `{{VISITOR}}`.
    pub demo: Option<String>,
}

/// Names of the presets that ship.
pub fn names() -> Vec<&'static str> {
    PRESETS
        .dirs()
        .filter_map(|dir| dir.path().to_str())
        .filter(|name| *name != "bench")
        .collect()
}

/// A preset that ships, or the folder at a path.
pub fn find(name: &str) -> Result<Preset, String> {
    if let Some(dir) = PRESETS.get_dir(name) {
        let mut preset = Preset::default();
        embedded(dir, dir.path(), &mut preset);
        return Ok(preset);
    }
    let folder = Path::new(name);
    if folder.join("tenant.yaml").is_file() {
        return from_folder(folder);
    }
    Err(format!(
        "There is no preset `{name}`. There are {}; a path to a folder with a tenant.yaml works too.",
        names().join(", ")
    ))
}

fn embedded(dir: &'static Dir<'static>, root: &Path, preset: &mut Preset) {
    for file in dir.files() {
        if let (Ok(path), Some(text)) = (file.path().strip_prefix(root), file.contents_utf8()) {
            put(preset, &path.to_string_lossy(), text.to_owned());
        }
    }
    for sub in dir.dirs() {
        embedded(sub, root, preset);
    }
}

/// Reads a tenant's folder from disk.
pub fn from_folder(folder: &Path) -> Result<Preset, String> {
    let mut preset = Preset::default();
    read_folder(folder, folder, &mut preset, 0)?;
    Ok(preset)
}

fn read_folder(
    folder: &Path,
    root: &Path,
    preset: &mut Preset,
    depth: usize,
) -> Result<(), String> {
    let failed =
        |path: &Path, error: &std::io::Error| format!("{} cannot be read: {error}", path.display());
    let entries = std::fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, &error))?.path();
        if path.is_dir() && depth < 5 {
            read_folder(&path, root, preset, depth + 1)?;
        } else if path.is_file() {
            let known = path
                .extension()
                .and_then(|kind| kind.to_str())
                .is_some_and(|kind| {
                    ["yaml", "yml", "txt", "mjml", "html", "json", "jsonl", "md"].contains(&kind)
                });
            if known && let Ok(inside) = path.strip_prefix(root) {
                let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
                put(preset, &inside.to_string_lossy().replace('\\', "/"), text);
            }
        }
    }
    Ok(())
}

fn put(preset: &mut Preset, path: &str, text: String) {
    if path.starts_with("events/") {
        preset.events = Some(text);
    } else if path == "site/index.html" {
        preset.site = Some(text);
    } else if path == "site/demo.txt" {
        preset.demo = Some(text);
    } else if path != "README.md" && !path.starts_with("site/") {
        preset.files.insert(path.to_owned(), text);
    }
}
