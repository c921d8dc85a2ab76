//! Patterns: `*` is anything, `?` one character, and `\` takes the meaning from what follows.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Just(char),
    One,
    /// Never twice in a row.
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

impl Pattern {
    pub fn new(text: &str) -> Pattern {
        let mut pieces = Vec::with_capacity(text.len());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '*' if pieces.last() == Some(&Piece::Any) => {}
                '*' => pieces.push(Piece::Any),
                '?' => pieces.push(Piece::One),
                // At the end it stands for itself.
                '\\' => pieces.push(Piece::Just(rest.next().unwrap_or('\\'))),
                c => pieces.push(Piece::Just(c)),
            }
        }
        Pattern(pieces)
    }

    /// Whether all of a text fits. When it stops fitting, the last `*` takes one more: only the last
    /// needs to, so that no pattern takes more than its length times the text's.
    pub fn fits(&self, text: &str) -> bool {
        let pieces = &self.0;
        let (mut place, mut rest) = (0, text.chars());
        let mut last: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let mut ahead = rest.clone();
            let next = ahead.next();
            match (pieces.get(place), next) {
                (None, None) => return true,
                (Some(Piece::Any), _) => {
                    place += 1;
                    last = Some((place, rest.clone()));
                    continue;
                }
                (Some(Piece::One), Some(_)) => {
                    (place, rest) = (place + 1, ahead);
                    continue;
                }
                (Some(Piece::Just(wanted)), Some(c)) if *wanted == c => {
                    (place, rest) = (place + 1, ahead);
                    continue;
                }
                _ => {}
            }
            let Some((after, from)) = &mut last else { return false };
            if from.next().is_none() {
                return false;
            }
            (place, rest) = (*after, from.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).fits(text)
    }

    #[test]
    fn patterns() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("***", "anything"),
            ("a*c", "abc"),
            ("a*c", "acbc"),
            ("*.small", "m1.small"),
            ("?1.*", "m1.small"),
            ("*a*b*c*", "xaxbxc"),
            ("a?c", "aèc"),
            ("\\*", "*"),
            ("a\\?\\\\", "a?\\"),
            ("\\a", "a"),
            ("a\\", "a\\"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("?", "ab"),
            ("a*c", "abcd"),
            ("*a", "ab"),
            ("\\*", "a"),
            ("A", "a"),
            ("*ab*ab", "ab"),
            ("??*", "a"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let pattern = Pattern::new(&"*a".repeat(500));
        let begun = std::time::Instant::now();
        assert!(!pattern.fits(&"a".repeat(499)));
        assert!(!pattern.fits(&("a".repeat(5000) + "b")));
        assert!(begun.elapsed().as_secs() < 2);
    }

    /// The obvious way, which takes its time.
    fn slow(pieces: &[Piece], text: &[char]) -> bool {
        match (pieces, text) {
            ([], []) => true,
            ([Piece::Any, rest @ ..], _) => (0..=text.len()).any(|taken| slow(rest, &text[taken..])),
            ([Piece::One, rest @ ..], [_, others @ ..]) => slow(rest, others),
            ([Piece::Just(wanted), rest @ ..], [c, others @ ..]) => wanted == c && slow(rest, others),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn fits_as_it_should(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let pattern = Pattern::new(&pattern);
            prop_assert_eq!(pattern.fits(&text), slow(&pattern.0, &text.chars().collect::<Vec<_>>()));
        }
    }
}
