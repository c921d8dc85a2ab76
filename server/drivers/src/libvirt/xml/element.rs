//! A tree of elements that can only be written as well-formed XML.
//!
//! Names of elements and attributes are literals of this program; whatever comes from elsewhere is
//! a value, and is escaped, or refused if XML 1.0 cannot carry it at all.

use std::fmt::Display;
use std::io;
use std::path::Path;

use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    #[error("U+{code:04X} in {place} cannot be written in XML: give it without that character")]
    Character { code: u32, place: String },
    #[error("the path in {place} is not UTF-8, and libvirt takes no other: rename the file")]
    Path { place: String },
    #[error("XML could not be written: {0}")]
    Written(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Element(Element),
    Text(Value),
}

/// None: a path that is no text.
type Value = Option<String>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, Value)>,
    content: Vec<Content>,
}

impl Element {
    #[must_use]
    pub fn new(name: &'static str) -> Element {
        Element { name, attributes: Vec::new(), content: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, attribute: &'static str, value: impl Display) -> Element {
        self.attributes.push((attribute, Some(value.to_string())));
        self
    }

    #[must_use]
    pub fn with_some(self, attribute: &'static str, value: Option<impl Display>) -> Element {
        match value {
            Some(value) => self.with(attribute, value),
            None => self,
        }
    }

    #[must_use]
    pub fn with_path(mut self, attribute: &'static str, path: &Path) -> Element {
        self.attributes.push((attribute, path.to_str().map(str::to_owned)));
        self
    }

    #[must_use]
    pub fn path(mut self, path: &Path) -> Element {
        self.content.push(Content::Text(path.to_str().map(str::to_owned)));
        self
    }

    #[must_use]
    pub fn text(mut self, text: impl Display) -> Element {
        self.content.push(Content::Text(Some(text.to_string())));
        self
    }

    #[must_use]
    pub fn child(mut self, child: Element) -> Element {
        self.content.push(Content::Element(child));
        self
    }

    #[must_use]
    pub fn children(mut self, children: impl IntoIterator<Item = Element>) -> Element {
        self.content.extend(children.into_iter().map(Content::Element));
        self
    }

    /// The document whose root this is, without a declaration: libvirt takes UTF-8.
    ///
    /// # Errors
    ///
    /// A value has a character that XML cannot carry.
    pub fn document(&self) -> Result<String, XmlError> {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        self.write(&mut writer)?;
        let mut text = String::from_utf8(writer.into_inner()).map_err(|error| XmlError::Written(error.to_string()))?;
        text.push('\n');
        Ok(text)
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> Result<(), XmlError> {
        let mut start = BytesStart::new(self.name);
        for (name, value) in &self.attributes {
            let value = written(value, || format!("{}/@{name}", self.name))?;
            start.push_attribute(quick_xml::events::attributes::Attribute {
                key: quick_xml::name::QName(name),
                value: value.into(),
            });
        }
        if self.content.is_empty() {
            return event(writer, Event::Empty(start));
        }
        event(writer, Event::Start(start))?;
        for content in &self.content {
            match content {
                Content::Element(child) => child.write(writer)?,
                Content::Text(text) => {
                    let text = written(text, || self.name.to_string())?;
                    event(writer, Event::Text(BytesText::from_escaped(text)))?;
                }
            }
        }
        event(writer, Event::End(BytesEnd::new(self.name)))
    }
}

fn event(writer: &mut Writer<Vec<u8>>, event: Event<'_>) -> Result<(), XmlError> {
    writer.write_event(event).map_err(|error: io::Error| XmlError::Written(error.to_string()))
}

/// XML 1.0's `Char`: there is no way to write others, not even as a reference.
fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn written(value: &Value, place: impl Fn() -> String) -> Result<String, XmlError> {
    let Some(value) = value else { return Err(XmlError::Path { place: place() }) };
    match value.chars().find(|c| !is_char(*c)) {
        Some(c) => Err(XmlError::Character { code: c.into(), place: place() }),
        None => Ok(escaped(value)),
    }
}

/// White space other than blanks is written as references, since readers make blanks of it in
/// attributes and line feeds of carriage returns in text.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&apos;"),
            '\t' => text.push_str("&#9;"),
            '\n' => text.push_str("&#10;"),
            '\r' => text.push_str("&#13;"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_xml_cannot_carry_is_refused_with_its_place() {
        for bad in ['\0', '\u{8}', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            let error = Element::new("a").child(Element::new("b").with("c", format!("x{bad}"))).document().unwrap_err();
            assert_eq!(error, XmlError::Character { code: bad.into(), place: "b/@c".into() });
            assert!(Element::new("a").text(bad).document().is_err());
        }
    }

    #[test]
    fn paths_that_are_no_text_are_refused() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(OsStr::from_bytes(b"/a\xff"));
        assert_eq!(Element::new("a").path(path).document(), Err(XmlError::Path { place: "a".into() }));
        assert!(Element::new("a").with_path("b", path).document().is_err());
    }

    #[test]
    fn markup_is_text() {
        let evil = "\"'<>&]]><!-- --><?x?><![CDATA[ &#0; &lt;";
        let text = Element::new("a").with("b", evil).child(Element::new("c").text(evil)).document().unwrap();
        insta::assert_snapshot!(text, @r#"
        <a b="&quot;&apos;&lt;&gt;&amp;]]&gt;&lt;!-- --&gt;&lt;?x?&gt;&lt;![CDATA[ &amp;#0; &amp;lt;">
          <c>&quot;&apos;&lt;&gt;&amp;]]&gt;&lt;!-- --&gt;&lt;?x?&gt;&lt;![CDATA[ &amp;#0; &amp;lt;</c>
        </a>
        "#);
    }

    proptest! {
        #[test]
        fn a_reader_finds_what_was_written(attribute: String, text in "\\PC*|[\"'<>&\\]\r\n\t a]{0,20}") {
            let written = Element::new("a").with("b", &attribute).child(Element::new("c").text(&text)).document();
            if attribute.chars().chain(text.chars()).all(is_char) {
                let written = written.unwrap();
                let read = roxmltree::Document::parse(&written).unwrap();
                let root = read.root_element();
                prop_assert_eq!(root.attribute("b"), Some(attribute.as_str()));
                let inner = root.first_element_child().unwrap();
                prop_assert_eq!(inner.text().unwrap_or_default(), text.as_str());
            } else {
                prop_assert!(written.is_err());
            }
        }
    }
}
