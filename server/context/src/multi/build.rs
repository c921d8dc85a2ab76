use std::collections::BTreeMap;

use cascina_core::launch::MOST_USER_DATA;
use sha2::{Digest as _, Sha256};

use super::item::{Item, Reference, Run, Source};
use super::{Block, Built, MultiConfig, MultiError};
use crate::archive::{self, Archive, ContentType, Part, PartName};
use crate::handlers;
use crate::yaml::{self, Node, Scalar, Value};

/// Scripts run in the order of their names: this is the last.
pub const REPORT_NAME: &str = "zzz-cascina-report";

struct Builder<'a> {
    given: &'a BTreeMap<Reference, Vec<u8>>,
    embedded: BTreeMap<Reference, String>,
}

/// Parts by the place where they belong.
#[derive(Default)]
struct Sorted {
    boothooks: Vec<Part>,
    handlers: Vec<Part>,
    /// Whatever handlers are for, in the order of the file.
    configs: Vec<Part>,
    scripts: Vec<Part>,
}

fn wrong(line: usize, said: impl Into<String>) -> MultiError {
    MultiError::Line { line, said: said.into() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl MultiConfig {
    /// The archive. `given` has what [`MultiConfig::references`] asks for.
    ///
    /// # Errors
    ///
    /// If something was not given, is not what it should be, or all together is too much.
    pub fn build(&self, given: &BTreeMap<Reference, Vec<u8>>) -> Result<Built, MultiError> {
        let mut builder = Builder { given, embedded: BTreeMap::new() };
        let mut sorted = Sorted::default();
        for item in &self.boothooks {
            let body = builder.body(item)?;
            sorted.boothooks.push(part(item, ContentType::boothook(), body, "boothook"));
        }
        for item in &self.handlers {
            let body = builder.body(item)?;
            if std::str::from_utf8(&body).is_err() || !body.windows(10).any(|word| word == b"list_types") {
                return Err(wrong(item.line, "this is no part handler: Python with list_types and handle_part"));
            }
            sorted.handlers.push(part(item, ContentType::part_handler(), body, "handler.py"));
        }
        for item in &self.includes {
            builder.include(item, &mut sorted)?;
        }
        for (place, block) in self.blocks.iter().enumerate() {
            let part = builder.block(block, &sorted.handlers)?;
            // Before what was included, which may rely on it.
            sorted.configs.insert(place, part);
        }
        let mut own = Vec::new();
        for handler in handlers::LIBRARY {
            if self.blocks.iter().any(|block| handler.blocks.contains(&block.name.as_str())) {
                let name = PartName::nearest(&format!("cascina-{}.py", handler.name));
                own.push(Part { content_type: ContentType::part_handler(), name, body: handler.text().into_bytes() });
            }
        }
        let mut configs: Vec<Part> = Vec::new();
        if !self.cloud_config.is_empty() {
            let body = format!("#cloud-config\n{}", yaml::emit(&Node::new(Value::Map(self.cloud_config.clone()))));
            let name = PartName::nearest("cloud-config.yaml");
            configs.push(Part { content_type: ContentType::cloud_config(), name, body: body.into_bytes() });
        }
        for item in &self.more_cloud_config {
            let body = builder.body(item)?;
            let kind = ContentType::of_beginning(&body).unwrap_or_else(ContentType::cloud_config);
            configs.push(part(item, kind, body, "more.yaml"));
        }
        for item in &self.scripts {
            let body = builder.body(item)?;
            sorted.scripts.push(script(item, body)?);
        }
        let blocks: Vec<&str> = self.blocks.iter().map(|block| block.name.as_str()).collect();
        let embedded: Vec<(Reference, String)> = builder.embedded.into_iter().collect();
        let mut parts = Vec::new();
        if self.reports || !blocks.is_empty() {
            let listed: Vec<(String, String)> =
                embedded.iter().map(|(from, digest)| (from.base().to_owned(), digest.clone())).collect();
            let body = handlers::manifest(&blocks, &listed).into_bytes();
            parts.push(Part { content_type: ContentType::boothook(), name: PartName::nearest("00-manifest.sh"), body });
        }
        parts.extend(sorted.boothooks);
        parts.extend(own);
        parts.extend(sorted.handlers);
        parts.extend(sorted.configs);
        parts.extend(configs);
        let scripts = sorted.scripts.into_iter().enumerate().map(|(place, part)| Part {
            // In the order of the file, and before the report.
            name: PartName::nearest(&format!("{place:03}-{}", part.name)),
            ..part
        });
        parts.extend(scripts);
        if self.reports {
            let name = PartName::nearest(REPORT_NAME);
            parts.push(Part {
                content_type: ContentType::script(),
                name,
                body: handlers::report().as_bytes().to_vec(),
            });
        }
        distinct(&mut parts);
        let archive = Archive { parts };
        let size = archive.mime().len();
        let most = 8 * MOST_USER_DATA;
        if size > most {
            return Err(MultiError::TooLarge { given: size, most });
        }
        let packed = archive.user_data().len();
        if packed > MOST_USER_DATA {
            return Err(MultiError::TooLarge { given: packed, most: MOST_USER_DATA });
        }
        Ok(Built { archive, embedded })
    }
}

impl Builder<'_> {
    fn body(&mut self, item: &Item) -> Result<Vec<u8>, MultiError> {
        let body = match &item.source {
            Source::Inline(text) => text.clone().into_bytes(),
            Source::Elsewhere { from, sha256 } => {
                let bytes = self.given.get(from).ok_or_else(|| MultiError::NotGiven { from: from.clone() })?;
                let found = hex(&Sha256::digest(bytes));
                if let Some(expected) = sha256.as_ref().filter(|expected| **expected != found) {
                    return Err(MultiError::Digest { from: from.clone(), expected: expected.clone(), found });
                }
                self.embedded.insert(from.clone(), found);
                bytes.clone()
            }
        };
        Ok(item.rendered(body))
    }

    /// Whatever user-data can be: its parts go where they belong.
    fn include(&mut self, item: &Item, sorted: &mut Sorted) -> Result<(), MultiError> {
        let body = self.body(item)?;
        let from = item.reference().cloned().unwrap_or_else(|| Reference::File(format!("of line {}", item.line)));
        let content = |said: String| MultiError::Content { from: from.clone(), said };
        let reading = archive::read(&body, &archive::Limits::default()).map_err(|error| content(error.to_string()))?;
        for (place, found) in reading.parts.into_iter().enumerate() {
            if found.content_type.is_include() {
                return Err(content("it includes others: name them here, so that they can be embedded too".to_owned()));
            }
            if found.content_type == ContentType::unknown() || found.content_type == ContentType::plain() {
                return Err(content(format!("part {} does not say what it is by its first line", place + 1)));
            }
            let fallback = || PartName::nearest(&format!("{}-{place}", from.base()));
            let part =
                Part { name: found.name.unwrap_or_else(fallback), content_type: found.content_type, body: found.body };
            match part.content_type.as_str() {
                "text/cloud-boothook" => sorted.boothooks.push(part),
                "text/part-handler" => sorted.handlers.push(part),
                "text/x-shellscript" => sorted.scripts.push(part),
                _ => sorted.configs.push(part),
            }
        }
        Ok(())
    }

    fn block(&mut self, block: &Block, others: &[Part]) -> Result<Part, MultiError> {
        let invalid = |_| wrong(block.line, format!("{} is no name of a block", block.name));
        let content_type = ContentType::of_block(&block.name).map_err(invalid)?;
        let mut config = block.config.clone();
        if handlers::of_block(&block.name).is_none() {
            let kind = content_type.as_str();
            let named =
                |part: &Part| part.body.windows(kind.len()).any(|word| word.eq_ignore_ascii_case(kind.as_bytes()));
            if !others.iter().any(named) {
                return Err(MultiError::Block { line: block.line, block: block.name.clone(), kind: kind.to_owned() });
            }
        }
        for item in &block.embedded {
            let body = self.body(item)?;
            let base = item.reference().map_or("", Reference::base).to_owned();
            let text =
                String::from_utf8(body).map_err(|_| wrong(item.line, "what is embedded in a block has to be text"))?;
            if let Value::Map(entries) = &mut config.value {
                if entries.iter().any(|(key, _)| key.text == base) {
                    return Err(wrong(item.line, format!("{base} is there already")));
                }
                entries.push((Scalar::text(base), Node::text(text)));
            }
        }
        let body = yaml::document(&block.name, &config).into_bytes();
        Ok(Part { content_type, name: PartName::nearest(&format!("{}.yaml", block.name)), body })
    }
}

fn part(item: &Item, content_type: ContentType, body: Vec<u8>, fallback: &str) -> Part {
    let name = item.name.clone().unwrap_or_else(|| {
        let base = item.reference().map(Reference::base).filter(|base| !base.is_empty());
        PartName::nearest(base.unwrap_or(fallback))
    });
    Part { content_type, name, body }
}

fn script(item: &Item, body: Vec<u8>) -> Result<Part, MultiError> {
    let begins = ContentType::of_beginning(&body);
    let template = begins == Some(ContentType::jinja());
    if !template && begins != Some(ContentType::script()) {
        return Err(wrong(item.line, "a script begins with #! and what runs it"));
    }
    let content_type = match (item.run, template) {
        (Run::Last, false) => ContentType::script(),
        (Run::Last, true) => ContentType::jinja(),
        (_, true) => return Err(wrong(item.line, "a template runs last: guests know no other for templates")),
        (Run::PerBoot, _) => known("text/x-shellscript-per-boot"),
        (Run::PerInstance, _) => known("text/x-shellscript-per-instance"),
        (Run::PerOnce, _) => known("text/x-shellscript-per-once"),
    };
    Ok(part(item, content_type, body, "script"))
}

fn known(text: &str) -> ContentType {
    text.parse().unwrap_or_else(|_| ContentType::script())
}

/// Of two parts with one name, guests would keep the later one.
fn distinct(parts: &mut [Part]) {
    let mut seen = std::collections::HashSet::new();
    for part in parts {
        let mut number = 2;
        while !seen.insert(part.name.clone()) {
            part.name = PartName::nearest(&format!("{number}-{}", part.name));
            number += 1;
        }
    }
}
