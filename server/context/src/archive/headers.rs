//! Headers of a message, and what is in them.

use super::read::ReadError;

/// Of one header, folded lines together.
const LONGEST: usize = 4096;
/// Headers of a part.
const MOST: usize = 64;

pub(super) struct Headers<'a> {
    fields: Vec<(&'a str, String)>,
}

/// A value with its parameters: `text/plain; charset="utf-8"`.
pub(super) struct Value {
    pub value: String,
    params: Vec<(String, String)>,
}

/// Headers, and what follows the empty line after them.
pub(super) fn split<'a>(text: &'a str, part: usize) -> Result<(Headers<'a>, &'a str), ReadError> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    let mut rest = text;
    loop {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return Ok((Headers { fields }, after));
        }
        let broken = |why: &'static str| ReadError::Header { part, line: line.chars().take(60).collect(), why };
        if line.len() > LONGEST {
            return Err(broken("it is longer than 4096 bytes"));
        }
        if fields.is_empty() && part == 0 && line.starts_with("From ") && rest.len() == text.len() {
            // Old tools put the line of a mailbox first.
        } else if line.starts_with([' ', '\t']) {
            let Some((_, value)) = fields.last_mut() else {
                return Err(broken("the first one begins with a space"));
            };
            if value.len() + line.len() > LONGEST {
                return Err(broken("with the lines before it is longer than 4096 bytes"));
            }
            value.push_str(line);
        } else if let Some((name, value)) = line.split_once(':') {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(broken("its name is none"));
            }
            if fields.len() >= MOST {
                return Err(broken("there are more than 64"));
            }
            fields.push((name, value.trim().to_owned()));
        } else {
            return Err(broken("it has no colon"));
        }
        if after.is_empty() {
            return Ok((Headers { fields }, ""));
        }
        rest = after;
    }
}

fn token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

impl Headers<'_> {
    /// A header that is there twice is read as the one by some and as the other by others.
    pub fn one(&self, name: &str, part: usize) -> Result<Option<&str>, ReadError> {
        let mut all = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let first = all.next();
        if all.next().is_some() {
            return Err(ReadError::Header { part, line: name.to_owned(), why: "it is there twice" });
        }
        Ok(first.map(|(_, value)| value.as_str()))
    }

    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    pub fn value(&self, name: &str, part: usize) -> Result<Option<Value>, ReadError> {
        self.one(name, part)?.map(|text| Value::parse(text, name, part)).transpose()
    }
}

impl Value {
    fn parse(text: &str, name: &str, part: usize) -> Result<Value, ReadError> {
        let broken = |why| ReadError::Header { part, line: name.to_owned(), why };
        let (value, mut rest) = text.split_once(';').unwrap_or((text, ""));
        if !value.trim().bytes().all(|byte| token(byte) || byte == b'/') {
            return Err(broken("it has letters that belong into quotes"));
        }
        let mut params: Vec<(String, String)> = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', ';']);
            if rest.is_empty() {
                return Ok(Value { value: value.trim().to_ascii_lowercase(), params });
            }
            let (key, after) = rest.split_once('=').ok_or_else(|| broken("a parameter has no value"))?;
            let key = key.trim().to_ascii_lowercase();
            if key.contains('*') {
                return Err(broken("parameters in the encoding of RFC 2231 are not read here: write them plainly"));
            }
            if key.is_empty() || !key.bytes().all(token) {
                return Err(broken("a parameter's name is none"));
            }
            let after = after.trim_start();
            let given;
            if let Some(quoted) = after.strip_prefix('"') {
                let mut out = String::new();
                let mut letters = quoted.char_indices();
                let mut end = None;
                while let Some((at, letter)) = letters.next() {
                    match letter {
                        '"' => {
                            end = Some(at + 1);
                            break;
                        }
                        '\\' => out.extend(letters.next().map(|(_, letter)| letter)),
                        _ => out.push(letter),
                    }
                }
                rest = &quoted[end.ok_or_else(|| broken("a quotation does not end"))?..];
                if !rest.trim_start().is_empty() && !rest.trim_start().starts_with(';') {
                    return Err(broken("something follows a quotation"));
                }
                given = out;
            } else {
                let (word, after) = after.split_once(';').unwrap_or((after, ""));
                rest = after;
                given = word.trim().to_owned();
                // Other letters are for quotes, though some do without.
                if !given.bytes().all(|byte| token(byte) || b"/=:@()[]?".contains(&byte)) {
                    return Err(broken("a parameter has letters that belong into quotes"));
                }
            }
            if params.iter().any(|(known, _)| *known == key) {
                return Err(broken("a parameter is there twice"));
            }
            params.push((key, given));
        }
    }

    pub fn param(&self, key: &str) -> Option<&str> {
        self.params.iter().find_map(|(known, value)| (known == key).then_some(value.as_str()))
    }
}
