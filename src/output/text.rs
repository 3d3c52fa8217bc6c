//! The text format: a line a key, `key|song:count,song:count,…`.

use super::Format;
use crate::model::{Country, Kind, Ranked};

/// One line a key; countries by their letters, ids without leading zeros.
#[derive(Debug, Clone, Copy, Default)]
pub struct Text;

impl Format for Text {
    fn file_name(&self, kind: Kind, top: u32) -> String {
        format!("top{top}_songs_per_{}.txt", kind.noun())
    }

    fn write_key(&self, kind: Kind, key: u64, best: &[Ranked], out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        match (kind, Country::from_number(key)) {
            (Kind::Country, Some(country)) => out.extend_from_slice(&country.letters()),
            _ => out.extend_from_slice(digits.format(key).as_bytes()),
        }
        let mut separator = b'|';
        for ranked in best {
            out.push(separator);
            out.extend_from_slice(digits.format(ranked.song).as_bytes());
            out.push(b':');
            out.extend_from_slice(digits.format(ranked.count).as_bytes());
            separator = b',';
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_the_key_and_its_songs() {
        let best = [Ranked { song: 12, count: 3 }, Ranked { song: 9_000_000_000, count: 1 }];
        let mut out = Vec::new();
        let france = Country::from_letters(b'F', b'R').unwrap();
        Text.write_key(Kind::Country, u64::from(france.number()), &best, &mut out);
        Text.write_key(Kind::User, 77, &best[..1], &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "FR|12:3,9000000000:1\n77|12:3\n");
        assert_eq!(Text.file_name(Kind::User, 50), "top50_songs_per_user.txt");
    }
}
