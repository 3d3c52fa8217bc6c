//! The options that decide the names and the meaning of an emission's files.

use std::collections::BTreeSet;
use std::fmt;

use crate::text;

/// Maximum names in a text, and letters of each, because they may come from a damaged manifest.
const MAX_NAMES: usize = 8;
const MAX_LETTERS: usize = 100;

/// The days of a window, the songs of each key, and the files. An emission of another shape answers another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Days in the window.
    pub days: u32,
    /// Maximum songs of each key.
    pub top: u32,
    /// Names of the files, without the manifest's.
    pub files: BTreeSet<String>,
}

impl Shape {
    /// The effect of publishing `self` on the files of `published`, with these verbs: `remove a, b and replace c`.
    #[must_use]
    pub fn change_to(&self, published: &Shape, [remove, replace]: [&str; 2]) -> String {
        let removed = published.files.difference(&self.files);
        let replaced = published.files.intersection(&self.files);
        let parts = [part(remove, removed), part(replace, replaced)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }
}

/// The verb and the names; `None` if there are none.
fn part<'a>(verb: &str, names: impl Iterator<Item = &'a String>) -> Option<String> {
    let mut names = names.peekable();
    names.peek()?;
    let shown = |name: &String| text::path(format!("{name:.MAX_LETTERS$}").as_ref());
    let mut listed: Vec<String> = names.by_ref().take(MAX_NAMES).map(shown).collect();
    let more = names.count();
    listed.extend((more > 0).then(|| format!("{more} more")));
    Some(format!("{verb} {}", listed.join(", ")))
}

/// `7 days, top 50`
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, top {}", text::counted(self.days.into(), "day"), self.top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBS: [&str; 2] = ["remove", "replace"];

    fn shape(days: u32, files: &[&str]) -> Shape {
        Shape { days, top: 50, files: files.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn files_that_go_are_removed_or_replaced_by_name() {
        let published = shape(7, &["a.csv", "a.txt"]);
        assert_eq!(shape(7, &["b.txt"]).change_to(&published, VERBS), "remove a.csv, a.txt");
        assert_eq!(
            shape(7, &["a.txt"]).change_to(&published, VERBS),
            "remove a.csv and replace a.txt"
        );
        assert_eq!(
            shape(1, &["a.csv", "a.txt"]).change_to(&published, VERBS),
            "replace a.csv, a.txt"
        );
        assert_eq!(
            (published.to_string(), shape(1, &[]).to_string()),
            ("7 days, top 50".to_owned(), "1 day, top 50".to_owned())
        );
    }

    #[test]
    fn names_of_a_damaged_manifest_are_few_short_and_escaped() {
        let long = "x".repeat(5_000);
        let names: Vec<String> = (0..20).map(|at| format!("{at:02}{long}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).chain(["\u{1b}[2J"]).collect();
        let text = shape(7, &[]).change_to(&shape(7, &names), VERBS);
        assert!(
            text.starts_with("remove \"\\u{1b}[2J\", 00xx") && text.ends_with(", 13 more"),
            "{text}"
        );
        assert!(text.len() < 1_000);
    }
}
