//! How a failed run ends: a line on standard error, and a document where one is wanted and none was printed.

use std::io::{self, Write as _};
use std::process::ExitCode;

use agg::ErrorClass;
use serde::Serialize;

use crate::exit::{self, Exit};
use crate::message;
use crate::output;

/// Prints an error as one line on standard error, and with `--json` as a document of `command`; returns the process's code.
pub(crate) fn end(outcome: anyhow::Result<Exit>, command: &str) -> ExitCode {
    let exit = outcome.unwrap_or_else(|error| {
        let printed = exit::print(&error, command);
        if Exit::of(&error) != Exit::Done && output::lacks_document() {
            // The error itself is on standard error already.
            let _ = writeln!(io::stdout(), "{}", document(command, &error));
        }
        printed.map_or(Exit::Failed(ErrorClass::Io), |()| Exit::of(&error))
    });
    exit.code().into()
}

/// The document of a command that failed without a report.
#[derive(Serialize)]
struct Failure<'a> {
    command: &'a str,
    error: FailureError<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum FailureError<'a> {
    Known(&'a agg::Error),
    Other { exit_code: u8, message: String, remedy: Option<String> },
}

/// The JSON document of a command that failed without a report.
pub(crate) fn document(command: &str, error: &anyhow::Error) -> String {
    let known = error.downcast_ref().map(FailureError::Known);
    let error = known.unwrap_or_else(|| {
        let (exit_code, message) = (Exit::of(error).code(), exit::line_of(error, command));
        FailureError::Other { exit_code, message, remedy: None }
    });
    let document = serde_json::to_string(&Failure { command, error }).unwrap_or_default();
    message::json(&document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_run_is_a_document_with_its_error() {
        let locked = agg::Error::from(agg::ErrorKind::Locked).at("agg-store/.lock").into();
        assert_eq!(
            document("nightly", &locked),
            concat!(
                r#"{"command":"nightly","error":{"exit_code":75,"message":"\"agg-store/.lock\": locked by another run "#,
                r#"of agg; try again when it has ended, or wait for it with --wait","remedy":null}}"#
            )
        );
        let other = document("list", &anyhow::anyhow!("no\u{9b}thing"));
        assert!(
            other.starts_with(r#"{"command":"list","error":{"exit_code":74,"message":"no"#),
            "{other}"
        );
    }
}
