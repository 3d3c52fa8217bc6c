//! Tables of other engines that are damaged, or made to do harm: `tests/data/tables/README.md` says what they are.

use std::fs;

use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::harness::{DAY, Run, Sandbox, repository};

/// Two tables of one day that an engine wrote: the users with page checksums, the countries without.
const USERS: &str = "pyarrow-pages-1-users";
const COUNTRIES: &str = "pyarrow-pages-2-countries";

fn table(name: &str) -> Vec<u8> {
    fs::read(repository(&format!("tests/data/tables/{name}.parquet"))).unwrap()
}

/// Imports both tables in a sandbox that has nothing else.
fn imported(sandbox: &Sandbox, users: &[u8], countries: &[u8]) -> Run {
    sandbox.write("u.parquet", users);
    sandbox.write("c.parquet", countries);
    sandbox.agg(&format!("import --date {DAY} u.parquet c.parquet"))
}

#[test]
fn a_page_that_does_not_match_its_checksum_is_refused() {
    let sandbox = Sandbox::new();
    let (users, countries) = (table(USERS), table(COUNTRIES));
    let reader = SerializedFileReader::new(bytes::Bytes::from(users.clone())).unwrap();
    for column in reader.metadata().row_group(0).columns() {
        let (start, length) = column.byte_range();
        let mut changed = users.clone();
        // The last byte of a column belongs to its last page.
        changed[usize::try_from(start + length - 1).unwrap()] ^= 1;
        let run = imported(&sandbox, &changed, &countries).exits(65).in_one_line();
        run.tells(&["\"u.parquet\": ", "checksum"]);
        assert_eq!(sandbox.files("agg-store"), [""; 0]);
    }
    imported(&sandbox, &users, &countries).exits(0).in_no_line();
}
