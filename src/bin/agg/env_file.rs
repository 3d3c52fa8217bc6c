//! Settings as lines `NAME=VALUE`, the part of a shell's language that `/etc/agg.env` needs: systemd reads it alike.

/// Names the file.
pub(crate) const VARIABLE: &str = "AGG_ENV";

/// A line that does more than set a variable to a fixed value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NeedsShell;

/// The name and the value of a line; `None` if it is blank or a comment.
pub(crate) fn setting(line: &str) -> Result<Option<(&str, &str)>, NeedsShell> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, text) = line.split_once('=').ok_or(NeedsShell)?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let (value, rest) = match text.as_bytes().first() {
        Some(b'\'') => quoted(text, '\'')?,
        Some(b'"') => quoted(text, '"')?,
        _ => text.split_at(text.find(char::is_whitespace).unwrap_or(text.len())),
    };
    let is_quoted = value.len() + rest.len() < text.len();
    let is_plain = |letter: char| is_quoted || !"'\"`$\\;&|<>(){}[]*?!~#".contains(letter);
    let is_comment = rest.is_empty()
        || rest.starts_with(char::is_whitespace) && rest.trim_start().starts_with('#');
    match is_name && !name.is_empty() && is_comment && value.chars().all(is_plain) {
        true => Ok(Some((name, value))),
        false => Err(NeedsShell),
    }
}

/// What is between the quotes, and what follows them. Between double quotes, a shell would look for more.
fn quoted(text: &str, quote: char) -> Result<(&str, &str), NeedsShell> {
    let inside = text.strip_prefix(quote).ok_or(NeedsShell)?;
    let (value, rest) = inside.split_once(quote).ok_or(NeedsShell)?;
    let is_more = quote == '"' && value.contains(['$', '`', '\\']);
    if is_more { Err(NeedsShell) } else { Ok((value, rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_sets_a_name_to_a_fixed_value() {
        for (line, expected) in [
            ("", None),
            ("  # AGG=x", None),
            ("AGG_DAYS=7", Some(("AGG_DAYS", "7"))),
            ("AGG_METRICS=", Some(("AGG_METRICS", ""))),
            ("AGG_LOGS='/data/my logs/$x'  # where", Some(("AGG_LOGS", "/data/my logs/$x"))),
            (r#"AGG_LOGS="/data/it's""#, Some(("AGG_LOGS", "/data/it's"))),
            ("AGG_TOP=50 # songs", Some(("AGG_TOP", "50"))),
        ] {
            assert_eq!(setting(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_only_a_shell_understands_is_refused() {
        for line in [
            "export AGG_DAYS=7",
            "AGG_OUT = out",
            "AGG_OUT=$HOME/out",
            "AGG_OUT=\"$HOME/out\"",
            "AGG_OUT='it'\\''s'",
            "AGG_OUT=a b",
            "AGG_OUT=~/out",
            "AGG_OUT='open",
            "AGG_LOGS=/data/*.log",
            "AGG_DAYS=7; touch x",
            "AGG_DAYS=`date`",
            "touch x",
            "=7",
            "[ -r /etc/x ] && AGG_DAYS=8",
        ] {
            assert_eq!(setting(line), Err(NeedsShell), "{line}");
        }
    }
}
